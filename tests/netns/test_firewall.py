#!/usr/bin/env python3
"""--auto-rule: the rules are there, exactly, while the program runs, and gone with it, however it ends."""

import fcntl
import os
import signal

import harness
from apps import Upstream, ask, ask_once
from firewall import (BACKENDS, STATE, Automatic, forwards, in_place, present, rules_of, tagged,
                      unchanged)
from harness import case
from processes import Process, Tonel, binary, wait_until
from topology import Topology


def flows(family, **options):
    with Topology() as top, unchanged(top.client, top.server):
        tunnel = Automatic(top, family, **options)
        with Upstream(tunnel.upstream_socket()):
            tunnel.carries()
            ask(tunnel.application(), b"x" * 1000, 5)
        tunnel.stop()
        top.assert_clean()


for _family in (4, 6):
    for _backend in BACKENDS:
        case(f"IPv{_family} flows without a rule made by hand: {_backend}")(
            lambda family=_family, backend=_backend: flows(family, backend=backend))
    case(f"IPv{_family} flows with interfaces given by name")(
        lambda family=_family: flows(family, interfaces=("c0", "s0")))


@case("a server by name: rules for its port first, for its address once it is known")
def named():
    with Topology() as top, unchanged(top.client):
        tunnel = Automatic(top, start=False)
        argv = list(tunnel.client_argv)
        argv[argv.index("-r") + 1] = "localserver:4567"
        script = ("printf '10.9.2.2 localserver\\n' > /run/netns/hosts && "
                  "mount --bind /run/netns/hosts /etc/hosts && exec \"$@\"")
        program = Process(top.client, ["sh", "-c", script, "sh", binary(argv[0]), *argv[1:]], "tonelc")
        in_place(program)
        wait_until(lambda: "10.9.2.2" in str(rules_of(top.client, "tonel_tunc")), 5,
                   "rules for the address")
        program.signal(signal.SIGTERM)
        assert program.wait(5) == 0


@case("a name server that is silent holds up neither rules nor reload nor the end")
def silent_names():
    with Topology() as top, unchanged(top.client):
        config = "/run/netns/silent.conf"
        with open(config, "w", encoding="ascii") as file:
            file.write("[tunnel.name]\nlocal = 127.0.0.1:5000\nremote = server.test:4567\n")
        tunnel = Automatic(top, backend="nft", start=False)
        options = tunnel.client_argv[5:]  # without --local and --remote
        # Packets to the name server get no answer of any kind. A minute a name.
        top.client.run("ip route add 192.0.2.53 via 10.9.1.1")
        top.router.nft('table inet silent { chain pre { type filter hook prerouting priority -400;'
                       ' ip daddr 192.0.2.53 drop; }; }')
        script = ("echo nameserver 192.0.2.53 > /run/netns/resolv.conf && "
                  "mount --bind /run/netns/resolv.conf /etc/resolv.conf && "
                  "export RES_OPTIONS='timeout:30 attempts:2' && exec \"$@\"")
        program = Process(top.client, ["sh", "-c", script, "sh", binary("tonelc"), "--config", config,
                                       *options], "tonelc")
        in_place(program)
        wanted = rules_of(top.client, "tonel_tunc")
        assert wanted, "no rules"
        top.client.run("nft delete table inet tonel_tunc")
        wait_until(lambda: rules_of(top.client, "tonel_tunc") == wanted, 1.5, "the rules' return")
        with open(config, "a", encoding="ascii") as file:
            file.write("[tunnel.address]\nlocal = 127.0.0.1:5001\nremote = 10.9.2.2:4568\n")
        program.signal(signal.SIGHUP)
        program.wait_line("configuration read again", 3)
        wait_until(lambda: "4568" in str(rules_of(top.client, "tonel_tunc")), 3, "the new tunnel's rules")
        program.signal(signal.SIGTERM)
        assert program.wait(5) == 0


@case("--print-rules prints exactly what is set, and touches nothing")
def printed():
    for family in (4, 6):
        with Topology() as top, unchanged(top.client, top.server):
            tunnel = Automatic(top, family)
            for host, argv, table in ((top.client, tunnel.client_argv, "tonel_tunc"),
                                      (top.server, tunnel.server_argv, "tonel_tuns")):
                before = host.run("nft list ruleset")
                script = host.run(f"{binary(argv[0])} {' '.join(argv[1:])} --print-rules")
                assert host.run("nft list ruleset") == before
                tun = argv[argv.index("--tun") + 1]
                assert f"sysctl -w net.ipv4.conf.{tun}.forwarding=1" in script, script
                top.router.run("set -e\n" + "".join(line + "\n" for line in script.splitlines()
                                                    if not line.startswith("sysctl ")))
                wanted, got = rules_of(top.router, table), rules_of(host, table)
                assert wanted and got == wanted, f"{got} against {wanted}"
                assert 'oifname "c0"' not in script and 'oifname "s0"' not in script, "any way will do"
            tunnel.stop()


