#!/usr/bin/env python3
"""tonelctl doctor where all is well: in no row may it find a fault, before the first start or after."""

import harness
from doctor_rows import (FULL_TUNNEL, asked, firewalld, healthy, heed_ufw, listener, services, ufw,
                         upstream)
from names import NameServer


def both_ends(top, made, client=(), server=(), size=20, **more):
    """The client's host is asked before its first start, and both when the tunnel carries."""
    made.server(*server, rule=more.get("rule", "auto"))
    if more.get("rule", "auto"):
        yield top.client, "client", "--config", made.client_file(*client, **more)
    program = made.client(*client, **more)
    if more.get("rule", "auto") is None:
        for each in made.running:
            each.apply_rules()
    yield top.client, "client"
    made.carries(size=size)
    yield top.client, "client"
    yield top.server, "server"
    assert program.alive()


@healthy("IPv4, over NAT with strict connection tracking")
def plain():
    with services() as (top, made), upstream(top):
        yield top.server, "server", "--config", made.server_file()
        yield from both_ends(top, made)
        top.assert_clean()


@healthy("IPv6")
def ipv6():
    with services() as (top, made), upstream(top):
        yield from both_ends(top, made, remote="[fd09:2::2]:4567")


@healthy("IPv4 alone")
def ipv4_only():
    with services() as (top, made), upstream(top):
        top.client.sysctl({"net.ipv6.conf.all.disable_ipv6": 1})
        yield from both_ends(top, made, ("ipv4-only = yes",), ("ipv4-only = yes",))


@healthy("several tunnels of one file, by sections")
def sections():
    with services() as (top, made), upstream(top), upstream(top, ("127.0.0.1", 7001)):
        served = ("[tunnel.a]", "local = 4567", "remote = 127.0.0.1:7000",
                  "[tunnel.b]", "local = 4568", "remote = 127.0.0.1:7001")
        wanted = ("[tunnel.a]", "local = 127.0.0.1:5000", "remote = 10.9.2.2:4567",
                  "[tunnel.b]", "local = 127.0.0.1:5001", "remote = 10.9.2.2:4568")
        yield top.server, "server", "--config", made.server_file(sections=served)
        made.server(sections=served)
        yield top.client, "client", "--config", made.client_file(sections=wanted)
        made.client(sections=wanted)
        made.carries(5000)
        yield top.client, "client"
        made.carries(5001)
        yield top.client, "client"
        yield top.server, "server"


@healthy("the same key at both ends")
def keys():
    with services() as (top, made), upstream(top):
        yield from both_ends(top, made, ("encryption = xor:one",), ("encryption = xor:one",))


for _wire in ("tonel", "phantun"):
    @healthy(f"the dialect of {_wire}")
    def older(wire=_wire):
        with services() as (top, made), upstream(top):
            yield from both_ends(top, made, (f"wire = {wire}",), ("accept = native,legacy",))


@healthy("a server with a private address, behind a router's DNAT")
def private():
    with services() as (top, made), upstream(top):
        top.router.nft("table ip inward { chain p { type nat hook prerouting priority -100; "
                       'iifname "rc" tcp dport 4567 dnat to 10.9.2.2; }; }')
        yield from both_ends(top, made, remote="10.9.1.1:4567")


for _backend in ("owned", "nft", "iptables"):
    @healthy(f"rules by --firewall {_backend}")
    def backend(kind=_backend):
        harness.needs("iptables", "ip6tables")
        with services() as (top, made), upstream(top):
            yield from both_ends(top, made, (f"firewall = {kind}",), (f"firewall = {kind}",))


@healthy("rules set by hand, as the programs print them")
def by_hand():
    with services() as (top, made), upstream(top):
        yield from both_ends(top, made, rule=None)


@healthy("stateless translation")
def stateless():
    with services() as (top, made), upstream(top):
        yield from both_ends(top, made, ("nat = stateless",), ("nat = stateless",))


@healthy("a path of 1,280 octets, with ICMP")
def narrow():
    with services() as (top, made), upstream(top):
        top.path_mtu(1280)
        yield from both_ends(top, made, size=1200)


@healthy("a path of 1,400 octets without ICMP, and --mtu at both ends")
def narrow_and_told():
    with services() as (top, made), upstream(top):
        top.path_mtu(1400)
        top.router.nft("table inet hole { chain o { type filter hook output priority 0; "
                       "meta l4proto { icmp, ipv6-icmp } drop; }; }")
        yield from both_ends(top, made, ("mtu = 1400",), ("mtu = 1400",), size=1360)


@healthy("ufw at both ends, with the lines that the doctor has advised")
def heeded_ufw():
    harness.needs("iptables", "ip6tables")
    with services() as (top, made), upstream(top):
        for host, side, path in ((top.client, "client", made.client_file()),
                                 (top.server, "server", made.server_file())):
            ufw(host)
            found = asked(1, host, side, "--config", path)["fault"]
            heed_ufw(host, [f for f in found if f["about"] == "forward"])
        yield from both_ends(top, made)


@healthy("firewalld at both ends, with the device in the zone that the doctor has advised")
def heeded_firewalld():
    with services() as (top, made), upstream(top):
        firewalld(top.client, trusted=["tunc"])
        firewalld(top.server)
        yield from both_ends(top, made)


