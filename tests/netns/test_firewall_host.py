#!/usr/bin/env python3
"""--auto-rule on hosts that are not empty: other firewalls, policy routing, sysctls, failures."""

import contextlib
import os
import re
import shutil
import signal

import harness
from apps import Upstream, ask, ask_once
from firewall import STATE, Automatic, forwards, in_place, rules_of, state, tagged, unchanged
from harness import case
from processes import Process, binary, wait_until
from topology import Topology

# As Docker leaves it: its own chains, and a policy that drops what nobody knows.
DOCKER = """
for t in iptables ip6tables; do
  $t -N DOCKER-USER; $t -A DOCKER-USER -j RETURN
  $t -A FORWARD -j DOCKER-USER; $t -P FORWARD DROP
done
"""


# What the log says of another firewall's chain.
STOPS = r"the chain \S+ of table .* (drops|rejects) (the tunnel's packets|what it does not know), by "


def nothing_passes(tunnel):
    app = tunnel.application(timeout=1.5)
    app.send(b"stopped")
    try:
        app.recv(100)
    except TimeoutError:
        return
    raise AssertionError("it passes")


def advised(program):
    """The commands that the log names for chains that drop."""
    program.wait_line(STOPS, 5)
    found = []
    for line in program.output().splitlines():
        if re.search(STOPS, line):
            found += line.split("Let the tunnel pass there: ")[1].split(" and ")
    return found


def heed(program, host, tunnel):
    """Runs the commands that its log advises: the tunnel carries then."""
    host.run("set -e\n" + "\n".join(advised(program)))
    ask(tunnel.application(), b"through", 20)


@case("Docker's policy drop: said, with the commands that help; IPv4 and IPv6", deadline=90)
def docker():
    for family in (4, 6):
        with Topology() as top:
            top.client.run(DOCKER)
            tunnel = Automatic(top, family)
            with Upstream(tunnel.upstream_socket()):
                nothing_passes(tunnel)
                commands = advised(tunnel.tonelc)
                assert len(commands) == 4 and all("DOCKER-USER" in c for c in commands), commands
                heed(tunnel.tonelc, top.client, tunnel)
            tunnel.stop()
            assert "-P FORWARD DROP" in top.client.run("iptables -S")


@case("a firewall that starts after us and drops: said within 10 s", deadline=60)
def later():
    with Topology() as top:
        tunnel = Automatic(top)
        with Upstream(tunnel.upstream_socket()):
            ask(tunnel.application(), b"before", 20, every=0.3)
            assert not re.search(STOPS, tunnel.tonelc.output())
            top.client.run(DOCKER)
            tunnel.tonelc.wait_line(STOPS, 10)
            wait_until(lambda: len(advised(tunnel.tonelc)) == 4, 10, "the advice for both families")
            heed(tunnel.tonelc, top.client, tunnel)
        tunnel.stop()


@case("a policy of nftables that drops: said, with the commands that help")
def dropping():
    with Topology() as top:
        top.server.nft("table inet host { chain passing { type filter hook forward priority 0; "
                       "policy drop; }; }")
        tunnel = Automatic(top)
        with Upstream(tunnel.upstream_socket()):
            nothing_passes(tunnel)
            heed(tunnel.tonels, top.server, tunnel)
        tunnel.stop()


# The chains of firewalld 1.3 with eth0's zone for all, as far as they are about forwarding.
FIREWALLD = """
table inet firewalld {
  chain filter_FORWARD {
    type filter hook forward priority filter + 10; policy accept;
    ct state { established, related } accept
    ct status dnat accept
    iifname "lo" accept
    ct state invalid drop
    ip6 daddr { ::/96, 2002::/24 } reject with icmpv6 addr-unreachable
    jump filter_FORWARD_ZONES
    reject with icmpx admin-prohibited
  }
  chain filter_FORWARD_ZONES { %s goto filter_FWD_public; }
  chain filter_FWD_public { meta l4proto { icmp, ipv6-icmp } accept; }
  chain filter_FWD_trusted { accept; }
}
"""


