#!/usr/bin/env python3
"""Either end dies or is restarted; the other notices and carries on with the next datagrams."""

import contextlib
import os
import signal
import socket
import stat
import subprocess
import tempfile
import time

import harness
from apps import Upstream, ask, ask_once
from harness import case
from packets import Capture, SYN
from processes import Tonel, Tunnel, joined, wait_until
from topology import Topology


def client_restarts(number):
    with Topology() as top:
        tunnel = Tunnel(top)
        with Upstream(tunnel.upstream_socket()) as upstream:
            apps = [tunnel.application() for _ in range(3)]
            for app in apps:
                ask_once(app, b"before")
            if number == signal.SIGKILL:
                tunnel.tonelc.kill()
            else:
                tunnel.tonelc.stop(number)
            # The server has something to say while nobody is there.
            for source in upstream.sources():
                upstream.send(b"into the void", source)
            tunnel.start_client(apply_rules=False)
            for app in apps:
                ask(app, b"after", 5)
        tunnel.stop()
        top.assert_clean()


def server_restarts(number, family=4):
    with Topology() as top:
        tunnel = Tunnel(top, family)
        with Upstream(tunnel.upstream_socket()), Capture(top.client, "c0") as seen:
            apps = [tunnel.application() for _ in range(3)]
            for app in apps:
                ask_once(app, b"before")
            if number == signal.SIGKILL:
                tunnel.tonels.kill()
            else:
                tunnel.tonels.stop(number)
            tunnel.start_server(apply_rules=False)
            start = seen.count()
            tries = [ask(app, b"after", 8, every=0.25) for app in apps]
            syns = [p for p in seen.packets[start:] if p.has(SYN) and p.outgoing]
            print(f"  datagrams until the first answer: {tries}, {len(syns)} SYNs")
            # A RST answers the first segment: back within a round trip, not after a timeout.
            assert max(tries) <= 4, tries
        tunnel.stop()
        top.assert_clean()


def sessions_outlive(number):
    """With a state directory each application keeps its port at the upstream."""
    with Topology() as top, tempfile.TemporaryDirectory() as root:
        state = os.path.join(root, "state")
        tunnel = Tunnel(top, client=["--state-directory", state])
        with Upstream(tunnel.upstream_socket()) as upstream:
            apps = [tunnel.application() for _ in range(3)]
            for app in apps:
                ask_once(app, b"before")
            ports = set(upstream.sources())
            assert len(ports) == 3, ports
            for _ in range(2):
                path = os.path.join(state, "sessions")
                # Two seconds after the last change, and at the end.
                wait_until(lambda: os.path.exists(path), 10, "nothing was written")
                if number == signal.SIGKILL:
                    wait_until(lambda: len(open(path, encoding="ascii").readlines()) == 4, 10,
                               "not all sessions were written")
                    tunnel.tonelc.kill()
                else:
                    tunnel.tonelc.stop(number)
                assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
                start = tunnel.start_client(apply_rules=False)
                start.wait_line("of an earlier program that can go on: 3", 5)
                for app in apps:
                    ask(app, b"after", 5)
                assert set(upstream.sources()) == ports, upstream.sources()
            # A second program with the directory says so, and works.
            other = Tonel(top.client, ["tonelc", "-l", "127.0.0.1:5001", "-r",
                                       joined(tunnel.server_address(), Tunnel.PORT), "--tun", "tunc2",
                                       "--state-directory", state])
            other.wait_line("is in use by another program", 5)
            other.stop()
        tunnel.stop()


def state_cannot_be_kept(prepare, line):
    with Topology() as top, tempfile.TemporaryDirectory() as root:
        state = os.path.join(root, "state")
        os.mkdir(state, 0o700)
        with prepare(state):
            tunnel = Tunnel(top, client=["--state-directory", state])
            with Upstream(tunnel.upstream_socket()):
                ask_once(tunnel.application(), b"works")
                tunnel.tonelc.wait_line(line, 10)
                ask_once(tunnel.application(), b"and works")
            tunnel.stop()


