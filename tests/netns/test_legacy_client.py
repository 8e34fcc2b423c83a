#!/usr/bin/env python3
"""tonelc with servers of tonel 0.6.1 and phantun, scripted, behind NAT and strict trackers."""

import os
import time

import harness
from apps import Upstream, ask, receive_all
from harness import case
from legacy_cases import HANDSHAKE_PACKETS, KINDS, OldServer, handshake_packet
from packets import SYN, Capture
from processes import wait_until

HELLO = b"\x9dtonel\x0a\x1a"


def for_each_kind(description, **options):
    def add(function):
        for kind in KINDS:
            case(f"{kind}: {description}", **options)(lambda k=kind: function(k))
        return function
    return add


def both_ways(kind, wire, family):
    """The first datagram, too; and the upstream gets those datagrams and nothing else."""
    client = () if wire == "auto" else ("--wire", wire)
    with OldServer(kind, client=client, family=family) as old, Upstream(old.upstream()) as upstream:
        largest = 1460 if family == 4 else 1440
        datagrams = [b"first", b"second", bytes(1), bytes(1400), os.urandom(largest)]
        with old.application() as app:
            for datagram in datagrams:
                app.send(datagram)
            assert [d for d, _ in upstream.wait_count(5)] == datagrams
            assert receive_all(app, 5) == datagrams
            if kind == "tonel":  # phantun knows none
                app.send(b"")
                assert receive_all(app, 1) == [b""]
                datagrams.append(b"")
            app.send(bytes(largest + 1))  # too large for it, and no harm done
            app.send(b"last")
            assert receive_all(app, 1) == [b"last"]
        assert [d for d, _ in upstream.received] == datagrams + [b"last"]
        assert old.peer.core.opened == 1 and len(upstream.sources()) == 1


for _kind in KINDS:
    for _wire, _family in (("auto", 4), ("auto", 6), (_kind, 4)):
        case(f"{_kind}: both ways, --wire {_wire}, IPv{_family}")(
            lambda k=_kind, w=_wire, f=_family: both_ways(k, w, f))


@case("tonel: XOR, the key in any case, from the first datagram on")
def ciphered():
    with OldServer("tonel", client=("--encryption", "xor:Key"), key=b"kEY") as old, \
            Upstream(old.upstream()) as upstream, old.application() as app:
        datagrams = [b"hello", bytes(1400), os.urandom(1000)]
        for datagram in datagrams:
            app.send(datagram)
        assert receive_all(app, 3) == datagrams
        assert [d for d, _ in upstream.received] == datagrams


@for_each_kind("a handshake packet at both ends")
def handshake_packets(kind):
    with handshake_packet(b"GET / HTTP/1.1\r\n\r\n") as ours, \
            OldServer(kind, client=("--handshake-packet", ours.name), handshake=b"HTTP/1.1 200") as old, \
            Upstream(old.upstream()) as upstream, old.application() as app:
        datagrams = [b"hello", b"second"]
        for datagram in datagrams:
            app.send(datagram)
        # phantun drops nobody's and expects nobody to drop its own.
        junk = [] if kind == "tonel" else [b"GET / HTTP/1.1\r\n\r\n"]
        assert [d for d, _ in upstream.wait_count(len(junk) + 2)] == junk + datagrams
        wanted = datagrams if kind == "tonel" else [b"HTTP/1.1 200"] + junk + datagrams
        assert sorted(receive_all(app, len(wanted))) == sorted(wanted)


@for_each_kind("--tcp-connections 4")
def four(kind):
    with OldServer(kind, client=("--tcp-connections", "4")) as old, \
            Upstream(old.upstream()) as upstream, old.application() as app:
        ask(app, b"open")
        count = 4 if kind == "tonel" else 1
        wait_until(lambda: old.peer.live() == count, 5, f"{count} connections")
        datagrams = [b"%02d" % n for n in range(40)]
        for datagram in datagrams:
            app.send(datagram)
        assert sorted(set(receive_all(app, 40)) - {b"open"}) == datagrams
        assert len(upstream.sources()) == 1 and len(old.peer.core.owners) == 1
        assert old.peer.core.opened == count and not old.peer.core.refused


