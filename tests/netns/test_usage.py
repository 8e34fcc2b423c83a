#!/usr/bin/env python3
"""The command line: help, wrong values, missing rights, a busy address; and nothing changed then."""

import os
import re

import harness
import processes
from apps import Upstream, ask_once
from harness import case
from processes import Process, Tunnel, binary
from topology import Topology

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def run(host, *argv, seconds=10):
    process = Process(host, [binary(argv[0]), *argv[1:]] if "/" not in argv[0] and
                      argv[0].startswith("tonel") else list(argv))
    code = process.wait(seconds)
    return code, process.output()


def state(host):
    """What a start could have changed on the host."""
    # nft's own tables of the test stay; addresses, links and sysctls are compared whole.
    return (host.run("ip -o addr"), host.run("ip -o link | sed 's/ qlen.*//'"),
            host.run("nft list ruleset"), host.run("sysctl -a 2>/dev/null | grep -E 'forward|rp_filter'"))


@case("--help and --version print and exit 0; every option is documented")
def help_text():
    with Topology() as top:
        with open(os.path.join(ROOT, "docs", "options.md"), encoding="utf-8") as file:
            documented = file.read()
        for program in ("tonelc", "tonels"):
            code, text = run(top.client, program, "--help")
            assert code == 0 and program in text, (code, text)
            options = set(re.findall(r"^ +(?:-\w, )?(--[a-z0-9-]+)", text, re.M))
            assert {"--local", "--remote", "--tun-queues", "--offload"} <= options, options
            missing = [o for o in sorted(options) if f"`{o}`" not in documented]
            assert not missing, f"not in docs/options.md: {missing}"
            assert run(top.client, program, "-h")[1] == text
            code, text = run(top.client, program, "-V")
            assert code == 0 and re.search(r"\d+\.\d+\.\d+", text), (code, text)


@case("docs/firewall.md shows the commands that are printed")
def by_hand():
    with open(os.path.join(ROOT, "docs/firewall.md"), encoding="utf-8") as file:
        chapter = file.read().split("## By hand", 1)[1].split("\n## ", 1)[0]
    shown = [line[4:].rstrip() for line in chapter.splitlines()
             if re.match("    (nft|sysctl) ", line)]
    with Topology() as top:
        server = processes.Tonel(top.server, ["tonels", "-l", "4567", "-r", "127.0.0.1:51820",
                                              "--tun", "tonel0"])
        client = processes.Tonel(top.client, ["tonelc", "-l", "127.0.0.1:51820", "-r",
                                              "203.0.113.7:4567", "--tun", "tonel0"])
        printed = server.rules()
        assert shown[:len(printed)] == printed, f"{shown[:len(printed)]} against {printed}"
        assert shown[len(printed):] == client.rules()[-2:], (shown[len(printed):], client.rules()[-2:])
        client.stop()
        server.stop()


@case("all wrong values are named at once, exit 2, nothing is changed")
def wrong():
    with Topology() as top:
        before = state(top.client)
        code, text = run(top.client, "tonelc")
        assert code == 2 and "--local" in text and "--remote" in text, (code, text)
        code, text = run(top.client, "tonelc", "-l", "localhost:99999", "-r", "nocolon", "--tun-queues", "0",
                         "--mtu", "10", "--log-level", "loud", "--idle-timeout", "-1", "--bogus",
                         "--tun", "a-name-far-too-long-for-linux", "--offload", "magic",
                         "--tun-local", "1.2.3")
        assert code == 2, (code, text)
        for named in ("--local", "localhost:99999", "--remote", "nocolon", "--tun-queues", "--mtu",
                      "--log-level", "loud", "--idle-timeout", "--bogus", "--tun", "--offload", "magic",
                      "--tun-local", "1.2.3"):
            assert named in text, f"{named} is not named:\n{text}"
        for argv, named in ((("tonels", "-l", "70000", "-r", "127.0.0.1:1"), "65535"),
                            (("tonels", "-l", "1", "-r", "127.0.0.1:1", "-l", "2"), "--local"),
                            (("tonels", "-l", "1", "-r", "127.0.0.1:1", "stray"), "stray"),
                            (("tonelc", "-l", "127.0.0.1:1", "-r", "127.0.0.1:2"), "loopback"),
                            (("tonelc", "-l", "127.0.0.1:1", "-r", "10.0.0.1:2", "-4", "--tun-peer6",
                              "fd::2"), "ipv4-only"),
                            (("tonelc", "-l", "127.0.0.1:1", "-r", "10.0.0.1:2", "--idle", "5"), "--idle")):
            code, text = run(top.client, *argv)
            assert code == 2 and named in text, f"{argv}: exit {code}\n{text}"
        assert state(top.client) == before, "something on the host was changed"
        processes.Process.started = []


