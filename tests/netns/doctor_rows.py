"""What the tables of doctor's tests share: rows, services with configuration files, others' firewalls.

A row is a function that sets something up and yields, once for each question, the host to ask, the
words of the program's side and further arguments; it goes on when the doctor has been asked.
"""

import contextlib
import os
import tempfile

from apps import Upstream, ask
from harness import case
from processes import Process, Tonel, tonelctl, wait_until
from topology import Topology

UPSTREAM = ("127.0.0.1", 7000)
APP = ("127.0.0.1", 5000)


def asked(code, host, side, *argv):
    """What the doctor finds that is not well, by how bad it is; it has to end with this code."""
    (answer,) = tonelctl(host, "doctor", side, *argv, "--json", expect=code)
    assert "kill " not in str(answer), answer
    return {level: [f for f in answer["findings"] if f["is"] == level] for level in ("fault", "note")}


def commands(found):
    return [command for each in found for command in each["mend"]]


def dead(title, *words, deadline=60, level="fault"):
    """A row of a set-up through which nothing gets: at each question a fault has one of the words."""
    def add(function):
        @case(title, deadline)
        def row():
            with contextlib.closing(function()) as questions:
                for question in questions:
                    found = asked(1 if level == "fault" else 0, *question)[level]
                    said = "\n".join([f["text"] for f in found] + commands(found))
                    assert any(w in said for w in words), f"{words} not in\n{said}"
        return function
    return add


def healthy(title, deadline=60):
    """A row of a set-up in which all is well: no question finds a fault."""
    def add(function):
        @case(title, deadline)
        def row():
            with contextlib.closing(function()) as questions:
                for question in questions:
                    asked(0, *question)
        return function
    return add


class Services:
    """tonelc and tonels of one topology, each from a configuration file of its own."""

    def __init__(self, top):
        self.top = top
        self.files = tempfile.TemporaryDirectory()
        self.running = []

    def _file(self, name, lines):
        path = os.path.join(self.files.name, name)
        with open(path, "w", encoding="ascii") as file:
            file.write("".join(f"{line}\n" for line in lines))
        os.chmod(path, 0o600)
        return path

    def client_file(self, *lines, remote="10.9.2.2:4567", sections=(), rule="auto"):
        head = ["tun = tunc"] + ([f"auto-rule = {rule}"] if rule else []) + list(lines)
        if not sections:
            head += [f"local = {APP[0]}:{APP[1]}", f"remote = {remote}"]
        return self._file("client.conf", [*head, *sections])

    def server_file(self, *lines, remote="127.0.0.1:7000", sections=(), rule="auto", local="4567"):
        head = ["tun = tuns"] + ([f"auto-rule = {rule}"] if rule else []) + list(lines)
        if not sections:
            head += [f"local = {local}", f"remote = {remote}"]
        return self._file("server.conf", [*head, *sections])

    def start(self, host, program, path, rules=True):
        started = Tonel(host, [program, "--config", path, "--tun", "tunc" if program == "tonelc" else "tuns"],
                        apply_rules=False)
        if rules:
            started.wait_line("firewall rules are in place", 5)
        self.running.append(started)
        return started

    def client(self, *lines, **more):
        path = self.client_file(*lines, **more)
        return self.start(self.top.client, "tonelc", path, more.get("rule", "auto") is not None)

    def server(self, *lines, **more):
        path = self.server_file(*lines, **more)
        return self.start(self.top.server, "tonels", path, more.get("rule", "auto") is not None)

    def app(self, port=APP[1]):
        return self.top.client.udp("127.0.0.1", timeout=0.3, connect=("127.0.0.1", port))

    def carries(self, port=APP[1], size=20):
        with self.app(port) as app:
            ask(app, b"x" * size, 15, every=0.3)

    def want(self, socket="tonelc-tunc"):
        """An application sends until the program has noticed that nothing comes back."""
        with self.app() as app:
            def noticed():
                with contextlib.suppress(OSError):
                    app.send(b"question")
                with contextlib.suppress(OSError):
                    app.recv(100)
                status = tonelctl(self.top.client, "status", "--socket", f"/run/tonel/{socket}.sock")
                return "failing" in status or "unanswered" in status
            wait_until(noticed, 8, f"{socket} knows")

    def close(self):
        for program in self.running:
            program.kill()
        self.files.cleanup()


@contextlib.contextmanager
def services(**more):
    with Topology(**more) as top, contextlib.closing(Services(top)) as made:
        yield top, made


@contextlib.contextmanager
def upstream(top, address=UPSTREAM):
    with Upstream(top.server.udp(*address)) as it:
        yield it


