#!/usr/bin/env python3
"""Captures of what passes the TUN device: --pcap, tonelctl pcap, the files that they write."""

import os
import shutil
import stat
import struct
import subprocess
import tempfile

import harness
from apps import Upstream, ask_once, receive_all
from harness import case
from packets import ACK, FIN, RST, SYN, Packet, TunInjector, checksum, tcp_packet
from processes import Process, Tunnel, binary, tonelctl, wait_until
from topology import Topology
from wire import Wire

INBOUND, OUTBOUND = 1, 2
MIB = 1 << 20


class Captured(Packet):
    """One packet of a file: Packet's fields, direction, queue and comment."""

    def __init__(self, data, nanoseconds, options):
        self.direction = struct.unpack("<I", options[2])[0] & 3
        super().__init__(data, nanoseconds / 1e9, self.direction == OUTBOUND)
        self.queue = struct.unpack("<I", options[6])[0]
        self.comment = options.get(1, b"").decode()

    def checksums_right(self):
        if not self.is_tcp:  # what the kernel says about multicast
            return True
        v4 = self.version == 4
        ip = 20 if v4 else 40
        addresses = self.data[12:20] if v4 else self.data[8:40]
        tcp = self.data[ip:]
        pseudo = addresses + struct.pack("!IHH", len(tcp), 0, 6)
        return checksum(pseudo + tcp) == 0 and (not v4 or checksum(self.data[:20]) == 0)


