#!/usr/bin/env python3
"""Hosts that change while tonel runs: its device, its addresses and routes, forwarding."""

import re
import subprocess

import harness
from apps import Upstream, ask
from firewall import STATE, Automatic, unchanged
from harness import case
from processes import Process, binary, tonelctl, wait_until
from topology import Topology

METRICS = ("--metrics", "127.0.0.1:9100")


def health(host):
    """(status, text) of /healthz."""
    script = ("import urllib.request, urllib.error\n"
              "try: r = urllib.request.urlopen('http://127.0.0.1:9100/healthz', timeout=3)\n"
              "except urllib.error.HTTPError as e: r = e\n"
              "print(r.status, r.read().decode())")
    done = subprocess.run(host.command(["python3", "-c", script]), text=True, timeout=10,
                          stdout=subprocess.PIPE, check=True)
    status, text = done.stdout.split(" ", 1)
    return int(status), text.strip()


def said(program, start, words, seconds=3):
    """What others did is said, once, within a second or so."""
    line = program.wait_line(f"another program had .*{words}", seconds, start).group(0)
    again = [l for l in program.lines[start:] if "another program" in l and re.search(words, l)]
    assert len(again) == 1, again
    return line


def goes_on(tunnel, upstream, what):
    """It carries again within 2 s, by the same session: the upstream sees one port."""
    ask(tunnel.app_socket, what.encode(), 2 if not what.startswith("slow") else 6, every=0.1)
    assert len(upstream.sources()) == 1, f"{what}: {upstream.sources()}"


def started(top, family=4, **options):
    tunnel = Automatic(top, family, client=METRICS, server=METRICS, **options)
    upstream = Upstream(tunnel.upstream_socket())
    tunnel.app_socket = tunnel.application()
    ask(tunnel.app_socket, b"before", 10, every=0.2)
    return tunnel, upstream


@case("what others do to the device is mended within a second, said once, and costs no session", deadline=120)
def device():
    for family in (4, 6):
        with Topology() as top, unchanged(top.client, top.server):
            tunnel, upstream = started(top, family)
            ip, end = ("ip", "192.168.{}.1") if family == 4 else ("ip -6", "fcc{}::1")
            ours = ((top.client, tunnel.tonelc, "tunc", end.format(200 if family == 4 else 8)),
                    (top.server, tunnel.tonels, "tuns", end.format(201 if family == 4 else 9)))
            for host, program, tun, local in ours:
                peer = local[:-1] + "2"
                for command, words in (
                        (f"{ip} addr flush dev {tun}", f"its address {local} was removed"),
                        (f"{ip} route flush dev {tun}", f"its route to {peer} was removed"),
                        (f"ip link set {tun} down", "it was set down"),
                        (f"ip link set {tun} txqueuelen 0", "its queue was set to 0 packets"),
                        (f"ip link set {tun} down; ip link set {tun} name other0",
                         "it was renamed other0"),
                        (f"ip link del {tun}", "it was deleted")):
                    start = len(program.lines)
                    host.run(command)
                    said(program, start, words)
                    goes_on(tunnel, upstream, f"{tun} {words}")
                    assert f" {tun}:" in host.run("ip -o link show")
                assert health(host) == (200, "ok")
            upstream.stop()
            tunnel.stop()
            top.assert_clean()


@case("forwarding that others switch off is switched on again, and the values of before come back")
def forwarding():
    with Topology() as top, unchanged(top.client, top.server):
        tunnel, upstream = started(top)
        for host, program in ((top.client, tunnel.tonelc), (top.server, tunnel.tonels)):
            start = len(program.lines)
            host.run("sysctl -qw net.ipv4.ip_forward=1; sysctl -qw net.ipv4.ip_forward=0")
            said(program, start, r"forwarding off \(net\.ipv4\.")
            goes_on(tunnel, upstream, f"forwarding at {program.name}")
        upstream.stop()
        tunnel.stop()


