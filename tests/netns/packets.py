"""IP and TCP packets by hand: built, read, captured from an interface, put onto one."""

import ipaddress
import select
import socket
import struct
import threading
import time

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 0x0003, 0x0800, 0x86DD
TCP, ICMP, ICMPV6 = 6, 1, 58


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def _pseudo(src, dst, length, protocol):
    source, target = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    if source.version == 4:
        return source.packed + target.packed + struct.pack("!BBH", 0, protocol, length)
    return source.packed + target.packed + struct.pack("!II", length, protocol)


def ip_packet(src, dst, protocol, body, ttl=64, ident=1, fragment=0x4000):
    """An IP packet around a body; `fragment` is IPv4's flags and offset field."""
    if ipaddress.ip_address(src).version == 6:
        return struct.pack("!IHBB", 6 << 28, len(body), protocol, ttl) + \
            ipaddress.ip_address(src).packed + ipaddress.ip_address(dst).packed + body
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), ident, fragment, ttl, protocol, 0,
                         ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed)
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + body


def tcp_segment(src, dst, sport, dport, seq=0, ack=0, flags=ACK, window=65535, payload=b"",
                options=b"", bad_checksum=False, offset=None):
    words = 5 + len(options) // 4 if offset is None else offset
    header = struct.pack("!HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, words << 4,
                         flags, window, 0, 0) + options
    body = header + payload
    total = checksum(_pseudo(src, dst, len(body), TCP) + body)
    if bad_checksum:
        total ^= 0x5555
    return body[:16] + struct.pack("!H", total) + body[18:]


def tcp_packet(src, dst, sport, dport, ttl=64, ident=1, fragment=0x4000, **tcp):
    body = tcp_segment(src, dst, sport, dport, **tcp)
    return ip_packet(src, dst, TCP, body, ttl, ident, fragment)


def icmp_too_big(src, dst, mtu, quoted):
    """"Fragmentation needed" or "packet too big", from src, about the quoted packet."""
    if ipaddress.ip_address(src).version == 6:
        body = struct.pack("!BBHI", 2, 0, 0, mtu) + quoted[:1232]
        total = checksum(_pseudo(src, dst, len(body), ICMPV6) + body)
        return ip_packet(src, dst, ICMPV6, body[:2] + struct.pack("!H", total) + body[4:])
    body = struct.pack("!BBHHH", 3, 4, 0, 0, mtu) + quoted[:28]
    return ip_packet(src, dst, ICMP, body[:2] + struct.pack("!H", checksum(body)) + body[4:])


class Packet:
    """One captured IP packet; the tcp fields are None where it isn't whole TCP."""

    def __init__(self, data, at, outgoing):
        self.data, self.at, self.outgoing = data, at, outgoing
        self.version = data[0] >> 4
        self.is_tcp = False
        if self.version == 4:
            header = (data[0] & 15) * 4
            self.tos, self.length, self.ident, self.frag, self.ttl, self.protocol = \
                struct.unpack("!BHHHBB", data[1:10])
            self.df = bool(self.frag & 0x4000)
            self.src = str(ipaddress.ip_address(data[12:16]))
            self.dst = str(ipaddress.ip_address(data[16:20]))
        else:
            header = 40
            self.tos = (struct.unpack("!H", data[:2])[0] >> 4) & 0xFF
            self.flow = struct.unpack("!I", data[:4])[0] & 0xFFFFF
            self.length = 40 + struct.unpack("!H", data[4:6])[0]
            self.protocol, self.ttl = data[6], data[7]
            self.src = str(ipaddress.ip_address(data[8:24]))
            self.dst = str(ipaddress.ip_address(data[24:40]))
        self.header = header
        if self.protocol == TCP and len(data) >= header + 20:
            self.is_tcp = True
            self.sport, self.dport, self.seq, self.ack, words, self.flags, self.window, self.sum, \
                self.urgent = struct.unpack("!HHIIBBHHH", data[header:header + 20])
            tcp_header = (words >> 4) * 4
            self.options = _options(data[header + 20:header + tcp_header])
            self.size = self.length - header - tcp_header
            self.payload = data[header + tcp_header:]

    def has(self, flags):
        return self.is_tcp and self.flags & flags == flags

    def __repr__(self):
        if not self.is_tcp:
            return f"<ip{self.version} {self.src} > {self.dst} proto {self.protocol}>"
        names = "".join(n for n, bit in zip("FSRPA", (FIN, SYN, RST, PSH, ACK)) if self.flags & bit)
        return (f"<{self.src}:{self.sport} > {self.dst}:{self.dport} {names} seq {self.seq} "
                f"ack {self.ack} win {self.window} len {self.size}>")


