#!/usr/bin/env python3
"""Configuration files: many tunnels in one process, and their change by SIGHUP."""

import contextlib
import os
import selectors
import signal
import tempfile
import threading

import harness
from apps import Upstream, ask, ask_once
from harness import case
from packets import FIN, RST, Capture
from processes import Process, Tonel, binary, tonelctl, wait_until
from topology import Topology


class Files:
    """The two configurations, in a folder of their own."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="tonel-config-")
        self.client = os.path.join(self.folder, "client.conf")
        self.server = os.path.join(self.folder, "server.conf")

    def write(self, client, server):
        """tunnel name -> lines; the name "" is what stands before the sections."""
        for path, tunnels in ((self.client, client), (self.server, server)):
            if tunnels is None:
                continue
            with open(path, "w", encoding="utf-8") as file:
                for name, lines in tunnels.items():
                    file.write((f"[tunnel.{name}]\n" if name else "") + "\n".join(lines) + "\n")


def tunnel(top, number, client=(), server=(), family=4):
    """The sections of a tunnel by its number: from port 6000 on to port 7000 on."""
    address = top.SERVER4 if family == 4 else f"[{top.SERVER6}]"
    return ([f"local = 127.0.0.1:{6000 + number}", f"remote = {address}:{20000 + number}", *client],
            [f"local = {20000 + number}", f"remote = 127.0.0.1:{7000 + number}", *server])


def apply_rules(program, start=0):
    """The printed commands from that line on, as one transaction: there may be hundreds."""
    with program.changed:
        lines = program.lines[start:]
    commands = [line.strip() for line in lines if line.startswith("  ")]
    program.host.run("set -e\n" + "\n".join(c for c in commands if c.startswith("sysctl")))
    program.host.nft("\n".join(c[5:-1] for c in commands if c.startswith("nft '")) + "\n")


@contextlib.contextmanager
def started(top, files, client=(), server=()):
    """Both programs, with their rules."""
    tonels = Tonel(top.server, ["tonels", "--config", files.server, "--tun", "tuns", *server], False)
    apply_rules(tonels)
    tonelc = Tonel(top.client, ["tonelc", "--config", files.client, "--tun", "tunc", *client], False)
    apply_rules(tonelc)
    yield tonelc, tonels
    tonelc.stop()
    tonels.stop()


def application(top, number):
    return top.client.udp("127.0.0.1", connect=("127.0.0.1", 6000 + number))


def upstream(top, number):
    return Upstream(top.server.udp("127.0.0.1", 7000 + number))


def reload(program):
    """SIGHUP; waits until the program has said what came of it, and applies its new rules."""
    with program.changed:
        start = len(program.lines)
    program.signal(signal.SIGHUP)
    said = program.wait_line(r"(configuration read again.*|stays as it was)", 10, start).group(1)
    if "started: 0, that ended: 0" not in said and "stays" not in said:
        program.wait_line(r"^  nft .*(masquerade|dnat ip6)", 5, start)
        apply_rules(program, start)
    with program.changed:
        return said, "\n".join(program.lines[start:])


class ManyEchoes:
    """100 UDP services in one thread; each notes what it got."""

    def __init__(self, socks):
        self.got = [[] for _ in socks]
        self.selector = selectors.DefaultSelector()
        for number, sock in enumerate(socks):
            sock.setblocking(False)
            self.selector.register(sock, selectors.EVENT_READ, number)
        self.stopping = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.stopping:
            for key, _ in self.selector.select(0.1):
                with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
                    data, address = key.fileobj.recvfrom(65535)
                    self.got[key.data].append(data)
                    key.fileobj.sendto(data, address)

    def stop(self):
        self.stopping = True
        self.thread.join(2)


@case("100 tunnels in one process, each with traffic of its own", 120)
def hundred():
    count = 100
    files = Files()
    with Topology() as top:
        sections = [tunnel(top, n, family=4 if n % 2 else 6) for n in range(count)]
        files.write({f"t{n}": s[0] for n, s in enumerate(sections)},
                    {f"t{n}": s[1] for n, s in enumerate(sections)})
        with started(top, files, ["--tun-queues", "2"], ["--tun-queues", "2"]) as (tonelc, tonels):
            echoes = ManyEchoes([top.server.udp("127.0.0.1", 7000 + n) for n in range(count)])
            apps = [application(top, n) for n in range(count)]
            for n, app in enumerate(apps):
                app.send(b"first of %d" % n)
            for n, app in enumerate(apps):
                app.settimeout(10)
                assert app.recv(65535) == b"first of %d" % n
            for _ in range(5):
                for n, app in enumerate(apps):
                    ask_once(app, b"more of %d" % n)
            for n, got in enumerate(echoes.got):
                assert set(got) == {b"first of %d" % n, b"more of %d" % n}, (n, set(got))
                assert len(got) == 6, (n, len(got))
            for program in (tonelc, tonels):
                opened = program.counters().get("sessions_opened")
                assert opened == count, (program.name, opened)
            echoes.stop()
            for app in apps:
                app.close()


@case("a reload under traffic loses not one datagram of an unchanged tunnel", 120)
def unchanged():
    files = Files()
    with Topology() as top:
        kept, changing, added = (tunnel(top, n) for n in range(3))
        first = ({"kept": kept[0], "changing": changing[0]}, {"kept": kept[1], "changing": changing[1]})
        files.write(*first)
        with started(top, files) as (tonelc, tonels), upstream(top, 0) as service, upstream(top, 1):
            app = application(top, 0)
            ask(app, b"open")
            ask(application(top, 1), b"open")
            stop, rounds, failed = threading.Event(), [], []

            def exchange():
                # Twenty at a time: one that does not come back ends it.
                try:
                    while not stop.is_set():
                        sent = [b"%08d.%02d" % (len(rounds), n) + bytes(500) for n in range(20)]
                        for data in sent:
                            app.send(data)
                        app.settimeout(5)
                        got = [app.recv(65535) for _ in sent]
                        assert got == sent, "lost, doubled or out of order"
                        rounds.append(len(got))
                except Exception as error:  # pylint: disable=broad-except
                    failed.append(error)

            sender = threading.Thread(target=exchange, daemon=True)
            sender.start()
            for turn in range(4):
                files.write({"kept": kept[0], "added": added[0],
                             "changing": changing[0] + [f"idle-timeout = {50 + turn}"]},
                            {"kept": kept[1], "added": added[1],
                             "changing": changing[1] + [f"idle-timeout = {50 + turn}"]})
                for program in (tonels, tonelc):
                    said, _ = reload(program)
                    assert "go on: 1" in said, said
                with upstream(top, 2):
                    ask(application(top, 2), b"added", 10)
                ask(application(top, 1), b"changed", 10)
                files.write(*first)
                for program in (tonelc, tonels):
                    reload(program)
                before = len(rounds)
                wait_until(lambda: len(rounds) > before + 5 or failed, 10, "traffic goes on")
            stop.set()
            sender.join(10)
            assert not failed, failed
            assert len(service.sources()) == 1, "the unchanged tunnel's session was not kept"
            assert tonelc.counters().get("streams_failed", 0) == 0


@case("what is removed closes by FIN, what is bad changes nothing, a port is taken over")
def removal():
    files = Files()
    with Topology() as top:
        one, two = tunnel(top, 0), tunnel(top, 1)
        files.write({"one": one[0], "two": two[0]}, {"one": one[1], "two": two[1]})
        with started(top, files) as (tonelc, tonels), upstream(top, 0), upstream(top, 1):
            first, second = application(top, 0), application(top, 1)
            ask(first, b"one")
            ask(second, b"two")
            # Bad: at both ends nothing happens, but the reason is told.
            files.write({"": ["mtu = 5", "nonsense = 1"], "one": one[0]}, None)
            said, text = reload(tonelc)
            assert "stays" in said and "client.conf:1: mtu 5" in text, text
            assert "client.conf:2: nonsense" in text, text
            ask_once(second, b"still there")
            # The whole process' options are left as they are.
            files.write({"": ["mtu = 1400"], "one": one[0], "two": two[0]}, None)
            said, text = reload(tonelc)
            assert "restart" in text and "mtu" in text, text
            ask_once(second, b"still there too")
            # What start and --check warn of.
            assert not any("starts like HTTP" in line for line in tonelc.lines)
            packet = os.path.join(files.folder, "get")
            with open(packet, "w", encoding="ascii") as out:
                out.write("GET / HTTP/1.1\r\n\r\n")
            files.write({"one": one[0], "two": two[0], "third": tunnel(top, 2)[0] +
                         [f"handshake-packet = {packet}"]}, None)
            said, text = reload(tonelc)
            assert "tunnel third: the handshake packet starts like HTTP" in text, text
            files.write({"one": one[0], "two": two[0]}, None)
            reload(tonelc)
            # Removed.
            with Capture(top.client, "c0") as seen:
                files.write({"one": one[0]}, None)
                reload(tonelc)
                wait_until(lambda: any(p.is_tcp and p.outgoing and p.flags & FIN
                                       for p in seen.packets), 5, "a FIN")
                wait_until(lambda: tonels.counters().get("sessions_closed") == 1, 5, "session closed")
                assert not any(p.is_tcp and p.outgoing and p.flags & RST for p in seen.packets)
            # Its port is free for others, and an address that others have is refused as a whole.
            other = top.client.udp("127.0.0.1", 6001)
            files.write({"one": one[0], "two": two[0]}, None)
            said, text = reload(tonelc)
            assert "stays" in said and "127.0.0.1:6001" in text, text
            other.close()
            # Renamed: one goes and another comes, on the same port.
            files.write({"one": one[0], "renamed": two[0]}, None)
            said, _ = reload(tonelc)
            assert "started: 1, that ended: 0" in said, said
            ask(second, b"again", 10)
            files.write({"one": one[0], "two": two[0]}, None)
            said, _ = reload(tonelc)
            assert "started: 1, that ended: 1" in said, said
            ask(second, b"once more", 10)
            ask_once(first, b"one, untouched")


@case("tonelctl reload says what changed, what waits for a restart, and every reason why nothing did")
def told():
    files = Files()
    sock = ("--socket", "/run/tonel/tonelc-tunc.sock")
    with Topology() as top:
        one, two = tunnel(top, 0), tunnel(top, 1)
        files.write({"one": one[0], "two": two[0]}, {"one": one[1], "two": two[1]})
        with started(top, files) as (tonelc, _):
            files.write({"": ["mtu = 1400"], "one": one[0],
                         "two": two[0] + ["idle-timeout = 60", "tcp-connections = 2"]}, None)
            said = tonelctl(top.client, "reload", *sock)
            assert "tunnel two: changed: idle-timeout, tcp-connections" in said, said
            assert "that go on: 1" in said and "only a restart brings it into effect: mtu" in said, said
            # Bad files, and addresses that others have.
            files.write({"": ["mtu = 5", "nonsense = 1"], "one": one[0]}, None)
            said = tonelctl(top.client, "reload", *sock, expect=1)
            assert "client.conf:1: mtu 5" in said and "client.conf:2: nonsense" in said, said
            taken = [top.client.udp("127.0.0.1", 6000 + n) for n in (2, 3)]
            files.write({"one": one[0], "third": tunnel(top, 2)[0], "fourth": tunnel(top, 3)[0]}, None)
            said = tonelctl(top.client, "reload", *sock, expect=1)
            for name, port in (("third", 6002), ("fourth", 6003)):
                assert f"tunnel {name}: cannot listen on 127.0.0.1:{port}: " in said, said
            for each in taken:
                each.close()
            assert "tunnels that started: 2, that ended: 1" in tonelctl(top.client, "reload", *sock)
            assert tonelc.alive()


@case("with --auto-rule a reload takes the rules along")
def ruled():
    files = Files()
    with Topology() as top:
        one, two = tunnel(top, 0), tunnel(top, 1)
        rules = {"": ["auto-rule = auto"]}
        files.write({**rules, "one": one[0]}, {**rules, "one": one[1]})
        tonels = Tonel(top.server, ["tonels", "--config", files.server, "--tun", "tuns"], False)
        tonelc = Tonel(top.client, ["tonelc", "--config", files.client, "--tun", "tunc"], False)
        with upstream(top, 0), upstream(top, 1):
            first, second = application(top, 0), application(top, 1)
            ask(first, b"one")
            files.write({**rules, "one": one[0], "two": two[0]}, {**rules, "one": one[1], "two": two[1]})
            for program in (tonels, tonelc):
                with program.changed:
                    start = len(program.lines)
                program.signal(signal.SIGHUP)
                program.wait_line("started: 1, that ended: 0", 10, start)
            ask(second, b"two", 10)
            ask_once(first, b"one still")
            for host, table, port in ((top.server, "tonel_tuns", "20001"),
                                      (top.client, "tonel_tunc", "20001")):
                assert port in host.run(f"nft list table inet {table}")
            files.write({**rules, "one": one[0]}, {**rules, "one": one[1]})
            for program in (tonels, tonelc):
                program.signal(signal.SIGHUP)
            for host, table in ((top.server, "tonel_tuns"), (top.client, "tonel_tunc")):
                wait_until(lambda h=host, t=table: "20001" not in h.run(f"nft list table inet {t}"), 15,
                           "the rules of the removed tunnel are gone")
            ask_once(first, b"one, untouched")
            for program in (tonels, tonelc):
                assert "  nft " not in program.output(), "commands are printed all the same"
        tonelc.stop()
        tonels.stop()


@case("a tunnel removed at one end closes at the other, though its packets need its rules", 90)
def farewell():
    files = Files()
    with Topology() as top:
        one, two = tunnel(top, 0), tunnel(top, 1)
        # No tracker that would translate what has no rule any more.
        rules = {"": ["auto-rule = auto", "nat = stateless"]}
        for end in (0, 1):
            files.write({**rules, "one": one[0], "two": two[0]}, {**rules, "one": one[1], "two": two[1]})
            tonels = Tonel(top.server, ["tonels", "--config", files.server, "--tun", "tuns"], False)
            tonelc = Tonel(top.client, ["tonelc", "--config", files.client, "--tun", "tunc"], False)
            with upstream(top, 0), upstream(top, 1):
                ask(application(top, 0), b"one", 10)
                ask(application(top, 1), b"two", 10)
                left = [{**rules, "one": one[end]}, None]
                files.write(*(left if end == 0 else reversed(left)))
                removing, other = (tonelc, tonels) if end == 0 else (tonels, tonelc)
                removing.signal(signal.SIGHUP)
                removing.wait_line("started: 0, that ended: 1", 10)
                wait_until(lambda p=other: p.counters().get("sessions_closed") == 1, 8, "session closed")
            tonelc.stop()
            tonels.stop()


@case("--check judges and touches nothing; keys are seen nowhere")
def check():
    files = Files()
    with Topology() as top:
        key = os.path.join(files.folder, "key")
        with open(key, "w", encoding="utf-8") as file:
            file.write("xor:Sesame\n")
        os.chmod(key, 0o640)
        one = tunnel(top, 0, ["encryption-file = key"], ["encryption-file = key"])
        files.write({"one": one[0]}, {"one": one[1]})
        before = top.client.run("ip -o addr; nft list ruleset")
        process = Process(top.client, [binary("tonelc"), "--config", files.client, "--check"])
        assert process.wait(5) == 0 and "tunnel one: 127.0.0.1:6000" in process.output()
        assert "esame" not in process.output(), process.output()
        assert before == top.client.run("ip -o addr; nft list ruleset")
        with started(top, files) as (tonelc, tonels), upstream(top, 0):
            ask(application(top, 0), b"through")
            for program in (tonelc, tonels):
                program.counters()
                assert "esame" not in program.output()
        tonels = Tonel(top.server, ["tonels", "-l", "20000", "-r", "127.0.0.1:7000", "--encryption",
                                    "xor:Sesame", "--tun", "tuns"], False)
        with open(f"/proc/{tonels.popen.pid}/cmdline", "rb") as file:
            assert b"esame" not in file.read()
        tonels.stop()
        os.chmod(key, 0o644)
        process = Process(top.client, [binary("tonelc"), "--config", files.client, "--check"])
        assert process.wait(5) == 2 and "client.conf:4: encryption-file" in process.output()
        assert "closed to others" in process.output(), process.output()


@case("a second program takes the next free addresses; chosen ones in use: exit 1, the option is named")
def second():
    files = Files()
    with Topology() as top:
        one, two = tunnel(top, 0), tunnel(top, 1)
        files.write({"one": one[0]}, {"one": one[1]})
        with started(top, files):
            files.write({"two": two[0]}, None)
            argv = [binary("tonelc"), "--config", files.client]
            process = Process(top.client, [*argv, "--tun-local", "192.168.200.1"])
            assert process.wait(5) == 1 and "--tun-local 192.168.200.1 is in use, by device tunc" in \
                process.output(), process.output()
            process = Process(top.client, [*argv, "--tun-peer6", "fcc8::2"])
            assert process.wait(5) == 1 and "--tun-local6 fcc8::1 is in use" in process.output() or \
                "--tun-peer6 fcc8::2 is in" in process.output(), process.output()
            own = Tonel(top.client, ["tonelc", *argv[1:], "--tun", "tunb"], False)
            own.wait_line("the device has 192.168.202.1 and 192.168.202.2", 2)
            own.wait_line("the device has fcc8:0:0:1::1 and fcc8:0:0:1::2", 2)
            own.stop()


if __name__ == "__main__":
    harness.main()
