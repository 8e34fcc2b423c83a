#!/usr/bin/env python3
"""--auto-rule makes a host forward its tunnels, and nothing else.

   neighbour              client (or server)            router
 +-----------+  n0 .2   +--------------------+   c0   +--------+
 |           |----------| l0 .1      tonelc  |--------|        |
 +-----------+ 10.8.0.0 +--------------------+        +--------+
               fd08::/64

The neighbour takes the host for its router, and the router takes it for the way to the neighbour.
"""

import contextlib
import os
import re

import harness
from apps import Upstream, ask_once
from firewall import BACKENDS, Automatic, in_place, state, unchanged
from harness import case
from processes import Process, binary, wait_until
from topology import Host, Topology


class Neighbour:
    """A host behind `host`, which is reached by `uplink` at the router."""

    ADDRESS = {4: "10.8.0.2", 6: "fd08::2"}

    def __init__(self, top, host):
        self.top, self.host = top, host
        net = 1 if host is top.client else 2
        self.far = {4: f"10.9.{net}.1", 6: f"fd09:{net}::1"}
        self.me = Host("neighbour")
        top.hosts.append(self.me)
        host.run(f"ip link add l0 type veth peer name n0 netns {self.me.name}; ip link set l0 up;"
                 "ip addr add 10.8.0.1/24 dev l0; ip addr add fd08::1/64 dev l0 nodad")
        self.me.run("ip link set n0 up; ip addr add 10.8.0.2/24 dev n0;"
                    "ip addr add fd08::2/64 dev n0 nodad;"
                    "ip route add default via 10.8.0.1; ip -6 route add default via fd08::1")
        top.router.run(f"ip route add 10.8.0.0/24 via 10.9.{net}.2;"
                       f"ip -6 route add fd08::/64 via fd09:{net}::2")
        for place in (self.me, top.router):
            place.nft("table inet seen { counter sent { }; counter got { };"
                      " chain every { type filter hook prerouting priority -400;"
                      " ip saddr 10.8.0.2 counter name sent; ip6 saddr fd08::2 counter name sent;"
                      " iifname n0 ip daddr 10.8.0.2 ip saddr 10.9.0.0/16 counter name got;"
                      " iifname n0 ip6 daddr fd08::2 ip6 saddr fd09::/16 counter name got; }; }")

    @staticmethod
    def _count(place, name):
        text = place.run(f"nft list counter inet seen {name}; nft reset counter inet seen {name}")
        return int(re.search(r"packets (\d+)", text).group(1))

    def _try(self, place, target, family):
        for kind in ("SOCK_DGRAM", "SOCK_STREAM"):
            place.run(f'''python3 -c "
import socket
s = socket.socket(socket.AF_INET{'6' if family == 6 else ''}, socket.{kind})
s.setblocking(False)
try: s.connect(('{target}', 9)); s.send(b'x')
except OSError: pass
import time; time.sleep(0.1)"''')

    def passes(self, family):
        """What gets through: from the neighbour, and to it."""
        self._count(self.top.router, "sent")
        self._count(self.me, "got")
        self._try(self.me, self.far[family], family)
        self._try(self.top.router, self.ADDRESS[family], family)
        return self._count(self.top.router, "sent") > 0, self._count(self.me, "got") > 0

    def assert_closed(self):
        for family in (4, 6):
            assert self.passes(family) == (False, False), f"IPv{family} passes"

    def assert_open(self):
        for family in (4, 6):
            assert self.passes(family) == (True, True), f"IPv{family}"


@contextlib.contextmanager
def older_kernel():
    """Programs are started as if on a kernel that forwards IPv6 as a whole: force_forwarding is not seen."""
    os.makedirs("/run/netns/empty", exist_ok=True)
    command = Host.command
    hiding = 'mount --bind /run/netns/empty /proc/sys/net/ipv6/conf/lo && exec "$@"'
    Host.command = lambda host, argv: command(host, ["sh", "-c", hiding, "sh", *argv])
    yield
    Host.command = command


