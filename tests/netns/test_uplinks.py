#!/usr/bin/env python3
"""--auto-rule on hosts with several ways out of them.

            client                  isp1, isp2                 server
 +-------------------------+   +------------------+   +-------------------------+
 | c1 10.1.0.2  fd01::2    |---| .1   isp1  11.1  |---| w1 10.11.0.2  fd11::2   |
 | c2 10.2.0.2  fd02::2    |---| .1   isp2  12.1  |---| w2 10.12.0.2  fd12::2   |
 +-------------------------+   +------------------+   +-------------------------+

A provider lets nobody's packets out but those of its own customers.
"""

import contextlib
import os
import signal

import harness
from apps import Upstream, ask
from firewall import STATE, state
from harness import case
from processes import wait_until
from providers import Providers, address, cable
from topology import Host

os.environ["RUNTIME_DIRECTORY"] = STATE


def ways(host):
    """The policy routing of a host, and the tables that it names."""
    return (host.run("ip rule; ip -6 rule"),
            [line for line in host.run("ip route show table all; ip -6 route show table all").splitlines()
             if " table " in line and "table local" not in line])


@contextlib.contextmanager
def as_before(host):
    before = ways(host), state(host)
    yield
    after = ways(host), state(host)
    assert before == after, f"{after} against {before}"


def by_both(prepare, *argv):
    with Providers() as top:
        prepare(top)
        with as_before(top.server), Upstream(top.server.udp("127.0.0.1", 7000)):
            tonels = top.start_server(*argv)
            for remote in ("10.11.0.2", "10.12.0.2", "fd11::2", "fd12::2"):
                top.carries(remote, f"by {remote}")
            assert top.foreign() == 0, "an answer left by the other provider"
            tonels.stop()


case("a server answers by the uplink of the request: a rule of the host's for its address", 90)(
    lambda: by_both(Providers.server_uses_first))
case("a server answers by the uplink of the request: two default routes", 90)(
    lambda: by_both(Providers.server_has_both))
case("a server answers by the uplink of the request: iptables", 90)(
    lambda: by_both(Providers.server_has_both, "--firewall", "iptables"))


@case("what a killed server has left of routing rules the next start takes away; flushed ones come back", 60)
def left():
    with Providers() as top:
        top.server_has_both()
        with as_before(top.server), Upstream(top.server.udp("127.0.0.1", 7000)):
            tonels = top.start_server()
            rules = top.server.run("ip rule")
            assert rules.count("iif tuns") == 2, rules
            top.server.run("ip rule del iif tuns; ip rule del iif tuns")
            tonels.wait_line("another program had changed", 3)
            assert top.server.run("ip rule") == rules
            top.carries("10.12.0.2", "by the second")
            tonels.signal(signal.SIGKILL)
            tonels.wait(5)
            # Without the second provider there is nothing to choose.
            top.server.run("ip link set w2 down")
            tonels = top.start_server()
            assert "iif tuns" not in top.server.run("ip rule; ip -6 rule")
            top.carries("10.11.0.2", "by the first")
            # It comes later, and counts.
            top.server.run("ip link set w2 up; ip addr add fd12::2/64 dev w2 nodad;"
                           "ip route add default via 10.12.0.1 metric 200;"
                           "ip -6 route add default via fd12::1 metric 200")
            wait_until(lambda: top.server.run("ip rule").count("iif tuns") == 2, 3, "two uplinks")
            top.carries("10.12.0.2", "by the second again")
            assert top.foreign() == 0
            tonels.stop()


def uplink_table(host, device):
    """The routes of the table for answers by this device."""
    for line in host.run("ip rule").splitlines():
        if "iif tuns" not in line:
            continue
        routes = host.run(f"ip route show table {line.split()[-1]}")
        if f"dev {device}" in routes:
            return routes
    return ""


