#!/usr/bin/env python3
"""More than 1 GiB one way between our programs and the older ones, scripted: where trackers close a
connection that acknowledges nothing."""

from functools import partial

import harness
from apps import Upstream, ask
from harness import case
from legacy_cases import KINDS, OLD_APP, OldClient, OldServer, one_way
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
            ask(app, b"seen")  # acknowledges the answer, without which little more would follow
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
    assert got > 1250 << 20, (sent, got)  # beyond the second end of 512 MiB
    opened(old, old.top.client, listen)


APP = ("127.0.0.1", Tunnel.APP_PORT)


def with_server(kind, transfer):
    with OldServer(kind, bulk=True, known=("reset", "probe")) as old:
        transfer(old, APP)


def with_client(kind, transfer, sysctls=None):
    with OldClient(kind, bulk=True) as old:
        for host in old.top.hosts if sysctls else ():
            host.sysctl(sysctls)
        transfer(old, OLD_APP)
        assert old.peer.core.opened == 1


for _transfer, _words in ((upload, "uploads to"), (download, "downloads from")):
    for _kind in KINDS:
        case(f"tonelc {_words} {_kind}'s server", deadline=120)(partial(with_server, _kind, _transfer))
for _kind, _sysctls, _when in (("phantun", None, ""), ("tonel", LIBERAL, ", trackers told to be liberal")):
    for _transfer, _words in ((upload, "uploads to"), (download, "downloads from")):
        case(f"{_kind}'s client {_words} tonels{_when}", deadline=120)(
            partial(with_client, _kind, _transfer, _sysctls))


if __name__ == "__main__":
    harness.main()
