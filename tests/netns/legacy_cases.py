"""What the tests of both ends against the older programs share."""

import contextlib
import tempfile

from legacy_hosts import Blame, Peer
from processes import Tunnel, joined, result_of, traffic, wait_until
from topology import Topology

KINDS = ("tonel", "phantun")
OLD_APP = ("127.0.0.1", 5100)  # where a scripted client listens
HANDSHAKE_PACKETS = {
    "syn": ("up", "tcp flags == syn tcp sequence 0"),
    "syn-ack": ("down", "tcp flags == syn | ack"),
    "third ack": ("up", "tcp flags == ack ip length 40"),
}


class Pair:
    """One of our programs with a scripted end; closes with nothing of ours invalid."""

    def __init__(self, kind, family, known, options, top=None, **ours):
        self.kind, self.family, self.known, self.options = kind, family, known, options
        self.stack = contextlib.ExitStack()
        self.top = top or self.stack.enter_context(Topology())
        self.blame = Blame(self.top)
        self.tunnel = Tunnel(self.top, family, start=False, **ours)
        self.peer = None

    def upstream(self):
        return self.tunnel.upstream_socket()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        with self.stack:
            if kind is None:
                self.stop_ours()
                self.blame.clear(self.ours_go, self.known)
            self.peer.__exit__()


class OldClient(Pair):
    """Our tonels with a scripted client."""

    ours_go = "down_"

    def __init__(self, kind, server=(), family=4, known=("reset",), top=None, **options):
        if "--accept" not in server:
            server = ("--accept", "native,legacy", *server)
        super().__init__(kind, family, known, options, top, server=server)
        self.tunnel.start_server()
        self.start()

    def stop_ours(self):
        self.tunnel.tonels.stop()

    def start(self, rules=True):
        remote = (self.tunnel.server_address(), Tunnel.PORT)
        self.peer = Peer(self.top, self.kind, True, remote=remote, local=OLD_APP, rules=rules,
                         **self.options)
        return self.peer

    def say(self, *datagrams, app="app"):
        self.peer.run(lambda: [self.peer.core.submit(app, d) for d in datagrams])

    def opened(self, connections=1):
        """The first datagram of a flow opens it, and tonel loses that."""
        self.say(b"first")
        wait_until(lambda: self.peer.live() == connections, 5, "it opens")

    def application(self, port=0):
        return self.top.client.udp("127.0.0.1", port, connect=OLD_APP)


class OldServer(Pair):
    """Our tonelc with a scripted server."""

    ours_go = "up_"

    def __init__(self, kind, client=(), family=4, known=("reset",), **options):
        super().__init__(kind, family, known, options, client=client)
        self.start()
        self.tunnel.start_client()

    def stop_ours(self):
        self.tunnel.tonelc.stop()

    def start(self, rules=True):
        self.peer = Peer(self.top, self.kind, False, port=Tunnel.PORT, upstream=self.tunnel.upstream,
                         family=self.family, rules=rules, **self.options)
        return self.peer

    def application(self):
        return self.tunnel.application()


def handshake_packet(content):
    """A file for --handshake-packet, which goes when it is closed."""
    file = tempfile.NamedTemporaryFile(prefix="tonel-handshake-")
    file.write(content)
    file.flush()
    return file


def one_way(host_from, host_to, target, sink_at, megabytes, bind, rate="1G"):
    """That much from a sender to a sink; gives what was sent and what came."""
    sink = traffic(host_to, "sink", joined(*sink_at), "--idle-ms", 1000)
    sink.wait_line("listening", 5)
    send = traffic(host_from, "send", joined(*target), "--gso", "--bind", bind, "--bytes", megabytes << 20,
                   "--rate-bps", rate)
    _, sent = result_of(send, 90)
    _, got = result_of(sink, 30)
    print(f"  {got['bytes'] >> 20} of {sent['bytes'] >> 20} MiB, {got['gbit_per_s']:.2f} Gbit/s")
    assert got["altered"] == got["wrong_length"] == got["duplicates"] == 0, got
    return sent["bytes"], got["bytes"]
