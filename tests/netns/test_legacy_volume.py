#!/usr/bin/env python3
"""More than 1 GiB one way between our programs and the older ones, scripted: where trackers close a
connection that acknowledges nothing."""

import harness
from apps import Upstream, ask
from harness import case
from legacy_cases import OLD_APP, OldClient, OldServer, one_way
from processes import Tunnel, joined
from topology import STRICT

UP, DOWN = 1300, 1500  # a busy machine loses some of a download in the upstream's own sockets
BIND = "127.0.0.1:6001"
LIBERAL = dict(STRICT, **{"net.netfilter.nf_conntrack_tcp_be_liberal": 1})


def opened(old, host, listen):
    """The flow that the sender will use, open at both ends; gives its address at the upstream."""
    with Upstream(old.upstream()) as upstream:
        with host.udp("127.0.0.1", 6001, connect=listen) as app:
            ask(app, b"open")
        return upstream.sources()[-1]


def upload(old, listen):
    opened(old, old.top.client, listen)
    sent, got = one_way(old.top.client, old.top.server, listen, old.tunnel.upstream, UP, BIND)
    assert got > 1060 << 20, (sent, got)
    opened(old, old.top.client, listen)  # and it is alive


def download(old, listen):
    target = opened(old, old.top.client, listen)
    source = joined(*old.tunnel.upstream)
    sent, got = one_way(old.top.server, old.top.client, target, ("127.0.0.1", 6001), DOWN, source)
    assert got > 1060 << 20, (sent, got)
    opened(old, old.top.client, listen)


APP = ("127.0.0.1", Tunnel.APP_PORT)


@case("tonelc uploads to tonel's server", deadline=120)
def up_to_tonel():
    with OldServer("tonel", bulk=True, known=("reset", "probe")) as old:
        upload(old, APP)


@case("tonelc uploads to phantun's server", deadline=120)
def up_to_phantun():
    with OldServer("phantun", bulk=True, known=("reset", "probe")) as old:
        upload(old, APP)


@case("tonelc downloads from tonel's server", deadline=120)
def down_from_tonel():
    with OldServer("tonel", bulk=True, known=("reset", "probe")) as old:
        download(old, APP)


@case("tonelc downloads from phantun's server", deadline=120)
def down_from_phantun():
    with OldServer("phantun", bulk=True, known=("reset", "probe")) as old:
        download(old, APP)


@case("phantun's client uploads to tonels", deadline=120)
def up_from_phantun():
    with OldClient("phantun", bulk=True) as old:
        upload(old, OLD_APP)
        assert old.peer.core.opened == 1


@case("phantun's client downloads from tonels", deadline=120)
def down_to_phantun():
    with OldClient("phantun", bulk=True) as old:
        download(old, OLD_APP)
        assert old.peer.core.opened == 1


@case("tonel's client uploads to tonels, trackers told to be liberal", deadline=120)
def up_from_tonel():
    with OldClient("tonel", bulk=True) as old:
        for host in old.top.hosts:
            host.sysctl(LIBERAL)
        upload(old, OLD_APP)
        assert old.peer.core.opened == 1


@case("tonel's client downloads from tonels, trackers told to be liberal", deadline=120)
def down_to_tonel():
    with OldClient("tonel", bulk=True) as old:
        for host in old.top.hosts:
            host.sysctl(LIBERAL)
        download(old, OLD_APP)
        assert old.peer.core.opened == 1


if __name__ == "__main__":
    harness.main()
