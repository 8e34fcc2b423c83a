#!/usr/bin/env python3
"""The programs of the direct path, between a TUN device that this test holds and the network.

     client                    router                    server
   c0 10.9.1.2  ------------ rc      rs ------------ s0 10.9.2.2
      fd09:1::2                                         fd09:2::2

Where an end has the programs, this test is the tunnel's program: it reads and writes packets at the TUN
device, as they are on the wire. The other end is the host's own TCP.
"""

import contextlib
import os
import select
import signal
import socket
import struct
import subprocess

import harness
import packets
from direct import (FOLDER, KERNEL, LINKS, PORT, GSO_TCP4, GSO_TCP6, Direct, Far, Tun, address_of,
                    each_means, exchange, far_to, handshake, hooked, links_at, reply, server,
                    tracked)
from harness import case
from packets import ACK, PSH, SYN, icmp_too_big, ip_packet, tcp_packet, tcp_segment
from processes import binary, joined, wait_until
from topology import Host, Topology


@case("a server answers IPv4 and IPv6 without a rule, forwarding and connection tracking")
@each_means
def _(means):
    with Topology() as top:
        top.server.nft("table inet closed { %s }" % "".join(
            f"chain {hook} {{ type filter hook {hook} priority 0; policy drop; }}\n"
            for hook in ("input", "forward", "output")))
        with server(top, means) as (tun, direct):
            assert means in direct.say(f"plan server tun=tuns uplink=s0 port={PORT}")
            for family in (4, 6):
                far = far_to(top, family)
                syn = exchange(tun, far)
                assert syn.dst == address_of(top, family), syn
                far.close()
            assert not tracked(top.server)
            assert direct.counters()["strange"] == 0
            assert "= 0" in top.server.run("sysctl net.ipv4.ip_forward")
            top.assert_clean()


@case("a client takes exactly its connections, and they end with their release")
@each_means
def _(means):
    with Topology() as top:
        tun = Tun(top.client, "tunc")
        direct = Direct(top.client, means)
        index = {family: int(top.client.run("cat /sys/class/net/c0/ifindex")) for family in (4, 6)}
        direct.plan("client tun=tunc uplink=c0 " + " ".join(
            f"remote={address_of(top, family)}%{index[family]}" for family in (4, 6)))
        for family in (4, 6):
            ours, far = address_of(top, family, "client"), address_of(top, family)
            kind = socket.AF_INET if family == 4 else socket.AF_INET6
            with top.server.entered():
                listener = socket.create_server((far, PORT), family=kind)
            # The host's own connection to the same port goes its way.
            own = Far(top.client, kind).connect(far, PORT)
            own.connected()
            listener.accept()
            local, remote = joined(ours, 40001), joined(far, PORT)
            syn = tcp_packet(ours, far, 40001, PORT, flags=SYN, seq=500)
            tun.write(syn)
            assert tun.read(0.2) is None
            assert direct.counters()["strange"] == (1 if family == 4 else 2)
            assert direct.say(f"take {local} {remote}") == "ok"
            tun.write(syn)
            answer = tun.read(3, lambda p: p.has(SYN | ACK))
            assert answer and (answer.src, answer.sport, answer.dst) == (far, PORT, ours), answer
            tun.write(tcp_packet(ours, far, 40001, PORT, flags=PSH | ACK, seq=501, ack=answer.seq + 1,
                                 payload=b"one"))
            peer, _ = listener.accept()
            assert peer.recv(10) == b"one"
            peer.send(b"two")
            assert tun.read(3, lambda p: p.payload == b"two")
            own.sock.send(b"mine")
            direct.say(f"release {local} {remote}")
            peer.send(b"three")
            # Now the host's own TCP answers, which knows nothing of it.
            wait_until(lambda: _is_reset(peer), 3, "no RST after the release")
            assert tun.read(0.1) is None
        direct.stop()
        assert top.counters()["invalid"] == 0, top.counters()


def _is_reset(sock):
    sock.setblocking(False)
    try:
        return sock.recv(100) is None
    except ConnectionResetError:
        return True
    except BlockingIOError:
        return False


