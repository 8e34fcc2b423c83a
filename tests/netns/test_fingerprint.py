#!/usr/bin/env python3
"""Our handshake beside the one of this machine's kernel, and what p0f takes us for."""

import os
import re
import socket
import subprocess
import tempfile

import harness
from apps import Upstream, ask_once
from harness import case
from packets import ACK, PSH, SYN, Capture, write_pcap
from processes import Tunnel
from topology import Topology


def kernel_handshake(top, family):
    """connect() of the kernel with timestamps off and the receive limit that we pretend."""
    for host in (top.client, top.server):
        host.sysctl({"net.ipv4.tcp_timestamps": 0,
                     "net.ipv4.tcp_rmem": f'"4096 131072 {1 << 30}"'})
    kind = socket.AF_INET if family == 4 else socket.AF_INET6
    with top.server.entered():
        listener = socket.socket(kind, socket.SOCK_STREAM)
    listener.bind(("", 8080))
    listener.listen(1)
    with Capture(top.client, "c0", lambda p: p.is_tcp and 8080 in (p.sport, p.dport)) as seen:
        with top.client.entered():
            client = socket.socket(kind, socket.SOCK_STREAM)
        client.connect((top.SERVER4 if family == 4 else top.SERVER6, 8080))
        client.send(b"x")
        seen.wait(lambda p: p.size == 1, 2, "the first data")
        packets = list(seen.packets)
    client.close()
    listener.close()
    return packets


def our_handshake(top, family):
    tunnel = Tunnel(top, family)
    with Upstream(tunnel.upstream_socket()), Capture(top.client, "c0") as seen:
        ask_once(tunnel.application(), b"x")
        packets = list(seen.packets)
    tunnel.stop()
    return packets


def first(packets, flags, without=0):
    return next(p for p in packets if p.flags & flags == flags and not p.flags & without)


def fields(packet, hops=0):
    """What a stranger sees of a handshake packet and that does not vary by chance."""
    found = {"ttl": packet.ttl + hops, "tos": packet.tos, "window": packet.window, "flags": packet.flags,
             "options": packet.options, "urgent": packet.urgent, "length": packet.length}
    if packet.version == 4:
        found["fragment field"] = packet.frag
        found["id is 0"] = packet.ident == 0
    return found


@case("SYN, SYN-ACK and ACK have the header fields and options of the kernel's")
def compare():
    for family in (4, 6):
        with Topology() as top:
            kernel = kernel_handshake(top, family)
            ours = our_handshake(top, family)
            for name, flags, without in (("SYN", SYN, ACK), ("SYN-ACK", SYN | ACK, 0)):
                # What our program sends has passed one hop, its own host, when it is on the wire.
                theirs = fields(first(kernel, flags, without))
                mine = fields(first(ours, flags, without), 1)
                print(f"  IPv{family} {name}: kernel {theirs}")
                differ = {k: (theirs[k], mine[k]) for k in theirs if theirs[k] != mine[k]}
                assert not differ, f"{name}: kernel against ours: {differ}"
            theirs, mine = first(kernel, ACK, SYN), first(ours, ACK, SYN)
            assert (mine.ttl + 1, mine.tos, mine.options) == (theirs.ttl, theirs.tos, theirs.options)
            assert mine.seq == (first(ours, SYN, ACK).seq + 1) & 0xFFFFFFFF
            if family == 4:
                assert mine.df and theirs.df
            top.assert_clean()


@case("initial sequence numbers and ports do not repeat or count")
def unpredictable():
    with Topology() as top:
        tunnel = Tunnel(top)
        with Upstream(tunnel.upstream_socket()), \
                Capture(top.client, "c0", lambda p: p.has(SYN)) as seen:
            for n in range(20):
                ask_once(tunnel.application(), b"%d" % n)
            mine = [p.seq for p in seen.all(lambda p: not p.has(ACK))]
            theirs = [p.seq for p in seen.all(lambda p: p.has(ACK))]
        for numbers in (mine, theirs):
            assert len(set(numbers)) == 20, numbers
            steps = [(b - a) & 0xFFFFFFFF for a, b in zip(numbers, numbers[1:])]
            assert max(steps) > 1 << 28 and len(set(steps)) == len(steps), steps
            assert min(numbers) > 65535, "the old dialect's range"
        tunnel.stop()
        top.assert_clean()


@case("p0f names our SYN as Linux")
def fingerprint():
    harness.needs("p0f")
    with Topology() as top, tempfile.TemporaryDirectory() as folder:
        packets = our_handshake(top, 4)
        capture = os.path.join(folder, "ours.pcap")
        write_pcap(capture, packets)
        text = subprocess.run(["p0f", "-r", capture], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False).stdout
        syn = re.search(r"\(syn\) \]-(.*?)`----", text, re.S)
        assert syn, text
        print("\n".join("  " + l for l in syn.group(1).splitlines() if "os " in l or "raw_sig" in l))
        assert re.search(r"os\s+= Linux", syn.group(1)), text
        assert any(p.flags & PSH for p in packets)


if __name__ == "__main__":
    harness.main()