@contextlib.contextmanager
def full(state):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,mode=0700", "none", state], check=True)
    try:
        with open(os.path.join(state, "filler"), "wb") as file:
            file.write(b"x" * 4096)
        yield
    finally:
        subprocess.run(["umount", "-l", state], check=True)


@contextlib.contextmanager
def read_only(state):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,mode=0700", "none", state], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", state], check=True)


@contextlib.contextmanager
def damaged(state):
    path = os.path.join(state, "sessions")
    with open(path, "wb") as file:
        file.write(os.urandom(5000))
    os.chmod(path, 0o600)
    yield


@contextlib.contextmanager
def open_to_others(state):
    os.chmod(state, 0o777)
    yield


case("sessions outlive a client that is stopped, each with its port at the upstream", 60)(
    lambda: sessions_outlive(signal.SIGTERM))
case("sessions outlive a client that is killed", 60)(lambda: sessions_outlive(signal.SIGKILL))
for _name, _prepare, _line in (("full", full, "No space left"),
                               ("read-only", read_only, "Read-only file system"),
                               ("damaged", damaged, "is damaged"),
                               ("open to others", open_to_others, "closed to others")):
    case(f"a state directory that is {_name} is said, and the client works")(
        lambda prepare=_prepare, line=_line: state_cannot_be_kept(prepare, line))

case("the client is killed and started again")(lambda: client_restarts(signal.SIGKILL))
case("the client is stopped and started again")(lambda: client_restarts(signal.SIGTERM))
case("the server is killed and started again")(lambda: server_restarts(signal.SIGKILL))
case("the server is stopped and started again")(lambda: server_restarts(signal.SIGTERM))
case("the server is killed and started again, IPv6")(lambda: server_restarts(signal.SIGKILL, 6))


@case("the server is away while datagrams come: they go through when it is back", deadline=60)
def away():
    with Topology() as top:
        tunnel = Tunnel(top)
        with Upstream(tunnel.upstream_socket()):
            app = tunnel.application()
            ask_once(app, b"before")
            tunnel.tonels.kill()
            for n in range(200):
                app.send(b"%d" % n)
            tunnel.start_server(apply_rules=False)
            ask(app, b"after", 30)
        tunnel.stop()
        top.assert_clean()


@case("the router's NAT forgets its connections: a new stream, the same port upstream")
def forgotten():
    with Topology() as top:
        tunnel = Tunnel(top)
        with Upstream(tunnel.upstream_socket()) as upstream, Capture(top.client, "c0") as seen:
            app = tunnel.application()
            ask_once(app, b"before")
            top.router.run("conntrack -F")
            began = time.monotonic()
            ask(app, b"after", 15, every=0.3)
            print(f"  {time.monotonic() - began:.1f} s until the next answer")
            assert len(seen.all(lambda p: p.has(SYN) and p.outgoing)) >= 2
            assert len(upstream.sources()) == 1, "the upstream sees another port"
        tunnel.stop()
        # What the router then calls invalid is what it forgot.
        top.assert_clean(expect_invalid=True)


@case("nothing passes for 8 s: alive again, the same port upstream")
def outage():
    with Topology() as top:
        tunnel = Tunnel(top)
        with Upstream(tunnel.upstream_socket()) as upstream:
            app = tunnel.application()
            ask_once(app, b"before")
            top.block("up", "down")
            until = time.monotonic() + 8
            app.settimeout(0.2)
            while time.monotonic() < until:
                app.send(b"into the void")
                try:
                    app.recv(100)
                except socket.timeout:
                    pass
            top.clear()
            ask(app, b"after", 12, every=0.2)
            assert len(upstream.sources()) == 1, "the upstream sees another port"
        tunnel.stop()
        top.assert_clean()


if __name__ == "__main__":
    harness.main()