@for_each_kind("the server is killed and started again: back with the next datagrams")
def server_restarts(kind):
    with OldServer(kind, known=("reset", "other")) as old, Upstream(old.upstream()), \
            old.application() as app:
        ask(app, b"before")
        old.peer.kill()
        old.start(rules=False)
        tries = ask(app, b"after", 10, every=0.3)
        assert tries <= 8, f"{tries} datagrams until the first answer"


@for_each_kind("the client is killed and started again")
def client_restarts(kind):
    with OldServer(kind) as old, Upstream(old.upstream()) as upstream, old.application() as app:
        ask(app, b"before")
        old.tunnel.tonelc.kill()
        for source in upstream.sources():
            upstream.send(b"into the void", source)
        old.tunnel.start_client(apply_rules=False)
        ask(app, b"after")


@for_each_kind("it closes its connections: a new one with the next datagrams")
def resets(kind):
    with OldServer(kind) as old, Upstream(old.upstream()), old.application() as app:
        ask(app, b"before")
        old.peer.run(old.peer.core.close_all)
        tries = ask(app, b"after", 8, every=0.3)
        assert tries <= 4, tries
        assert old.peer.core.opened == 2


@for_each_kind("our end of it: a RST that it obeys, through its NAT")
def closes(kind):
    with OldServer(kind, client=("--idle-timeout", "2")) as old, Upstream(old.upstream()), \
            old.application() as app:
        ask(app, b"before")
        wait_until(lambda: old.peer.live() == 0, 6, "the idle session is closed there, too")


def lost_packet(kind, name):
    with OldServer(kind) as old, Upstream(old.upstream()) as upstream, old.application() as app:
        direction, match = HANDSHAKE_PACKETS[name]
        old.top.lose_first(direction, match)
        began = time.monotonic()
        tries = ask(app, b"through", 12)
        print(f"  {time.monotonic() - began:.1f} s, {tries} datagrams")
        assert {d for d, _ in upstream.received} == {b"through"}


for _kind in KINDS:
    for _name in HANDSHAKE_PACKETS:
        case(f"{_kind}: the {_name} is lost")(lambda k=_kind, n=_name: lost_packet(k, n))


@for_each_kind("--wire auto: the native SYN is lost, and what follows finds it all the same")
def lost_native_syn(kind):
    with OldServer(kind) as old, Upstream(old.upstream()), old.application() as app:
        old.top.lose_first("up", "tcp flags == syn tcp sequence > 65535")
        app.send(b"first")
        assert receive_all(app, 1, 8) == [b"first"]


@for_each_kind("what it sees of our search is two SYNs and a RST; no hello is ever sent")
def search(kind):
    with OldServer(kind) as old, Upstream(old.upstream()), old.application() as app, \
            Capture(old.top.router, "rs", lambda p: p.is_tcp and p.outgoing) as seen:
        app.send(b"first")
        assert receive_all(app, 1) == [b"first"]
        seen.wait(lambda p: p.has(SYN) and p.seq == 0, 2, "the older SYN")
        syns = seen.all(lambda p: p.has(SYN))
        assert [s.seq > 65535 for s in syns] == [True, False], syns
        assert not seen.all(lambda p: HELLO in p.payload)
        assert all(s.options == [(1, b""), (3, b"\x0e")] for s in syns[1:]), syns
        # The search's end frees the other end's half-open connection.
        wait_until(lambda: len(old.peer.run(lambda: dict(old.peer.core.connections))) == 1, 2, "freed")


@case("a native server that restarts is not taken for an older one")
def no_downgrade():
    with OldServer("tonel", known=("reset", "other")) as old, Upstream(old.upstream()):
        old.peer.kill()
        old.top.server.run("nft delete table inet legacy_fs0")
        old.tunnel.start_server()
        with old.application() as app, Capture(old.top.client, "c0", lambda p: p.has(SYN)) as syns:
            ask(app, b"before")
            old.tunnel.tonels.kill()
            for _ in range(5):
                app.send(b"into the void")
            old.tunnel.start_server(apply_rules=False)
            ask(app, b"after", 10)
            assert all(p.seq > 65535 for p in syns.packets if p.outgoing), syns.packets
        old.tunnel.tonels.stop()


if __name__ == "__main__":
    harness.main()
