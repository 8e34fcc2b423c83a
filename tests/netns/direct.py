"""The direct path for tests: tonel-direct in a namespace, a TUN device that the test holds, and the other
host's TCP."""

import contextlib
import ctypes
import fcntl
import os
import select
import socket
import struct
import time

from packets import ACK, PSH, SYN, Packet, tcp_packet
from processes import Process, binary

PORT = 4567
FOLDER = "/run/tonel/direct"
IFF_TUN, IFF_NO_PI, IFF_VNET_HDR = 0x0001, 0x1000, 0x4000
TUNSETIFF, TUNSETOFFLOAD = 0x400454CA, 0x400454D0
TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6 = 1, 2, 4
NEEDS_CSUM, GSO_NONE, GSO_TCP4, GSO_TCP6 = 1, 0, 1, 4


class Tun:
    """A TUN device that this test holds, without an address."""

    def __init__(self, host, name, offload=False):
        self.host, self.name, self.offload = host, name, offload
        self.open()

    def open(self):
        host, name, offload = self.host, self.name, self.offload
        with host.entered():
            self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        flags = IFF_TUN | IFF_NO_PI | (IFF_VNET_HDR if offload else 0)
        fcntl.ioctl(self.fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
        if offload:
            fcntl.ioctl(self.fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6)
        host.run(f"ip link set {name} addrgenmode none up")

    def write(self, packet, gso=None):
        """gso: (type, octets of a segment), of a packet whose TCP checksum covers the pseudo-header."""
        header = b""
        if self.offload:
            size = 40 if packet[0] >> 4 == 6 else 20
            header = struct.pack("<BBHHHH", NEEDS_CSUM, gso[0], size + 20, gso[1], size, 16) if gso else bytes(10)
        os.write(self.fd, header + packet)

    def read(self, seconds=3.0, keep=lambda p: True):
        """The next packet of those to keep; None: within this time there is none."""
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                return None
            data = os.read(self.fd, 70000)
            header = b""
            if self.offload:
                header, data = data[:10], data[10:]
            packet = Packet(data, time.monotonic(), False)
            if packet.dst.startswith("ff"):
                continue # the host's own, about multicast groups
            packet.vnet = struct.unpack("<BBHHHH", header) if header else None
            if keep(packet):
                return packet

    def close(self):
        os.close(self.fd)


class Direct(Process):
    """tonel-direct in a namespace."""

    def __init__(self, host, means="auto", by=(), folder=FOLDER):
        here, there = os.pipe()
        os.makedirs(folder, exist_ok=True)
        super().__init__(host, [*by, binary("tonel-direct"), folder, means], name="tonel-direct", stdin=here)
        os.close(here)
        self.to = os.fdopen(there, "w", buffering=1)
        self.asked = 1
        self.wait_line("^ok$")

    def say(self, line):
        at = len(self.lines)
        print(line, file=self.to)
        self.wait_line("^", start=at)
        return self.lines[at]

    def plan(self, line):
        text = self.say(f"plan {line}")
        assert text.startswith("ok "), text
        return text

    def counters(self):
        return {key: int(n) for key, n in (word.split("=") for word in self.say("counters").split())}

    def stop(self):
        self.to.close()
        assert self.wait(10) == 0, self.output()


class Far:
    """A TCP connection by the other host's own TCP, in the background."""

    def __init__(self, host, family):
        with host.entered():
            self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.setblocking(False)

    def connect(self, address, port):
        with contextlib.suppress(BlockingIOError):
            self.sock.connect((address, port))
        return self

    def connected(self, seconds=3.0):
        assert select.select([], [self.sock], [], seconds)[1], "not connected"
        error = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        assert error == 0, os.strerror(error)

    def receive(self, seconds=3.0):
        assert select.select([self.sock], [], [], seconds)[0], "nothing received"
        return self.sock.recv(65536)

    def close(self):
        self.sock.close()


def reply(to, flags, seq, ack, payload=b"", options=b""):
    """The answer to a packet, from its destination."""
    return tcp_packet(to.dst, to.src, to.dport, to.sport, flags=flags, seq=seq, ack=ack,
                      payload=payload, options=options)


def handshake(tun, far, seconds=3.0):
    """Answers the SYN that comes out of the TUN; gives the SYN."""
    syn = tun.read(seconds, lambda p: p.has(SYN))
    assert syn, "no SYN at the TUN"
    tun.write(reply(syn, SYN | ACK, 1000, syn.seq + 1))
    far.connected(seconds)
    return syn


def exchange(tun, far, words=b"datagram"):
    """Data both ways over a connection that the other host opens."""
    syn = handshake(tun, far)
    far.sock.send(words)
    got = tun.read(3, lambda p: p.payload)
    assert got and got.payload == words, got
    tun.write(reply(syn, PSH | ACK, 1001, syn.seq + 1 + len(words), payload=words[::-1]))
    assert far.receive() == words[::-1]
    return syn


def address_of(top, family, side="server"):
    return getattr(top, f"{side.upper()}{family}")


def far_to(top, family, address=None, port=PORT):
    kind = socket.AF_INET if family == 4 else socket.AF_INET6
    return Far(top.client, kind).connect(address or address_of(top, family), port)


@contextlib.contextmanager
def server(top, means="auto", offload=False, plan=f"server tun=tuns uplink=s0 port={PORT}"):
    """The programs at the server."""
    tun = Tun(top.server, "tuns", offload)
    direct = Direct(top.server, means)
    direct.plan(plan)
    try:
        yield tun, direct
    finally:
        direct.kill()
        tun.close()


def tracked(host):
    return [line for line in host.run("conntrack -L 2>/dev/null", check=False).splitlines() if str(PORT) in line]


def links_at(host, device):
    """How many programs hang on an interface by links (BPF_PROG_QUERY, which tools learn only slowly)."""
    if not LINKS:
        return 0
    call = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
    index = int(host.run(f"cat /sys/class/net/{device}/ifindex"))
    ids = (ctypes.c_uint32 * 64)()
    ask = ctypes.create_string_buffer(struct.pack("IIIIQI44x", index, 46, 0, 0, ctypes.addressof(ids), 64))
    libc = ctypes.CDLL(None, use_errno=True)
    with host.entered():
        if libc.syscall(call, 16, ask, 64) != 0:
            raise OSError(ctypes.get_errno(), "BPF_PROG_QUERY")
    return struct.unpack("I", ask.raw[24:28])[0]


def hooked(host):
    """What hangs on the host's interfaces, but TUN devices."""
    devices = [d for d in host.run("ls /sys/class/net").split() if not d.startswith("tun")]
    return [host.run(f"tc qdisc show dev {d} clsact; tc filter show dev {d} ingress") for d in devices] + \
        [links_at(host, d) for d in devices]


KERNEL = tuple(map(int, os.uname().release.split(".")[:2]))
LINKS = KERNEL >= (6, 6)
MEANS = ("tcx", "clsact") if LINKS else ("clsact",)


def each_means(function):
    """The case, by links and by filters."""
    def run():
        for means in MEANS:
            print(f"  by {means}", flush=True)
            function(means)
    return run