@case("a neighbour's program and filters on the same hook stay, and work")
@each_means
def _(means):
    with Topology() as top:
        host = top.server
        # Others' filters in front, one of which lets everything pass.
        host.run("""set -e
            tc qdisc add dev s0 clsact
            tc filter add dev s0 ingress prio 1 protocol all bpf bytecode '1,6 0 0 4294967295,' flowid 1:1
            tc filter add dev s0 egress prio 1 protocol all bpf bytecode '1,6 0 0 4294967295,' flowid 1:1
            tc filter add dev s0 ingress prio 3 protocol all u32 match u32 0 0 flowid 1:2""")
        theirs = host.run("tc filter show dev s0 ingress; tc filter show dev s0 egress")
        with server(top, means) as (tun, direct):
            other = Tun(host, "tuno")
            neighbour = Direct(host, means)
            neighbour.plan(f"server tun=tuno uplink=s0 port={PORT + 1}")
            exchange(tun, far_to(top, 4))
            exchange(other, far_to(top, 4, port=PORT + 1))
            neighbour.stop()
            exchange(tun, far_to(top, 6))
            direct.stop()
            assert host.run("tc filter show dev s0 ingress; tc filter show dev s0 egress") == theirs
            assert "clsact" in host.run("tc qdisc show dev s0")


@case("a filter gives way to another kind of filter on its priority")
def _():
    with Topology() as top:
        top.server.run("""set -e
            tc qdisc add dev s0 clsact
            tc filter add dev s0 ingress prio 1 protocol ip u32 match ip dport 9 0xffff flowid 1:1""")
        with server(top, "clsact") as (tun, _):
            exchange(tun, far_to(top, 4))
        assert "u32" in top.server.run("tc filter show dev s0 ingress")


@case("a filter hangs on the older kind of clsact, too, and leaves it")
def _():
    with Topology() as top:
        top.server.run("tc qdisc add dev s0 ingress")
        with server(top, "clsact") as (tun, direct):
            exchange(tun, far_to(top, 4))
            direct.stop()
        assert "qdisc ingress" in top.server.run("tc qdisc show dev s0")


@case("kill -9 leaves nothing of links")
def _():
    if not LINKS:
        raise harness.Skip("links came with Linux 6.6")
    with Topology() as top:
        before = hooked(top.server)
        with server(top, "tcx") as (tun, direct):
            exchange(tun, far_to(top, 4))
            assert links_at(top.server, "s0") == 1
            direct.signal(signal.SIGKILL)
            direct.wait(5)
            wait_until(lambda: hooked(top.server) == before, 5, lambda: hooked(top.server))
            again = Direct(top.server)
            assert "removed" not in again.plan(f"server tun=tuns uplink=s0 port={PORT}")
            exchange(tun, far_to(top, 4))
            again.stop()


@case("what kill -9 leaves of filters goes with the next start, whatever its means, and nothing else")
def _():
    with Topology() as top:
        host = top.server
        host.run("tc qdisc add dev lo clsact; "
                 "tc filter add dev lo ingress u32 match u32 0 0 flowid 1:1")
        before = hooked(host)
        with server(top, "clsact", plan=f"server tun=tuns uplink=s0 uplink=lo port={PORT}") as (tun, direct):
            exchange(tun, far_to(top, 4))
            direct.signal(signal.SIGKILL)
            direct.wait(5)
            assert "tonel:direct_tuns" in str(hooked(host))
            # A living neighbour's is left alone.
            neighbour = Direct(host, "clsact")
            other = Tun(host, "tuno")
            text = neighbour.plan(f"server tun=tuno uplink=s0 port={PORT + 1}")
            assert "removed what an earlier process had left: direct_tuns" in text, text
            assert "direct_tuns" not in str(hooked(host))
            third = Direct(host)
            assert "removed" not in third.plan(f"server tun=tuns uplink=s0 port={PORT}")
            exchange(other, far_to(top, 4, port=PORT + 1))
            exchange(tun, far_to(top, 4))
            third.stop()
            neighbour.stop()
            other.close()
        wait_until(lambda: hooked(host) == before, 5, lambda: f"{hooked(host)} against {before}")