@case("firewalld rejects at the client: said, with its own commands; not once the device is trusted")
def firewalld():
    with Topology() as top:
        top.client.nft(FIREWALLD % "")
        top.server.nft(FIREWALLD % "")
        tunnel = Automatic(top)
        with Upstream(tunnel.upstream_socket()):
            nothing_passes(tunnel)
            commands = advised(tunnel.tonelc)
            assert commands == ["firewall-cmd --zone=trusted --add-interface=tunc",
                                "firewall-cmd --permanent --zone=trusted --add-interface=tunc"], commands
            # What the first of these does.
            top.client.nft('insert rule inet firewalld filter_FORWARD_ZONES iifname "tunc" '
                           "goto filter_FWD_trusted")
            ask(tunnel.application(), b"through", 20)
        # It lets through what was translated, so that a server needs nothing.
        assert not re.search(STOPS, tunnel.tonels.output())
        tunnel.stop()
    with Topology() as top:
        top.client.nft(FIREWALLD % 'iifname "tunc" goto filter_FWD_trusted;')
        tunnel = Automatic(top)
        with Upstream(tunnel.upstream_socket()):
            tunnel.carries()
        assert not re.search(STOPS, tunnel.tonelc.output())
        tunnel.stop()


@case("a rule that rejects, at either end: said, with the commands that help")
def rejecting():
    for side in ("client", "server"):
        with Topology() as top:
            host = getattr(top, side)
            host.nft("table inet host { chain passing { type filter hook forward priority 5; "
                     "ct state established,related accept; meta l4proto tcp reject with tcp reset; }; }")
            tunnel = Automatic(top)
            program = tunnel.tonelc if side == "client" else tunnel.tonels
            with Upstream(tunnel.upstream_socket()):
                nothing_passes(tunnel)
                assert "rejects the tunnel's packets, by the rule with handle" in program.output()
                heed(program, host, tunnel)
            tunnel.stop()


@case("a chain that drops, and lets the tunnel pass already, is no reason for a warning")
def mended():
    with Topology() as top:
        top.client.nft("table inet host { chain passing { type filter hook forward priority 5; "
                       'policy drop; ct state established accept; ip saddr 192.168.200.0/24 accept; }; }')
        tunnel = Automatic(top, client=["-4"])
        with Upstream(tunnel.upstream_socket()):
            tunnel.carries()
        assert not re.search(STOPS, tunnel.tonelc.output())
        tunnel.stop()


@case("the iptables backend passes by Docker's policy drop")
def docker_iptables():
    with Topology() as top:
        top.client.run(DOCKER)
        top.server.run(DOCKER)
        tunnel = Automatic(top, backend="iptables")
        with Upstream(tunnel.upstream_socket()):
            tunnel.carries()
        assert not re.search(STOPS, tunnel.tonelc.output() + tunnel.tonels.output())
        tunnel.stop()
        top.assert_clean()


def stateless(family):
    with Topology() as top, unchanged(top.client, top.server):
        options = ("--nat", "stateless")
        tunnel = Automatic(top, family, client=options, server=options)
        with Upstream(tunnel.upstream_socket()):
            tunnel.carries()
            ask(tunnel.application(), b"x" * 1000, 5)
            for host in (top.client, top.server):
                tracked = host.run(f"conntrack -L -f ipv{family} -p tcp 2>/dev/null", check=False)
                assert "4567" not in tracked, tracked
        tunnel.stop()
        top.assert_clean()


for _family in (4, 6):
    case(f"stateless translation, past the host's own tracker: IPv{_family}")(
        lambda family=_family: stateless(family))


# What wg-quick sets for AllowedIPs = 0.0.0.0/0, ::/0, with a device whose other end answers nothing.
WG_QUICK = """set -e
ip link add wg0 type veth peer name wg1; ip link set wg0 up; ip link set wg1 up
ip addr add 10.99.0.2/32 dev wg0; ip addr add fd99::2/128 dev wg0
for f in -4 -6; do
  ip $f route add default dev wg0 table 51820
  ip $f rule add not fwmark 51820 table 51820
  ip $f rule add table main suppress_prefixlength 0
done
sysctl -q -w net.ipv4.conf.all.src_valid_mark=1 net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.c0.rp_filter=1
"""


def marked(family, backend):
    with Topology() as top:
        top.client.run(WG_QUICK)
        plain = Automatic(top, family, backend=backend)
        with Upstream(plain.upstream_socket()):
            nothing_passes(plain)
        plain.stop()
        tunnel = Automatic(top, family, backend=backend, client=("--fwmark", "0xca6c"))
        with Upstream(tunnel.upstream_socket()):
            tunnel.carries()
            ask_once(tunnel.application(), b"and again")
        tunnel.stop()
        top.assert_clean()


for _family in (4, 6):
    for _backend in ("auto", "iptables"):
        case(f"--fwmark: the tunnel is not routed into what it carries, IPv{_family}, {_backend}")(
            lambda family=_family, backend=_backend: marked(family, backend))