@case("without rights for a TUN device: exit 3, with what is missing and how to grant it")
def rights():
    with Topology() as top:
        harness.needs("setpriv")
        before = state(top.client)
        bare = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
        for program, local in (("tonelc", "127.0.0.1:5000"), ("tonels", "4567")):
            code, text = run(top.client, *bare, binary(program), "-l", local, "-r", "10.9.2.2:4567")
            assert code == 3, (code, text)
            assert re.search(r"cap_net_admin", text, re.I) and "setcap" in text, text
        assert state(top.client) == before, "something on the host was changed"


@case("rootless: CAP_NET_ADMIN alone is enough")
def rootless():
    with Topology() as top:
        harness.needs("setpriv")
        tunnel = Tunnel(top, start=False)
        only = ["setpriv", "--bounding-set=-all,+net_admin", "--inh-caps=-all,+net_admin"]
        plain = processes.binary
        for host, argv, set_program in ((top.server, tunnel.server_argv, "tonels"),
                                        (top.client, tunnel.client_argv, "tonelc")):
            process = Process(host, [*only, plain(argv[0]), *argv[1:]], name=argv[0])
            process.wait_line(processes.READY, 15)
            rules = [m.group(1) for m in map(processes.RULE.match, process.lines) if m]
            host.run("set -e\n" + "\n".join(rules))
            setattr(tunnel, set_program, process)
        with Upstream(tunnel.upstream_socket()):
            ask_once(tunnel.application(), b"few rights")
        for process in (tunnel.tonelc, tunnel.tonels):
            process.signal(15)
            assert process.wait(5) == 0, process.output()
        top.assert_clean()


@case("a busy UDP address: exit 1, named, nothing left")
def busy():
    with Topology() as top:
        with top.client.udp("127.0.0.1", 5000):
            before = state(top.client)
            code, text = run(top.client, "tonelc", "-l", "127.0.0.1:5000", "-r", "10.9.2.2:4567")
            assert code == 1 and "127.0.0.1:5000" in text, (code, text)
            assert state(top.client) == before


@case("a server whose name does not resolve: the service is ready, and says so")
def unresolved():
    with Topology() as top:
        tunnel = Tunnel(top, remote="no-such-host.invalid:4567", start=False)
        tunnel.start_client(apply_rules=False)
        tunnel.application().send(b"waits")
        tunnel.tonelc.wait_line("no-such-host", 5)
        tunnel.tonelc.stop(seconds=4)


@case("SIGINT ends both with code 0; counters are in the log at exit")
def interrupt():
    with Topology() as top:
        tunnel = Tunnel(top)
        with Upstream(tunnel.upstream_socket()):
            ask_once(tunnel.application(), b"x")
        for program in (tunnel.tonelc, tunnel.tonels):
            program.stop(2)
            assert len(processes.parse_counters(program.lines)) > 3, program.output()
        left = top.client.run("ip -o addr") + top.server.run("ip -o addr")
        assert "192.168.20" not in left, left
        top.assert_clean()


if __name__ == "__main__":
    harness.main()
