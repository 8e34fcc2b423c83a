#!/usr/bin/env python3
"""Starts in odd surroundings: closed descriptors, no umask, too little memory, leftovers of the killed."""

import os
import re
import stat

import harness
from firewall import Automatic, in_place
from harness import case
from processes import Process, binary, sanitized, wait_until
from topology import Topology


def start(top, script, *more):
    """tonelc by way of a shell line that ends with exec "$@"."""
    tunnel = Automatic(top, start=False)
    argv = [*tunnel.client_argv[1:], *more]
    return Process(top.client, ["sh", "-c", script, "sh", binary("tonelc"), *argv], name="tonelc")


@case("descriptors 0 to 2 closed: the log's file has the log, and nothing else gets these numbers")
def closed():
    with Topology() as top:
        log = "/run/netns/closed.log"
        program = start(top, 'exec "$@" <&- >&- 2>&-', "--log-output", log)
        wait_until(lambda: os.path.exists(log) and "listening on" in open(log, encoding="utf-8").read(),
                   10, "the log")
        pid = program.popen.pid
        for number in range(3):
            assert os.readlink(f"/proc/{pid}/fd/{number}") == "/dev/null", number
        program.signal(harness.processes.signal.SIGTERM)
        assert program.wait(5) == 0


@case("umask 0: nobody else can write into the runtime folder, the log or the PID file")
def no_umask():
    with Topology() as top:
        folder, log, pid = "/run/netns/fresh", "/run/netns/umask.log", "/run/netns/umask.pid"
        program = start(top, f'umask 0; export RUNTIME_DIRECTORY={folder}; exec "$@"',
                        "--log-output", log, "--pid-file", pid)
        wait_until(lambda: os.path.exists(log) and "rules are in place" in open(log, encoding="utf-8").read(),
                   10, "the rules")
        paths = [folder, log, pid, *(os.path.join(folder, name) for name in os.listdir(folder))]
        assert len(paths) > 5, paths
        for path in paths:
            mode = stat.S_IMODE(os.stat(path).st_mode)
            assert mode & 0o022 == 0, f"{path} is {mode:o}"
        program.signal(harness.processes.signal.SIGTERM)
        assert program.wait(5) == 0


@case("too little memory: a sentence, and exit 1")
def memory():
    if sanitized():
        return  # a sanitizer needs more address space than that
    with Topology() as top:
        said = set()
        for kib in range(40_000, 200_000, 8_000):
            program = start(top, f'ulimit -v {kib}; exec "$@"')
            wait_until(lambda program=program: not program.alive() or "listening on" in program.output(),
                       10, "a start or an end")
            if program.alive():
                program.signal(harness.processes.signal.SIGTERM)
                program.wait(5)
                continue
            code, text = program.wait(5), program.output()
            if code == 127:  # the loader's own end
                continue
            assert code == 1 and "bad_alloc" not in text and "terminate" not in text, f"{kib}: {code} {text}"
            said.update(re.findall(r"no more (?:memory|threads)|Cannot allocate memory", text))
        assert said, "nothing was too little"


@case("sockets and locks of killed programs are swept by the next start, whatever their device")
def swept():
    with Topology() as top:
        tunnel = Automatic(top, start=False)
        folder = os.environ["RUNTIME_DIRECTORY"]
        killed = []
        for number in range(3):
            argv = [f"dead{number}" if a == "tunc" else a for a in tunnel.client_argv[1:]]
            program = Process(top.client, [binary("tonelc"), *argv], name="tonelc")
            in_place(program)
            killed.append(program.popen.pid)
            program.kill()
        assert any("dead" in name for name in os.listdir(folder)), os.listdir(folder)
        # In another network namespace.
        other = Process(top.router, [binary("tonelc"), *tunnel.client_argv[1:]], name="tonelc")
        in_place(other)
        left = [name for name in os.listdir(folder)
                if "dead" in name or any(f"-{pid}-" in name for pid in killed)]
        assert not left, left
        other.signal(harness.processes.signal.SIGTERM)
        assert other.wait(5) == 0


@case("what the next start would find likewise ends with 3, and says what to do")
def permanent():
    harness.needs("setpriv")
    with Topology() as top:
        tunnel = Automatic(top, start=False)
        argv = ["c0" if a == "tunc" else a for a in tunnel.client_argv[1:]]
        card = Process(top.client, [binary("tonelc"), *argv], name="tonelc")
        assert card.wait(10) == 3, card.output()
        assert "--tun c0 is a network interface of this host (veth)" in card.output(), card.output()
        assert "= 1" in top.client.run("ip -o link show c0 | wc -l | sed 's/^/= /'")
        # CAP_NET_BIND_SERVICE alone lets a program listen below 1024, CAP_NET_ADMIN make a device.
        for option, capabilities, named in (("127.0.0.1:53", "net_admin", "systemd/low-port.conf"),
                                            ("127.0.0.1:5000", "net_bind_service", "CAP_NET_ADMIN")):
            drop = f'exec setpriv --bounding-set=-all,+{capabilities} --inh-caps=-all,+{capabilities} "$@"'
            tunnel = Automatic(top, start=False)
            argv = [option if a == "127.0.0.1:5000" else a for a in tunnel.client_argv[1:]]
            top.client.run("sysctl -q -w net.ipv4.ip_unprivileged_port_start=1024")
            program = Process(top.client, ["sh", "-c", drop, "sh", binary("tonelc"), *argv], name="tonelc")
            assert program.wait(10) == 3, program.output()
            assert named in program.output(), program.output()


@case("tonelctl tells missing rights from no program, and reloads the one that is meant")
def controlled():
    harness.needs("setpriv")
    with Topology() as top:
        nobody = f"setpriv --reuid=65534 --regid=65534 --clear-groups {binary('tonelctl')}"
        assert "no program is running" in top.client.run(f"{nobody} status", check=False)
        config = "/run/netns/reload.conf"

        def write(text):
            with open(config, "w", encoding="ascii") as file:
                file.write("[tunnel.one]\nlocal = 127.0.0.1:5000\nremote = 10.9.2.2:4567\n" + text)

        write("")
        programs = []
        for name, more in (("one", ()), ("two", ("--control", "off"))):
            argv = ["--config", config, "--tun", name, *more]
            if name == "two":
                argv = ["-l", "127.0.0.1:5001", "-r", "10.9.2.2:4567", "--tun", name, "--tun-local",
                        "192.168.210.1", "--tun-peer", "192.168.210.2", "-4", *more]
            programs.append(Process(top.client, ["env", "-u", "RUNTIME_DIRECTORY", binary("tonelc"), *argv],
                                    name="tonelc"))
            programs[-1].wait_line("listening on")
        said = top.client.run(f"{nobody} status", check=False)
        assert "no rights" in said and "no program" not in said, said
        reload = f"{binary('tonelctl')} reload --pid "
        top.client.run(reload + str(programs[0].popen.pid))  # fails where the program refuses
        assert "SIGHUP sent" in top.client.run(reload + str(programs[1].popen.pid))
        write("mtu = 1\n")
        refused = top.client.run(reload + f"{programs[0].popen.pid}; echo code $?", check=False)
        assert "mtu" in refused and "code 1" in refused, refused


if __name__ == "__main__":
    harness.main()
