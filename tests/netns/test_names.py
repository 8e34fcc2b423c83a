#!/usr/bin/env python3
"""Names of servers and upstreams: they move, have several addresses, or some that lead nowhere."""

import signal
import time

import harness
from apps import Upstream, ask, ask_once
from harness import case
from names import NameServer
from processes import Tunnel, wait_until
from topology import Topology

NAME = "vpn.example.net"
OLD, NEW, DEAD = "10.9.2.3", "10.9.2.2", "10.9.2.99"
AUTO = ("--auto-rule", "auto")


def tunnel_by_name(top, *client, server=()):
    tunnel = Tunnel(top, client=(*AUTO, *client), server=(*AUTO, *server), remote=f"{NAME}:4567",
                    start=False)
    tunnel.start_server(apply_rules=False).wait_line("rules are in place")
    tunnel.start_client(apply_rules=False).wait_line("rules are in place")
    return tunnel


def second_address(top):
    """The server has OLD, too, whose neighbour the router knows."""
    top.server.run(f"ip addr add {OLD}/24 dev s0")
    mac = top.server.run("cat /sys/class/net/s0/address").strip()
    top.router.run(f"ip neigh replace {OLD} lladdr {mac} dev rs nud permanent")


@case("a name moves and its old address dies: found within 10 s, the upstream sees one port")
def moves_and_dies():
    with Topology() as top, NameServer(top.client, {NAME: [OLD]}) as names:
        second_address(top)
        tunnel = tunnel_by_name(top)
        with Upstream(tunnel.upstream_socket()) as upstream:
            app = tunnel.application()
            ask_once(app, b"before")
            names.names[NAME] = [NEW]
            top.router.nft(f"add rule inet router link ip daddr {OLD} counter drop")
            begun = time.monotonic()
            ask(app, b"after", 10)
            print(f"  back after {time.monotonic() - begun:.1f} s")
            assert len(upstream.sources()) == 1, upstream.sources()
        tunnel.stop()


@case("a name moves while all works: SIGHUP takes the session along and no datagram is lost")
def moves_alive():
    with Topology() as top, NameServer(top.client, {NAME: [OLD]}) as names:
        second_address(top)
        tunnel = tunnel_by_name(top, "--tcp-connections", "2")
        with Upstream(tunnel.upstream_socket()) as upstream:
            app = tunnel.application()
            ask_once(app, b"before")
            names.names[NAME] = [NEW]
            tunnel.tonelc.signal(signal.SIGHUP)
            tunnel.tonelc.wait_line(f"the remote is {NEW}:4567", 5)

            def live(address):
                return "ESTABLISHED" in top.client.run(f"conntrack -L -p tcp -d {address} 2>/dev/null")

            def moved():
                ask_once(app, b"on the way")
                return live(NEW) and not live(OLD)

            wait_until(moved, 15, "the session did not move")
            top.server.run(f"ip addr del {OLD}/24 dev s0")
            for i in range(20):
                ask_once(app, b"after %d" % i)
            assert len(upstream.sources()) == 1, upstream.sources()
        tunnel.stop()
        top.assert_clean()


@case("a name server that falls silent costs no datagram")
def silent_name_server():
    with Topology() as top, NameServer(top.client, {NAME: [NEW]}) as names:
        tunnel = tunnel_by_name(top, "--resolve-interval", "1")
        with Upstream(tunnel.upstream_socket()):
            app = tunnel.application()
            ask_once(app, b"before")
            names.silent = True
            tunnel.tonelc.wait_line("the addresses that are known are used", 10)
            for i in range(20):
                ask_once(app, b"%d" % i)
            names.silent = False
            tunnel.tonelc.wait_line("resolves again", 35)
        tunnel.stop()
        top.assert_clean()


