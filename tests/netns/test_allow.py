#!/usr/bin/env python3
"""`allow`: who a server serves. The others meet the host as if there were no tonel, and tonels itself is
silent to them."""

import contextlib
import os
import signal
import socket
import tempfile
import time

import harness
from apps import Upstream, ask, ask_once
from firewall import (BACKENDS, Automatic, answers, in_place, rules_of, tagged, unchanged,
                      web_server)
from harness import case
from packets import FIN, Capture
from processes import Tonel, Tunnel, binary
from topology import Topology

CLIENT = {4: Topology.CLIENT4, 6: Topology.CLIENT6}
NEIGHBOUR = {4: "10.9.2.1", 6: "fd09:2::1"}  # the router's own address in the server's net
CLOSED = 4999  # a port that nobody has


def attempt(host, address, port, seconds=1.5):
    """What a TCP client there meets: "open", "refused" or "silence"."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with host.entered():
        sock = socket.socket(family, socket.SOCK_STREAM)
    sock.settimeout(seconds)
    try:
        sock.connect((address, port))
        return "open"
    except ConnectionRefusedError:
        return "refused"
    except socket.timeout:
        return "silence"
    finally:
        sock.close()


def limited(family, backend, extra=()):
    """The client is allowed, its neighbour is not."""
    with Topology(router_nat=False) as top, unchanged(top.client, top.server):
        net = "10.9.1.0/24,192.0.2.0/24" if family == 4 else "fd09:1::/64"
        tunnel = Automatic(top, family, backend=backend, server=["--allow", net, *extra])
        server = tunnel.server_address()
        with Upstream(tunnel.upstream_socket()):
            tunnel.carries()
            assert attempt(top.router, server, tunnel.PORT) == "refused"
            assert attempt(top.router, server, CLOSED) == "refused"
            # The host's own firewall decides about what is not the tunnel's.
            top.server.nft("table inet own { chain i { type filter hook input priority 0;"
                           " meta l4proto tcp ct state new drop; }; }")
            assert attempt(top.router, server, tunnel.PORT) == "silence"
            top.server.run("nft delete table inet own")
            tunnel.carries(b"and still")
        assert "dropped_not_allowed" not in tunnel.tonels.counters(), "the rules let a stranger through"
        # The other family has nobody who is allowed.
        other = top.SERVER6 if family == 4 else top.SERVER4
        assert attempt(top.client, other, tunnel.PORT) == "refused"
        tunnel.stop()


for _family in (4, 6):
    for _backend in (*BACKENDS, "bpf"):
        case(f"IPv{_family}: who is allowed works, a neighbour meets a closed port: {_backend}")(
            lambda family=_family, backend=_backend: limited(family, backend))
    case(f"IPv{_family}: who is allowed works, a neighbour meets a closed port: stateless")(
        lambda family=_family: limited(family, "nft", ("--nat", "stateless")))


@case("one port: the tunnel for who is allowed, the host's own service for all others")
def shared():
    with Topology(router_nat=False) as top, unchanged(top.server):
        tunnel = Automatic(top, start=False, server=["--allow", CLIENT[4], "--take-port"])
        with web_server(top.server, tunnel.PORT), Upstream(tunnel.upstream_socket()):
            tunnel.start_server(apply_rules=False)
            in_place(tunnel.tonels)
            tunnel.start_client(apply_rules=False)
            in_place(tunnel.tonelc)
            tunnel.carries()
            assert answers(top.router, top.SERVER4, tunnel.PORT), "a neighbour is cut off"
            assert not answers(top.client, top.SERVER4, tunnel.PORT)
        tunnel.stop()


def silent(family):
    """With rules that let everybody through it is tonels that decides."""
    with Topology(router_nat=False) as top:
        tunnel = Tunnel(top, family, start=False)
        argv = tunnel.server_argv
        top.server.run("set -e\n" + top.server.run(
            f"{binary('tonels')} {' '.join(argv[1:])} --print-rules"))
        tunnel.server_argv = [*argv, "--allow", CLIENT[family]]
        tunnel.start_server(apply_rules=False)
        tunnel.start_client()
        server = tunnel.server_address()
        with Upstream(tunnel.upstream_socket()):
            ask_once(tunnel.application(), b"through")
            with Capture(top.router, "rs") as wire:
                assert attempt(top.router, server, tunnel.PORT) == "silence"
                heard = wire.all(lambda p: p.src == server and p.dst == NEIGHBOUR[family])
            assert not heard, heard
            assert tunnel.tonels.counters().get("dropped_not_allowed", 0) >= 1
            ask_once(tunnel.application(), b"and still")
        tunnel.stop()


for _family in (4, 6):
    case(f"IPv{_family}: tonels gives who is not allowed no answer of any kind, and counts")(
        lambda family=_family: silent(family))


@contextlib.contextmanager
def configured(top, family, backend):
    """A tunnel whose server has a file, and a function that changes who is allowed."""
    with tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "server.conf")
        tunnel = Automatic(top, family, backend=backend, start=False)
        loopback = "127.0.0.1" if family == 4 else "[::1]"

        def allow(nets, server=None):
            with open(config, "w", encoding="ascii") as file:
                file.write(f"[tunnel.t]\nlocal = {tunnel.PORT}\nremote = {loopback}:7000\n"
                           f"allow = {nets}  # blanks and all\n")
            if server is not None:
                start = len(server.lines)
                server.signal(signal.SIGHUP)
                server.wait_line("configuration read again; .*changed: allow", 5, start)

        allow(f"{CLIENT[family]}, 192.0.2.0/24")
        tunnel.tonels = Tonel(top.server, ["tonels", "--config", config, "--tun", "tuns", "--auto-rule",
                                           "auto", "--firewall", backend], False)
        in_place(tunnel.tonels)
        tunnel.start_client(apply_rules=False)
        in_place(tunnel.tonelc)
        yield tunnel, allow


def reloaded(family, backend):
    with Topology(router_nat=False) as top, unchanged(top.server), \
            configured(top, family, backend) as (tunnel, allow), Upstream(tunnel.upstream_socket()) as up:
        def rules():
            of = tagged if backend == "iptables" else rules_of
            return str(of(top.server, "tonel_tuns"))

        tunnel.carries(b"allowed")
        assert backend == "bpf" or CLIENT[family] in rules()
        up.clear()
        with Capture(top.client, "c0", lambda p: p.has(FIN)) as fins:
            allow(NEIGHBOUR[family], tunnel.tonels)
            fins.wait(lambda p: p.sport == tunnel.PORT, 5, "the end of the session")
        assert backend == "bpf" or CLIENT[family] not in rules() and NEIGHBOUR[family] in rules(), rules()
        assert attempt(top.client, tunnel.server_address(), tunnel.PORT) == "refused"
        assert attempt(top.router, tunnel.server_address(), tunnel.PORT) == "open"
        tunnel.application().send(b"not any more")
        time.sleep(1)
        assert not up.received, up.received
        allow(f"{NEIGHBOUR[family]},{CLIENT[family]}", tunnel.tonels)
        ask(tunnel.application(), b"allowed again", 20)
        tunnel.stop()


for _family, _backend in ((4, "owned"), (6, "owned"), (4, "iptables"), (4, "bpf"), (6, "bpf")):
    case(f"IPv{_family}: a reload changes rules and program, and ends who is not allowed any more: {_backend}")(
        lambda family=_family, backend=_backend: reloaded(family, backend))


@case("--print-rules prints what is set with nets of both families, and the longest list")
def printed():
    with Topology() as top, unchanged(top.server):
        longest = ",".join(f"2001:db8:{i:x}::/48" for i in range(1, 255)) + ",0.0.0.0/0,10.0.0.0/8"
        for nets in ("192.0.2.0/24,192.0.2.128/25,198.51.100.7,2001:db8::/32,::/0", longest):
            tunnel = Automatic(top, start=False, server=["--allow", nets])
            tunnel.start_server(apply_rules=False)
            in_place(tunnel.tonels)
            script = top.server.run(f"{binary('tonels')} {' '.join(tunnel.server_argv[1:])} --print-rules")
            top.router.run("set -e\n" + "".join(line + "\n" for line in script.splitlines()
                                                if not line.startswith("sysctl ")))
            wanted, got = rules_of(top.router, "tonel_tuns"), rules_of(top.server, "tonel_tuns")
            assert wanted and got == wanted, f"{got} against {wanted}"
            top.router.run("nft delete table inet tonel_tuns")
            tunnel.tonels.stop()


if __name__ == "__main__":
    harness.main()
