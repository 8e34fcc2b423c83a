#!/usr/bin/env python3
"""What is promised for single datagrams: the first, the empty, the early, the large, the answered."""

import random

import harness
from apps import Upstream, ask, ask_once, receive_all
from harness import case
from packets import Capture
from processes import Tunnel, parse_counters, wait_until
from topology import Topology


@case("the first datagram of a session is delivered, and answered")
def first():
    for family in (4, 6):
        with Topology() as top:
            tunnel = Tunnel(top, family)
            with Upstream(tunnel.upstream_socket()) as upstream:
                for number in range(5):
                    app = tunnel.application()
                    ask_once(app, b"first of %d" % number)
                assert len(upstream.received) == 5, upstream.received
                assert len(upstream.sources()) == 5, "each application has a session of its own"
            tunnel.stop()
            top.assert_clean()


@case("datagrams before the session is open make one session, in order")
def early():
    with Topology() as top:
        tunnel = Tunnel(top)
        top.block("down")  # no SYN-ACK comes: the session can't open
        with Upstream(tunnel.upstream_socket(), echo=False) as upstream, Capture(top.server, "s0") as seen:
            app = tunnel.application()
            sent = [b"%d:" % n + bytes([n]) * (n * 20) for n in range(40)]
            for data in sent[:20]:
                app.send(data)
            seen.wait(lambda p: p.has(2), 3, "a SYN")
            for data in sent[20:]:
                app.send(data)
            top.clear()
            got = upstream.wait_count(40, 5)
            assert [data for data, _ in got] == sent, "order or contents differ"
            assert len(upstream.sources()) == 1, upstream.sources()
        tunnel.stop()
        top.assert_clean()


@case("zero-length datagrams are delivered both ways, alone and among others")
def empty():
    for family in (4, 6):
        with Topology() as top:
            tunnel = Tunnel(top, family)
            with Upstream(tunnel.upstream_socket()) as upstream:
                app = tunnel.application()
                app.send(b"")
                assert upstream.wait_count(1)[0][0] == b""
                assert receive_all(app, 1) == [b""]
                sent = [b"", b"a", b"", b"", b"bb", b"", b"ccc" * 300, b""]
                for data in sent:
                    app.send(data)
                got = [data for data, _ in upstream.wait_count(9)][1:]
                assert got == sent, got
                assert receive_all(app, 8) == sent
            tunnel.stop()
            top.assert_clean()


@case("mixed sizes keep their borders and their order")
def mixed():
    chance = random.Random(7)
    for family in (4, 6):
        largest = 1500 - (40 if family == 4 else 60)
        sizes = [1, 2, 3, largest, largest, 1, largest - 1, largest, 100, 100, 100, 99, 100, 101]
        sizes += [chance.randint(0, largest) for _ in range(400)]
        sizes += [chance.choice((200, 200, 200, 1200)) for _ in range(400)]
        sent = [b"%d|" % n + chance.randbytes(max(0, size - len(b"%d|" % n))) for n, size
                in enumerate(sizes)]
        with Topology() as top:
            tunnel = Tunnel(top, family)
            with Upstream(tunnel.upstream_socket()) as upstream:
                app = tunnel.application()
                ask_once(app, b"open")
                upstream.clear()
                for first in range(0, len(sent), 20):
                    burst = sent[first:first + 20]
                    for data in burst:
                        app.send(data)
                    assert receive_all(app, len(burst)) == burst
                assert [data for data, _ in upstream.received] == sent
            tunnel.stop()
            top.assert_clean()


@case("a datagram that does not fit is dropped, counted, and named in one log line")
def oversize():
    for family, largest in ((4, 1460), (6, 1440)):
        with Topology() as top:
            tunnel = Tunnel(top, family)
            with Upstream(tunnel.upstream_socket()) as upstream:
                app = tunnel.application()
                ask_once(app, bytes(largest))
                before = tunnel.tonelc.counters()
                for size in (largest + 1, largest + 100, 9000, largest + 1):
                    app.send(bytes(size))
                ask_once(app, b"still here")
                assert [len(d) for d, _ in upstream.received] == [largest, 10]
                after = tunnel.tonelc.counters()
                grown = {k: v - before.get(k, 0) for k, v in after.items() if v != before.get(k, 0)}
                assert any(v == 4 and ("large" in k or "big" in k) for k, v in grown.items()), grown
                lines = [l for l in tunnel.tonelc.lines
                         if str(largest) in l and not parse_counters([l])]
                assert len(lines) == 1, f"log lines that name {largest}: {lines}"
                # The other way: the upstream's too large answer.
                app_address = upstream.sources()[-1]
                upstream.send(bytes(largest + 1), app_address)
                upstream.send(b"fits", app_address)
                assert receive_all(app, 1) == [b"fits"]
            tunnel.stop()
            top.assert_clean()


@case("a path that clears DF and cuts packets: all arrive, and one log line at each end says so")
def cut_on_the_way():
    for queues in ("1", "4"):
        with Topology() as top:
            top.clear_df(1492)
            options = ["--tun-queues", queues]
            tunnel = Tunnel(top, client=options, server=options)
            with Upstream(tunnel.upstream_socket()) as upstream:
                for number in range(4):
                    app = tunnel.application()
                    for size in (1460, 100, 1453, 1452, 1460):
                        ask_once(app, bytes([number]) * size)
                assert len(upstream.received) == 20, upstream.received
            for end in (tunnel.tonelc, tunnel.tonels):
                counters = end.counters()
                assert counters.get("tun_packets_joined") == 12, counters
                assert "dropped_fragment" not in counters, counters
                lines = [l for l in end.lines if "fragments of at most 1492 octets" in l]
                assert 1 <= len(lines) <= int(queues), lines
            tunnel.stop()
            top.assert_clean()


@case("replies leave from the address that the application used (wildcard listener)")
def reply_address():
    with Topology() as top:
        top.client.run("ip addr add 127.0.0.77/8 dev lo; ip addr add fd09:1::77/64 dev lo nodad")
        for family, wildcard, addresses in ((4, "0.0.0.0", ("127.0.0.1", "127.0.0.77", "10.9.1.2")),
                                            (6, "::", ("::1", "fd09:1::77", "fd09:1::2"))):
            tunnel = Tunnel(top, family, listen=wildcard)
            with Upstream(tunnel.upstream_socket()):
                for address in addresses:
                    app = top.client.udp(addresses[0] if address.startswith(("127", "::1")) else address)
                    app.sendto(b"to " + address.encode(), (address, tunnel.APP_PORT))
                    data, source = app.recvfrom(65535)
                    assert data == b"to " + address.encode()
                    assert source[0] == address, f"asked {address}, answered by {source[0]}"
            tunnel.stop()
        top.assert_clean()


@case("an upstream that is not there yet ends nothing: its datagrams come once it is")
def late_upstream():
    with Topology() as top:
        tunnel = Tunnel(top)
        app = tunnel.application()
        for _ in range(20):
            app.send(b"nobody")
        wait_until(lambda: top.counters()["up"] > 0, 5, "something goes up")
        with Upstream(tunnel.upstream_socket()):
            ask(app, b"somebody")
        with Upstream(tunnel.upstream_socket()):
            ask(app, b"somebody else, same address")
        tunnel.stop()
        top.assert_clean()


if __name__ == "__main__":
    harness.main()
