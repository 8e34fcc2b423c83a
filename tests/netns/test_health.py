#!/usr/bin/env python3
"""A tunnel through which nothing gets says why within 5 s, once, and when it works again."""

import time

import harness
from apps import Upstream, ask, http
from harness import case
from packets import Capture, SYN
from processes import Process, Tunnel, tonelctl, wait_until
from topology import Topology

METRICS = ["--metrics", "9100"]


class Sender:
    """An application that sends a datagram each 250 ms and gets no answer."""

    def __init__(self, tunnel):
        self.app = tunnel.application(timeout=0.25)

    def send_for(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                self.app.send(b"question")
            except ConnectionRefusedError:
                pass
            try:
                self.app.recv(65535)
            except (TimeoutError, ConnectionRefusedError):
                pass


def warnings(program):
    return [l for l in program.output().splitlines() if " warning " in l]


def said(program, sender, words):
    """The line comes in time, and is the only one; status and health page say the same."""
    began = time.monotonic()
    while not any(words in l for l in warnings(program)):
        assert time.monotonic() - began < 5.5, f"{words!r} is not in {warnings(program)}"
        sender.send_for(0.25)
    print(f"  {time.monotonic() - began:.1f} s: {warnings(program)[-1][28:]}")


def dead(top, tunnel, sender, words, cause):
    said(tunnel.tonelc, sender, words)
    status = tonelctl(top.client, "status", "--json", "--socket", "/run/tonel/tonelc-tunc.sock")[0]
    assert status["parts"]["tunnel"]["state"] == "failing", status["parts"]
    assert words in status["parts"]["tunnel"]["detail"], status["parts"]
    code, body = http(top.client, "/healthz")
    assert code == 503 and words in body, (code, body)
    assert f'tonel_tunnel_failing{{tunnel="",cause="{cause}"}} 1' in http(top.client, "/metrics")[1]
    sender.send_for(8)
    lines = [l for l in warnings(tunnel.tonelc) if "Likely" in l]
    assert len(lines) == 1, lines


def mended(top, tunnel, patience=35):
    ask(tunnel.application(), b"answered", patience)
    tunnel.tonelc.wait_line(r"info it works: sessions to \S+ open, after", 5)
    assert http(top.client, "/healthz")[0] == 200
    parts = tonelctl(top.client, "status", "--json", "--socket",
                     "/run/tonel/tonelc-tunc.sock")[0]["parts"]
    assert parts["tunnel"]["state"] == "works", parts


def on_the_way(block, clear, words, cause):
    """The server is there, and something on the way keeps its packets off."""
    for family in (4, 6):
        with Topology() as top:
            tunnel = Tunnel(top, family, client=METRICS)
            with Upstream(tunnel.upstream_socket()):
                block(top)
                dead(top, tunnel, Sender(tunnel), words, cause)
                clear(top)
                mended(top, tunnel)
            tunnel.stop()


def reject(how):
    # Ahead of what the router forwards, as a firewall there would.
    return lambda top: top.router.nft(
        "table inet wall { chain f { type filter hook forward priority -10; "
        f"tcp dport 4567 reject {how}; }}; }}")


def let(top):
    top.router.run("nft delete table inet wall")


def no_route(top):
    top.client.run("ip route del default; ip -6 route del default")


def route(top):
    top.client.run("ip route add default via 10.9.1.1; ip -6 route add default via fd09:1::1")


case("a router that drops", deadline=150)(
    lambda: on_the_way(lambda top: top.block("up"), lambda top: top.clear(), "no answer from",
                       "no_answer"))
case("a firewall that answers by RST", deadline=150)(
    lambda: on_the_way(reject("with tcp reset"), let, "refuses connections", "refused"))
case("a firewall that rejects", deadline=150)(
    lambda: on_the_way(reject("with icmpx type port-unreachable"), let, "a firewall's REJECT",
                       "unreachable"))
case("a firewall that prohibits", deadline=150)(
    lambda: on_the_way(reject("with icmpx type admin-prohibited"), let, "prohibits connections",
                       "unreachable"))
case("no route to the server", deadline=150)(
    lambda: on_the_way(no_route, route, "this host has no route to", "no_route"))


@case("what cuts off a session that was open is said as soon, with its cause", deadline=90)
def cut_off():
    def unplug(top):
        no_route(top)
        top.block("down")

    def plug(top):
        route(top)
        top.clear()

    for cut, mend, words in ((lambda top: top.block("up", "down"), lambda top: top.clear(), "no answer from"),
                             (unplug, plug, "this host has no route to")):
        with Topology() as top:
            tunnel = Tunnel(top, client=METRICS)
            with Upstream(tunnel.upstream_socket()):
                sender = Sender(tunnel)
                for i in range(30):  # so that it knows the round trip
                    ask(sender.app, b"before %d" % i)
                cut(top)
                said(tunnel.tonelc, sender, words)
                assert http(top.client, "/healthz")[0] == 503
                mend(top)
                mended(top, tunnel)
            tunnel.stop()


@case("no tonels at the port, and then one", deadline=90)
def refused():
    with Topology() as top:
        tunnel = Tunnel(top, client=METRICS, start=False)
        tunnel.start_client()
        with Upstream(tunnel.upstream_socket()):
            dead(top, tunnel, Sender(tunnel), "refuses connections", "refused")
            tunnel.start_server()
            mended(top, tunnel)
        tunnel.stop()


@case("a web server at the port: named, and asked less and less", deadline=150)
def web_server():
    with Topology() as top:
        tunnel = Tunnel(top, client=METRICS, start=False)
        tunnel.start_client()
        web = Process(top.server, ["python3", "-m", "http.server", "4567"], name="web")
        wait_until(lambda: ":4567" in top.server.run("ss -tln"), 10, "the web server listens")
        with Capture(top.client, "c0") as seen:
            dead(top, tunnel, Sender(tunnel), "is not tonels, a web server", "not_tonel")
            start = seen.count()
            Sender(tunnel).send_for(45)
            syns = [p for p in seen.packets[start:] if p.has(SYN) and not p.has(0x10) and p.outgoing]
            print(f"  {len(syns)} connections in 45 s")
            assert 1 <= len(syns) <= 5, f"{len(syns)} SYNs"
        assert "sessions_opened" not in tunnel.tonelc.counters()
        web.kill()
        with Upstream(tunnel.upstream_socket()):
            tunnel.start_server()
            mended(top, tunnel)
        tunnel.stop()


@case("an upstream where nobody listens", deadline=60)
def upstream():
    with Topology() as top:
        tunnel = Tunnel(top, server=METRICS)
        sender = Sender(tunnel)
        said(tunnel.tonels, sender, "the upstream 127.0.0.1:7000 refuses datagrams")
        code, body = http(top.server, "/healthz")
        assert code == 503 and "refuses datagrams" in body, (code, body)
        said(tunnel.tonelc, sender, "none has come back")
        with Upstream(tunnel.upstream_socket()):
            ask(tunnel.application(), b"answered", 10)
            tunnel.tonels.wait_line(r"info the upstream 127\.0\.0\.1:7000 answers, after", 5)
            assert http(top.server, "/healthz")[0] == 200
        tunnel.stop()


@case("another key, or none at one end", deadline=60)
def keys():
    for client, server in (("xor:a", "xor:b"), ("xor:a", None), (None, "xor:b")):
        with Topology() as top:
            tunnel = Tunnel(top, client=["--encryption", client] if client else [],
                            server=["--encryption", server] if server else [])
            with Upstream(tunnel.upstream_socket()):
                sender = Sender(tunnel)
                said(tunnel.tonelc, sender, "changes datagrams by another key")
                said(tunnel.tonels, sender, "changes datagrams by another key")
            tunnel.stop()


@case("a name that nobody resolves", deadline=60)
def unresolved():
    with Topology() as top:
        tunnel = Tunnel(top, client=METRICS, remote="nowhere.invalid:4567", start=False)
        tunnel.start_client()
        sender = Sender(tunnel)
        began = time.monotonic()
        while not any("nowhere.invalid" in l for l in warnings(tunnel.tonelc)):
            assert time.monotonic() - began < 6, tunnel.tonelc.output()
            sender.send_for(0.25)
        sender.send_for(6)
        lines = [l for l in warnings(tunnel.tonelc) if "resolve" in l]
        assert len(lines) == 1, lines
        assert http(top.client, "/healthz")[0] == 503
        tunnel.tonelc.stop()


if __name__ == "__main__":
    harness.main()