@case("the first of two addresses is silent: the second is there after a quarter of a second")
def first_is_dead():
    with Topology() as top, NameServer(top.client, {NAME: [DEAD, NEW]}):
        tunnel = tunnel_by_name(top)
        with Upstream(tunnel.upstream_socket()):
            for number in range(3):
                begun = time.monotonic()
                ask(tunnel.application(), b"hello %d" % number, 3, every=1)
                took = time.monotonic() - begun
                print(f"  session {number}: {took * 1000:.0f} ms")
                # The later ones know where to go.
                assert took < (0.9 if number == 0 else 0.2), took
        tunnel.stop()


@case("the first of two addresses refuses: the second is there at once")
def first_refuses():
    with Topology() as top, NameServer(top.client, {NAME: ["10.9.1.1", NEW]}):
        tunnel = tunnel_by_name(top)
        with Upstream(tunnel.upstream_socket()):
            begun = time.monotonic()
            ask(tunnel.application(), b"hello", 3, every=1)
            took = time.monotonic() - begun
            assert took < 0.5, took
        tunnel.stop()


@case("IPv6 and IPv4: the family that passes carries the tunnel, whichever it is")
def families():
    for broken in ("ip6", "ip"):
        with Topology() as top, NameServer(top.client, {NAME: [top.SERVER6, top.SERVER4]}):
            top.router.nft(f"add rule inet router link meta nfproto ipv{6 if broken == 'ip6' else 4} "
                           "meta l4proto tcp counter drop")
            tunnel = tunnel_by_name(top)
            with Upstream(tunnel.upstream_socket()):
                ask(tunnel.application(), b"hello", 3, every=1)
            tunnel.stop()


@case("the upstream's name moves: sessions follow within its interval")
def upstream_moves():
    upstream_name = "wg.example.net"
    with Topology() as top, NameServer(top.server, {upstream_name: ["127.0.0.2"]}) as names:
        tunnel = Tunnel(top, start=False)
        where = tunnel.server_argv.index("-r") + 1
        tunnel.server_argv[where] = f"{upstream_name}:7000"
        tunnel.server_argv += ["--resolve-interval", "1"]
        tunnel.start_server()
        tunnel.start_client()
        app = tunnel.application()
        with Upstream(top.server.udp("127.0.0.2", 7000)):
            ask_once(app, b"before")
        with Upstream(top.server.udp("127.0.0.3", 7000)):
            names.names[upstream_name] = ["127.0.0.3"]
            ask(app, b"after", 6)
            names.names[upstream_name] = ["127.0.0.2", "127.0.0.3"]
            ask(app, b"again", 6)
            # A new session tries the first address, which refuses, and has the second one.
            ask(tunnel.application(), b"another", 6)
        tunnel.stop()
        top.assert_clean()


@case("addresses that lead nowhere are said, and the others carry the tunnel")
def nowhere():
    with Topology() as top:
        addresses = ["127.0.1.1", "0.0.0.0", top.SERVER6, top.SERVER4]
        with NameServer(top.client, {NAME: addresses}):
            top.client.sysctl({"net.ipv6.conf.c0.disable_ipv6": 1})
            tunnel = tunnel_by_name(top)
            for text in ("127.0.1.1 must not be loopback", "0.0.0.0 must be the address of one host",
                         "fd09:2::2 has no route from this host now"):
                tunnel.tonelc.wait_line(text, 5)
            with Upstream(tunnel.upstream_socket()):
                ask_once(tunnel.application(), b"hello")
            tunnel.stop()
            top.assert_clean()


@case("a name that has loopback alone does not resolve, and the log says why")
def loopback_alone():
    with Topology() as top, NameServer(top.client, {NAME: ["127.0.1.1"]}) as names:
        tunnel = tunnel_by_name(top)
        tunnel.tonelc.wait_line("does not resolve now .*127.0.1.1 must not be loopback", 5)
        names.names[NAME] = [top.SERVER4]
        with Upstream(tunnel.upstream_socket()):
            ask(tunnel.application(), b"hello", 10)
        tunnel.stop()


if __name__ == "__main__":
    harness.main()