def closed(where, backend, interfaces, family):
    with Topology() as top:
        neighbour = Neighbour(top, getattr(top, where))
        neighbour.assert_closed()
        with unchanged(top.client, top.server):
            tunnel = Automatic(top, family, backend=backend, interfaces=interfaces)
            with Upstream(tunnel.upstream_socket()):
                tunnel.carries(b"before")
                neighbour.assert_closed()
                tunnel.carries(b"after")
            tunnel.stop()
        neighbour.assert_closed()
        top.assert_clean()


for _backend in BACKENDS:
    for _where in ("client", "server"):
        case(f"a neighbour of the {_where} gets nothing through: {_backend}")(
            lambda where=_where, backend=_backend: closed(where, backend, ("auto", "auto"), 4))
case("a neighbour gets nothing through, over IPv6 and devices by name")(
    lambda: closed("client", "auto", ("c0", "s0"), 6))


@case("nor where no device is known for the rules")
def any_device():
    with Topology() as top:
        neighbour = Neighbour(top, top.client)
        top.client.run("ip route del default; ip -6 route del default")
        tunnel = Automatic(top, start=False)
        tunnel.start_client(apply_rules=False)
        in_place(tunnel.tonelc)
        top.client.run("ip link set l0 down; ip link set l0 up; ip addr add fd08::1/64 dev l0 nodad")
        neighbour.assert_closed()
        tunnel.tonelc.stop()


@case("nor on a kernel that forwards IPv6 as a whole; addresses and routes are learnt as before")
def as_a_whole():
    for backend in ("owned", "iptables"):
        with older_kernel(), Topology() as top:
            neighbour = Neighbour(top, top.client)
            before = state(top.client)
            top.client.run("ip -6 route del default; ip -6 route add default via fd09:1::1 dev c0 "
                           "proto ra; sysctl -q -w net.ipv6.conf.c0.accept_ra=1")
            tunnel = Automatic(top, 6, backend=backend)
            assert "all.forwarding = 1" in top.client.run("sysctl net.ipv6.conf.all.forwarding")
            for name, value in (("c0.accept_ra", 1), ("c0.forwarding", 0), ("default.forwarding", 0)):
                assert f"= {value}" in top.client.run(f"sysctl net.ipv6.conf.{name}"), name
            assert "default via fd09:1::1" in top.client.run("ip -6 route")
            with Upstream(tunnel.upstream_socket()):
                tunnel.carries(b"before")
                neighbour.assert_closed()
                # A device that comes later.
                top.client.run("ip link add d0 type veth peer name d1; ip link set d0 up")
                assert "= 0" in top.client.run("sysctl net.ipv6.conf.d0.forwarding")
                tunnel.carries(b"after")
            tunnel.stop()
            top.client.run("ip link del d0")
            assert state(top.client) == before