def _options(data):
    found = []
    while data:
        kind = data[0]
        if kind in (0, 1):
            found.append((kind, b""))
            data = data[1:]
        else:
            if len(data) < 2 or data[1] < 2:
                break
            found.append((kind, data[2:data[1]]))
            data = data[data[1]:]
    return found


class Capture:
    """Every IP packet of an interface from now on, its first 300 bytes, in order.

    Who asks for packets gets all that passed before: those too that the thread has not come to read."""

    def __init__(self, host, interface, keep=lambda packet: packet.is_tcp):
        with host.entered():
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        self.sock.bind((interface, ETH_P_ALL))
        self.sock.setblocking(False)
        self.keep = keep
        self.kept = []
        self.changed = threading.Condition()
        self.stopping = False
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while not self.stopping:
            if select.select([self.sock], [], [], 0.1)[0]:
                with self.changed:
                    self._take(256)

    def _take(self, most):
        for _ in range(most):
            try:
                data, address = self.sock.recvfrom(300)
            except OSError:
                return
            if address[1] not in (ETH_P_IP, ETH_P_IPV6) or len(data) < 20:
                continue
            packet = Packet(data, time.monotonic(), address[2] == socket.PACKET_OUTGOING)
            if self.keep(packet):
                self.kept.append(packet)
                self.changed.notify_all()

    @property
    def packets(self):
        with self.changed:
            self._take(100_000)
            return self.kept

    def wait(self, condition, seconds, what, start=0):
        """The first packet from index `start` on for which the condition holds."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while True:
                for packet in self.kept[start:]:
                    if condition(packet):
                        return packet
                start = len(self.kept)
                left = deadline - time.monotonic()
                if left <= 0:
                    tail = "\n  ".join(map(repr, self.kept[-15:]))
                    raise AssertionError(f"no packet within {seconds} s: {what}; last:\n  {tail}")
                self.changed.wait(left)

    def count(self):
        return len(self.packets)

    def all(self, condition=lambda packet: True):
        with self.changed:
            return [p for p in self.packets if condition(p)]

    def stop(self):
        self.stopping = True
        self.thread.join(2)
        with self.changed:
            self._take(100_000)
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Injector:
    """Puts whole IP packets onto a link below every tracker of the sending host."""

    def __init__(self, host, interface, target_host, target_interface):
        with host.entered():
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.sock.bind((interface, 0))
        self.source = _mac(host, interface)
        self.target = _mac(target_host, target_interface)

    def send(self, packet):
        kind = ETH_P_IP if packet[0] >> 4 == 4 else ETH_P_IPV6
        self.sock.send(self.target + self.source + struct.pack("!H", kind) + packet)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


class TunInjector:
    """Hands IP packets to the program that holds a TUN device, past every tracker and check of the
    kernel: what a hostile network could at worst get through to it."""

    def __init__(self, host, tun):
        with host.entered():
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
        self.tun = tun

    def send(self, packet, kind=None):
        kind = kind or (ETH_P_IPV6 if packet and packet[0] >> 4 == 6 else ETH_P_IP)
        self.sock.sendto(packet, (self.tun, kind))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


def write_pcap(path, packets):
    """A capture file of raw IP packets, for tools that read one."""
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
        for packet in packets:
            file.write(struct.pack("<IIII", int(packet.at), int(packet.at % 1 * 1e6),
                                   len(packet.data), max(packet.length, len(packet.data))))
            file.write(packet.data)


def _mac(host, interface):
    words = host.run(f"ip -o link show {interface}").split()
    return bytes.fromhex(words[words.index("link/ether") + 1].replace(":", ""))
