#!/usr/bin/env python3
"""What somebody can do who knows the addresses and ports of a connection, and sees none of its
packets: nothing, however much the connection has carried."""

import time

import harness
from apps import ask_once
from harness import case
from packets import ACK, FIN, PSH, TunInjector, icmp_too_big, tcp_packet
from processes import Tunnel, joined, result_of, traffic
from topology import Topology
from wire import Wire

SIXTEENTHS = [n << 28 for n in range(16)]


def carried(top, octets):
    """A tunnel with one session that has carried so much each way."""
    wire = Wire(top)
    wire.upstream.stop()
    echo = traffic(top.server, "echo", joined(*wire.tunnel.upstream))
    echo.wait_line("listening|echo", 5)
    port = wire.app.getsockname()[1]
    wire.app.close()
    send = traffic(top.client, "send", joined(*wire.tunnel.app), "--mmsg", "--rate-pps", "4000",
                   "--count", octets // 1400, "--bind", joined(wire.tunnel.loopback, port),
                   "--expect-echo", "--linger-ms", "500")
    result_of(send, 60)
    wire.app = top.client.udp(wire.tunnel.loopback, port, connect=wire.tunnel.app)
    ask_once(wire.app, b"after")
    wire.settle()
    wire.echo = echo
    return wire


def stop(wire):
    wire.seen.stop()
    wire.echo.signal(15)
    wire.echo.wait(5)
    wire.tunnel.stop()


def forged(wire, flags, payload=b""):
    """One packet for each sixteenth of the numbers, with each sixteenth of the acks."""
    for seq in SIXTEENTHS:
        for ack in SIXTEENTHS:
            yield tcp_packet(wire.client[0], "192.168.201.2", wire.client[1], Tunnel.PORT, seq=seq,
                             ack=ack, flags=flags, payload=payload)


@case("256 forged packets over all numbers: no datagram, no end, no silence", deadline=90)
def spread():
    with Topology() as top:
        wire = carried(top, 30_000_000)
        before = wire.tunnel.tonels.counters()
        with TunInjector(top.server, "tuns") as inject:
            for flags, payload in ((ACK | PSH, b"forged"), (FIN | ACK, b""), (ACK, b"forged" * 100)):
                for packet in forged(wire, flags, payload):
                    inject.send(packet)
                began = time.monotonic()
                ask_once(wire.app, b"lives")
                assert time.monotonic() - began < 1, "silenced"
        after = wire.tunnel.tonels.counters()
        assert wire.syns() == 1
        # Three questions were asked.
        passed = after["datagrams_out"] - before["datagrams_out"]
        assert passed == 3, f"{passed} datagrams reached the upstream"
        stop(wire)
        top.assert_clean(expect_invalid=True)


@case("1,024 forged ICMPs over all numbers: the largest datagram still passes", deadline=90)
def icmp():
    with Topology() as top:
        wire = carried(top, 30_000_000)
        peer = "192.168.200.2"
        port = int(top.client.run(
            "conntrack -L -p tcp 2>/dev/null | grep -o 'src=192.168.200.2 dst=[^ ]* sport=[0-9]*' | "
            "head -1 | sed 's/.*sport=//'"))
        with TunInjector(top.client, "tunc") as inject:
            for number in range(1024):
                quoted = tcp_packet(peer, wire.server[0], port, Tunnel.PORT, seq=number << 22,
                                    ack=(number * 7 % 16) << 28)
                inject.send(icmp_too_big("10.9.1.1", peer, 600, quoted))
        ask_once(wire.app, bytes(1460))
        stop(wire)
        top.assert_clean()


if __name__ == "__main__":
    harness.main()