def forwards_already(*hosts):
    """Hosts that forward anyway."""
    for host in hosts:
        host.sysctl({"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1})


def listener(host, script, port=4567):
    process = Process(host, ["python3", "-c", script], name="other")
    wait_until(lambda: f":{port} " in host.run("ss -tln"), 10, "it listens")
    return process


# What `ufw enable` leaves at FORWARD (ufw 0.36.1), as far as it is about what is forwarded.
def ufw(host):
    for command, prefix, family in (("iptables", "ufw", 4), ("ip6tables", "ufw6", 6)):
        chains = [f"{prefix}-{name}" for name in
                  ("before-logging-forward", "before-forward", "after-forward", "after-logging-forward",
                   "reject-forward", "track-forward", "user-forward", "skip-to-policy-forward",
                   "user-limit-accept", "user-limit", "logging-deny")]
        icmp = "-p icmp --icmp-type" if family == 4 else "-p ipv6-icmp --icmpv6-type"
        rules = [f"-A FORWARD -j {prefix}-{name}" for name in
                 ("before-logging-forward", "before-forward", "after-forward", "after-logging-forward",
                  "reject-forward", "track-forward")]
        rules += [f"-A {prefix}-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
                  f"-A {prefix}-before-forward {icmp} echo-request -j ACCEPT",
                  f"-A {prefix}-before-forward -j {prefix}-user-forward",
                  f'-A {prefix}-after-logging-forward -m limit --limit 3/min --limit-burst 10 -j LOG '
                  f'--log-prefix "[UFW BLOCK] "',
                  f"-A {prefix}-user-limit -j REJECT",
                  f"-A {prefix}-skip-to-policy-forward -j DROP"]
        host.run(f"{command}-restore --noflush", stdin="*filter\n:FORWARD DROP\n" +
                 "".join(f":{chain} - [0:0]\n" for chain in chains) + "\n".join(rules) + "\nCOMMIT\n")


def heed_ufw(host, found):
    """Does what the `ufw route allow` lines of the doctor would."""
    lines = commands(found)
    assert len(lines) == 2, lines
    for line in lines:
        _, _, _, direction, _, device = line.split()
        option = {"in": "-i", "out": "-o"}[direction]
        host.run(f"iptables -A ufw-user-forward {option} {device} -j ACCEPT;"
                 f"ip6tables -A ufw6-user-forward {option} {device} -j ACCEPT")


# firewalld 1.3 with the zone public for all, as far as it is about forwarding. Since 2.3 there is
# StrictForwardPorts, with which it accepts no destination that others have translated.
def firewalld(host, trusted=(), strict=False):
    zones = "".join(f'iifname "{device}" goto filter_FWD_trusted; ' for device in trusted)
    dnat = "" if strict else "ct status dnat accept"
    host.nft(f"""
table inet firewalld {{
  chain mangle_PREROUTING {{
    type filter hook prerouting priority mangle + 10; policy accept;
    jump mangle_PREROUTING_ZONES
  }}
  chain mangle_PREROUTING_ZONES {{ }}
  chain filter_INPUT {{
    type filter hook input priority filter + 10; policy accept;
    ct state {{ established, related }} accept
    ct status dnat accept
    iifname "lo" accept
    ct state invalid drop
    reject with icmpx admin-prohibited
  }}
  chain filter_FORWARD {{
    type filter hook forward priority filter + 10; policy accept;
    ct state {{ established, related }} accept
    {dnat}
    iifname "lo" accept
    ct state invalid drop
    ip6 daddr {{ ::/96, ::ffff:0.0.0.0/96, 2002::/24 }} reject with icmpv6 addr-unreachable
    jump filter_FORWARD_ZONES
    reject with icmpx admin-prohibited
  }}
  chain filter_FORWARD_ZONES {{ {zones}iifname "c0" goto filter_FWD_public; goto filter_FWD_public; }}
  chain filter_FWD_public {{
    jump filter_FWD_public_deny
    jump filter_FWD_public_allow
    meta l4proto {{ icmp, ipv6-icmp }} accept
    reject with icmpx admin-prohibited
  }}
  chain filter_FWD_public_deny {{ }}
  chain filter_FWD_public_allow {{ }}
  chain filter_FWD_trusted {{ accept; }}
}}
""")


# What wg-quick sets for AllowedIPs = 0.0.0.0/0, ::/0, with a device whose other end answers nothing. Its
# MTU is the one that goes with datagrams of 1,460 octets.
FULL_TUNNEL = """set -e
ip link add wg0 type veth peer name wg1; ip link set wg0 mtu 1428 up; ip link set wg1 mtu 1428 up
ip addr add 10.99.0.2/32 dev wg0; ip addr add fd99::2/128 dev wg0
for f in -4 -6; do
  ip $f route add default dev wg0 table 51820
  ip $f rule add not fwmark 51820 table 51820
  ip $f rule add table main suppress_prefixlength 0
done
sysctl -q -w net.ipv4.conf.all.src_valid_mark=1 net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.c0.rp_filter=1
"""