@case("what others detach is put back; devices that come later get programs, and go without a trace")
@each_means
def _(means):
    with Topology() as top:
        host = top.server
        plan = f"server tun=tuns uplink=s0 uplink=s1 port={PORT}"
        with server(top, means, plan=plan) as (tun, direct):
            assert direct.plan(plan).endswith("as it was tuns s0")
            if means == "clsact":
                host.run("tc qdisc del dev s0 clsact")
                assert "repaired" in direct.plan(plan)
                exchange(tun, far_to(top, 4))
            host.run("ip link add s1 type veth peer name s2; ip link set s1 up")
            assert direct.plan(plan).endswith("as it was tuns s0 s1")
            host.run("ip link del s1")
            assert direct.plan(plan).endswith("as it was tuns s0")
            # The device of the program, too, which has another number then.
            tun.close()
            assert direct.say(f"plan {plan}").startswith("error")
            tun.open()
            assert direct.plan(plan).endswith("as it was tuns s0")
            exchange(tun, far_to(top, 6))
            direct.stop()


@case("bridges and macvlans are uplinks, and what is below a macvlan leaves it its frames")
@each_means
def _(means):
    with Topology() as top:
        router, host = top.router, top.server
        host.run("""set -e
            ip link add link s0 name mac0 type macvlan mode bridge; ip link set mac0 up
            ip addr add 10.9.2.3/24 dev mac0
            ip link add br0 type bridge forward_delay 0; ip link set br0 up; ip addr add 10.79.0.2/24 dev br0""")
        subprocess.run(["ip", "link", "add", "s1", "netns", host.name, "type", "veth", "peer", "name", "r1",
                        "netns", router.name], check=True)
        host.run("ip link set s1 master br0 up")
        router.run("ip addr add 10.79.0.1/24 dev r1; ip link set r1 up")
        # One address a device: what the host answers for others would confuse the neighbours.
        host.sysctl({"net.ipv4.conf.all.arp_ignore": 1, "net.ipv4.conf.all.rp_filter": 0})
        with server(top, means) as (tun, direct):
            with contextlib.closing(Far(router, socket.AF_INET)) as far:
                far.connect("10.9.2.3", PORT)
                assert tun.read(0.3, lambda p: p.has(SYN)) is None
            direct.plan(f"server tun=tuns uplink=s0 uplink=mac0 uplink=br0 port={PORT}")
            for address in ("10.9.2.3", "10.79.0.2", "10.9.2.2"):
                with contextlib.closing(Far(router, socket.AF_INET)) as far:
                    far.connect(address, PORT)
                    assert exchange(tun, far).dst == address


@case("tagged frames are the VLAN's; a tag without a VLAN is none")
@each_means
def _(means):
    with Topology() as top, server(top, means) as (tun, _):
        with top.router.entered():
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        raw.bind(("rs", 0))
        mac = packets._mac(top.server, "s0") + packets._mac(top.router, "rs")
        for vlan, taken in ((7, False), (0, True)):
            packet = tcp_packet("10.9.2.1", "10.9.2.2", 100 + vlan, PORT, flags=SYN)
            raw.send(mac + struct.pack("!HHH", 0x8100, vlan, 0x0800) + packet)
            got = tun.read(3 if taken else 0.3, lambda p: p.has(SYN))
            assert bool(got) == taken, got
            assert not taken or got.data[:len(packet)] == packet


@case("an uplink without link headers")
@each_means
def _(means):
    with Topology() as top:
        host = top.server
        line = Tun(host, "tunl")
        host.run("ip addr add 10.80.0.2/24 dev tunl; ip addr add fd80::2/64 dev tunl nodad")
        with server(top, means, plan=f"server tun=tuns uplink=tunl uplink=s0 port={PORT}") as (tun, _):
            for near, far in (("10.80.0.2", "10.80.0.1"), ("fd80::2", "fd80::1")):
                packet = tcp_packet(far, near, 99, PORT, flags=SYN)
                line.write(packet)
                syn = tun.read(3, lambda p: p.has(SYN))
                assert syn and syn.data == packet, syn
                answer = reply(syn, SYN | ACK, 1, 2)
                tun.write(answer)
                got = line.read(3, lambda p: p.has(SYN | ACK))
                assert got and got.data == answer, got
            exchange(tun, far_to(top, 4))
        line.close()


