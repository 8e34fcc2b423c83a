"""Programs under test: started, waited for with a deadline, stopped, and their logs judged."""

import fcntl
import json
import os
import re
import signal
import subprocess
import threading
import time

from apps import ask

# Set by the harness: the folder with tonelc, tonels and tonel-traffic, and how the packets of the tunnel
# pass their hosts: "nat" by rules, "bpf" by the direct path.
bin_dir = None
path = "nat"
DIRECT = ["--auto-rule", "auto", "--firewall", "bpf"]

SANITIZER = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|ThreadSanitizer")
READY = re.compile(r" (listening on|serving TCP port) ")
RULE = re.compile(r"^  ((?:nft|sysctl) .*)$")


def binary(name):
    return os.path.join(bin_dir, name)


def wait_until(condition, seconds, what):
    """Polls until the condition gives something true, which is returned.

    `what` is said where that takes too long: a text, or a function that makes it then.
    """
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.01)


class Process:
    """One program in one namespace, its output collected line by line."""

    started = []  # every process of the running case, for the report when it fails

    def __init__(self, host, argv, name=None, stdin=None):
        self.name = name or os.path.basename(argv[0])
        self.argv = argv
        self.lines = []
        self.changed = threading.Condition()
        self.popen = subprocess.Popen(host.command(argv), stdin=stdin or subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                      errors="replace")
        self.reading = threading.Event()
        self.reading.set()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        Process.started.append(self)

    def stop_reading(self):
        """From now on what it writes stays in its pipe, which holds a page."""
        fcntl.fcntl(self.popen.stdout, fcntl.F_SETPIPE_SZ, 4096)
        self.reading.clear()

    def read_again(self):
        self.reading.set()

    def _read(self):
        for line in self.popen.stdout:
            self.reading.wait()
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()

    def output(self):
        with self.changed:
            return "\n".join(self.lines)

    def wait_line(self, pattern, seconds=10.0, start=0):
        """The first match in a line from index `start` on."""
        pattern = re.compile(pattern)
        deadline = time.monotonic() + seconds
        with self.changed:
            seen = start
            while True:
                for line in self.lines[seen:]:
                    found = pattern.search(line)
                    if found:
                        return found
                seen = len(self.lines)
                left = deadline - time.monotonic()
                ended = self.popen.poll() is not None and not self.reader.is_alive()
                if left <= 0 or ended:
                    raise AssertionError(f"{self.name}: no line like {pattern.pattern!r} " +
                                         ("before its end" if ended else f"within {seconds} s"))
                self.changed.wait(min(left, 0.1))

    def alive(self):
        return self.popen.poll() is None

    def wait(self, seconds):
        try:
            code = self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {seconds} s") from None
        self.reader.join(5)
        return code

    def signal(self, number):
        self.popen.send_signal(number)

    def kill(self):
        self.read_again()
        if self.alive():
            self.popen.kill()
            self.popen.wait(5)

    def resident_kib(self):
        with open(f"/proc/{self.popen.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))

    def assert_no_report(self):
        """No sanitizer has found anything."""
        found = SANITIZER.search(self.output())
        assert not found, f"{self.name}: a sanitizer reports {found.group(0)}"


class Tonel(Process):
    """tonelc or tonels, with the firewall rules and sysctls that it asks for applied."""

    def __init__(self, host, argv, apply_rules=True):
        self.host = host
        direct = path == "bpf" and "--auto-rule" not in argv
        super().__init__(host, [binary(argv[0]), *argv[1:], *(DIRECT if direct else [])], name=argv[0])
        self.wait_line(READY, 15)
        self.tun = argv[argv.index("--tun") + 1]
        if direct:
            self.wait_line("the direct path is in place", 5)
        elif apply_rules:
            self.apply_rules()

    def rules(self):
        """The commands that the program printed for its user to run."""
        with self.changed:
            return [m.group(1) for m in map(RULE.match, self.lines) if m]

    def apply_rules(self):
        """Runs exactly what was printed: what is printed is what is tested."""
        rules = self.rules()
        assert any(r.startswith("nft ") for r in rules), f"{self.name} printed no nft commands"
        self.host.run("set -e\n" + "\n".join(rules))

    def counters(self):
        """What the program counts, asked for by SIGUSR1; names to figures, only those said."""
        with self.changed:
            start = len(self.lines)
        self.signal(signal.SIGUSR1)
        self.wait_line(r"\b[a-z_0-9]+ \d+$", 5, start)
        # The dump is one burst: it has ended when nothing came for a little while.
        before = -1
        while before != len(self.lines):
            before = len(self.lines)
            with self.changed:
                self.changed.wait(0.15)
        return parse_counters(self.lines[start:])

    def stop(self, number=signal.SIGTERM, seconds=2.0):
        """Stops as an administrator would; it has to be gone in time, with code 0."""
        if not self.alive():
            raise AssertionError(f"{self.name} ended by itself with {self.popen.returncode}")
        began = time.monotonic()
        self.signal(number)
        # The promise is 2 s; the leak check of a sanitizer build comes after it.
        code = self.wait(seconds + (3.0 if sanitized() else 0.0))
        took = time.monotonic() - began
        assert code == 0, f"{self.name} ended with {code}"
        self.assert_no_report()
        links = self.host.run("ip -o link show")
        assert f" {self.tun}:" not in links, f"{self.name} left its device {self.tun}"
        return took


def tonelctl(host, *argv, expect=0):
    """Runs tonelctl to its end and gives what it printed; JSON lines where --json is asked for."""
    done = subprocess.run(host.command([binary("tonelctl"), *argv]), text=True, timeout=30,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert expect is None or done.returncode == expect, \
        f"tonelctl {' '.join(argv)} gave {done.returncode}: {done.stdout}"
    if "--json" in argv and done.returncode in (0, 1):
        return [json.loads(line) for line in done.stdout.splitlines()]
    return done.stdout


def parse_counters(lines):
    matches = (re.match(r"(?:\S+ info )?([a-z][a-z_0-9]*) (\d+)$", line) for line in lines)
    return {m.group(1): int(m.group(2)) for m in matches if m}


_sanitized = None


def sanitized():
    """Whether the programs under test are built with AddressSanitizer."""
    global _sanitized
    if _sanitized is None:
        with open(binary("tonelc"), "rb") as file:
            _sanitized = b"__asan_init" in file.read()
    return _sanitized


class Tunnel:
    """tonelc and tonels on a topology: applications at `app`, the upstream at `upstream`."""

    PORT = 4567
    APP_PORT, UPSTREAM_PORT = 5000, 7000

    def __init__(self, top, family=4, client=(), server=(), listen=None, remote=None, start=True):
        self.top, self.family = top, family
        loopback = "127.0.0.1" if family == 4 else "::1"
        self.loopback = loopback
        self.app = (listen or loopback, self.APP_PORT)
        self.upstream = (loopback, self.UPSTREAM_PORT)
        self.client_argv = ["tonelc", "-l", joined(*self.app), "-r",
                            remote or joined(self.server_address(), self.PORT),
                            "--tun", "tunc", *client]
        self.server_argv = ["tonels", "-l", str(self.PORT), "-r", joined(*self.upstream),
                            "--tun", "tuns", *server]
        self.tonelc = self.tonels = None
        if start:
            self.start_server()
            self.start_client()

    def server_address(self):
        return self.top.SERVER4 if self.family == 4 else self.top.SERVER6

    def start_server(self, apply_rules=True):
        self.tonels = Tonel(self.top.server, self.server_argv, apply_rules)
        return self.tonels

    def start_client(self, apply_rules=True):
        self.tonelc = Tonel(self.top.client, self.client_argv, apply_rules)
        return self.tonelc

    def application(self, timeout=5.0):
        """A UDP socket on the client host that talks to tonelc."""
        return self.top.client.udp(self.loopback, timeout=timeout, connect=self.app)

    def upstream_socket(self, timeout=5.0):
        """The UDP service behind tonels."""
        return self.top.server.udp(*self.upstream, timeout=timeout)

    def opened_from(self, *ports):
        """Opens sessions of these local ports, for a sender that binds to them: what is lost while a
        session opens (at most 60,000 bytes can wait) is no loss of the path. Needs an echo."""
        for port in ports:
            with self.top.client.udp(self.loopback, port, connect=self.app) as sock:
                ask(sock, b"open", 10)
        return "--bind", joined(self.loopback, ports[0])

    def stop(self, first="client"):
        """Both by SIGTERM."""
        order = [self.tonelc, self.tonels]
        for program in order if first == "client" else reversed(order):
            program.stop()


def joined(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def traffic(host, *argv):
    """Starts tonel-traffic, which prints one JSON object at its end."""
    return Process(host, [binary("tonel-traffic"), *map(str, argv)],
                   name=f"tonel-traffic {argv[0]}")


def result_of(process, seconds):
    """Waits for a tonel-traffic to end and gives its figures."""
    code = process.wait(seconds)
    text = process.output()
    assert "{" in text, f"{process.name} ended with {code}: {text}"
    figures = json.loads(text[text.index("{"):text.rindex("}") + 1])
    process.assert_no_report()
    return code, figures