@healthy("firewalld with StrictForwardPorts at the server, the device trusted, and a policy for the port")
def strict_firewalld():
    with services() as (top, made), upstream(top):
        # What the policy of the doctor's advice comes to.
        firewalld(top.server, trusted=["tuns"], strict=True)
        top.server.nft('insert rule inet firewalld filter_FORWARD_ZONES oifname "tuns" tcp dport 4567 accept')
        yield from both_ends(top, made)


@healthy("a policy that drops, and an accept of the host's own for the tunnel")
def let_pass():
    with services() as (top, made), upstream(top):
        top.server.nft("table inet host { chain passing { type filter hook forward priority 5; policy drop; "
                       "ct state established,related accept; "
                       "ip daddr 192.168.201.0/24 tcp dport 4000-5000 accept; "
                       "ip6 daddr fcc9::/64 tcp dport { 4567, 4568 } accept; }; }")
        yield from both_ends(top, made)


@healthy("a full tunnel's rules, and --fwmark")
def marked():
    with services() as (top, made), upstream(top):
        top.client.run(FULL_TUNNEL)
        yield from both_ends(top, made, ("fwmark = 0xca6c",))


@healthy("beneath another VPN that takes all traffic")
def beneath():
    with services() as (top, made), upstream(top):
        # Its device leads to the server as well, and takes less.
        top.router.run(f"ip link add rd type veth peer name wg0 netns {top.client.name};"
                       "ip addr add 10.9.3.1/24 dev rd; ip link set rd mtu 1420 up")
        top.client.run("ip addr add 10.9.3.2/24 dev wg0; ip link set wg0 mtu 1420 up;"
                       "ip route add default via 10.9.3.1 dev wg0 table 51820;"
                       "ip rule add not fwmark 51820 table 51820;"
                       "ip rule add table main suppress_prefixlength 0")
        yield from both_ends(top, made)


@healthy("a client with two uplinks")
def two_uplinks():
    with services() as (top, made), upstream(top):
        top.router.run(f"ip link add rd type veth peer name d0 netns {top.client.name};"
                       "ip addr add 10.9.3.1/24 dev rd; ip link set rd up")
        top.client.run("ip addr add 10.9.3.2/24 dev d0; ip link set d0 up; ip route replace default "
                       "nexthop via 10.9.1.1 dev c0 nexthop via 10.9.3.1 dev d0")
        yield from both_ends(top, made)


@healthy("a server with two uplinks, and a client that comes by the second")
def two_ways_in():
    with services() as (top, made), upstream(top):
        top.router.run(f"ip link add rd type veth peer name d0 netns {top.server.name};"
                       "ip addr add 10.9.3.1/24 dev rd; ip link set rd up")
        top.server.run("ip addr add 10.9.3.2/24 dev d0; ip link set d0 up;"
                       "ip route add default via 10.9.3.1 dev d0 metric 200")
        top.server.sysctl({"net.ipv4.conf.all.rp_filter": 2})
        yield from both_ends(top, made, remote="10.9.3.2:4567")


@healthy("--take-port takes the port from a program that listens on it")
def taken_port():
    with services() as (top, made), upstream(top):
        listener(top.server, "import socket; s = socket.create_server(('', 4567)); s.accept()")
        yield top.server, "server", "--config", made.server_file("take-port = yes")
        yield from both_ends(top, made, server=("take-port = yes",))


@healthy("a name with several addresses, of which the first is dead")
def several():
    addresses = ["10.9.2.99", "10.9.1.1", "10.9.2.2"]
    with services() as (top, made), upstream(top), \
            NameServer(top.client, {"vpn.example.net": addresses}):
        made.server()
        path = made.client_file(remote="vpn.example.net:4567")
        notes = "\n".join(f["text"] for f in asked(0, top.client, "client", "--config", path)["note"])
        for dead in ("(10.9.2.99:4567)", "(10.9.1.1:4567) refuses"):
            assert dead in notes, notes
        made.client(remote="vpn.example.net:4567")
        made.carries()
        yield top.client, "client"


@healthy("both programs on one host")
def one_host():
    with services() as (top, made):
        top.server = top.client
        with upstream(top):
            yield from both_ends(top, made, remote="10.9.1.2:4567")


@healthy("a host that is a router anyway, with Docker's chains and the rules that the doctor has advised")
def docker():
    harness.needs("iptables", "ip6tables")
    with services() as (top, made), upstream(top):
        for host, side, path in ((top.client, "client", made.client_file()),
                                 (top.server, "server", made.server_file())):
            host.sysctl({"net.ipv4.ip_forward": 1})
            host.run("for t in iptables ip6tables; do $t -N DOCKER-USER; $t -A DOCKER-USER -j RETURN;"
                     "$t -A FORWARD -j DOCKER-USER; $t -P FORWARD DROP;"
                     "$t -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; done")
            found = [f for f in asked(1, host, side, "--config", path)["fault"] if f["about"] == "forward"]
            for command in (c for f in found for c in f["mend"]):
                host.run(command)
        yield from both_ends(top, made)


if __name__ == "__main__":
    harness.main()