@case("--print-rules for iptables is what iptables gets")
def printed_iptables():
    with Topology() as top, unchanged(top.client, top.server):
        tunnel = Automatic(top, backend="iptables")
        for host, argv, table in ((top.client, tunnel.client_argv, "tonel_tunc"),
                                  (top.server, tunnel.server_argv, "tonel_tuns")):
            script = host.run(f"{binary(argv[0])} {' '.join(argv[1:])} --print-rules")
            top.router.run("set -e\n" + "".join(line + "\n" for line in script.splitlines()
                                                if not line.startswith("sysctl ")))
            assert tagged(top.router, table) == tagged(host, table) != [], script
        tunnel.stop()


def ends(number, backend):
    with Topology() as top, unchanged(top.client, top.server):
        tunnel = Automatic(top, backend=backend)
        assert present(top.client, backend, "tonel_tunc") and present(top.server, backend, "tonel_tuns")
        assert forwards(top.client) and forwards(top.server, "s0")
        for program in (tunnel.tonelc, tunnel.tonels):
            program.stop(number)


for _backend in BACKENDS:
    for _signal in (signal.SIGTERM, signal.SIGINT):
        case(f"gone after {_signal.name}: {_backend}")(
            lambda number=_signal, backend=_backend: ends(number, backend))


@case("a start that fails, wherever it does, leaves nothing", deadline=90)
def failing_start():
    with Topology() as top, unchanged(top.client):
        tunnel = Automatic(top, start=False)
        failed = 0
        for limit in range(8, 40):
            program = Process(top.client, ["sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh",
                                           binary("tonelc"), *tunnel.client_argv[1:]], name="tonelc")
            ready = "listening on"
            wait_until(lambda: not program.alive() or ready in program.output(), 10, "ready or an end")
            if program.alive():
                program.signal(signal.SIGTERM)
                assert program.wait(5) == 0, program.output()
            else:
                assert program.wait(5) in (1, 127), f"{limit}: {program.popen.returncode}"
                failed += 1
                assert rules_of(top.client, "tonel_tunc") is None, f"with {limit} descriptors"
        assert 3 < failed < 32, failed


@case("kill -9: the kernel takes an owned table away")
def killed_owner():
    with Topology() as top, unchanged(top.client):
        tunnel = Automatic(top, backend="owned", start=False)
        tunnel.start_client(apply_rules=False)
        in_place(tunnel.tonelc)
        assert rules_of(top.client, "tonel_tunc")
        tunnel.tonelc.kill()
        wait_until(lambda: rules_of(top.client, "tonel_tunc") is None, 2, "the table's end")
        # The sysctls are the next start's to restore.
        tunnel.start_client(apply_rules=False)
        in_place(tunnel.tonelc)
        tunnel.tonelc.stop()


def killed(backend, next_backend):
    """The second program has another device: what is swept is known by the record alone."""
    with Topology() as top, unchanged(top.client):
        tunnel = Automatic(top, backend=backend, start=False)
        tunnel.start_client(apply_rules=False)
        in_place(tunnel.tonelc)
        tunnel.tonelc.kill()
        assert present(top.client, backend, "tonel_tunc"), "what the next start is to sweep"
        tunnel.client_argv = [next_backend if a == backend else "other" if a == "tunc" else a
                              for a in tunnel.client_argv]
        tunnel.start_client(apply_rules=False)
        in_place(tunnel.tonelc)
        assert not present(top.client, backend, "tonel_tunc")
        assert present(top.client, next_backend, "tonel_other")
        tunnel.tonelc.stop()
        assert not present(top.client, next_backend, "tonel_other")


for _pair in (("nft", "nft"), ("iptables", "iptables"), ("iptables", "owned"), ("nft", "iptables")):
    case(f"kill -9 and a start: {_pair[0]}, then {_pair[1]}")(lambda pair=_pair: killed(*pair))


