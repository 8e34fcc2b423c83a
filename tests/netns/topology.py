"""Three hosts in network namespaces, with connection tracking as strict as it gets.

      client                         router                        server
 +---------------+   c0 .2     +-----------------+    s0 .2   +----------------+
 | application   |   .1 rc     |  forwards       |   .1 rs    |  upstream      |
 |   | UDP       |-------------|  masquerades v4 |------------|    ^ UDP       |
 | tonelc        |  10.9.1.0/24|  drops+counts   | 10.9.2.0/24| tonels         |
 |   | TUN       |  fd09:1::/64|   ct invalid    | fd09:2::/64|   ^ TUN        |
 | MASQUERADE    |             |  loses packets  |            | DNAT           |
 +---------------+             +-----------------+            +----------------+

In each of the three: nf_conntrack_tcp_loose=0 (no pick-up of a connection without its handshake),
tcp_be_liberal=0 (windows are checked) and nf_conntrack_checksum=1. A packet that a tracker takes for
invalid is counted, and the router drops it: that is what a field firewall does to a tunnel whose
packets only look like TCP. Loss and outages are made in the router's prerouting hook, in front of
its tracker, as if the cable had done it.

The harness puts each test into a mount and PID namespace of its own, so that nothing made here can
outlive it, whatever happens; the names carry the PID all the same.
"""

import contextlib
import ctypes
import os
import re
import socket
import subprocess

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

