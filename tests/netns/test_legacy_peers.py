#!/usr/bin/env python3
"""The scripted peers among themselves, through NAT and strict trackers: what they are said to do is
what those programs were seen doing."""

import harness
from harness import case
from legacy_hosts import Blame, Peer, echo
from processes import result_of, traffic, wait_until
from topology import Topology

PORT = 4567
APP, UPSTREAM = ("127.0.0.1", 5000), ("127.0.0.1", 7000)


def pair(top, kind, server_kind=None, family=4, **options):
    server = Peer(top, server_kind or kind, False, port=PORT, family=family, **options.pop("server", {}))
    address = top.SERVER4 if family == 4 else top.SERVER6
    client = Peer(top, kind, True, remote=(address, PORT), **options)
    return client, server


def say(client, *datagrams, app="app"):
    client.run(lambda: [client.core.submit(app, d) for d in datagrams])


def both_ways(kind, family):
    with Topology() as top:
        blame = Blame(top)
        client, server = pair(top, kind, family=family)
        with client, echo(server):
            say(client, b"first")
            wait_until(lambda: client.live() == 1, 5, "it opens")
            say(client, b"second", bytes(1440))
            wanted = [b"second", bytes(1440)] if kind == "tonel" else [b"first", b"second", bytes(1440)]
            assert client.wait_delivered(len(wanted)) == wanted, client.datagrams()
            assert server.datagrams() == wanted
            client.run(client.core.close_all)
            # tonel's RST has the number 0 and goes no further than the client's own tracker.
            if kind == "tonel":
                wait_until(lambda: any("up_reset" in k for k in blame.figures()), 3, "it is invalid")
                assert server.live() == 1
            else:
                wait_until(lambda: server.live() == 0, 3, "the RST arrives")
        blame.clear("down_", ("reset",))


for _kind in ("tonel", "phantun"):
    for _family in (4, 6):
        case(f"{_kind}, both ways, IPv{_family}")(lambda k=_kind, f=_family: both_ways(k, f))


@case("tonel, four connections, a handshake packet at both ends, XOR")
def tonel_all():
    with Topology() as top:
        client, server = pair(top, "tonel", connections=4, key=b"Key", handshake=b"GET /",
                              server={"key": b"key", "handshake": b"HTTP/1.1 200"})
        with client, server:
            say(client, b"hello")
            # Raw, so garbled when it is XORed, and twice.
            assert server.wait_delivered(2) == [b"\x03\x00\x15\x07\x0a"] * 2, server.delivered
            say(client, *(b"%d" % n for n in range(8)))
            assert sorted(server.wait_delivered(10)[2:]) == [b"%d" % n for n in range(8)]
            assert len(server.core.owners) == 1 and server.live() == 4


@case("tonel's upload stops at 128 KiB where nothing comes back")
def upload_stops():
    with Topology() as top:
        blame = Blame(top)
        client, server = pair(top, "tonel")
        with client, server:
            say(client, b"lost")
            wait_until(lambda: client.live() == 1, 5, "it opens")
            say(client, *(b"%04d" % n + bytes(1396) for n in range(400)))
            wait_until(lambda: "client up_other" in blame.figures(), 5, "the tracker refuses the rest")
            server.wait_delivered(85)
            assert 85 <= len(server.datagrams()) <= 100, len(server.datagrams())


def volume(kind):
    """Half a GiB through a peer that an interpreter runs."""
    with Topology() as top:
        client, server = pair(top, kind, bulk=True, local=APP, server={"upstream": UPSTREAM, "bulk": True})
        with client, server:
            with top.client.udp("127.0.0.1", 6001, connect=APP) as app:
                app.send(b"open")
                wait_until(lambda: client.live() == 1, 5, "it opens")
                # A probe would be no help to the trackers; a datagram is.
                server.run(lambda: server.core.answer(server.core.owners[0], b"answer"))
                assert app.recv(100) == b"answer"
            sink = traffic(top.server, "sink", "127.0.0.1:7000", "--idle-ms", 1500)
            sink.wait_line("listening", 5)
            send = traffic(top.client, "send", "127.0.0.1:5000", "--gso", "--bind", "127.0.0.1:6001",
                           "--bytes", 500 << 20, "--rate-bps", "1G")
            _, sent = result_of(send, 60)
            _, got = result_of(sink, 20)
            print(f"  {got['bytes'] >> 20} of {sent['bytes'] >> 20} MiB, {got['gbit_per_s']:.2f} Gbit/s")
            assert not got["altered"] and got["bytes"] > 0.95 * sent["bytes"], got


case("tonel, 500 MiB one way")(lambda: volume("tonel"))
case("phantun, 500 MiB one way")(lambda: volume("phantun"))

if __name__ == "__main__":
    harness.main()
