#!/usr/bin/env python3
"""A TCP port of the host that another program uses: a server does not take it without being told to."""

import os
import signal
import tempfile

import harness
from firewall import Automatic, answers, in_place, rules_of, unchanged, web_server
from harness import case
from processes import Process, Tonel, binary
from topology import Topology


def refused(top, argv, *words):
    """The server ends with 1 and these words."""
    program = Process(top.server, [binary("tonels"), *argv[1:]], name="tonels")
    assert program.wait(10) == 1, program.output()
    line = program.wait_line("TCP port .* is in use: .*", 1).group(0)
    assert all(word in line for word in words), line
    assert "--take-port" in program.output()


@case("a port on which a program listens: the server does not start, and says which program it is")
def in_use():
    for address in ("0.0.0.0", "::", Topology.SERVER4):
        with Topology() as top, unchanged(top.server):
            tunnel = Automatic(top, start=False)
            with web_server(top.server, 4567, address) as program:
                shown = f"[{address}]" if ":" in address else address
                refused(top, tunnel.server_argv, f"{shown}:4567", "python3",
                        f"process {program.popen.pid}")
                reached = top.SERVER6 if ":" in address else top.SERVER4
                assert answers(top.client, reached, 4567), "the program is cut off"


@case("--take-port takes it, and says from whom")
def taken():
    with Topology() as top, unchanged(top.server):
        tunnel = Automatic(top, start=False, server=["--take-port"])
        with web_server(top.server, 4567):
            tunnel.start_server(apply_rules=False)
            in_place(tunnel.tonels)
            tunnel.tonels.wait_line("warn.*TCP port 4567 is in use: python3 .*--take-port", 1)
            assert not answers(top.client, top.SERVER4, 4567)
        tunnel.tonels.stop()


@case("a program on loopback keeps its connections, and is no reason not to start")
def loopback():
    with Topology() as top, unchanged(top.server):
        tunnel = Automatic(top, start=False)
        with web_server(top.server, 4567, "127.0.0.1"):
            tunnel.start_server(apply_rules=False)
            in_place(tunnel.tonels)
            assert answers(top.server, "127.0.0.1", 4567)
        tunnel.tonels.stop()


SECOND = ("--tun-local", "192.168.210.1", "--tun-peer", "192.168.210.2", "-4")


@case("another tonels has the port: the second does not start; in another namespace it does")
def another():
    with Topology() as top, unchanged(top.server):
        tunnel = Automatic(top, start=False)
        argv = ["other" if a == "tuns" else a for a in tunnel.server_argv] + list(SECOND)
        tunnel.start_server(apply_rules=False)
        in_place(tunnel.tonels)
        refused(top, argv, "tonels", f"process {tunnel.tonels.popen.pid}")
        elsewhere = Tonel(top.router, argv, False)
        elsewhere.stop()
        # Also where it was killed, which leaves rules and files.
        tunnel.tonels.kill()
        again = Tonel(top.server, argv, False)
        in_place(again)
        again.stop()


@case("a reload that adds a port in use is refused, and the tunnels go on")
def reloaded():
    with Topology() as top, unchanged(top.server), tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "server.conf")

        def write(*ports):
            with open(config, "w", encoding="ascii") as file:
                for port in ports:
                    file.write(f"[tunnel.t{port}]\nlocal = {port}\nremote = 127.0.0.1:7000\n")

        def reload(answer):
            start = len(server.lines)
            server.signal(signal.SIGHUP)
            server.wait_line(answer, 5, start)
            return "\n".join(server.lines[start:])

        write(4567)
        server = Tonel(top.server, ["tonels", "--config", config, "--tun", "tuns", "--auto-rule",
                                    "auto"], False)
        in_place(server)
        with web_server(top.server, 4568):
            write(4567, 4568)
            said = reload("stays as it was")
            assert "tunnel t4568: TCP port 4568 is in use: python3" in said, said
            assert "4568" not in str(rules_of(top.server, "tonel_tuns"))
            assert answers(top.client, top.SERVER4, 4568)
        reload("started: 1, that ended: 0, that go on: 1")
        # The port that it has given up is anybody's.
        write(4568)
        reload("started: 0, that ended: 1, that go on: 1")
        second = Tonel(top.server, ["tonels", "-l", "4567", "-r", "127.0.0.1:7000", "--tun", "other",
                                    *SECOND], False)
        second.stop()
        server.stop()


if __name__ == "__main__":
    harness.main()
