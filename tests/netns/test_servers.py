#!/usr/bin/env python3
"""Several servers that know nothing of each other: behind a balancer, or behind the addresses of one
name. The upstream sees one port, as long as the session's server is there."""

import contextlib
import os
import signal
import time

import harness
from apps import Upstream, ask, ask_once
from harness import case
from names import NameServer
from processes import Tonel, Tunnel, joined, wait_until
from topology import Topology

NAME = "vpn.example.net"
# Of the router, which passes them on to the two programs.
FRONT, FIRST, SECOND = "10.9.1.1", "10.9.1.11", "10.9.1.12"
AUTO = ("--auto-rule", "auto")


class Servers:
    """Two tonels on the server's host, with one upstream; a client that is started by start()."""

    PORTS = (4567, 4568)

    def __init__(self, top):
        self.top = top
        self.upstream = Upstream(top.server.udp("127.0.0.1", Tunnel.UPSTREAM_PORT))
        self.tonels = []
        for n, port in enumerate(self.PORTS):
            one = Tonel(top.server, ["tonels", "-l", str(port), "-r",
                                     joined("127.0.0.1", Tunnel.UPSTREAM_PORT), "--tun",
                                     f"tuns{n}", *AUTO], apply_rules=False)
            one.wait_line("rules are in place")
            self.tonels.append(one)

    def lead(self, rules):
        self.top.router.nft("table ip balancer {\nchain pre {\n"
                            "type nat hook prerouting priority -100;\n" +
                            "\n".join(rules) + "\n}\n}")

    def start(self, remote, *options):
        self.tonelc = Tonel(self.top.client, ["tonelc", "-l", joined("127.0.0.1", Tunnel.APP_PORT),
                                              "-r", f"{remote}:4567", "--tun", "tunc", *AUTO,
                                              *options], apply_rules=False)
        self.tonelc.wait_line("rules are in place")
        return self.top.client.udp("127.0.0.1", connect=("127.0.0.1", Tunnel.APP_PORT))

    def stop(self):
        for program in (self.tonelc, *self.tonels):
            program.stop()
        self.upstream.stop()


def is_stopped(program):
    """All of its threads are."""
    tasks = f"/proc/{program.popen.pid}/task"
    for task in os.listdir(tasks):
        with open(f"{tasks}/{task}/stat", encoding="ascii") as stat:
            if stat.read().rsplit(")", 1)[1].split()[0] != "T":
                return False
    return True


@case("rotation behind a balancer that takes the servers in turn: one port at the upstream", 120)
def rotation():
    with Topology() as top:
        servers = Servers(top)
        # Each connection meets the other server than the one before it.
        servers.lead([f"ip daddr {FRONT} tcp dport 4567 dnat ip to numgen inc mod 2 map "
                      f"{{ 0 : {top.SERVER4} . 4567, 1 : {top.SERVER4} . 4568 }}"])
        app = servers.start(FRONT, "--deadline", "10")
        end, sent = time.monotonic() + 32, 0
        while time.monotonic() < end:
            ask_once(app, b"%d" % sent)
            sent += 1
            time.sleep(0.02)
        assert len(servers.upstream.sources()) == 1, servers.upstream.sources()
        counted = [one.counters() for one in servers.tonels]
        print("  ", [{k: c.get(k, 0) for k in ("sessions_opened", "streams_opened", "dropped_no_session")}
                     for c in counted])
        assert sum(c.get("sessions_opened", 0) for c in counted) == 1, counted
        assert sum(c.get("streams_opened", 0) for c in counted) >= 5, counted
        assert sum(c.get("dropped_no_session", 0) for c in counted) >= 1, counted
        servers.stop()


@case("a server that vanishes without a word: its name's other address within 3 s", 90)
def vanishes():
    with Topology() as top, NameServer(top.client, {NAME: [FIRST, SECOND]}):
        top.router.run(f"ip addr add {FIRST}/24 dev rc; ip addr add {SECOND}/24 dev rc")
        mac = top.router.run("cat /sys/class/net/rc/address").strip()
        for address in (FIRST, SECOND):
            top.client.run(f"ip neigh replace {address} lladdr {mac} dev c0 nud permanent")
        servers = Servers(top)
        servers.lead([f"ip daddr {address} tcp dport 4567 dnat to {top.SERVER4}:{port}"
                      for address, port in ((FIRST, 4567), (SECOND, 4568))])
        app = servers.start(NAME)
        ask_once(app, b"before")
        first = 0 if servers.tonels[0].counters().get("sessions_opened", 0) else 1
        with contextlib.ExitStack() as later:
            servers.tonels[first].signal(signal.SIGSTOP)
            later.callback(servers.tonels[first].signal, signal.SIGCONT)
            wait_until(lambda: is_stopped(servers.tonels[first]), 5, "it runs on")
            begun = time.monotonic()
            ask(app, b"after", 10, every=0.02)
            took = time.monotonic() - begun
            print(f"  back after {took:.2f} s")
            assert took <= 3.5, took  # with what a sanitizer adds
            assert len(servers.upstream.sources()) == 2, servers.upstream.sources()
        # It was told goodbye while it could not hear; when it can, it ends the session at once.
        servers.tonels[first].wait_line("closed by the other end", 10)
        ask(app, b"and on")  # behind what came late
        servers.stop()


if __name__ == "__main__":
    harness.main()