@case("a host that was a router stays one, while the tunnel runs and after it")
def router():
    with Topology() as top:
        neighbour = Neighbour(top, top.client)
        top.client.sysctl({"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1})
        neighbour.assert_open()
        with unchanged(top.client, top.server):
            tunnel = Automatic(top)
            neighbour.assert_open()
            with Upstream(tunnel.upstream_socket()):
                tunnel.carries()
            tunnel.stop()
        neighbour.assert_open()


def becomes_router(older):
    with older_kernel() if older else contextlib.nullcontext(), Topology() as top:
        neighbour = Neighbour(top, top.client)
        tunnel = Automatic(top)
        neighbour.assert_closed()
        # As Docker does, each family only where it is not set.
        top.client.run("sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.default.forwarding=1 "
                       "net.ipv6.conf.all.forwarding=1")
        wait_until(lambda: neighbour.passes(4) == (True, True), 5, "IPv4 of a router")
        wait_until(lambda: neighbour.passes(6) == (True, True), 5, "IPv6 of a router")
        with Upstream(tunnel.upstream_socket()):
            tunnel.carries()
        tunnel.stop()
        neighbour.assert_open()


case("a host that others make a router meanwhile is one, and stays it")(lambda: becomes_router(False))
case("the same on a kernel that forwards IPv6 as a whole")(lambda: becomes_router(True))


def two(older):
    """Each closes the host to all but tunnels, and the other's is one."""
    with older_kernel() if older else contextlib.nullcontext(), Topology() as top:
        neighbour = Neighbour(top, top.client)
        before = state(top.client)
        tunnel = Automatic(top, 6)
        argv = [a.replace("5000", "5001").replace("tunc", "tun2") for a in tunnel.client_argv]
        second = Process(top.client, [binary("tonelc"), *argv[1:], "--tun-local", "192.168.210.1",
                                      "--tun-peer", "192.168.210.2", "--tun-local6", "fcc0::1",
                                      "--tun-peer6", "fcc0::2"], name="tonelc")
        in_place(second)
        with Upstream(tunnel.upstream_socket()):
            app = top.client.udp("::1", connect=("::1", 5001))
            ask_once(app, b"second")
            tunnel.carries(b"first")
            neighbour.assert_closed()
            tunnel.tonelc.stop()
            ask_once(app, b"second goes on")
            neighbour.assert_closed()
        second.signal(harness.processes.signal.SIGTERM)
        assert second.wait(5) == 0
        assert state(top.client) == before
        tunnel.tonels.stop()


case("two programs on one host: both carry, and nobody else")(lambda: two(False))
case("two programs on one host whose kernel forwards IPv6 as a whole")(lambda: two(True))


@case("frames that a bridge passes on are nobody's to drop")
def bridged():
    with Topology() as top:
        top.client.run("sysctl -q -w net.bridge.bridge-nf-call-iptables=1 "
                       "net.bridge.bridge-nf-call-ip6tables=1", check=False)
        if "= 1" not in top.client.run("sysctl net.bridge.bridge-nf-call-iptables", check=False):
            raise harness.Skip("the kernel has no br_netfilter")
        hosts = [Host(f"port{n}") for n in (1, 2)]
        top.hosts += hosts
        # The uplink is a port of the bridge, as on a host of virtual machines.
        top.client.run("ip link add br0 type bridge; ip link set br0 up; ip addr flush dev c0;"
                       "ip link set c0 master br0; ip addr add 10.9.1.2/24 dev br0;"
                       "ip addr add fd09:1::2/64 dev br0 nodad;"
                       "ip route replace default via 10.9.1.1; ip -6 route replace default via fd09:1::1")
        top.router.run("ip neigh flush dev rc; ip neigh del 10.9.1.2 dev rc; ip neigh del fd09:1::2 dev rc",
                       check=False)
        for n, host in enumerate(hosts, 1):
            top.client.run(f"ip link add b{n} type veth peer name p0 netns {host.name};"
                           f"ip link set b{n} master br0 up")
            host.run(f"ip link set p0 up; ip addr add 10.9.1.{10 + n}/24 dev p0;"
                     f"ip addr add fd09:1::{10 + n}/64 dev p0 nodad")
        places = {"10.9.1.12": hosts[1], "fd09:1::12": hosts[1], "10.9.1.1": top.router,
                  "fd09:1::1": top.router, top.SERVER4: top.server}

        def reaches(target):
            with places[target].udp(target, 9000, timeout=0.5) as there, \
                    hosts[0].udp("::" if ":" in target else "0.0.0.0", connect=(target, 9000)) as here:
                here.send(b"frame")
                try:
                    return there.recv(9) == b"frame"
                except TimeoutError:
                    return False

        targets = [target for target in places if target != top.SERVER4]
        for target in targets:
            wait_until(lambda target=target: reaches(target), 5, f"{target} through the bridge")
        tunnel = Automatic(top)
        for target in targets:
            assert reaches(target), f"{target} through the bridge"
        # Through the host itself there is no way.
        hosts[0].run("ip route add 10.9.2.0/24 via 10.9.1.2")
        assert not reaches(top.SERVER4)
        with Upstream(tunnel.upstream_socket()):
            tunnel.carries()
        tunnel.stop()


if __name__ == "__main__":
    harness.main()
