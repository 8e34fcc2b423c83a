#!/usr/bin/env python3
"""What the running programs tell of themselves: the control socket, tonelctl, metrics over HTTP."""

import json
import os
import re
import socket
import stat
import subprocess

import harness
from apps import METRICS, Upstream, ask_once, http, read_all, tcp
from harness import case
from processes import Tunnel, binary, sanitized, tonelctl, wait_until
from topology import Topology

CLIENT_SOCKET = "/run/tonel/tonelc-tunc.sock"
SERVER_SOCKET = "/run/tonel/tonels-tuns.sock"


def ask(path, line, timeout=5.0):
    """One line to a control socket, one line back."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout)
        sock.connect(path)
        sock.sendall(line.encode() + b"\n")
        return json.loads(sock.makefile("rb").readline())


def started(top, **options):
    tunnel = Tunnel(top, **options)
    upstream = Upstream(tunnel.upstream_socket())
    app = tunnel.application()
    ask_once(app, b"open")
    return tunnel, upstream, app


@case("status, sessions and counters of both programs")
def status():
    for family in (4, 6):
        with Topology() as top:
            tunnel, upstream, app = started(top, family=family, client=["--tcp-connections", "2"])
            for _ in range(5):
                ask_once(app, b"more")
            answers = {a["program"]: a for a in tonelctl(top.client, "status", "--json")}
            assert set(answers) == {"tonelc", "tonels"}, answers
            client, server = answers["tonelc"], answers["tonels"]
            assert client["socket"] == CLIENT_SOCKET and server["socket"] == SERVER_SOCKET
            assert client["side"] == "client" and server["side"] == "server"
            assert client["pid"] == int(top.client.run("pgrep -x tonelc")), client["pid"]
            for each in (client, server):
                assert re.match(r"\d+\.\d+\.\d+$", each["version"])
                assert each["sessions"] == 1, each
                assert each["parts"]["remote"]["state"] == "resolved", each["parts"]
                assert all(s["answers"] for s in each["shards"])
                assert each["counters"]["datagrams_in"] >= 6
                assert set(each["offload"]) == {"tun", "udp-gso", "udp-gro"}
                assert each["tun"]["queue_drops"] == 0
            assert client["options"]["tcp-connections"] == "2"
            assert client["options"]["tun"] == "tunc" and server["options"]["tun"] == "tuns"
            assert client["options"]["idle-timeout"] == "180", "defaults are told too"
            help_text = top.client.run(f"{binary('tonelc')} --help")
            for name in set(re.findall(r"--([a-z0-9-]+)", help_text)) - {"help", "version"}:
                assert name in client["options"], f"status lacks --{name}"

            listed = tonelctl(top.client, "sessions", "--json", "--socket", CLIENT_SOCKET)[0]
            assert listed["total"] == 1 and listed["complete"], listed
            session = listed["sessions"][0]
            assert session["peer"].endswith(str(app.getsockname()[1])), session
            assert session["state"] == "open" and len(session["streams"]) == 2, session
            for stream in session["streams"]:
                assert stream["profile"] == "native" and stream["state"] == "open", stream
                assert stream["remote"].endswith(f":{tunnel.PORT}"), stream
            served = tonelctl(top.server, "sessions", "--json", "--socket", SERVER_SOCKET)[0]
            there = served["sessions"][0]
            assert re.match(r"[0-9a-f]{8}$", session["id"]) and there["id"] == session["id"], there
            assert there["upstream_ports"] == [a[1] for a in upstream.sources()], there
            assert "upstream_ports" not in session, session
            table = tonelctl(top.server, "sessions", "--socket", SERVER_SOCKET)
            assert f" {there['upstream_ports'][0]} " in table and session["id"] in table, table
            text = tonelctl(top.client, "sessions")
            assert len(re.findall(r"\bnative\b", text)) == 4, text
            assert "process " in tonelctl(top.client, "status")
            assert re.search(r"^sessions_opened\s+1$", tonelctl(top.client, "counters"), re.M)
            upstream.stop()
            tunnel.stop()
            assert not os.path.exists(CLIENT_SOCKET) and not os.path.exists(SERVER_SOCKET)
            tonelctl(top.client, "status", expect=3)


@case("many sessions are listed piece by piece, over several shards")
def many():
    with Topology() as top:
        tunnel, upstream, app = started(top, client=["--tun-queues", "2"])
        socks = [tunnel.application() for _ in range(60)]
        for sock in socks:
            ask_once(sock, b"open")
        first = ask(CLIENT_SOCKET, '{"command": "sessions", "most": 25}')
        assert len(first["sessions"]) == 25 and first["total"] == 61, first
        seen = [s["session"] for s in first["sessions"]]
        while "next" in first:
            first = ask(CLIENT_SOCKET, json.dumps({"command": "sessions", "most": 25,
                                                   "after": first["next"]}))
            seen += [s["session"] for s in first["sessions"]]
        assert len(seen) == len(set(seen)) == 61 and seen == sorted(seen), seen
        assert len(tonelctl(top.client, "sessions", "--json", "--most", "100", "--socket",
                            CLIENT_SOCKET)[0]["sessions"]) == 61
        upstream.stop()
        tunnel.stop()


def living(path):
    """Those that are closed stay for some seconds, to answer what comes late."""
    return [s for s in ask(path, '{"command": "sessions"}')["sessions"] if s["state"] != "closing"]


@case("close ends one session and no other; reload is answered")
def close():
    with Topology() as top:
        tunnel, upstream, app = started(top)
        with tunnel.application() as other:
            ask_once(other, b"another")
            sessions = ask(CLIENT_SOCKET, '{"command": "sessions"}')["sessions"]
            mine = [s for s in sessions
                    if s["peer"].endswith(":" + str(app.getsockname()[1]))][0]["session"]
            tonelctl(top.client, "close", str(mine), "--socket", CLIENT_SOCKET)
            for path in (CLIENT_SOCKET, SERVER_SOCKET):
                wait_until(lambda p=path: len(living(p)) == 1, 5, "one session is left")
            left = living(CLIENT_SOCKET)[0]
            assert left["peer"].endswith(":" + str(other.getsockname()[1])), left
            ask_once(other, b"lives")
            ask_once(app, b"opens another")
        assert "no session" in tonelctl(top.client, "close", "999999", "--socket", CLIENT_SOCKET,
                                        expect=1)
        assert "several" in tonelctl(top.client, "reload", expect=2), "which one is to be said"
        reloaded = ask(CLIENT_SOCKET, '{"command": "reload"}')
        assert "reloaded" in reloaded or "error" in reloaded, reloaded
        upstream.stop()
        tunnel.stop()


@case("secrets are not told")
def secrets():
    with Topology() as top:
        key = ["--encryption", "xor:quitesecret"]
        tunnel, upstream, app = started(top, client=key, server=key)
        for command in ("status", "sessions", "counters"):
            assert "quitesecret" not in tonelctl(top.client, command)
        assert ask(CLIENT_SOCKET, '{"command": "status"}')["options"]["encryption"].startswith("xor")
        upstream.stop()
        tunnel.stop()


@case("metrics for Prometheus and health for a load balancer")
def metrics():
    with Topology() as top:
        tunnel, upstream, app = started(
            top, server=["--metrics", "9100", "--tun-queues", "2"],
            client=["--metrics", "127.0.0.1:9100"])
        for host, program in ((top.client, "tonelc"), (top.server, "tonels")):
            code, text = http(host, "/metrics")
            assert code == 200
            assert f'tonel_info{{program="{program}"' in text, text
            values = {m.group(1): int(m.group(2))
                      for m in re.finditer(r"^(\S+) (\d+)$", text, re.M)}
            lines = [l for l in text.splitlines() if l and not l.startswith("#")]
            assert len(values) == len(lines), "a line that Prometheus can't read, or twice the same"
            total = sum(v for k, v in values.items() if k.startswith("tonel_sessions{"))
            assert total == 1, total
            assert values['tonel_shard_up{shard="0"}'] == 1
            assert any(k.startswith('tonel_dropped_total{shard="0",reason=') for k in values)
            for name in {re.match(r"[a-z_]+", k).group(0) for k in values}:
                assert f"# TYPE {name} " in text, name
            assert http(host, "/healthz") == (200, "ok\n")
            assert http(host, "/healthz?x=1")[0] == 200
            assert http(host, "/metrics", method="HEAD") == (200, "")
            assert http(host, "/")[0] == 404
            assert http(host, "/metrics", method="POST")[0] == 405
        with tcp(top.client, METRICS) as sock:
            sock.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
            assert b" 400 " in read_all(sock)
        upstream.stop()
        tunnel.stop()
    with Topology() as top:
        tunnel = Tunnel(top, start=False)
        tunnel.server_argv += ["--metrics", "9100"]
        tunnel.server_argv[tunnel.server_argv.index("-r") + 1] = "nobody.invalid:7000"
        tunnel.start_server()
        assert http(top.server, "/healthz")[0] == 503, "its upstream has no address"
        assert ask(SERVER_SOCKET, '{"command": "status"}')["parts"]["remote"]["state"] == "unresolved"
        tunnel.tonels.stop()


@case("clients that stall, flood or talk nonsense harm nobody")
def hostile():
    with Topology() as top:
        tunnel, upstream, app = started(top, client=["--metrics", "9100"])
        for bad in ("", "nonsense", "[]", "{}", '{"command": 5}', '{"command": "dance"}', "\xff\xfe",
                    '{"command": "close"}', '{"command": "close", "session": -4}', "[" * 5000):
            assert "error" in ask(CLIENT_SOCKET, bad), bad
        before = tunnel.tonelc.resident_kib()
        # As many as are let in, none of which reads its answers.
        stuck = []
        for _ in range(16):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.setblocking(False)
            sock.connect(CLIENT_SOCKET)
            line = b'{"command": "status"}\n' * 500
            try:
                while True:
                    sock.send(line)
            except BlockingIOError:
                pass
            stuck.append(sock)
        with tcp(top.client, METRICS) as slow:
            slow.sendall(b"GET /metr")
            ask_once(app, b"the tunnel goes on")
            assert http(top.client, "/healthz") == (200, "ok\n")
            # AddressSanitizer keeps up to 256 MiB of what was freed.
            most = 8192 + (256 * 1024 if sanitized() else 0)
            assert tunnel.tonelc.resident_kib() - before < most, "stuck clients hold memory"
            slow.settimeout(10)
            assert slow.recv(100) == b"", "a request that never ends is ended"
        for sock in stuck:
            sock.close()
        wait_until(lambda: "program" in ask(CLIENT_SOCKET, '{"command": "status"}'), 5, "room again")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(5)
            sock.connect(CLIENT_SOCKET)
            try:
                sock.sendall(b"x" * 100_000)
                assert sock.recv(10) == b""
            except (BrokenPipeError, ConnectionResetError):
                pass
        # Several questions at once are answered in order.
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(5)
            sock.connect(CLIENT_SOCKET)
            sock.sendall(b'{"command": "counters"}\n{"command": "status"}\n{"command": "x"}\n' * 20)
            lines = sock.makefile("rb")
            for _ in range(20):
                assert "shards" in json.loads(lines.readline())
                assert "options" in json.loads(lines.readline())
                assert "error" in json.loads(lines.readline())
        upstream.stop()
        tunnel.stop()


@case("the socket: of its owner alone, taken over from the dead, not from the living")
def socket_file():
    with Topology() as top:
        tunnel, upstream, app = started(top)
        mode = os.stat(CLIENT_SOCKET)
        assert stat.S_ISSOCK(mode.st_mode) and stat.S_IMODE(mode.st_mode) == 0o600
        # Even where the file's mode would let others in, the user at the other end is looked at.
        os.chmod(CLIENT_SOCKET, 0o666)
        probe = ("import socket; s = socket.socket(socket.AF_UNIX); s.settimeout(5); "
                 f"s.connect('{CLIENT_SOCKET}'); print(len(s.recv(10)))")
        outsider = subprocess.run(["setpriv", "--reuid", "65534", "--clear-groups", "python3", "-c",
                                   probe], text=True, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT)
        assert outsider.stdout.strip() == "0" or "Permission" in outsider.stdout \
            or "setpriv" in outsider.stdout, outsider.stdout
        # Killed, its socket stays; the next one takes the place.
        tunnel.tonelc.kill()
        assert os.path.exists(CLIENT_SOCKET)
        assert "connect" in tonelctl(top.client, "status", "--socket", CLIENT_SOCKET, expect=3)
        assert len(tonelctl(top.client, "status", "--json")) == 1
        tunnel.start_client()
        assert len(tonelctl(top.client, "status", "--json")) == 2
        # The same device name on another host, one file system: both are found.
        argv = ["tonelc", "-l", "127.0.0.1:5001", "-r", "10.9.2.2:1", "--tun", "tunc"]
        from processes import Tonel  # pylint: disable=import-outside-toplevel
        second = Tonel(top.server, [*argv[:-1], "tunc"], apply_rules=False)
        assert len(tonelctl(top.client, "status", "--json")) == 3
        second.stop()
        # A path that is in use, chosen by the user, is an error.
        failed = top.server.run(f"{binary('tonelc')} -l 127.0.0.1:5001 -r 10.9.2.2:1 --tun t2 "
                                f"--control {SERVER_SOCKET}; echo code $?", check=False)
        assert "code 1" in failed and "Address already in use" in failed, failed
        quiet = Tonel(top.server, [*argv, "--control", "off"], apply_rules=False)
        assert len(tonelctl(top.client, "status", "--json")) == 2
        quiet.stop()
        upstream.stop()
        tunnel.stop()


if __name__ == "__main__":
    harness.main()
