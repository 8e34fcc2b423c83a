#!/usr/bin/env python3
"""The main job, shown: a tunnel between two hosts behind a NAT router, datagrams both ways."""

import argparse
import os
import sys
import textwrap

import harness
import processes
from processes import Tunnel, joined, result_of, traffic, wait_until
from topology import Topology

PICTURE = """
    app <-UDP-> tonelc <-TUN-> kernel: MASQUERADE -> router (NAT) -> kernel: DNAT <-TUN-> tonels <-UDP-> upstream
"""


def say(text):
    print(textwrap.fill(text, 100), flush=True)


def download(tunnel, number):
    """Datagrams from the upstream's side: an echo sends back what the client's side sends."""
    echo = traffic(tunnel.top.server, "echo", joined(*tunnel.upstream))
    echo.wait_line("listening", 5)
    ping = traffic(tunnel.top.client, "ping", joined(*tunnel.app), "--count", 2000)
    _, trip = result_of(ping, 30)
    send = traffic(tunnel.top.client, "send", joined(*tunnel.app), "--mmsg", "--rate-pps", 20000,
                   "--count", number, "--sizes", "0-1400", "--expect-echo")
    _, both = result_of(send, 30)
    echo.signal(15)
    echo.wait(5)
    return trip, both


def upload(tunnel, how, rate, seconds):
    sink = traffic(tunnel.top.server, "sink", joined(*tunnel.upstream), "--idle-ms", 1000)
    sink.wait_line("listening", 5)
    # One datagram opens the session; only 60,000 bytes may wait for that, at full rate 0.2 ms.
    bound = "--bind", joined(tunnel.loopback, 6000 + len(processes.Process.started))
    before = tunnel.tonels.counters().get("datagrams_out", 0)
    _, opening = result_of(traffic(tunnel.top.client, "send", joined(*tunnel.app), *bound,
                                   "--count", 1), 10)
    wait_until(lambda: tunnel.tonels.counters().get("datagrams_out", 0) > before, 5, "it opens")
    send = traffic(tunnel.top.client, "send", joined(*tunnel.app), how, *bound, "--rate-bps", rate,
                   "--seconds", seconds)
    _, sent = result_of(send, 30)
    _, got = result_of(sink, 30)
    rate = sent["gbit_per_s"] * (got["received"] - 1) / sent["sent"]
    return sent["sent"] + opening["sent"], got, rate


def line(what, sent, got, rest=""):
    lost = sent - got
    print(f"  {what:<44} {sent:>9} sent {got:>9} arrived {100 * lost / max(sent, 1):>6.2f} % lost"
          f"  {rest}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True)
    arguments = parser.parse_args()
    harness.isolate()
    processes.bin_dir = os.path.abspath(arguments.bin)
    print(PICTURE)
    say("Three network namespaces: a client host, a router that masquerades, a server host. All "
        "three track connections strictly, and the router drops what its tracker calls invalid.")
    failed = 0
    for family in (4, 6):
        with Topology() as top:
            tunnel = Tunnel(top, family)
            if family == 4:
                for host, program in (("client", tunnel.tonelc), ("server", tunnel.tonels)):
                    print(f"\non the {host} host:\n  {' '.join([program.name, *program.argv[1:]])}")
                    print("\n".join("  " + rule for rule in program.rules()))
            print(f"\nIPv{family}:")
            trip, both = download(tunnel, 40000)
            line("sizes 0-1400, there and back, 20,000/s", both["sent"], both["echo"]["received"])
            print(f"  {'round trip, one datagram in flight':<44} median {trip['median_us']:.0f} us, "
                  f"p99 {trip['p99_us']:.0f} us")
            bad = both["echo"]["altered"] + both["echo"]["wrong_length"] + both["echo"]["duplicates"]
            for how, rate, name in (("--mmsg", "500M", "1,400 bytes, plain sender, 0.5 Gbit/s"),
                                    ("--gso", "2G", "1,400 bytes, GSO sender, 2 Gbit/s")):
                sent, got, reached = upload(tunnel, how, rate, 3)
                line(name, sent, got["received"], f"{reached:.2f} Gbit/s")
                bad += got["altered"] + got["wrong_length"] + got["duplicates"]
                failed += got["received"] == 0
            took = [tunnel.tonelc.stop(), tunnel.tonels.stop()]
            counters = top.counters()
            invalid = sum(top.invalid().values())
            print(f"  router: {counters['up']} packets up, {counters['down']} down; invalid for any "
                  f"tracker: {invalid}; altered or doubled datagrams: {bad}; "
                  f"stopped in {max(took):.2f} s")
            failed += bad + invalid + (both["echo"]["received"] < 0.9 * both["sent"])
    print("\n" + ("FAILED: see the figures above" if failed else
                  "The tunnel works here. Nothing of this is left: the namespaces are gone."))
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:
        for process in processes.Process.started:
            process.kill()