@case("ICMP errors of both families reach the program, and only those about its connections")
@each_means
def _(means):
    with Topology() as top, server(top, means) as (tun, _):
        for family in (4, 6):
            far = far_to(top, family)
            syn = exchange(tun, far)
            ours, theirs = syn.dst, syn.src
            router = "10.9.2.1" if family == 4 else "fd09:2::1"
            about = tcp_packet(ours, theirs, PORT, syn.sport, seq=1, payload=bytes(600))
            others = tcp_packet(ours, theirs, 9999, syn.sport, seq=1, payload=bytes(600))
            with packets.Injector(top.router, "rs", top.server, "s0") as wire:
                wire.send(icmp_too_big(router, ours, 1300, others))
                wire.send(icmp_too_big(router, ours, 1290, about))
            error = tun.read(3, lambda p: not p.is_tcp)
            assert error, "no ICMP error at the TUN"
            assert struct.unpack("!I", error.data[error.header + 4:error.header + 8])[0] & 0xFFFF == 1290
            assert tun.read(0.1, lambda p: not p.is_tcp) is None
            far.close()


@case("what is too long for the uplink is answered as a router would, and nothing of it leaves")
@each_means
def _(means):
    with Topology() as top:
        top.server.run("ip link set s0 mtu 1400")
        with server(top, means, offload=True) as (tun, direct):
            for family, gso in ((4, GSO_TCP4), (6, GSO_TCP6)):
                with contextlib.closing(far_to(top, family)) as far:
                    syn = handshake(tun, far)
                    headers = 40 if family == 4 else 60
                    fits = reply(syn, PSH | ACK, 1001, syn.seq + 1, payload=bytes(1400 - headers))
                    with packets.Capture(top.server, "s0", lambda p: p.outgoing and p.is_tcp) as seen:
                        tun.write(fits)
                        assert far.receive() == bytes(1400 - headers)
                        before = len(seen.all())
                        for payload, how in ((1401 - headers, None), (20000, (gso, 1401 - headers))):
                            packet = reply(syn, PSH | ACK, 2361, syn.seq + 1, payload=bytes(payload))
                            tun.write(packet, how)
                            told = tun.read(3, lambda p: not p.is_tcp)
                            assert told, "nothing told"
                            body = told.data[told.header:]
                            assert body[:2] == (b"\x03\x04" if family == 4 else b"\x02\x00"), told
                            assert struct.unpack("!I", body[4:8])[0] == 1400
                            assert body[8:] == packet[:headers], "not the packet's headers"
                            assert told.dst == told.src == syn.dst and told.length == len(told.data)
                            total = packets.checksum(body) if family == 4 else packets.checksum(
                                packets._pseudo(told.src, told.dst, len(body), 58) + body)
                            assert total == 0
                            assert family == 6 or packets.checksum(told.data[:20]) == 0
                        assert len(seen.all()) == before
            assert direct.counters()["lost"] == 0
            # A longer one is learnt with the next look.
            top.server.run("ip link set s0 mtu 1500")
            direct.plan(f"server tun=tuns uplink=s0 port={PORT}")
            with contextlib.closing(far_to(top, 4)) as far:
                syn = handshake(tun, far)
                tun.write(reply(syn, PSH | ACK, 1001, syn.seq + 1, payload=bytes(1460)))
                assert far.receive() == bytes(1460)