STRICT = {
    "net.netfilter.nf_conntrack_tcp_loose": 0,
    "net.netfilter.nf_conntrack_tcp_be_liberal": 0,
    "net.netfilter.nf_conntrack_checksum": 1,
}


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Host:
    """One network namespace."""

    def __init__(self, role):
        self.role = role
        self.name = f"tonel-{role}-{os.getpid()}"
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.run("ip link set lo up")
        # Router solicitations of interfaces that come and go are noise in captures.
        self.sysctl({"net.ipv6.conf.all.accept_dad": 0, "net.ipv6.conf.default.accept_dad": 0,
                     "net.ipv6.conf.default.router_solicitations": 0})

    def command(self, argv):
        return ["ip", "netns", "exec", self.name, *argv]

    def run(self, line, check=True, stdin=None):
        """Runs a shell line in the namespace and returns what it printed."""
        done = subprocess.run(self.command(["sh", "-c", line]), input=stdin, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if check and done.returncode != 0:
            raise RuntimeError(f"{self.role}: {line!r} gave {done.returncode}: {done.stdout}")
        return done.stdout

    def nft(self, rules):
        return self.run("nft -f -", stdin=rules)

    def sysctl(self, values):
        self.run("sysctl -q -w " + " ".join(f"{key}={value}" for key, value in values.items()))

    @contextlib.contextmanager
    def entered(self):
        """The calling thread's sockets made inside belong to this namespace, for good."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        try:
            _setns(there)
            yield
        finally:
            _setns(before)
            os.close(before)
            os.close(there)

    def udp(self, address, port=0, timeout=5.0, connect=None, buffer=4 << 20):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with self.entered():
            sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, buffer)
        sock.bind((address, port))
        sock.settimeout(timeout)
        if connect:
            sock.connect(connect)
        return sock

    def conntrack_invalid(self):
        """Sum over the CPUs of what `conntrack -S` calls invalid."""
        return sum(int(n) for n in re.findall(r"\binvalid=(\d+)", self.run("conntrack -S")))

    def remove(self):
        subprocess.run(["ip", "netns", "del", self.name], check=False)


class Topology:
    """The drawing above, up and running."""

    CLIENT4, CLIENT6 = "10.9.1.2", "fd09:1::2"
    SERVER4, SERVER6 = "10.9.2.2", "fd09:2::2"

    def __init__(self, router_nat=True):
        self.hosts = []
        try:
            self._build(router_nat)
        except BaseException:
            self.remove()
            raise

    def _build(self, router_nat):
        for role in ("client", "router", "server"):
            host = Host(role)
            setattr(self, role, host)
            self.hosts.append(host)
        client, router, server = self.hosts
        # Multi-queue veths, so that several shards' packets need not share one ring.
        for near, far, link in ((client, "c0", "rc"), (server, "s0", "rs")):
            subprocess.run(["ip", "link", "add", far, "netns", near.name, "type", "veth",
                            "peer", "name", link, "netns", router.name], check=True)
        for host, link, net, number in ((client, "c0", 1, 2), (router, "rc", 1, 1),
                                        (router, "rs", 2, 1), (server, "s0", 2, 2)):
            host.run(f"ip addr add 10.9.{net}.{number}/24 dev {link};"
                     f"ip addr add fd09:{net}::{number}/64 dev {link} nodad;"
                     f"ip link set {link} up")
        for host, net in ((client, 1), (server, 2)):
            host.run(f"ip route add default via 10.9.{net}.1;"
                     f"ip -6 route add default via fd09:{net}::1")
        self._introduce()
        router.sysctl({"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1})
        nat = 'oifname "rs" masquerade' if router_nat else ""
        router.nft(f"""
            table inet router {{
              counter invalid {{ }}
              counter up {{ }}
              counter down {{ }}
              chain link {{ type filter hook prerouting priority -300; }}
              chain forward {{
                type filter hook forward priority 0;
                ct state invalid counter name invalid drop
                iifname "rc" counter name up
                iifname "rs" counter name down
              }}
            }}
            table ip router_nat {{
              chain postrouting {{
                type nat hook postrouting priority 100;
                {nat}
              }}
            }}
            """)
        # The end hosts count too, before any rule of the tunnel is there: a rule that looks at ct
        # is what makes a namespace track at all.
        for host in (client, server):
            host.nft("table inet watch { chain any { type filter hook forward priority -5;"
                     " ct state invalid counter; }; }")
        # Behind those rules: the tracker's module, which has these, comes with the first.
        for host in self.hosts:
            host.sysctl(STRICT)

    def _introduce(self):
        """Neighbours know each other from the start: IPv6's discovery takes up to a second on links
        that have just come up, and a test would lose its first packets to that."""
        macs = {link: re.search(r"link/ether (\S+)", host.run(f"ip -o link show {link}")).group(1)
                for host, link in ((self.client, "c0"), (self.router, "rc"), (self.router, "rs"),
                                   (self.server, "s0"))}
        for host, link, far, net, number in ((self.client, "c0", "rc", 1, 1),
                                             (self.router, "rc", "c0", 1, 2),
                                             (self.router, "rs", "s0", 2, 2),
                                             (self.server, "s0", "rs", 2, 1)):
            for address in (f"10.9.{net}.{number}", f"fd09:{net}::{number}"):
                host.run(f"ip neigh replace {address} lladdr {macs[far]} dev {link} nud permanent")

    # --- what happens on the way -------------------------------------------------------------

    def _link_rules(self, rules):
        self.router.nft("flush chain inet router link\n" +
                        "".join(f"add rule inet router link {rule}\n" for rule in rules))

    def lose(self, percent, directions=("up", "down")):
        """Loses that share of the packets (a super-segment is one packet) at random."""
        self._link_rules(f'iifname "{"rc" if d == "up" else "rs"}" meta l4proto tcp '
                         f"numgen random mod 1000 < {int(percent * 10)} counter drop"
                         for d in directions)

    def block(self, *directions):
        """Nothing passes in these directions ("up": from the client, "down": to it)."""
        self._link_rules(f'iifname "{"rc" if d == "up" else "rs"}" meta l4proto tcp counter drop'
                         for d in directions)

    def lose_first(self, direction, match):
        """Loses the first packet that matches, and no other."""
        self._link_rules([f'iifname "{"rc" if direction == "up" else "rs"}" {match} '
                          "numgen inc mod 1000000 == 0 counter drop"])

    def clear(self):
        """The way is faultless again."""
        self.router.run("nft flush chain inet router link")

    def offload(self, on, links=("c0", "s0", "rc", "rs")):
        """Segmentation, checksum and receive offload of the path's devices."""
        value = "on" if on else "off"
        where = {"c0": self.client, "s0": self.server, "rc": self.router, "rs": self.router}
        for link in links:
            where[link].run(f"ethtool -K {link} tso {value} gso {value} gro {value} tx {value} rx {value}")

    def path_mtu(self, mtu):
        """The router takes no larger packets towards the server, and says so by ICMP. (A smaller
        MTU of the device would silently eat what comes from the server, too.)"""
        lock = f"mtu lock {mtu}" if mtu else ""
        self.router.run(f"ip route replace 10.9.2.0/24 dev rs src 10.9.2.1 {lock};"
                        f"ip -6 route replace fd09:2::/64 dev rs metric 256 {lock}")

    def clear_df(self, mtu):
        """The router clears DF, as some do against black holes, and cuts what is larger than its MTU."""
        self._link_rules(["ip protocol tcp ip frag-off set 0"])
        for net, link in ((1, "rc"), (2, "rs")):
            self.router.run(f"ip route replace 10.9.{net}.0/24 dev {link} src 10.9.{net}.1 mtu lock {mtu}")

    # --- what it saw -------------------------------------------------------------------------

    def counters(self):
        """Packets: up, down, invalid, as the router counted them."""
        text = self.router.run("nft list counters table inet router")
        return {name: int(packets) for name, packets in
                re.findall(r"counter (\w+) \{\s*packets (\d+)", text)}

    def invalid(self):
        """Every figure that must be 0, by who says so."""
        figures = {f"{host.role} conntrack -S": host.conntrack_invalid() for host in self.hosts}
        figures["router nft"] = self.counters()["invalid"]
        return figures

    def assert_clean(self, expect_invalid=False):
        """Packets went through the router, and no tracker found fault with one."""
        counters = self.counters()
        assert counters["up"] > 0, f"nothing went through the router: {counters}"
        if not expect_invalid:
            bad = {who: count for who, count in self.invalid().items() if count}
            assert not bad, f"invalid packets: {bad}"

    def remove(self):
        for host in self.hosts:
            host.remove()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()
