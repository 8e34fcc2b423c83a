#!/usr/bin/env python3
"""Packets that nobody honest sends, and a flood: no crash, no growth, each kind counted."""

import random
import socket
import struct
import time

import harness
from apps import Upstream, ask_once
from harness import case
from packets import (ACK, FIN, PSH, RST, SYN, Injector, TunInjector, checksum, ip_packet,
                     tcp_packet, tcp_segment)
from processes import Tunnel, sanitized, wait_until
from topology import Topology

PEER4, PEER6 = "192.168.201.2", "fcc9::2"


def growth_allowed():
    """KiB. AddressSanitizer keeps freed memory for a while: its own, not ours."""
    return 32 << 10 if sanitized() else 2 << 10


def forged_syns(host, port, flags=SYN):
    """Makes SYNs from 10.64.0.0/10, each from an address and port of its own."""
    template = tcp_packet("10.64.0.1", host, 1024, port, seq=70000, flags=flags, window=64240,
                          options=b"\x02\x04\x05\xb4\x01\x01\x04\x02\x01\x03\x03\x0e")
    chance = random.Random(1)

    def syn():
        packet = bytearray(template)
        packet[12:16] = struct.pack("!I", 0x0a400000 + chance.getrandbits(22))
        packet[20:22] = struct.pack("!H", chance.randint(1024, 65535))
        packet[10:12] = packet[36:38] = b"\0\0"
        packet[10:12] = struct.pack("!H", checksum(bytes(packet[:20])))
        pseudo = bytes(packet[12:20]) + b"\0\6" + struct.pack("!H", len(packet) - 20)
        packet[36:38] = struct.pack("!H", checksum(pseudo + bytes(packet[20:])))
        return bytes(packet)
    return syn


@case("a flood of forged SYNs fills no tracker, and who comes meanwhile gets in")
def flood_is_limited():
    with Topology(router_nat=False) as top:
        top.router.run("ip route add blackhole 10.64.0.0/10")
        tunnel = Tunnel(top)
        with Upstream(tunnel.upstream_socket()), \
                Injector(top.client, "c0", top.router, "rc") as inject:
            ask_once(tunnel.application(), b"before")
            syn = forged_syns(top.SERVER4, tunnel.PORT)
            for _ in range(40000):
                inject.send(syn())
            late = tunnel.application()
            late.send(b"late")
            late.setblocking(False)
            start, answer = time.monotonic(), None
            while answer is None and time.monotonic() - start < 3:
                for _ in range(100):
                    inject.send(syn())
                try:
                    answer = late.recv(2000)
                except BlockingIOError:
                    pass
            tracked = int(top.server.run("cat /proc/sys/net/netfilter/nf_conntrack_count"))
            print(f"  {top.counters()['up']} SYNs, {tracked} entries, in after "
                  f"{time.monotonic() - start:.1f} s")
            assert answer is not None, "nobody gets in"
            assert tracked < 1000, f"{tracked} entries"
        tunnel.stop()


@case("a flood of forged ACKs fills no tracker that takes up connections in their middle")
def pickups_are_limited():
    with Topology(router_nat=False) as top:
        top.router.run("ip route add blackhole 10.64.0.0/10")
        tunnel = Tunnel(top)
        for host in (top.router, top.server):
            host.run("sysctl -qw net.netfilter.nf_conntrack_tcp_loose=1")  # Linux' default
        with Upstream(tunnel.upstream_socket()), \
                Injector(top.client, "c0", top.router, "rc") as inject:
            ask_once(tunnel.application(), b"before")
            ack = forged_syns(top.SERVER4, tunnel.PORT, ACK)
            for _ in range(20000):
                inject.send(ack())
            ask_once(tunnel.application(), b"during")
            tracked = int(top.server.run("cat /proc/sys/net/netfilter/nf_conntrack_count"))
            print(f"  {top.counters()['up']} ACKs, {tracked} entries")
            assert tracked < 4000, f"{tracked} entries"
        tunnel.stop()