@case("fragments, other protocols and other ports are the host's, as before")
@each_means
def _(means):
    with Topology() as top, server(top, means) as (tun, direct):
        host = top.server
        host.nft("""table inet seen {
            counter fragments { }
            counter others { }
            chain i { type filter hook prerouting priority -450;
              iifname s0 ip frag-off & 0x3fff != 0 counter name fragments
              iifname s0 exthdr frag exists counter name fragments
              iifname s0 udp dport 4567 counter name others
            }
          }""")
        body = tcp_segment("10.9.2.1", "10.9.2.2", 1234, PORT, flags=SYN)
        v6 = tcp_segment("fd09:2::1", "fd09:2::2", 1234, PORT, flags=SYN)
        with packets.Injector(top.router, "rs", host, "s0") as wire:
            wire.send(ip_packet("10.9.2.1", "10.9.2.2", 6, body[:8], fragment=0x2000))
            wire.send(ip_packet("10.9.2.1", "10.9.2.2", 6, body[8:], fragment=0x0001))
            wire.send(ip_packet("fd09:2::1", "fd09:2::2", 44,
                                struct.pack("!BBHI", 6, 0, 1, 7) + v6[:8]))
            wire.send(ip_packet("10.9.2.1", "10.9.2.2", 17, struct.pack("!HHHH", 1, PORT, 8, 0)))
            # To the address of another host of the network, and from nobody.
            wire.send(tcp_packet("10.9.2.1", "10.9.2.9", 1234, PORT, flags=SYN))
            assert tun.read(0.3) is None
            wire.send(tcp_packet("127.0.0.1", "10.9.2.2", 1234, PORT, flags=SYN))
            wire.send(tcp_packet("224.0.0.1", "10.9.2.2", 1234, PORT, flags=SYN))
            wire.send(tcp_packet("::1", "fd09:2::2", 1234, PORT, flags=SYN))
            assert tun.read(0.3) is None
        assert direct.counters()["refused"] == 3, direct.counters()
        text = host.run("nft list counters table inet seen").replace("\n", " ")
        assert "fragments { packets 3" in " ".join(text.split()), text
        assert "others { packets 1" in " ".join(text.split()), text
        with host.entered():
            listener = socket.create_server(("10.9.2.2", 80))
        far_to(top, 4, port=80).connected()
        listener.accept()[0].send(b"web")


@case("a router's forwarded connections to the port are not caught")
@each_means
def _(means):
    with Topology() as top:
        tun = Tun(top.router, "tunr")
        direct = Direct(top.router, means)
        direct.plan(f"server tun=tunr uplink=rc uplink=rs port={PORT}")
        with top.server.entered():
            listener = socket.create_server((Topology.SERVER4, PORT))
        far_to(top, 4).connected()
        listener.accept()
        assert tun.read(0.2) is None
        far = far_to(top, 4, "10.9.1.1")
        exchange(tun, far)
        direct.stop()


@case("nobody can forge packets of others by the TUN")
def _():
    with Topology() as top, server(top) as (tun, direct):
        top.router.nft("""table inet seen {
            counter any { }
            chain i {
              type filter hook prerouting priority -450;
              iifname rs ip saddr { 10.9.2.2, 1.2.3.4 } counter name any
            }
          }""")
        for packet in (tcp_packet("1.2.3.4", "10.9.1.2", PORT, 5), tcp_packet("10.9.2.2", "10.9.1.2", 22, 5),
                       ip_packet("10.9.2.2", "10.9.1.2", 17, struct.pack("!HHHH", PORT, 5, 8, 0)),
                       ip_packet("10.9.2.2", "10.9.1.2", 6, bytes(4)),
                       tcp_packet("fd09:2::9", "fd09:1::2", PORT, 5)):
            tun.write(packet)
        wait_until(lambda: direct.counters()["strange"] == 5, 3, direct.counters)
        assert "packets 0" in top.router.run("nft list counters table inet seen")


@case("a port serves the sources that it allows; plans change without a gap")
def _():
    with Topology(router_nat=False) as top, server(top) as (tun, direct):
        base = "server tun=tuns uplink=s0"
        kept = far_to(top, 4)
        syn = exchange(tun, kept)
        for allowed, refused in (("10.9.1.0/24,fd09:1::2/128", ""), ("10.9.1.2/32", "6"),
                                 ("fd09::/16,10.9.1.3/32", "4"), ("0.0.0.0/0", "6")):
            direct.plan(f"{base} port={PORT + 1} port={PORT}<{allowed}")
            for family in (4, 6):
                with contextlib.closing(far_to(top, family)) as far:
                    if str(family) in refused:
                        assert tun.read(0.2, lambda p: p.has(SYN)) is None
                    else:
                        handshake(tun, far)
        kept.sock.send(b"still")
        assert tun.read(3, lambda p: p.payload == b"still")
        assert direct.counters()["refused"] > 0
        # A port that goes is the host's again, which resets; one at an address is that address' alone.
        host = top.server
        host.run("ip addr add 10.9.2.7/24 dev s0")
        direct.plan(f"{base} port={PORT}@10.9.2.7")
        kept.sock.send(b"over")
        wait_until(lambda: _is_reset(kept.sock), 3, "no RST of the host")
        exchange(tun, far_to(top, 4, "10.9.2.7"))
        assert syn.dport == PORT