def options_of(body):
    found = {}
    while body:
        code, length = struct.unpack_from("<HH", body)
        if code == 0:
            break
        found[code] = body[4:4 + length]
        body = body[4 + (length + 3) // 4 * 4:]
    return found


def read_pcapng(path):
    """(packets, statistics or None), by the draft: draft-ietf-opsawg-pcapng §4."""
    with open(path, "rb") as file:
        data = file.read()
    packets, statistics, at = [], None, 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        assert struct.unpack_from("<I", data, at + length - 4)[0] == length, "a block is not whole"
        body = data[at + 8:at + length - 4]
        if kind == 0x0A0D0D0A:
            assert struct.unpack_from("<IHH", body) == (0x1A2B3C4D, 1, 0)
        elif kind == 1:
            assert struct.unpack_from("<H", body)[0] == 101, "not raw IP"
        elif kind == 6:
            _, high, low, size, original = struct.unpack_from("<IIIII", body)
            assert size == original
            packets.append(Captured(body[20:20 + size], high << 32 | low,
                                    options_of(body[20 + (size + 3) // 4 * 4:])))
        else:
            assert kind == 5, kind
            options = options_of(body[12:])
            statistics = tuple(struct.unpack("<Q", options[code])[0] for code in (4, 5))
        at += length
    assert at == len(data)
    return packets, statistics


class Folder:
    """Of one test, gone with it."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="tonel_pcap.")
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path)

    def file(self, name):
        return os.path.join(self.path, name)


def ctl(host, *argv, expect=0):
    """At the program of that host."""
    socket = "/run/tonel/" + {"client": "tonelc-tunc.sock", "server": "tonels-tuns.sock"}[host.role]
    return tonelctl(host, *argv, "--socket", socket, expect=expect)


def pcap(host, *argv, expect=0):
    return ctl(host, "pcap", *argv, expect=expect)


def state_of(host):
    return ctl(host, "status", "--json")[0]["pcap"]


@case("--pcap records what passes, both ways, IPv4 and IPv6, from SYN to FIN")
def whole_life():
    for family in (4, 6):
        with Topology() as top, Folder() as folder:
            files = [folder.file("client.pcapng"), folder.file("server.pcapng")]
            tunnel = Tunnel(top, family, client=("--pcap", files[0]), server=("--pcap", files[1]))
            with Upstream(tunnel.upstream_socket()):
                for i in range(5):
                    ask_once(tunnel.application(), b"datagram %d" % i)
            tunnel.stop()
            for path in files:
                assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
                packets, statistics = read_pcapng(path)
                assert statistics == (len(packets), 0), statistics
                assert all(p.checksums_right() for p in packets), packets
                times = [p.at for p in packets]
                assert times == sorted(times)
                for direction in (INBOUND, OUTBOUND):
                    texts = b"".join(p.data for p in packets if p.direction == direction)
                    assert all(b"datagram %d" % i in texts for i in range(5)), direction
                assert next(p for p in packets if p.is_tcp).has(SYN), packets
                assert any(p.has(FIN) for p in packets), packets
            if shutil.which("tcpdump"):
                shown = subprocess.run(["tcpdump", "-nvv", "-r", files[0]], text=True, check=True,
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
                whole = [p for p in read_pcapng(files[0])[0] if p.is_tcp]
                assert shown.count("(correct)") == len(whole), shown


@case("bulk is recorded as it passes: large packets, with their checksums, and nothing lost")
def bulk():
    with Topology() as top, Folder() as folder:
        path = folder.file("bulk.pcapng")
        tunnel = Tunnel(top)
        app = tunnel.application()
        with Upstream(tunnel.upstream_socket()):
            ask_once(app, b"open")
            pcap(top.client, "start", path, "--limit", "100")
            payload = [bytes([i % 251]) * 1400 for i in range(300)]
            for i in range(0, 300, 30):
                for each in payload[i:i + 30]:
                    app.send(each)
                assert receive_all(app, 30) == payload[i:i + 30]
            said = pcap(top.client, "stop")
        packets, statistics = read_pcapng(path)
        assert f"{len(packets)} packets in {path}" in said, said
        assert statistics == (len(packets), 0)
        assert all(p.checksums_right() for p in packets)
        # Sent for each other's segments: the same octets, however they were merged.
        for direction in (INBOUND, OUTBOUND):
            carried = b"".join(p.payload for p in packets if p.is_tcp and p.direction == direction)
            assert carried == b"".join(payload), (direction, len(carried))
        assert any(p.is_tcp and p.size > 1400 for p in packets), "nothing was merged"
        tunnel.stop()
        top.assert_clean()


@case("a dropped packet is recorded with the reason, and the others without")
def reasons():
    with Topology() as top, Folder() as folder:
        path = folder.file("drops.pcapng")
        wire = Wire(top)
        pcap(top.server, "start", path)
        with TunInjector(top.server, "tuns") as inject:
            before = wire.tunnel.tonels.counters().get("dropped_out_of_window", 0)
            where = (wire.client[0], "192.168.201.2", wire.client[1], wire.tunnel.PORT)
            inject.send(tcp_packet(*where, seq=wire.server_rcv_nxt + (1 << 31), flags=RST))
            stranger = (wire.client[0], "192.168.201.2", wire.client[1] ^ 1, wire.tunnel.PORT)
            inject.send(tcp_packet(*stranger, seq=1, ack=99, flags=ACK))
            wait_until(lambda: wire.tunnel.tonels.counters().get("dropped_out_of_window", 0) > before,
                       5, "the drop")
        ask_once(wire.app, b"lives")
        pcap(top.server, "stop")
        packets, _ = read_pcapng(path)
        comments = [(p.comment, p.direction) for p in packets if p.comment]
        assert ("dropped: out_of_window", INBOUND) in comments, comments
        assert ("dropped: unproven", INBOUND) in comments or \
            ("dropped: no_stream", INBOUND) in comments, comments
        lives = [p for p in packets if b"lives" in p.data]
        assert {p.direction for p in lives} == {INBOUND, OUTBOUND}
        assert not any(p.comment for p in lives), lives
        wire.stop()


@case("at its limit a capture ends, says so once, and the tunnel goes on")
def limit():
    with Topology() as top, Folder() as folder:
        path = folder.file("limit.pcapng")
        tunnel = Tunnel(top, client=("--pcap", path, "--pcap-limit", "1"))
        app = tunnel.application()
        with Upstream(tunnel.upstream_socket()):
            while state_of(top.client)["state"] == "on":
                for _ in range(30):
                    app.send(b"x" * 1400)
                receive_all(app, 30)
            said = r"the capture has ended: \S+ has reached its limit of 1 MiB"
            tunnel.tonelc.wait_line(said)
            ask_once(app, b"goes on")
            state = state_of(top.client)
            packets, statistics = read_pcapng(path)
            assert state["state"] == "limit" and state["file"] == path and state["lost"] == 0, state
            assert state["packets"] == len(packets) and state["bytes"] == os.path.getsize(path), state
            assert MIB - 70_000 < os.path.getsize(path) <= MIB
            assert statistics == (len(packets), 0)
            assert "capture" in ctl(top.client, "status")
            assert "there is no capture" in pcap(top.client, "stop", expect=1)
            assert sum("reached its limit" in line for line in tunnel.tonelc.lines) == 1
            # Another begins anew, also in the same file.
            pcap(top.client, "start", path)
            ask_once(app, b"again")
            pcap(top.client, "stop")
            assert any(b"again" in p.data for p in read_pcapng(path)[0])
        tunnel.stop()


@case("a full disk costs captured packets, counted and said once, and no datagrams")
def full_disk():
    with Topology() as top, Folder() as folder:
        disk = folder.file("disk")
        os.mkdir(disk)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], check=True)
        try:
            tunnel = Tunnel(top)
            app = tunnel.application()
            path = os.path.join(disk, "full.pcapng")
            with Upstream(tunnel.upstream_socket()):
                ask_once(app, b"open")
                pcap(top.client, "start", path)
                for i in range(200):
                    ask_once(app, b"%04d" % i + b"x" * 1000)
                tunnel.tonelc.wait_line("packets are missing in the capture: .*No space left")
                state = state_of(top.client)
                assert state["state"] == "on" and state["lost"] > 0, state
                assert "No space left" in state["problem"], state
                pcap(top.client, "stop")
                packets, _ = read_pcapng(path)
                assert 0 < len(packets) < 100, len(packets)
                ask_once(app, b"goes on")
                assert sum("packets are missing" in line for line in tunnel.tonelc.lines) == 1
            tunnel.stop()
            top.assert_clean()
        finally:
            subprocess.run(["umount", disk], check=True)


@case("a path that cannot be written is an error before anything is changed: exit 2")
def bad_paths():
    with Topology() as top, Folder() as folder:
        config = folder.file("client.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write("local = 127.0.0.1:5000\nremote = 192.0.2.1:1\npcap = nowhere/x\n")
        os.chmod(config, 0o600)
        links = top.client.run("ip -o link show")
        plain = ["-l", "127.0.0.1:5000", "-r", "192.0.2.1:1"]
        for argv, said in (([*plain, "--pcap", "/nowhere/x"], "--pcap /nowhere/x: cannot be opened"),
                           ([*plain, "--pcap", folder.path], "Is a directory"),
                           ([*plain, "--pcap", "/dev/null"], "is no regular file"),
                           ([*plain, "--pcap-limit", "0"], "--pcap-limit 0: must be 1 to 1048576"),
                           (["--config", config], f"{config}:3: pcap {folder.path}/nowhere/x")):
            program = Process(top.client, [binary("tonelc"), *argv])
            assert program.wait(10) == 2, program.output()
            assert said in program.output(), program.output()
        assert top.client.run("ip -o link show") == links


@case("tonelctl tells what it cannot do, and only one capture is on at a time")
def orders():
    with Topology() as top, Folder() as folder:
        tunnel = Tunnel(top)
        path = folder.file("one.pcapng")
        assert "there is no capture" in pcap(top.client, "stop", expect=1)
        assert "No such file or directory" in pcap(top.client, "start", "/nowhere/x", expect=1)
        for wrong in ((), ("start",), ("stop", "x"), ("start", path, "--limit", "0"),
                      ("stop", "--limit", "3"), ("go",)):
            pcap(top.client, *wrong, expect=2)
        assert f"capturing into {path}" in pcap(top.client, "start", path)
        said = pcap(top.client, "start", folder.file("two.pcapng"), expect=1)
        assert f"there is a capture already, into {path}" in said, said
        said = pcap(top.server, "start", path, expect=1)
        assert "another program captures into it" in said, said
        pcap(top.client, "stop")
        # Whatever the kernel itself said on the device meanwhile (router solicitations), and no more.
        packets, statistics = read_pcapng(path)
        assert statistics == (len(packets), 0), statistics
        tunnel.stop()


if __name__ == "__main__":
    harness.main()