@case("what cannot be mended is said, and healthz gives 503 with the reason until it can")
def lasting():
    with Topology() as top:
        tunnel, upstream = started(top)
        program = tunnel.tonelc
        # Somebody has the name: the device cannot be made again.
        top.client.run("ip link del tunc; ip link add tunc type veth peer name other")
        program.wait_line("cannot keep the device", 5)
        status, text = wait_until(lambda: (lambda h: h if h[0] == 503 else None)(health(top.client)), 5,
                                  "503")
        assert status == 503 and text.startswith("device: ") and "tunc" in text, text
        parts = tonelctl(top.client, "status", "--json", "--socket", f"{STATE}/tonelc-tunc.sock")[0]["parts"]
        assert parts["device"]["state"] == "failing", parts
        top.client.run("ip link del tunc")
        ask(tunnel.app_socket, b"after", 10, every=0.2)
        assert len(upstream.sources()) == 1
        wait_until(lambda: health(top.client) == (200, "ok"), 5, "healthy again")
        upstream.stop()
        tunnel.stop()


@case("a LAN in the usual net of the TUN is left alone: the next free net is taken, a chosen one is an error")
def lan():
    with Topology() as top:
        # A printer and a gateway where the TUN's ends would be, and what else there is.
        top.client.run("ip addr add 192.168.200.50/24 dev c0; ip addr add fcc8::50/64 dev c0 nodad")
        neighbours = ("192.168.200.2", "192.168.200.254", "fcc8::2")
        top.router.run("; ".join(f"ip addr add {a}/{64 if ':' in a else 24} dev rc" +
                                 (" nodad" if ":" in a else "") for a in neighbours))

        services = [Upstream(top.router.udp(a, 53)) for a in neighbours]

        def all_reachable(word):
            for a in neighbours:
                with top.client.udp("::" if ":" in a else "0.0.0.0", connect=(a, 53)) as sock:
                    ask(sock, word, 5)

        all_reachable(b"before")
        argv = ("--tun-local", "192.168.200.1", "--tun-peer", "192.168.200.2")
        refused = Process(top.client, [binary("tonelc"), "-l", "127.0.0.1:1", "-r", "10.9.2.2:2", *argv])
        assert refused.wait(5) == 1, refused.output()
        assert "--tun-peer 192.168.200.2 is in 192.168.200.0/24, the net of c0" in refused.output() or \
            "--tun-local 192.168.200.1 is in 192.168.200.0/24, the net of c0" in refused.output()
        tunnel, upstream = started(top)
        tunnel.tonelc.wait_line("the device has 192.168.202.1 and 192.168.202.2", 1)
        options = tonelctl(top.client, "status", "--json", "--socket", f"{STATE}/tonelc-tunc.sock")[0]["options"]
        assert options["tun-local"] == "192.168.202.1" and options["tun-peer6"] == "fcc8:0:0:1::2", options
        all_reachable(b"beside the tunnel")
        top.client.run("ip link set c0 down; ip link set c0 up;"
                       "ip addr add fcc8::50/64 dev c0 nodad || true")
        all_reachable(b"after the link came back")
        for service in (*services, upstream):
            service.stop()
        tunnel.stop()


@case("programs that start at the same time have addresses of their own")
def at_once():
    with Topology() as top:
        programs = [Process(top.client, [binary("tonelc"), "-l", f"127.0.0.1:{5100 + i}", "-r", "10.9.2.2:2",
                                         "--tun", f"tun{i}"]) for i in range(4)]
        for program in programs:
            program.wait_line("listening on", 20)
        own = re.findall(r"inet6? (192\.168\.\S+|fcc\S+) peer", top.client.run("ip -o addr show"))
        assert len(own) == len(set(own)) == 2 * len(programs), own
        for program in programs:
            program.signal(harness.processes.signal.SIGTERM)
            assert program.wait(5) == 0, program.output()


if __name__ == "__main__":
    harness.main()