@case("super-segments pass as such, in both directions")
@each_means
def _(means):
    with Topology() as top, server(top, means, offload=True) as (tun, _):
        for family, gso in ((4, GSO_TCP4), (6, GSO_TCP6)):
            with packets.Capture(top.router, "rs") as seen, contextlib.closing(far_to(top, family)) as far:
                syn = tun.read(3, lambda p: p.has(SYN))
                mss = struct.pack("!BBH", 2, 4, 1000)
                tun.write(reply(syn, SYN | ACK, 1000, syn.seq + 1, options=mss))
                far.connected()
                payload = bytes(range(256)) * 78 + bytes(32)
                packet = reply(syn, PSH | ACK, 1001, syn.seq + 1, payload=payload)
                size = 40 if family == 6 else 20
                # Of a partial checksum the field has the pseudo-header's.
                at = size + 16
                pseudo = packets._pseudo(syn.dst, syn.src, 20 + len(payload), 6)
                partial = packets.checksum(pseudo) ^ 0xFFFF
                packet = packet[:at] + struct.pack("!H", partial) + packet[at + 2:]
                tun.write(packet, (gso, 1000))
                got = b""
                while len(got) < len(payload):
                    got += far.receive()
                assert got == payload
                longest = max(p.size for p in seen.all(lambda p: p.sport == PORT))
                assert longest == len(payload), f"{longest} of {len(payload)}"
                far.sock.send(payload[:9000])
                back = tun.read(3, lambda p: p.payload)
                assert back.vnet[1] == gso and back.vnet[3] == 1000, back.vnet
                assert back.size > 1000, back


@case("headers that a driver leaves in pages are read all the same")
def _():
    # What AF_PACKET sends has its link header in the linear part, and the rest in pages.
    with Topology() as top, server(top) as (tun, _):
        with top.router.entered():
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        raw.bind(("rs", 0))
        mac = packets._mac(top.server, "s0") + packets._mac(top.router, "rs")
        big = tcp_packet("10.9.2.1", "10.9.2.2", 77, PORT, payload=bytes(1400))
        raw.send(mac + struct.pack("!H", 0x0800) + big)
        assert tun.read(3, lambda p: p.sport == 77)


