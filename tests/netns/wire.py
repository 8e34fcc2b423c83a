"""A tunnel whose numbers on the wire are known."""

from apps import Upstream, ask_once
from packets import SYN, Capture, tcp_packet
from processes import Tunnel, wait_until


class Wire:
    """A tunnel with one session, watched where the router meets the server."""

    def __init__(self, top, family=4, **options):
        self.top = top
        self.tunnel = Tunnel(top, family, **options)
        self.upstream = Upstream(self.tunnel.upstream_socket())
        self.seen = Capture(top.server, "s0")
        self.app = self.tunnel.application()
        ask_once(self.app, b"open")
        self.settle()

    def settle(self):
        """Until both sides have acknowledged all: then SND.NXT and RCV.NXT stand on the wire."""
        def quiet():
            up = [p for p in self.seen.all(lambda p: not p.outgoing)]
            down = [p for p in self.seen.all(lambda p: p.outgoing)]
            if not up or not down:
                return False
            self.up, self.down = up[-1], down[-1]
            return (self.down.ack == self.next(up) and self.up.ack == self.next(down))
        wait_until(quiet, 5, "both sides acknowledged all")
        self.client = (self.up.src, self.up.sport)
        self.server = (self.up.dst, self.up.dport)
        self.server_rcv_nxt = self.down.ack
        self.server_snd_nxt = self.up.ack

    @staticmethod
    def next(packets):
        newest = packets[-1]
        for p in packets:
            further = (p.seq + p.size - newest.seq - newest.size) & 0xFFFFFFFF
            if p.sport == newest.sport and further < 1 << 31:
                newest = p
        return (newest.seq + newest.size) & 0xFFFFFFFF

    def to_server(self, **tcp):
        return tcp_packet(self.client[0], self.server[0], self.client[1], self.server[1], **tcp)

    def syns(self):
        return len(self.seen.all(lambda p: p.has(SYN) and not p.outgoing))

    def stop(self):
        self.seen.stop()
        self.upstream.stop()
        self.tunnel.stop()
