#!/usr/bin/env python3
"""What a stream does over time: acknowledges, keeps alive, ends when idle, closes in each order."""

import re
import signal

import harness
from apps import Upstream, ask, ask_once
from harness import case
from packets import FIN, PSH, RST, SYN, Capture
from processes import Tunnel, wait_until
from topology import Topology


def bare(packet):
    """An empty segment without PSH: a bare ACK or a keepalive, not a datagram."""
    return packet.size == 0 and not packet.flags & (SYN | FIN | RST | PSH)


def established(top, host, port=Tunnel.PORT):
    """Seconds that the host's tracker gives its established entries of the tunnel."""
    lines = host.run(f"conntrack -L -p tcp 2>/dev/null | grep -w dport={port} || true").splitlines()
    return [int(re.search(r"tcp\s+6 (\d+)", l).group(1)) for l in lines if "ESTABLISHED" in l]


@case("one-way data is acknowledged within a second, and trackers give the connection days")
def acknowledged():
    with Topology() as top:
        tunnel = Tunnel(top)
        with Upstream(tunnel.upstream_socket(), echo=False) as upstream, \
                Capture(top.client, "c0") as seen:
            app = tunnel.application()
            for n in range(10):
                app.send(b"data %d" % n)
            upstream.wait_count(10)
            data = seen.all(lambda p: p.size > 0 and p.outgoing)
            highest = max((p.seq + p.size) & 0xFFFFFFFF for p in data)
            seen.wait(lambda p: bare(p) and not p.outgoing and p.ack == highest, 2.5,
                      "an ACK of exactly the highest byte")
            for host in top.hosts:
                wait_until(lambda host=host: [t for t in established(top, host) if t > 10000], 2,
                           f"an entry of days at the {host.role}")
        tunnel.stop()
        top.assert_clean()


def keepalives(seen):
    """The client's keepalives so far, each with the answer to it or None: no payload, and SEQ one below
    what the server has acknowledged (RFC 9293 section 3.8.4)."""
    with seen.changed:
        packets = list(seen.packets)
    found, acked = [], None
    for at, packet in enumerate(packets):
        if not packet.outgoing:
            acked = packet.ack
        elif bare(packet) and acked is not None and packet.seq == (acked - 1) & 0xFFFFFFFF:
            answer = next((p for p in packets[at:] if not p.outgoing), None)
            found.append((packet, answer))
    return found


@case("keepalives over an idle time keep the stream, in the form of RFC 9293", deadline=40)
def keepalive():
    for family in (4, 6):
        with Topology() as top:
            tunnel = Tunnel(top, family, client=["--keepalive", "2"])
            with Upstream(tunnel.upstream_socket()) as upstream, Capture(top.client, "c0") as seen:
                app = tunnel.application()
                ask_once(app, b"before")
                # Past 3.5 intervals, at which the server would give up a silent client.
                wait_until(lambda: len(keepalives(seen)) >= 4, 12, "four keepalives")
                sent = keepalives(seen)
                for probe, answer in sent[:3]:
                    assert bare(answer) and answer.ack == (probe.seq + 1) & 0xFFFFFFFF, (probe, answer)
                    assert answer.at - probe.at < 0.5, "answered late"
                assert sent[3][0].at - seen.packets[0].at > 7, "keepalives come too often"
                ask_once(app, b"after")
                assert len(seen.all(lambda p: p.has(SYN) and p.outgoing)) == 1, "a second stream"
                assert not seen.all(lambda p: p.has(RST))
                assert len(upstream.sources()) == 1
            tunnel.stop()
            top.assert_clean()


@case("idle sessions close with FIN both ways; the next datagram opens a new one", deadline=40)
def idle():
    for first in ("client", "server"):
        with Topology() as top:
            short, long = ["--idle-timeout", "2"], ["--idle-timeout", "60"]
            tunnel = Tunnel(top, client=short if first == "client" else long,
                            server=short if first == "server" else long)
            with Upstream(tunnel.upstream_socket()) as upstream, Capture(top.client, "c0") as seen:
                app = tunnel.application()
                ask_once(app, b"one")
                began = seen.packets[-1].at
                fin = seen.wait(lambda p: p.has(FIN), 5, "a FIN")
                assert fin.outgoing == (first == "client"), fin
                assert 1.5 < fin.at - began < 3.5, f"closed after {fin.at - began:.1f} s"
                other = seen.wait(lambda p: p.has(FIN) and p.outgoing != fin.outgoing, 2,
                                  "the FIN back")
                assert other.ack == (fin.seq + fin.size + 1) & 0xFFFFFFFF, (fin, other)
                ask(app, b"two")
                assert len(seen.all(lambda p: p.has(SYN) and p.outgoing)) == 2
                assert len(upstream.received) >= 2
            tunnel.stop()
            top.assert_clean()


def closed_at_router(top):
    text = top.router.run("conntrack -L -p tcp 2>/dev/null")
    return "ESTABLISHED" not in text


@case("the client leaves first: FIN, FIN, exit 0 within 2 s, nothing established remains")
def client_first():
    with Topology() as top:
        tunnel = Tunnel(top)
        with Upstream(tunnel.upstream_socket()), Capture(top.server, "s0") as seen:
            apps = [tunnel.application() for _ in range(20)]
            for app in apps:
                ask_once(app, b"x")
            tunnel.tonelc.stop()
            fins = lambda p: p.has(FIN)
            wait_until(lambda: len({(p.src, p.sport, p.dport) for p in seen.all(fins)}) == 40, 3,
                       "a FIN each way for each of 20 streams")
            assert closed_at_router(top), "established entries remain at the router"
            tunnel.tonels.stop()
        top.assert_clean()


@case("the server leaves first: FIN, FIN; back again, the next datagrams pass")
def server_first():
    with Topology() as top:
        tunnel = Tunnel(top)
        with Upstream(tunnel.upstream_socket()) as upstream, Capture(top.client, "c0") as seen:
            apps = [tunnel.application() for _ in range(5)]
            for app in apps:
                ask_once(app, b"x")
            tunnel.tonels.stop()
            fins = lambda p: p.has(FIN)
            wait_until(lambda: len({(p.src, p.sport, p.dport) for p in seen.all(fins)}) == 10, 3,
                       "a FIN each way for each of 5 streams")
            tunnel.start_server(apply_rules=False)
            upstream.clear()
            for app in apps:
                ask(app, b"y", 10)
            tunnel.tonelc.stop()
            tunnel.tonels.stop()
        top.assert_clean()


@case("both leave at once")
def together():
    with Topology() as top:
        tunnel = Tunnel(top)
        with Upstream(tunnel.upstream_socket()):
            ask_once(tunnel.application(), b"x")
            for program in (tunnel.tonelc, tunnel.tonels):
                program.signal(signal.SIGINT)
            for program in (tunnel.tonelc, tunnel.tonels):
                assert program.wait(5) == 0, f"{program.name} ended with {program.popen.returncode}"
        top.assert_clean()


if __name__ == "__main__":
    harness.main()
