#!/usr/bin/env python3
"""A minute in which the older programs' timers run, in real time and all at once: no one loses a
connection that its own program would keep, and nobody's application gets a byte for it."""

import time

import harness
from apps import Upstream, ask
from harness import case
from legacy_hosts import Blame, Peer
from packets import Capture, SYN
from processes import Tunnel, joined, wait_until
from topology import Topology

MINUTE = 62.0


@case("a minute of idleness, and of traffic one way, in every combination", deadline=110)
def minute():
    with Topology() as top:
        blame = Blame(top)
        # Our server and its clients; phantun's is idle, tonel's two send and get, and nothing else.
        tunnel = Tunnel(top, server=("--accept", "native,legacy"), start=False)
        tunnel.start_server()
        server = (top.SERVER4, Tunnel.PORT)
        clients = {name: Peer(top, kind, True, remote=server, index=n, local=("127.0.0.1", 5100 + n))
                   for n, (name, kind) in enumerate((("idle", "phantun"), ("up", "tonel"), ("down", "tonel"),
                                                     ("gone", "tonel")))}
        upstream = Upstream(tunnel.upstream_socket())
        # Servers of both older programs, and a client of ours for each, with nothing to say.
        servers, ours = {}, {}
        for n, (name, kind, more) in enumerate((("tonel", "tonel", ()), ("phantun", "phantun", ()),
                                                ("four", "tonel", ("--tcp-connections", "4")))):
            servers[name] = Peer(top, kind, False, port=4600 + n, index=1 + n, upstream=("127.0.0.1", 7100 + n))
            ours[name] = Tunnel(top, listen="127.0.0.1", client=more, start=False)
            argv = ours[name].client_argv
            argv[argv.index("-l") + 1] = f"127.0.0.1:{5200 + n}"
            argv[argv.index("-r") + 1] = joined(top.SERVER4, 4600 + n)
            argv[argv.index("--tun") + 1] = f"tunc{n}"
            argv += ["-4", "--tun-local", f"192.168.{150 + n}.1", "--tun-peer", f"192.168.{150 + n}.2"]
            ours[name].start_client()
        upstreams = [Upstream(top.server.udp("127.0.0.1", 7100 + n)) for n in range(3)]
        apps = {name: top.client.udp("127.0.0.1", connect=("127.0.0.1", 5100 + n))
                for n, name in enumerate(clients)}
        apps.update({name: top.client.udp("127.0.0.1", connect=("127.0.0.1", 5200 + n))
                     for n, name in enumerate(ours)})
        for app in apps.values():
            ask(app, b"before")
            # This one acknowledges the answer to the first: an older client that proves nothing gets
            # no more than three times what it said.
            ask(app, b"before")
        wait_until(lambda: servers["four"].live() == 4, 5, "four connections")
        before = {name: peer.core.opened for name, peer in {**clients, **servers}.items()}
        sources = upstream.sources()
        upstream.echo = False
        upstream.clear()
        got = len(clients["down"].datagrams())
        began = time.monotonic()
        sent = 0
        with Capture(top.client, "c0", lambda p: p.has(SYN) and p.outgoing) as syns:
            # "up" and "down" say something every 4 s, "gone" is closed by its own program after 20 s.
            while time.monotonic() < began + MINUTE:
                if time.monotonic() >= began + 4 * sent:
                    apps["up"].send(b"up %02d" % sent)
                    upstream.send(b"down %02d" % sent, sources[list(clients).index("down")])
                    sent += 1
                wait_until(lambda: time.monotonic() >= began + min(4 * sent, MINUTE), 10, "the next 4 s")
            assert not syns.packets, f"connections in that minute: {syns.packets}"
        assert [d for d, _ in upstream.received] == [b"up %02d" % n for n in range(sent)]
        assert clients["down"].datagrams()[got:] == [b"down %02d" % n for n in range(sent)]
        assert clients["gone"].live() == 0
        for name in ("idle", "up", "down"):
            assert clients[name].live() == 1, name
        upstream.echo = True
        for name in ("idle", "up", "down", "tonel", "phantun", "four"):
            ask(apps[name], b"after", every=2)
        after = {name: peer.core.opened for name, peer in {**clients, **servers}.items()}
        assert after == before, (before, after)
        ask(apps["gone"], b"after")
        for peer in (*clients.values(), *servers.values()):
            odd = {d for d in peer.datagrams() if d not in (b"before", b"after")
                   and not d.startswith((b"up ", b"down "))}
            assert not odd, f"{peer.kind} delivered {odd}"
        for each in (tunnel.tonels, *(t.tonelc for t in ours.values())):
            each.stop()
        blame.clear("none", ("reset",))
        for each in (upstream, *upstreams):
            each.stop()
        for peer in (*clients.values(), *servers.values()):
            peer.__exit__()


if __name__ == "__main__":
    harness.main()