@case("stateless: a route that moves takes the rules along")
def moving():
    with Topology() as top:
        tunnel = Automatic(top, client=("--nat", "stateless"), start=False)
        tunnel.start_client(apply_rules=False)
        in_place(tunnel.tonelc)
        assert "oifname \"c0\"" in top.client.run("nft list table inet tonel_tunc")
        top.client.run("ip link add d0 type veth peer name d1; ip link set d0 up; ip link set d1 up; ip addr add 10.8.0.1/24 dev d0;"
                       "ip route replace default via 10.8.0.2")
        wait_until(lambda: "oifname \"d0\"" in top.client.run("nft list table inet tonel_tunc"), 2,
                   "rules for the new interface")
        assert "had changed" not in tunnel.tonelc.output()
        tunnel.tonelc.stop()


@case("sysctls: those that are right are left alone")
def leases():
    with Topology() as top:
        top.client.sysctl({"net.ipv4.ip_forward": 1})
        with unchanged(top.client):
            tunnel = Automatic(top, start=False)
            tunnel.start_client(apply_rules=False)
            in_place(tunnel.tonelc)
            with open(STATE + "/rules", encoding="utf-8") as file:
                kept = file.read().split("instance ")[-1]  # those before are of killed programs
            assert "sysctl net/ipv6/" in kept.replace(".", "/") and "ipv4" not in kept, kept
            tunnel.tonelc.stop()