def flushed(backend, family):
    with Topology() as top, unchanged(top.client, top.server):
        tunnel = Automatic(top, family, backend=backend)
        with Upstream(tunnel.upstream_socket()):
            tunnel.carries(b"before")
            # One that is opened between the loss and the return of the rules goes untranslated, and its
            # client takes another port for it only after 15 s.
            app = tunnel.application()
            ask_once(app, b"opened")
            for host, table, program in ((top.client, "tonel_tunc", tunnel.tonelc),
                                         (top.server, "tonel_tuns", tunnel.tonels)):
                start = len(program.lines)
                before = tagged(host, table) if backend == "iptables" else rules_of(host, table)
                if backend == "iptables":
                    host.run("for t in filter nat; do iptables -t $t -F; ip6tables -t $t -F; done")
                else:
                    host.run("nft flush ruleset")
                ask(app, b"during", 8, every=0.1)
                get = tagged if backend == "iptables" else rules_of
                wait_until(lambda: get(host, table) == before, 1.0, "the rules' return")
                if backend != "owned":
                    program.wait_line("another program had changed", 2, start)
            tunnel.carries(b"after")
        tunnel.stop()


for _backend in BACKENDS:
    for _family in (4, 6):
        case(f"flush while datagrams pass, IPv{_family}: {_backend}")(
            lambda backend=_backend, family=_family: flushed(backend, family))


def one_rule_less(backend, command):
    with Topology() as top, unchanged(top.client):
        tunnel = Automatic(top, backend=backend, start=False)
        tunnel.start_client(apply_rules=False)
        in_place(tunnel.tonelc)
        get = tagged if backend == "iptables" else rules_of
        before = get(top.client, "tonel_tunc")
        top.client.run(command)
        tunnel.tonelc.wait_line("another program had changed", 2)
        assert get(top.client, "tonel_tunc") == before
        tunnel.tonelc.stop()


case("one chain emptied by others is filled again: nft")(
    lambda: one_rule_less("nft", "nft flush chain inet tonel_tunc postrouting"))
case("one rule deleted by others comes back: iptables")(
    lambda: one_rule_less("iptables", "iptables -t nat -D POSTROUTING 1"))


@case("an owned table is nobody else's to change")
def owner():
    with Topology() as top:
        tunnel = Automatic(top, backend="owned", start=False)
        tunnel.start_client(apply_rules=False)
        in_place(tunnel.tonelc)
        before = rules_of(top.client, "tonel_tunc")
        for command in ("flush ruleset", "delete table inet tonel_tunc",
                        "flush chain inet tonel_tunc postrouting"):
            top.client.run(f"nft {command}", check=False)
            assert rules_of(top.client, "tonel_tunc") == before, command
        tunnel.tonelc.stop()


TABLES = ("tonel_tunc", "tonel_tun2")


def start_second(tunnel):
    argv = [a.replace("5000", "5001").replace("tunc", "tun2") for a in tunnel.client_argv]
    second = Tonel(tunnel.top.client, [*argv, "--tun-local", "192.168.210.1", "--tun-peer",
                                       "192.168.210.2", "--tun-local6", "fcc0::1", "--tun-peer6",
                                       "fcc0::2"], False)
    in_place(second)
    return second


def two(backend):
    with Topology() as top, unchanged(top.client, top.server):
        tunnel = Automatic(top, backend=backend)
        second = start_second(tunnel)
        both = [present(top.client, backend, t) for t in TABLES]
        assert both == [True, True], both
        with Upstream(tunnel.upstream_socket()):
            through_second = top.client.udp("127.0.0.1", connect=("127.0.0.1", 5001))
            ask_once(through_second, b"second")
            # The first one set forwarding; it stays while the second needs it.
            tunnel.carries(b"first")
            tunnel.tonelc.stop()
            assert not present(top.client, backend, "tonel_tunc")
            ask_once(through_second, b"second goes on")
            assert forwards(top.client)
        second.stop()
        tunnel.tonels.stop()
        top.assert_clean()


def two_at_once(backend):
    with Topology() as top, unchanged(top.client):
        tunnel = Automatic(top, backend=backend, start=False)
        tunnel.start_client(apply_rules=False)
        in_place(tunnel.tonelc)
        second = start_second(tunnel)
        # Neither can tell the other about forwarding as long as this is locked; the rules go before that,
        # or the last one would take those of the other for a process that still needs it.
        with open(os.path.join(STATE, "rules.lock"), "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for program in (tunnel.tonelc, second):
                program.signal(signal.SIGTERM)
            wait_until(lambda: not any(present(top.client, backend, t) for t in TABLES), 5,
                       "rules gone before the process")
        for program in (tunnel.tonelc, second):
            assert program.wait(5) == 0


for _backend in BACKENDS:
    case(f"two programs on one host: {_backend}")(lambda backend=_backend: two(backend))
    case(f"two programs on one host end at once: {_backend}")(
        lambda backend=_backend: two_at_once(backend))


if __name__ == "__main__":
    harness.main()