@case("a gateway of the other family, a whole internet of routes, and rules of others", 60)
def odd_tables():
    with Providers() as top:
        top.server.run("ip route add default via 10.11.0.1")
        link_local = top.isp2.run("ip -6 -o addr show dev is scope link").split()[3].split("/")[0]
        top.server.run(f"""set -e
            ip -4 route add 0.0.0.0/0 via inet6 {link_local} dev w2 metric 200
            ip -6 route add default via fd11::1 metric 100; ip -6 route add default via fd12::1 metric 200""")
        internet = "\n".join(f"route add 44.{n >> 8}.{n & 255}.0/24 via 10.11.0.1" for n in range(2000))
        top.server.run(f"ip -batch - <<'END'\n{internet}\nEND")
        with as_before(top.server), Upstream(top.server.udp("127.0.0.1", 7000)):
            tonels = top.start_server()
            assert f"default via inet6 {link_local}" in uplink_table(top.server, "w2")
            near = uplink_table(top.server, "w1")
            assert "default via 10.11.0.1" in near and "10.11.0.0/24" in near, near
            assert len(near.splitlines()) < 10, near
            for remote in ("10.11.0.2", "10.12.0.2"):
                top.carries(remote, f"by {remote}")
            assert top.foreign() == 0
            # Of an instance with the same numbers, whose TUN is there; and one whose TUN is gone.
            mark = next(line.split("fwmark ")[1].split()[0]
                        for line in top.server.run("ip rule").splitlines() if "iif tuns" in line)
            top.server.run(f"""set -e
                ip tuntap add other mode tun
                ip rule add fwmark {mark} iif other lookup {int(mark, 16)} priority 7465
                ip rule add not fwmark {mark} iif away lookup {int(mark, 16)} priority 7464
                ip rule add fwmark {mark} iif gone lookup {int(mark, 16)} priority 7465""")
            wait_until(lambda: "iif gone" not in top.server.run("ip rule"), 5, "the gone one's rule goes")
            tonels.stop()
            for others in ("iif other", "not from all fwmark"):
                assert others in top.server.run("ip rule"), others
            assert top.server.run(f"ip route show table {int(mark, 16)}").strip(), "the other one's table"
            top.server.run(f"ip rule del iif other; ip rule del priority 7464; ip link del other; ip route flush table {int(mark, 16)}")


@case("a server serves every device with an address of its own, those that come later too", 60)
def every_device():
    with Providers() as top:
        top.server_uses_first()
        lan = Host("lan")
        top.hosts.append(lan)
        with Upstream(top.server.udp("127.0.0.1", 7000)):
            tonels = top.start_server()
            top.carries("10.11.0.2", "by the default route")
            cable(lan, "l0", top.server, "lan")
            address(lan, "l0", 8, 2)
            address(top.server, "lan", 8, 1)
            providers, top.client = top.client, lan
            top.carries("10.8.0.1", "by the LAN")
            top.carries("fd08::1", "by the LAN")
            top.client = providers
            tonels.stop()


@case("a client with two next hops uses both without the TUN's address, and survives the death of one", 120)
def next_hops():
    with Providers() as top:
        top.server_uses_first()
        # The server's address is behind both providers.
        for n, isp in ((1, top.isp1), (2, top.isp2)):
            isp.run(f"ip route add 198.51.100.7/32 via 10.1{n}.0.2")
        top.server.run("ip addr add 198.51.100.7/32 dev lo; ip rule add from 198.51.100.7 lookup main")
        for isp in (top.isp1, top.isp2):
            isp.run("nft insert rule inet isp f iifname is ip saddr 198.51.100.7 accept")
        for n, isp in ((1, top.isp1), (2, top.isp2)):
            top.server.run(f"ip route add 10.{n}.0.0/24 via 10.1{n}.0.1")
        top.client.sysctl({"net.ipv4.fib_multipath_hash_policy": 1})
        top.client.run("ip route add default nexthop via 10.1.0.1 dev c1 nexthop via 10.2.0.1 dev c2")
        with Upstream(top.server.udp("127.0.0.1", 7000)) as upstream:
            tonels = top.start_server()
            tonelc = top.start_client("198.51.100.7", "--tcp-connections", "12")
            with top.client.udp("127.0.0.1", connect=("127.0.0.1", 5000)) as app:
                for i in range(60):
                    ask(app, b"by both %d" % i, 10, every=0.5)
                assert top.foreign() == 0, "a packet left with the TUN's address"
                tracked = top.client.run("conntrack -L -p tcp 2>/dev/null", check=False)
                assert "dst=10.1.0.2" in tracked and "dst=10.2.0.2" in tracked, tracked
                top.isp2.run("nft insert rule inet isp f drop")
                ask(app, b"after the death of one", 20, every=0.3)
                for i in range(30):
                    ask(app, b"by one %d" % i, 10, every=0.5)
                assert len(upstream.sources()) == 1, upstream.sources()
            tonelc.stop()
            tonels.stop()


if __name__ == "__main__":
    harness.main()
