#!/usr/bin/env python3
"""tonels with clients of tonel 0.6.1 and phantun, scripted, behind NAT and strict trackers."""

import os
import time

import harness
from apps import Upstream, ask
from harness import case
from legacy_cases import HANDSHAKE_PACKETS, KINDS, OldClient, handshake_packet
from legacy_hosts import Peer
from packets import RST, TunInjector, tcp_packet
from processes import Tunnel, wait_until


def for_each_kind(description, **options):
    def add(function):
        for kind in KINDS:
            case(f"{kind}: {description}", **options)(lambda k=kind: function(k))
        return function
    return add


def first_of(kind):
    """tonel's client loses the datagram that opens a flow."""
    return [] if kind == "tonel" else [b"first"]


def both_ways(kind, family):
    with OldClient(kind, family=family) as old, Upstream(old.upstream()) as upstream:
        old.opened()
        largest = 1460 if family == 4 else 1440
        datagrams = [b"second", bytes(1), bytes(1400), os.urandom(largest)]
        old.say(*datagrams)
        wanted = first_of(kind) + datagrams
        assert [d for d, _ in upstream.wait_count(len(wanted))] == wanted
        assert old.peer.wait_delivered(len(wanted)) == wanted
        assert len(upstream.sources()) == 1


for _kind in KINDS:
    for _family in (4, 6):
        case(f"{_kind}: both ways, IPv{_family}")(lambda k=_kind, f=_family: both_ways(k, f))


@case("tonel: XOR, the key in any case")
def ciphered():
    with OldClient("tonel", server=("--encryption", "xor:sEcret", "--log-level", "trace"),
                   key=b"SeCRET") as old, Upstream(old.upstream()) as upstream:
        old.opened()
        datagrams = [b"hello", bytes(1400), os.urandom(1000)]
        old.say(*datagrams)
        assert [d for d, _ in upstream.wait_count(3)] == datagrams
        assert old.peer.wait_delivered(3) == datagrams
        assert "secret" not in old.tunnel.tonels.output().lower()


@for_each_kind("a handshake packet at both ends reaches no upstream")
def handshake_packets(kind):
    with handshake_packet(b"HTTP/1.1 200 OK\r\n\r\n") as ours, \
            OldClient(kind, server=("--handshake-packet", ours.name), handshake=b"GET / HTTP/1.1\r\n\r\n",
                      connections=3) as old, Upstream(old.upstream()) as upstream:
        old.opened(3 if kind == "tonel" else 1)
        # tonel's client sends the first on two connections; phantun tells nobody's packet from data.
        datagrams = [b"first", b"first"] if kind == "tonel" else [b"first"]
        assert [d for d, _ in upstream.wait_count(len(datagrams))] == datagrams
        old.say(b"second")
        upstream.wait_count(len(datagrams) + 1)
        wanted = datagrams + [b"second"] + ([b"HTTP/1.1 200 OK\r\n\r\n"] if kind == "phantun" else [])
        assert sorted(old.peer.wait_delivered(len(wanted))) == sorted(wanted)
        assert len(upstream.sources()) == 1


@case("tonel: four connections are one session, which knows zero-length datagrams")
def four():
    with OldClient("tonel", connections=4) as old, Upstream(old.upstream()) as upstream:
        old.opened(4)
        datagrams = [b"%02d" % n for n in range(39)] + [b""]
        old.say(*datagrams)
        got = [d for d, _ in upstream.wait_count(40)]
        assert sorted(got) == sorted(datagrams)
        assert sorted(old.peer.wait_delivered(40)) == sorted(datagrams)
        assert len(upstream.sources()) == 1, upstream.sources()
        counters = old.tunnel.tonels.counters()
        assert counters.get("sessions_opened") == 1 and counters.get("streams_opened") == 4, counters


@case("tonel: a burst at the start makes a session for each datagram, and the last one serves")
def burst():
    with OldClient("tonel", connections=3) as old, Upstream(old.upstream()) as upstream:
        old.peer.run(lambda: old.peer.core.submit_queued("app", [b"lost"] * 8))
        wait_until(lambda: old.peer.live() == 24, 5, "8 groups of 3 connections")
        old.say(b"one", b"two", b"three")
        assert sorted(d for d, _ in upstream.wait_count(3)) == [b"one", b"three", b"two"]
        old.peer.wait_delivered(3)
        assert len(upstream.sources()) == 1


@case("tonel: a join of no group is refused at once, and the next datagram opens a group")
def lost_group():
    with OldClient("tonel") as old, Upstream(old.upstream()):
        app = old.application()
        ask(app, b"before")
        core = old.peer.core
        old.peer.run(lambda: core.connect(core.owners[0], core.connections.copy().popitem()[1].syn_ack ^ 1))
        # The refusal takes the whole group along, as any failure does there.
        wait_until(lambda: old.peer.live() == 0, 2, "the join is refused")
        ask(app, b"after")


@for_each_kind("the server is killed and started again: back with the next datagrams")
def server_restarts(kind):
    with OldClient(kind) as old, Upstream(old.upstream()):
        app = old.application()
        ask(app, b"before")
        old.tunnel.tonels.kill()
        old.tunnel.start_server(apply_rules=False)
        tries = ask(app, b"after", 8, every=0.3)
        assert tries <= 4, f"{tries} datagrams until the first answer"


