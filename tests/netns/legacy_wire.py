"""Packets of tonel 0.6.1 and phantun as docs/legacy.md has them, and the TUN device that they go through.

Both programs make the same bytes: no IP ID, window 65535, window scale 14 alone in what has a SYN,
and a parser that believes nearly everything. Not made with the code under test.
"""

import fcntl
import ipaddress
import os
import struct
from typing import NamedTuple

from packets import ACK, RST, SYN, TCP, _pseudo, checksum, ip_packet, tcp_packet

SCALE_14 = b"\x01\x03\x03\x0e"
TUNSETIFF, TUNSETVNETHDRSZ, TUNSETOFFLOAD = 0x400454CA, 0x400454D8, 0x400454D0
IFF_TUN, IFF_NO_PI, IFF_VNET_HDR = 0x0001, 0x1000, 0x4000
CSUM_TSO4_TSO6 = 0x07
VNET_HEADER = 10
LARGEST_RUN = 44  # segments of 1,460 octets that an IP packet has room for


class Segment(NamedTuple):
    """One TCP packet, or a run of them that the kernel has merged: `size` is then each one's."""
    src: str
    sport: int
    dst: str
    dport: int
    seq: int
    ack: int
    flags: int
    payload: bytes = b""
    size: int = 0

    def datagrams(self):
        return split(self.payload, self.size)


def split(block, size):
    """The datagrams of a run; one of length zero is a datagram, too."""
    if not size or len(block) <= size:
        return [block]
    return [block[at:at + size] for at in range(0, len(block), size)]


def build(segment):
    """The packet, with checksums, as both programs write it."""
    return tcp_packet(segment.src, segment.dst, segment.sport, segment.dport, ident=0,
                      seq=segment.seq, ack=segment.ack, flags=segment.flags,
                      options=SCALE_14 if segment.flags & SYN else b"", payload=segment.payload)


def build_run(segment):
    """The same for a device with segmentation: virtio header, packet, checksum left to the kernel."""
    six = ":" in segment.src
    start = 40 if six else 20
    options = SCALE_14 if segment.flags & SYN else b""
    body = struct.pack("!HHIIBBHHH", segment.sport, segment.dport, segment.seq & 0xFFFFFFFF,
                       segment.ack & 0xFFFFFFFF, (5 + len(options) // 4) << 4, segment.flags, 65535,
                       checksum(_pseudo(segment.src, segment.dst,
                                        20 + len(options) + len(segment.payload), TCP)) ^ 0xFFFF,
                       0) + options + segment.payload
    several = segment.size and len(segment.payload) > segment.size
    vnet = struct.pack("=BBHHHH", 1, (4 if six else 1) if several else 0, start + 20,
                       segment.size if several else 0, start, 16)
    return vnet + ip_packet(segment.src, segment.dst, TCP, body, ident=0)


def parse(data, size=0):
    """What both programs take for a packet: checksums, header length of IP, fragments, lengths: not
    looked at. None where they ignore it."""
    if not data:
        return None
    if data[0] >> 4 == 4:
        start, protocol, addresses = 20, data[9] if len(data) > 9 else 0, (12, 16, 20)
    elif data[0] >> 4 == 6:
        start, protocol, addresses = 40, data[6] if len(data) > 6 else 0, (8, 24, 40)
    else:
        return None
    if protocol != TCP or len(data) < start + 20:
        return None
    sport, dport, seq, ack, offset, flags = struct.unpack("!HHIIBB", data[start:start + 14])
    flags |= (offset & 1) << 8  # NS counts
    at = start + max(20, (offset >> 4) * 4)
    source, target, end = addresses
    return Segment(_text(data[source:target]), sport, _text(data[target:end]), dport, seq, ack, flags,
                   data[at:], size)


_texts = {}


def _text(packed):
    found = _texts.get(packed)
    if found is None:
        found = _texts[packed] = str(ipaddress.ip_address(packed))
    return found


class Tun:
    """A TUN device in a host's namespace; it goes with its descriptor. `runs`: the kernel hands over
    and takes runs of segments, which those programs don't know but an interpreter needs for volume."""

    def __init__(self, host, name, local4, local6, runs=False):
        self.name, self.runs = name, runs
        with host.entered():
            self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            flags = IFF_TUN | IFF_NO_PI | (IFF_VNET_HDR if runs else 0)
            fcntl.ioctl(self.fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
        if runs:
            fcntl.ioctl(self.fd, TUNSETVNETHDRSZ, struct.pack("i", VNET_HEADER))
            fcntl.ioctl(self.fd, TUNSETOFFLOAD, CSUM_TSO4_TSO6)
        host.run(f"set -e; ip addr add {local4}/24 dev {name}; ip addr add {local6}/64 dev {name};"
                 f"ip link set {name} txqueuelen 4096 up")

    def read(self):
        """The next packet as a segment; None: not for them. Raises BlockingIOError."""
        data = os.read(self.fd, 70000)
        if not self.runs:
            return parse(data)
        _, kind, _, size = struct.unpack("=BBHH", data[:6])
        return parse(data[VNET_HEADER:], size if kind else 0)

    def write(self, segment):
        try:
            os.write(self.fd, build_run(segment) if self.runs else build(segment))
        except BlockingIOError:
            pass  # lost, as in any queue

    def close(self):
        os.close(self.fd)


__all__ = ["ACK", "RST", "SYN", "LARGEST_RUN", "Segment", "Tun", "build", "build_run", "parse", "split"]
