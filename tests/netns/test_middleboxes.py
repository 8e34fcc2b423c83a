#!/usr/bin/env python3
"""What stands between the ends and is more than a router: proxies that end TCP, firewalls that take
options out of SYNs, SYN proxies that shake hands for the server."""

import os
import sys
import time

import harness
from apps import Upstream, ask, ask_once
from harness import case
from packets import ACK, Capture, FIN, SYN
from processes import Process, Tunnel, joined, wait_until
from topology import Topology

# A whole one, as small as it gets: what it has read goes on, in pieces of its own making.
PROXY = """
import socket, sys, threading
listening = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("listening", flush=True)
def pump(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
    except OSError:
        pass
    for end in (a, b):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
while True:
    client, _ = listening.accept()
    try:
        server = socket.create_connection((sys.argv[3], int(sys.argv[2])), 5)
    except OSError:
        client.close()
        continue
    for ends in ((client, server), (server, client)):
        threading.Thread(target=pump, args=ends, daemon=True).start()
"""

LINE = "ends TCP connections"


def behind_proxy(top, **options):
    proxy = Process(top.router, [sys.executable, "-c", PROXY, "10.9.1.1", str(Tunnel.PORT),
                                 top.SERVER4], name="proxy")
    proxy.wait_line("listening", 5)
    return Tunnel(top, remote=joined("10.9.1.1", Tunnel.PORT), **options)


def through_proxy(**options):
    with Topology() as top:
        tunnel = behind_proxy(top, **options)
        with Upstream(tunnel.upstream_socket()) as upstream, Capture(top.client, "c0") as seen:
            app = tunnel.application()
            app.settimeout(0.02)
            began = time.monotonic()
            while time.monotonic() - began < 13:
                for _ in range(20):
                    app.send(b"p" * 200)
                try:
                    app.recv(65535)
                    raise AssertionError("an answer came")
                except TimeoutError:
                    pass
            assert not upstream.received, f"{len(upstream.received)} datagrams came through"
            # Found out at once, said once, and tried again now and then: not at each datagram.
            for program in (tunnel.tonelc, tunnel.tonels):
                lines = [l for l in program.output().splitlines() if LINE in l]
                assert 1 <= len(lines) <= 3, lines
            said = [l for l in tunnel.tonelc.output().splitlines() if LINE in l]
            assert len(said) == 1 and "Use another port" in said[0], said
            syns = seen.all(lambda p: p.has(SYN) and not p.has(ACK) and p.outgoing)
            assert 1 <= len(syns) <= 8, f"{len(syns)} SYNs"
            counted = tunnel.tonels.counters()
            assert counted["dropped_path_ends_tcp"] >= 1, counted
            assert "sessions_opened" not in counted, counted
        tunnel.stop()


case("a TCP proxy: no datagram comes out, and both ends say why")(through_proxy)
case("a TCP proxy and a session of two connections")(
    lambda: through_proxy(client=["--tcp-connections", "2"]))


@case("a TCP proxy and a handshake packet ahead of the hello")
def packet_ahead():
    path = f"/tmp/tonel-packet-{os.getpid()}"
    with open(path, "wb") as file:
        file.write(b"GET / HTTP/1.1\r\n\r\n" * 10)
    try:
        through_proxy(client=["--handshake-packet", path], server=["--handshake-packet", path])
    finally:
        os.unlink(path)


@case("a path that a proxy is taken out of works when it is tried again", deadline=60)
def proxy_goes():
    with Topology() as top:
        tunnel = behind_proxy(top)
        with Upstream(tunnel.upstream_socket()):
            app = tunnel.application()
            app.send(b"into the proxy")
            tunnel.tonelc.wait_line(LINE, 10)
            for process in Process.started:
                if process.name == "proxy":
                    process.kill()
            top.router.nft(f"""
                table ip balancer {{
                  chain pre {{
                    type nat hook prerouting priority -100;
                    ip daddr 10.9.1.1 tcp dport {Tunnel.PORT} dnat to {top.SERVER4}
                  }}
                }}
                """)
            # A balancer that forwards packets is none of these.
            ask(app, b"again", 30)
        tunnel.stop()


def options_taken_out(wire):
    with Topology() as top:
        top.router.nft("""
            table ip normaliser {
              chain forward {
                type filter hook forward priority -10;
                tcp flags & syn == syn reset tcp option sack-perm
              }
            }
            """)
        tunnel = Tunnel(top, client=["--wire", wire])
        with Upstream(tunnel.upstream_socket()), Capture(top.client, "c0") as seen:
            app = tunnel.application()
            ask_once(app, b"first")
            ask_once(app, b"second")
            answers = seen.all(lambda p: p.has(SYN | ACK))
            assert answers and all(4 not in dict(p.options) for p in answers), answers
            assert "dialect" not in tunnel.tonelc.output()
            assert len(seen.all(lambda p: p.has(SYN) and p.outgoing)) == 1
        tunnel.stop()
        top.assert_clean()


for _wire in ("auto", "native"):
    case(f"SACK-permitted is taken out of SYNs, --wire {_wire}")(
        lambda wire=_wire: options_taken_out(wire))


@case("a SYN proxy shakes hands for the server: nothing waits for a time-out, nothing is lost")
def syn_proxy():
    with Topology(router_nat=False) as top:
        try:
            top.router.nft(f"""
                table ip guard {{
                  chain pre {{
                    type filter hook prerouting priority raw;
                    tcp dport {Tunnel.PORT} tcp flags syn notrack
                  }}
                  chain forward {{
                    type filter hook forward priority -10;
                    tcp dport {Tunnel.PORT} ct state invalid,untracked synproxy mss 1460 wscale 14 sack-perm
                  }}
                }}
                """)
        except RuntimeError as error:
            raise harness.Skip(f"no SYNPROXY here: {error}") from None
        tunnel = Tunnel(top)
        with Upstream(tunnel.upstream_socket()) as upstream, \
                Capture(top.client, "c0") as near, Capture(top.server, "s0") as far:
            app = tunnel.application()
            began = time.monotonic()
            ask_once(app, b"first")
            took = time.monotonic() - began
            for n in range(200):
                ask_once(app, b"%d" % n)
            wait_until(lambda: len(upstream.received) == 201, 5, "all at the upstream")
            assert took < 0.9, f"{took:.2f} s to the first answer"
            shut = near.all(lambda p: p.has(SYN | ACK))
            assert shut and shut[0].window == 0, "that was no SYN proxy"
            at_server = far.all(lambda p: p.has(SYN | ACK))
            assert at_server and at_server[0].seq != shut[0].seq
            assert LINE not in tunnel.tonelc.output() + tunnel.tonels.output()
        tunnel.stop()


if __name__ == "__main__":
    harness.main()
