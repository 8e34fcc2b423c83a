#!/usr/bin/env python3
"""A log that nobody reads costs lines of the log, and nothing else."""

import json
import signal
import socket
import time

import harness
from apps import Upstream, ask, ask_once
from harness import case
from processes import Tunnel, sanitized, wait_until
from topology import Topology

ROUND_TRIPS = 500


def counters(program):
    """Asked for at the control socket, which tonelctl would do at some length."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(5)
        sock.connect(f"/run/tonel/{program.name}-{program.tun}.sock")
        sock.sendall(b'{"command": "counters"}\n')
        return json.loads(sock.makefile("rb").readline())["counters"]


def round_trips(app):
    """The time of each, in seconds, sorted; none may be lost."""
    took = []
    for i in range(ROUND_TRIPS):
        began = time.perf_counter()
        ask_once(app, b"%d" % i, 2)
        took.append(time.perf_counter() - began)
    return sorted(took)


def fill(program):
    """Has the program say so much that nobody reads that its log has no room left."""
    program.stop_reading()

    def full():
        for _ in range(20):
            program.signal(signal.SIGUSR1)
            lost = counters(program)["log_dropped"]
        return lost > 0
    wait_until(full, 30, "lines of the log are lost")


@case("datagrams pass while nobody reads the log, and the lines that were lost are told", 90)
def unread():
    with Topology() as top:
        tunnel = Tunnel(top, client=["--max-sessions", "1"])
        with Upstream(tunnel.upstream_socket()):
            app = tunnel.application()
            ask_once(app, b"open")
            before = round_trips(app)
            fill(tunnel.tonelc)
            fill(tunnel.tonels)
            # A shard has something to say, too: that there are as many sessions as there may be.
            ask(tunnel.application(), b"another")
            told = counters(tunnel.tonelc)
            assert told["sessions_displaced"] + told["session_refused"] > 0, told
            ask(app, b"again")
            after = round_trips(app)
            worst = ROUND_TRIPS * 99 // 100
            print(f"  p99 {before[worst] * 1e6:.0f} us, unread {after[worst] * 1e6:.0f} us")
            # A machine with other work may be slower for a while; a loop that waits for a reader is
            # no slower, it stands.
            assert after[worst] < 3 * before[worst] + 0.05, (before[worst], after[worst])
            for program in (tunnel.tonelc, tunnel.tonels):
                program.read_again()
                program.wait_line(r" warning \d+ log lines were lost", 20)
            lost = counters(tunnel.tonelc)["log_dropped"]
            assert tunnel.tonelc.counters()["log_dropped"] == lost, "lost while it is read"
            tunnel.stop()
        assert tunnel.tonelc.lines[-1].endswith(" stopped"), tunnel.tonelc.lines[-1]


@case("a log that nobody reads does not keep the programs from ending")
def end():
    with Topology() as top:
        tunnel = Tunnel(top)
        with Upstream(tunnel.upstream_socket()):
            ask_once(tunnel.application(), b"open")
            for program in (tunnel.tonelc, tunnel.tonels):
                fill(program)
                began = time.monotonic()
                program.signal(signal.SIGTERM)
                code = program.popen.wait(3 + (3 if sanitized() else 0))
                print(f"  {program.name} ended after {time.monotonic() - began:.1f} s")
                assert code == 0, f"{program.name} ended with {code}"
                program.read_again()


if __name__ == "__main__":
    harness.main()