@for_each_kind("the client starts again from the same port: let in at once")
def client_restarts(kind):
    with OldClient(kind) as old, Upstream(old.upstream()) as upstream:
        old.peer.core.next_port = 40123
        app = old.application()
        began = time.monotonic()
        ask(app, b"before")
        while time.monotonic() < began + 3.2:  # what comes sooner is taken for a repeated SYN
            ask(app, b"and on", every=0.1)
        old.peer.kill()
        old.start(rules=False)
        old.peer.core.next_port = 40123
        tries = ask(app, b"after", 5, every=0.4)
        assert tries <= 2, tries
        assert old.peer.core.opened == 1
        assert len(upstream.sources()) == 2


@for_each_kind("a RST or data out of place is ignored, the client's own RST ends the session")
def resets(kind):
    with OldClient(kind) as old, Upstream(old.upstream()) as upstream:
        app = old.application()
        ask(app, b"before")
        connection, = old.peer.core.connections.values()
        with TunInjector(old.top.server, "tuns") as injector:
            for forged in ({"flags": RST}, {"payload": b"forged", "ack": 1}):
                injector.send(tcp_packet("10.9.2.1", "192.168.201.2", connection.us[1], Tunnel.PORT,
                                         seq=0x70000000, **forged))
        ask(app, b"and on")
        assert b"forged" not in [d for d, _ in upstream.received]
        assert len(upstream.sources()) == 1 and old.peer.core.opened == 1
        old.peer.run(old.peer.core.close_all)
        if kind == "phantun":  # tonel's has the number 0 and is lost on its way
            wait_until(lambda: old.tunnel.tonels.counters().get("sessions_closed") == 1, 3, "it ends")
        ask(app, b"after")
        assert len(upstream.sources()) == 2


def lost_packet(kind, name):
    with OldClient(kind) as old, Upstream(old.upstream()) as upstream:
        direction, match = HANDSHAKE_PACKETS[name]
        old.top.lose_first(direction, match)
        if name == "third ack":
            old.opened()
            old.say(b"second")
            wanted = first_of(kind) + [b"second"]
            assert [d for d, _ in upstream.wait_count(len(wanted))] == wanted
        else:
            app = old.application()
            began = time.monotonic()
            ask(app, b"through", 8)
            took = time.monotonic() - began
            assert took < (4.5 if kind == "tonel" else 2), f"{took:.1f} s"
        assert len(upstream.sources()) == 1


for _kind in KINDS:
    for _name in HANDSHAKE_PACKETS:
        case(f"{_kind}: the {_name} is lost")(lambda k=_kind, n=_name: lost_packet(k, n))


@case("clients of all three kinds on one port at once")
def mixed():
    with OldClient("tonel", connections=2) as old, Upstream(old.upstream()) as upstream:
        phantun = Peer(old.top, "phantun", True, remote=(old.top.SERVER4, Tunnel.PORT), index=1,
                       local=("127.0.0.1", 5101))
        old.stack.enter_context(phantun)  # ends after tonels
        old.tunnel.client_argv += ["--tun-local", "192.168.220.1", "--tun-peer", "192.168.220.2", "-4"]
        old.tunnel.start_client()
        apps = [old.application(), old.top.client.udp("127.0.0.1", connect=("127.0.0.1", 5101)),
                old.tunnel.application()]
        for app in apps:
            ask(app, b"open")
        upstream.clear()
        for n in range(50):
            for kind, app in enumerate(apps):
                app.send(b"%d %02d" % (kind, n))
        upstream.wait_count(150)
        for kind, app in enumerate(apps):
            wanted = [b"%d %02d" % (kind, n) for n in range(50)]
            got = []
            while len(got) < 50:
                data = app.recv(100)
                got += [data] if data != b"open" else []
            assert sorted(got) == wanted, got
        assert len(upstream.sources()) == 3
        assert phantun.core.opened == 1 and old.peer.core.opened == 2
        old.tunnel.tonelc.stop()


@for_each_kind("--accept native refuses it")
def native_only(kind):
    with OldClient(kind, server=("--accept", "native")) as old, Upstream(old.upstream()) as upstream:
        for _ in range(3):
            old.say(b"first")
            wait_until(lambda: not old.peer.run(lambda: len(old.peer.core.connections)), 2, "it is refused")
        assert old.peer.core.opened == 0 and not upstream.received
        lines = [line for line in old.tunnel.tonels.output().splitlines() if "--accept native,legacy" in line]
        assert len(lines) == 1, lines


@case("--accept legacy refuses a native client")
def legacy_only():
    with OldClient("tonel", server=("--accept", "legacy")) as old, Upstream(old.upstream()) as upstream:
        old.tunnel.client_argv += ["--tun-local", "192.168.220.1", "--tun-peer", "192.168.220.2", "-4",
                                   "--wire", "native"]
        old.tunnel.start_client()
        with old.tunnel.application() as app:
            app.send(b"native")
        with old.application() as app:
            ask(app, b"old")
        assert {d for d, _ in upstream.received} == {b"old"}
        old.tunnel.tonelc.stop()


if __name__ == "__main__":
    harness.main()