@case("answers leave by the uplink of the route, or with arrival by the one that was asked")
@each_means
def _(means):
    with contextlib.ExitStack() as stack:
        # Two ways between two hosts; the server's route to the client's address is the first.
        client, host = (Host(role) for role in ("client", "server"))
        for h in (client, host):
            stack.callback(h.remove)
        for n in (1, 2):
            subprocess.run(["ip", "link", "add", f"c{n}", "netns", client.name, "type", "veth", "peer",
                            "name", f"w{n}", "netns", host.name], check=True)
            for h, dev, number in ((client, f"c{n}", 1), (host, f"w{n}", 2)):
                h.run(f"ip link set {dev} up; ip addr add 10.1{n}.0.{number}/24 dev {dev};"
                      f"ip addr add fd1{n}::{number}/64 dev {dev} nodad")
        for h in (client, host):
            h.sysctl({f"net.ipv4.conf.{dev}.rp_filter": 0 for dev in
                      ("all", *(("c1", "c2") if h is client else ("w1", "w2")))})
        client.run("ip addr add 10.99.0.1/32 dev lo; ip addr add fd99::1/128 dev lo")
        for n, metric in ((1, 100), (2, 200)):
            host.run(f"ip route add 10.99.0.1 via 10.1{n}.0.1 metric {metric};"
                     f"ip -6 route add fd99::1 via fd1{n}::1 metric {metric}")
        tun = Tun(host, "tuns")
        direct = Direct(host, means)
        base = f"server tun=tuns uplink=w1 uplink=w2 uplink=lo port={PORT}"
        for words, leaves in (("", {1: 1, 2: 1}), ("arrival", {1: 1, 2: 2})):
            direct.plan(f"{base} {words}")
            for n in (1, 2):
                for own, address in (("10.99.0.1", f"10.1{n}.0.2"), ("fd99::1", f"fd1{n}::2")):
                    kind = socket.AF_INET6 if ":" in own else socket.AF_INET
                    with packets.Capture(host, f"w{leaves[n]}", lambda p: p.outgoing and p.has(SYN | ACK)) as seen, \
                            contextlib.closing(Far(client, kind)) as far:
                        far.sock.bind((own, 0))
                        far.connect(address, PORT)
                        exchange(tun, far)
                        assert seen.wait(lambda p: p.src == address, 3, f"no answer by w{leaves[n]}")
        # And on the host itself.
        for kind, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"), (socket.AF_INET, "10.11.0.2")):
            with contextlib.closing(Far(host, kind)) as far:
                far.connect(address, PORT)
                exchange(tun, far)
        assert "= 0" in host.run("sysctl net.ipv4.ip_forward")
        assert direct.counters()["lost"] == 0
        direct.stop()
        tun.close()


@case("the mark is on what leaves, and decides the route")
def _():
    with Topology(router_nat=False) as top:
        top.server.run("ip rule add fwmark 77 lookup 77; ip route add unreachable default table 77; "
                       "ip rule add fwmark 78 lookup 78; ip route add default via 10.9.2.1 table 78; "
                       "ip route del default")
        base = f"server tun=tuns uplink=s0 port={PORT}"
        with server(top, plan=base + " mark=78") as (tun, direct):
            exchange(tun, far_to(top, 4))
            direct.plan(base + " mark=77")
            far = far_to(top, 4)
            syn = tun.read(3, lambda p: p.has(SYN))
            tun.write(reply(syn, SYN | ACK, 1000, syn.seq + 1))
            assert not select.select([], [far.sock], [], 0.3)[1], "sent past the rule for its mark"


@case("CAP_BPF and CAP_NET_ADMIN are enough, the former is given up, and their lack is told")
@each_means
def _(means):
    harness.needs("setpriv")

    def with_only(*rights):
        sets = ",".join(("-all", *(f"+{right}" for right in rights)))
        return ("setpriv", "--reuid", "65534", "--clear-groups", f"--inh-caps={sets}",
                f"--ambient-caps={sets}", f"--bounding-set={sets}")

    with Topology() as top:
        folder = f"{FOLDER}-of-another-user"
        os.makedirs(folder, exist_ok=True)
        os.chown(folder, 65534, -1)
        tun = Tun(top.server, "tuns")
        rights = ("bpf", "net_admin", *(("perfmon",) if KERNEL < (6, 8) else ()))
        direct = Direct(top.server, means, with_only(*rights), folder)
        with open(f"/proc/{direct.popen.pid}/status", encoding="utf-8") as status:
            rights = dict(line.split(":\t", 1) for line in status.read().splitlines() if line.startswith("Cap"))
        assert {int(rights[name], 16) for name in ("CapPrm", "CapEff", "CapAmb", "CapInh")} == {1 << 12}, rights
        direct.plan(f"server tun=tuns uplink=s0 port={PORT}")
        exchange(tun, far_to(top, 4))
        direct.plan(f"server tun=tuns uplink=s0 uplink=lo port={PORT}<10.9.0.0/16")
        exchange(tun, far_to(top, 4))
        direct.stop()
        for rights in (("net_admin",), ()):
            text = top.server.run(" ".join((*with_only(*rights), binary("tonel-direct"), folder, means)), check=False)
            assert "it needs CAP_BPF" in text, text
        tun.close()


if __name__ == "__main__":
    harness.main()