@contextlib.contextmanager
def environment(**values):
    """For the programs that are started meanwhile."""
    before = {name: os.environ[name] for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.update(before)


@case("two services with runtime folders of their own: forwarding stays while one needs it")
def apart():
    with Topology() as top:
        tunnel = Automatic(top, start=False)
        tunnel.start_client(apply_rules=False)
        in_place(tunnel.tonelc)
        first = tunnel.tonelc
        tunnel.client_argv = [*(a.replace("5000", "5001").replace("tunc", "tun2")
                                for a in tunnel.client_argv),
                              "--tun-local", "192.168.210.1", "--tun-peer", "192.168.210.2", "-4"]
        with environment(RUNTIME_DIRECTORY=STATE + "-other"):
            second = tunnel.start_client(apply_rules=False)
            in_place(second)
        first.stop()
        assert forwards(top.client)
        second.stop()


@case("one that cannot see the other's process, as in a service's sandbox, leaves its rules and sysctls alone")
def hidden():
    with Topology() as top, unchanged(top.client):
        tunnel = Automatic(top, backend="nft", start=False)
        first = tunnel.start_client(apply_rules=False)
        in_place(first)
        lines = len(first.lines)
        argv = [a.replace("5000", "5001").replace("tunc", "tun2") for a in tunnel.client_argv]
        second = Process(top.client, ["unshare", "--pid", "--fork", "--mount-proc", binary("tonelc"),
                                      *argv[1:], "--tun-local", "192.168.210.1", "--tun-peer",
                                      "192.168.210.2", "-4"], name="tonelc")
        in_place(second)
        assert rules_of(top.client, "tonel_tunc") and rules_of(top.client, "tonel_tun2")
        with open(f"/proc/{second.popen.pid}/task/{second.popen.pid}/children", encoding="ascii") as file:
            os.kill(int(file.read()), signal.SIGTERM)
        assert second.wait(5) == 0, second.output()
        assert forwards(top.client)
        said = "\n".join(first.lines[lines:]) + second.output()
        assert "had changed" not in said and "had left" not in said, said
        # Killed, it is known to be dead from there, too.
        first.kill()
        second = Process(top.client, second.argv, name="tonelc")
        second.wait_line("had left: tonel_tunc", 5)
        in_place(second)
        assert rules_of(top.client, "tonel_tunc") is None
        with open(f"/proc/{second.popen.pid}/task/{second.popen.pid}/children", encoding="ascii") as file:
            os.kill(int(file.read()), signal.SIGTERM)
        assert second.wait(5) == 0, second.output()
        left = [name for name in os.listdir(STATE) if f"-{first.popen.pid}-" in name]
        assert not left, left


@case("the old iptables, which tells nobody of changes: asked, and gone at the end")
def legacy():
    programs = ("iptables", "iptables-save", "iptables-restore")
    folder = "/run/netns/tonel-legacy"
    os.makedirs(folder, exist_ok=True)
    for name in programs + tuple(p.replace("ip", "ip6") for p in programs):
        old = shutil.which(name.replace("tables", "tables-legacy"))
        if old is None:
            raise harness.Skip("iptables-legacy is not installed")
        # The program is several in one, and told by its name.
        with open(f"{folder}/{name}", "w", encoding="ascii") as file:
            file.write(f'#!/bin/sh\nexec {old} "$@"\n')
        os.chmod(f"{folder}/{name}", 0o755)
    with environment(PATH=folder + ":" + os.environ["PATH"]), Topology() as top, \
            unchanged(top.client, top.server):
        if "Chain" not in top.client.run("iptables -t nat -L", check=False):
            raise harness.Skip("the kernel has no old iptables")
        tunnel = Automatic(top, backend="iptables")
        with Upstream(tunnel.upstream_socket()):
            tunnel.carries(b"before")
            before = tagged(top.client, "tonel_tunc")
            assert before and "legacy" in top.client.run("iptables -V")
            top.client.run("iptables -t nat -F; ip6tables -F; iptables -F")
            wait_until(lambda: tagged(top.client, "tonel_tunc") == before, 1.5, "the rules' return")
            tunnel.carries(b"after")
        tunnel.stop()


@case("a service that may not write sysctls says which, and goes on")
def read_only():
    with Topology() as top:
        tunnel = Automatic(top, start=False)
        program = Process(top.client, ["sh", "-c", "mount --bind /proc/sys /proc/sys && "
                                       "mount -o remount,bind,ro /proc/sys && exec \"$@\"", "sh",
                                       binary("tonelc"), *tunnel.client_argv[1:]], name="tonelc")
        in_place(program)
        said = program.output()
        assert "sysctl -w net.ipv4.ip_forward=1" in said, said
        assert "sysctl -w net.ipv6.conf.all.forwarding=1" in said, said
        program.signal(signal.SIGTERM)
        assert program.wait(5) == 0


@case("CAP_NET_ADMIN alone is enough, sysctls included")
def rootless():
    harness.needs("setpriv")
    with Topology() as top, unchanged(top.client):
        tunnel = Automatic(top, start=False)
        program = Process(top.client, ["setpriv", "--bounding-set=-all,+net_admin",
                                       "--inh-caps=-all,+net_admin", binary("tonelc"),
                                       *tunnel.client_argv[1:]], name="tonelc")
        in_place(program)
        assert rules_of(top.client, "tonel_tunc")
        program.signal(signal.SIGTERM)
        assert program.wait(5) == 0


@case("what fails is tried again: the tunnel runs, the rules come when they can")
def retried():
    with Topology() as top:
        tunnel = Automatic(top, start=False)
        # Another process has a table of that name, and keeps everybody off it.
        other = Process(top.client, ["sh", "-c", "(echo 'add table inet tonel_tunc { flags owner; }'; "
                                     "exec tail -f /dev/null) | exec nft -i"], name="nft")
        wait_until(lambda: "tonel_tunc" in top.client.run("nft list tables"), 5, "the other table")
        tunnel.start_server(apply_rules=False)
        tunnel.start_client(apply_rules=False)
        said = tunnel.tonelc.wait_line("cannot keep the firewall rules: .*", 5).group(0)
        assert "not permitted" in said, said
        assert tunnel.tonelc.alive()
        top.client.run("kill -9 $(ip netns pids " + top.client.name + " | while read p; do "
                       "[ \"$(cat /proc/$p/comm)\" = nft ] && echo $p; done)", check=False)
        in_place(tunnel.tonelc)
        with Upstream(tunnel.upstream_socket()):
            ask(tunnel.application(), b"through", 20, every=0.3)
        other.kill()
        tunnel.stop()


@case("wrong values of the firewall's options: exit 2, each named, nothing changed")
def wrong():
    with Topology() as top, unchanged(top.client):
        before = state(top.client)
        for options, named in ((["--auto-rule", "a name"], "--auto-rule"), (["--nat", "none"], "--nat"),
                               (["--nat", "stateless"], "--auto-rule"), (["--fwmark", "0"], "--fwmark"),
                               (["--fwmark", "0xg"], "--fwmark"), (["--firewall", "pf"], "--firewall")):
            program = Process(top.client, [binary("tonelc"), "-l", "127.0.0.1:1", "-r", "192.0.2.1:2",
                                           *options])
            assert program.wait(5) == 2 and re.search(named, program.output()), program.output()
        assert state(top.client) == before


if __name__ == "__main__":
    harness.main()
