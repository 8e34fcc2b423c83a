#!/usr/bin/env python3
"""A fault in an actor of the real programs, provoked by a datagram (builds with TONEL_FAULTS): the
session gets a new stream, the upstream sees the same port, a neighbour loses nothing."""

import harness
from apps import Upstream, ask, ask_once
from firewall import Automatic, rules_of, unchanged
from harness import case
from processes import Tunnel, joined, result_of, traffic
from topology import Topology


def provoked(place):
    with Topology() as top:
        tunnel = Tunnel(top)
        with Upstream(tunnel.upstream_socket()) as upstream:
            victim = tunnel.application()
            ask_once(victim, b"before")
            port = upstream.sources()[0]
            neighbour = traffic(top.client, "send", joined(*tunnel.app), "--single", "--rate-pps", 500,
                                "--count", 2500, "--size", 300, "--expect-echo", "--bind",
                                "127.0.0.1:6002")
            upstream.wait_count(200, 10)
            failing = tunnel.tonelc if place.startswith("client") else tunnel.tonels
            counted = failing.counters().get("streams_failed", 0)
            for round_number in range(2):
                # Alone: with another datagram behind it, it would be a part of a run.
                start = len(failing.lines)
                victim.send(b"tonel-fault:" + place.encode())
                failing.wait_line("provoked at " + place, 3, start)
                ask(victim, b"after %d" % round_number, 8, every=0.2)
                ask_once(victim, b"and on")
            mine = {address for data, address in upstream.received
                    if data.startswith((b"before", b"after", b"and on"))}
            assert mine == {port}, f"the upstream saw {mine}, before the fault {port}"
            _, figures = result_of(neighbour, 30)
            back = figures["echo"]
            assert back["received"] == 2500 and not back["altered"] and not back["duplicates"], figures
            for program in (tunnel.tonelc, tunnel.tonels):
                assert program.alive(), f"{program.name} ended"
            if place.endswith("stream"):
                assert failing.counters().get("streams_failed", 0) >= counted + 2, failing.counters()
        tunnel.stop()
        top.assert_clean()


for _place in ("client-stream", "server-stream", "endpoint"):
    case(f"an actor throws under traffic: {_place}")(lambda place=_place: provoked(place))

@case("the firewall actor throws: rules and tunnel stay, and it is there again")
def firewall_actor():
    with Topology() as top, unchanged(top.client, top.server):
        tunnel = Automatic(top, backend="nft")
        with Upstream(tunnel.upstream_socket()):
            tunnel.carries(b"before")
            for host, program, table in ((top.client, tunnel.tonelc, "tonel_tunc"),
                                         (top.server, tunnel.tonels, "tonel_tuns")):
                start, before = len(program.lines), rules_of(host, table)
                host.run("nft add table inet tonel-fault-firewall")
                program.wait_line("the firewall actor ended by a fault", 5, start)
                assert before and rules_of(host, table) == before
                tunnel.carries(b"without it")
                host.run("nft delete table inet tonel-fault-firewall")
                program.wait_line("rules are in place", 5, start)
                host.run("nft flush ruleset")
                program.wait_line("another program had changed", 5, start)
                assert rules_of(host, table) == before
            tunnel.carries(b"after")
        tunnel.stop()


if __name__ == "__main__":
    harness.main()