@case("a source whose SYN comes again after 3 s, as those of tonel 0.6.1 do, gets in during a flood")
def slow_repeats_count():
    with Topology(router_nat=False) as top:
        top.router.run("ip route add blackhole 10.64.0.0/10")
        tunnel = Tunnel(top)
        with Injector(top.client, "c0", top.router, "rc") as inject:
            syn = forged_syns(top.SERVER4, tunnel.PORT)
            for _ in range(1000):
                inject.send(syn())
            one = syn()
            start = time.monotonic()
            inject.send(one)
            while time.monotonic() - start < 3.05:  # what little passes is taken
                inject.send(syn())
            inject.send(one)
            # Its rate is counted from the second on; fails, if there is none.
            top.server.run("nft get element inet tonel_tuns syn_rates4 '{ %s }'" %
                           socket.inet_ntoa(one[12:16]))
        tunnel.stop()


@case("a flood of forged SYNs leaves memory as it was, and sessions alone")
def flood():
    with Topology(router_nat=False) as top:
        # Answers to the forged addresses end here, as they end somewhere in the internet.
        top.router.run("ip route add blackhole 10.64.0.0/10")
        tunnel = Tunnel(top)
        # The program has to stand them by itself, too.
        top.server.nft("flush chain inet tonel_tuns new_syns\n")
        with Upstream(tunnel.upstream_socket()), \
                Injector(top.client, "c0", top.router, "rc") as inject:
            app = tunnel.application()
            ask_once(app, b"before")
            syn = forged_syns(top.SERVER4, tunnel.PORT)
            for _ in range(2000):  # caches, pools and tables get their size
                inject.send(syn())
            wait_until(lambda: top.counters()["up"] > 2000, 10, "the first of the flood")
            before = tunnel.tonels.resident_kib()
            for number in range(60000):
                inject.send(syn())
                if number % 20000 == 0:
                    ask_once(app, b"during %d" % number)
            after = tunnel.tonels.resident_kib()
            came = top.counters()["up"]
            answered = tunnel.tonels.counters()["tun_segments_out"]
            assert came > 55000 and answered > 30000, f"{came} SYNs, {answered} answers"
            print(f"  {came} SYNs, {answered} answers, resident {before} -> {after} KiB")
            assert after - before <= growth_allowed(), f"resident memory {before} -> {after} KiB"
            ask_once(app, b"after")
        tunnel.stop()
        top.assert_clean()


def broken_packets(chance, peer, client, port):
    """A sample of each way to be broken, then whole packets with random octets changed."""
    v6 = ":" in peer
    src = client
    good = tcp_packet(src, peer, 6000, port, seq=100, ack=200, payload=b"x" * 50)
    header = 40 if v6 else 20
    yield good[:header + 12]  # a TCP header cut short
    yield good[:header]
    yield good[:chance.randint(1, header - 1)]
    yield tcp_packet(src, peer, 6000, port, seq=1, flags=ACK, payload=b"y" * 9, bad_checksum=True)
    for flags in (0, 0x3F, SYN | FIN, SYN | RST, FIN, PSH, SYN | PSH, 0xC0, RST | FIN | ACK):
        yield tcp_packet(src, peer, 6000, port, seq=1, ack=2, flags=flags, payload=b"z" * 5)
    for offset in (0, 4, 15):
        yield tcp_packet(src, peer, 6000, port, seq=1, flags=SYN, offset=offset)
    for options in (b"\x02\x00\x00\x00", b"\x02\x01\x05\xb4", b"\x03\xff\x00\x00", b"\x01" * 40,
                    b"\x02\x04\x00\x00", b"\x02\x04\xff\xff\x03\x03\xff\x00", b"\xfd\x28" + b"\0" * 38):
        yield tcp_packet(src, peer, 6000, port, seq=1, flags=SYN, options=options)
        yield tcp_packet(src, peer, 6000, port, seq=1, ack=9, flags=ACK, options=options, payload=b"q")
    yield tcp_packet(src, peer, 6000, port ^ 1, seq=1, flags=SYN)  # another port
    yield ip_packet(src, peer, 17, b"\x12\x34\x56\x78\x00\x10\x00\x00" + b"udp")
    yield ip_packet(src, peer, 255, b"")
    yield ip_packet(src, peer, 1, chance.randbytes(20))
    yield ip_packet(src, peer, 58, chance.randbytes(20))
    if v6:
        segment = tcp_segment(src, peer, 6000, port, seq=1, flags=SYN)
        for chain in (b"\x06\xff" + b"\0" * 6, b"\x00\x00" + b"\0" * 6, b"\x06\x00\x01\x04" + b"\0" * 4):
            for kind in (0, 43, 60, 51):
                yield ip_packet(src, peer, kind, chain + segment)
        yield ip_packet(src, peer, 44, struct.pack("!BBHI", 6, 0, 1, 77) + segment)  # fragments
        yield ip_packet(src, peer, 44, struct.pack("!BBHI", 6, 0, 8, 77) + segment)
        yield ip_packet(src, peer, 44, b"\6")
    else:
        yield tcp_packet(src, peer, 6000, port, seq=1, flags=SYN, fragment=0x2000)
        yield tcp_packet(src, peer, 6000, port, seq=1, flags=SYN, fragment=0x0005)
        yield b"\x4f" + good[1:]  # IHL 60
        yield b"\x41" + good[1:]  # IHL 4
        yield good[:2] + b"\xff\xff" + good[4:]  # longer than it is
        yield good[:2] + b"\x00\x10" + good[4:]
    for _ in range(1500):
        packet = bytearray(tcp_packet(src, peer, chance.randint(1, 65535), port,
                                      seq=chance.getrandbits(32), ack=chance.getrandbits(32),
                                      flags=chance.getrandbits(6), window=chance.getrandbits(16),
                                      options=chance.randbytes(4 * chance.randint(0, 10)),
                                      payload=chance.randbytes(chance.randint(0, 200))))
        for _ in range(chance.randint(0, 4)):
            packet[chance.randrange(len(packet))] = chance.getrandbits(8)
        yield bytes(packet[:chance.randint(1, len(packet))] if chance.random() < 0.2 else packet)


