#!/usr/bin/env python3
"""Datagrams both ways: IPv4 and IPv6, one and four queues, three kinds of sender, offloads on and
off at either end and on the path, some of the paths dead. Contents, borders and numbers are checked by tonel-traffic."""

import itertools
import re
import select
import time

import harness
from apps import Upstream
from harness import case
from processes import Tunnel, joined, result_of, traffic
from topology import Topology

# Slow enough for a sanitizer build beside a busy compiler, so that what is missing was lost by us.
RATE = "2500"
_numbers = itertools.count()


def exchange(tunnel, sender, count=2500, extra=(), sources=1):
    """Sends that many datagrams, echoed by the upstream; every one has to come back unaltered."""
    top = tunnel.top
    echo = traffic(top.server, "echo", joined(*tunnel.upstream))
    echo.wait_line("listening|echo", 5)
    first = 6000 + 10 * next(_numbers)
    bound = tunnel.opened_from(*range(first, first + sources))
    send = traffic(top.client, "send", joined(*tunnel.app), *sender, *bound, "--rate-pps", RATE,
                   "--count", count, "--sources", sources, "--expect-echo", "--linger-ms", 700,
                   *extra)
    _, figures = result_of(send, 30)
    echo.signal(15)
    echo.wait(5)
    back = figures["echo"]
    wrong = {k: back[k] for k in ("gaps", "duplicates", "altered", "wrong_length") if back[k]}
    assert back["received"] == count and not wrong, f"{sender}: {figures}"
    return figures


SENDERS = (("--single",), ("--mmsg", "--batch", "32"), ("--gso", "--batch", "32"))


def matrix(family, queues):
    def run():
        with Topology() as top:
            options = ["--tun-queues", str(queues)]
            tunnel = Tunnel(top, family, client=options, server=options)
            for sender in SENDERS:
                exchange(tunnel, sender, sources=queues)
            exchange(tunnel, ("--mmsg",), extra=("--sizes", "0-1400"), count=3000)
            tunnel.stop()
            top.assert_clean()
    return run


for _family in (4, 6):
    for _queues in (1, 4):
        case(f"IPv{_family}, {_queues} queue(s), plain, sendmmsg and GSO senders, mixed sizes")(
            matrix(_family, _queues))


def with_offload(client, server, path):
    def run():
        with Topology() as top:
            if not path:
                top.offload(False)
            tunnel = Tunnel(top, 4, client=["--offload", client], server=["--offload", server])
            for sender in SENDERS[1:]:
                exchange(tunnel, sender)
            exchange(tunnel, ("--mmsg",), extra=("--sizes", "1-1400"), count=2000)
            tunnel.stop()
            top.assert_clean()
    return run


for _client, _server, _path in (("off", "auto", True), ("auto", "off", True),
                                ("off", "off", True), ("no-tun", "no-udp-gso", True),
                                ("no-udp-gro", "no-tun", True), ("auto", "auto", False),
                                ("off", "auto", False)):
    case(f"offload: client {_client}, server {_server}, path {'on' if _path else 'off'}")(
        with_offload(_client, _server, _path))


@case("half of the source ports' paths die: nine of ten datagrams pass in the first 10 s")
def half_of_the_ports_die():
    with Topology() as top:
        tunnel = Tunnel(top, client=["--tcp-connections", "4"])
        with Upstream(tunnel.upstream_socket()) as upstream:
            app = tunnel.application()
            app.setblocking(False)

            def passed(count):
                """So many datagrams, 20 a second; how many came back."""
                got = set()
                for n in range(count):
                    app.send(b"%d of %d" % (n, count))
                    until = time.monotonic() + 0.05
                    while (left := until - time.monotonic()) > 0:
                        if select.select([app], [], [], left)[0]:
                            got.add(app.recv(100))
                return sum(1 for text in got if text.endswith(b" of %d" % count))

            assert passed(41) == 41
            used = sorted({int(port) for port in re.findall(
                r"sport=(\d+) dport=4567", top.client.run("conntrack -L -p tcp 2>/dev/null"))})
            assert len(used) == 4, used
            # Two of the four die, and of all other ports the odd ones.
            dead, alive = used[:2], used[2:]
            top._link_rules(
                f'iifname "{link}" tcp {port} {which} counter drop'
                for link, port in (("rc", "sport"), ("rs", "dport"))
                for which in (f"{{ {dead[0]}, {dead[1]} }}",
                              f"!= {{ {alive[0]}, {alive[1]} }} tcp {port} & 1 == 1"))
            first, then = passed(200), passed(100)
            assert first >= 180 and then >= 99, f"{first} of 200, then {then} of 100"
            assert len(upstream.sources()) == 1, upstream.sources()
        tunnel.stop()


if __name__ == "__main__":
    harness.main()