@case("broken packets, straight into the TUN devices: counted, not logged, nothing ends", deadline=60)
def broken():
    chance = random.Random(3)
    with Topology() as top:
        tunnel = Tunnel(top)
        with Upstream(tunnel.upstream_socket()):
            app = tunnel.application()
            ask_once(app, b"before")
            for host, tun, program, peers in (
                    (top.server, "tuns", tunnel.tonels, (("10.9.1.2", PEER4), ("fd09:1::2", PEER6))),
                    (top.client, "tunc", tunnel.tonelc,
                     (("10.9.2.2", "192.168.200.2"), ("fd09:2::2", "fcc8::2")))):
                before = program.counters()
                lines, resident = len(program.lines), program.resident_kib()
                sent = 0
                with TunInjector(host, tun) as inject:
                    for source, peer in peers:
                        kind = 0x86DD if ":" in peer else 0x0800
                        for packet in broken_packets(chance, peer, source, tunnel.PORT):
                            try:
                                inject.send(packet, kind)
                                sent += 1
                            except OSError:
                                pass
                        inject.send(b"\x00" * 60, kind)
                ask_once(app, b"after")
                written = len(program.lines) - lines
                after = program.counters()
                grown = {k: v - before.get(k, 0) for k, v in sorted(after.items())}
                grown = {k: v for k, v in grown.items() if v}
                print(f"  {program.name}: {sent} sent, counted {grown}")
                assert written < 20, f"{written} log lines for {sent} packets"
                dropped = sum(v for k, v in grown.items() if k.startswith("dropped_"))
                assert dropped >= sent * 0.8, f"{sent} sent, counted: {grown}"
                for word in ("trunc", "checksum", "fragment", "not_tcp"):
                    assert any(word in name for name in grown), f"no counter of {word}: {grown}"
                assert program.resident_kib() - resident <= growth_allowed()
        tunnel.stop()
        # The answers to such packets are judged elsewhere: here the trackers never saw the cause.
        top.assert_clean(expect_invalid=True)


@case("garbage to the client's UDP port and from the upstream's neighbours does no harm")
def garbage():
    with Topology() as top:
        tunnel = Tunnel(top)
        with Upstream(tunnel.upstream_socket()) as upstream:
            app = tunnel.application()
            ask_once(app, b"before")
            stranger = top.server.udp("127.0.0.1")
            stranger.sendto(b"not from the upstream", upstream.sources()[0])
            ask_once(app, b"after")
            app.settimeout(0.3)
            try:
                raise AssertionError(f"a stranger's datagram came through: {app.recv(100)!r}")
            except socket.timeout:
                pass
        tunnel.stop()
        top.assert_clean()


if __name__ == "__main__":
    harness.main()
