#!/usr/bin/env python3
"""Options of the tunnel and of the process: what each promises, on real devices."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile

import harness
from apps import Upstream, ask, ask_once
from harness import case
from packets import SYN, Capture
from processes import READY, Process, Tonel, Tunnel, binary, tonelctl, wait_until
from topology import Topology


def bursts(app, count, size=700, each=20):
    """Sends datagrams in bursts and gives what has come back, in order."""
    got = []
    for burst in range(count):
        sent = [b"%06d" % (burst * each + n) + bytes(size) for n in range(each)]
        for data in sent:
            app.send(data)
        app.settimeout(5)
        got += [app.recv(65535) for _ in sent]
    return got


@case("sessions are kept to what ports and open files allow: said where more were asked for")
def kept_to():
    with Topology() as top:
        for asked, most in (((), 28232), (("--tcp-connections", "4"), 7058)):
            tunnel = Tunnel(top, client=asked, start=False)
            tunnel.start_client(apply_rules=False)
            (status,) = tonelctl(top.client, "status", "--json")
            assert status["options"]["max-sessions"] == str(most), status["options"]
            assert "sessions, not" not in tunnel.tonelc.output(), "nobody has asked for more"
            tunnel.tonelc.stop()
        tunnel.client_argv += ["--max-sessions", "8000"]
        tunnel.start_client(apply_rules=False)
        tunnel.tonelc.wait_line("at most 7058 sessions, not 8000: the TCP ports are 28232", 2)
        tunnel.tonelc.stop()
        # 4 for each queue and 80 are kept back.
        argv = [*tunnel.server_argv, "--tun-queues", "4", "--udp-connections", "2"]
        program = Process(top.server, ["sh", "-c", 'ulimit -n 1096; exec "$@"', "sh", binary("tonels"),
                                       *argv[1:]], name="tonels")
        program.wait_line("at most 500 sessions, not 65536: the limit on open files is 1096", 5)
        program.wait_line(READY, 5)
        program.signal(signal.SIGTERM)
        assert program.wait(5) == 0


@case("four connections a session: both ways, all used, one port upstream")
def four_streams():
    for family in (4, 6):
        with Topology() as top:
            tunnel = Tunnel(top, family, client=["--tcp-connections", "4"])
            with Upstream(tunnel.upstream_socket()) as upstream, Capture(top.client, "c0") as seen:
                app = tunnel.application()
                ask_once(app, b"first")
                wait_until(lambda: tunnel.tonels.counters().get("streams_opened") == 4, 5, "4 streams")
                got = bursts(app, 40)
                assert len(set(got)) == 800, "lost or doubled"
                assert len(upstream.sources()) == 1, upstream.sources()
                data = [p for p in seen.packets if p.is_tcp and p.size > 500]
                for outgoing in (True, False):
                    ports = {(p.sport if p.outgoing else p.dport) for p in data
                             if p.outgoing == outgoing}
                    assert len(ports) == 4, (outgoing, ports)
            tunnel.stop()
            top.assert_clean()


@case("the server is killed under four connections: all come back")
def four_streams_restart():
    with Topology() as top:
        tunnel = Tunnel(top, client=["--tcp-connections", "4"])
        with Upstream(tunnel.upstream_socket()):
            app = tunnel.application()
            ask_once(app, b"first")
            tunnel.tonels.kill()
            tunnel.start_server(apply_rules=False)
            for n in range(12):
                ask(app, b"after %d" % n, 8, every=0.2)
            wait_until(lambda: tunnel.tonels.counters().get("streams_opened") == 4, 8, "4 streams")
        tunnel.stop()
        top.assert_clean()


@case("four ports upstream: all used, replies from any")
def four_ports():
    with Topology() as top:
        tunnel = Tunnel(top, server=["--udp-connections", "4"], client=["--udp-connections", "4"])
        assert "--udp-connections has no effect" in tunnel.tonelc.output()
        with Upstream(tunnel.upstream_socket()) as upstream:
            app = tunnel.application()
            for n in range(8):
                ask_once(app, b"%d" % n)
            assert len(upstream.sources()) == 4, upstream.sources()
        tunnel.stop()
        top.assert_clean()


@case("a key on both sides: other bytes on the way, the same at the ends")
def key():
    with Topology() as top:
        tunnel = Tunnel(top, client=["--encryption", "xor:SeCret"],
                        server=["--encryption", "xor:secreT"])
        with Upstream(tunnel.upstream_socket()) as upstream, Capture(top.client, "c0") as seen:
            app = tunnel.application()
            ask_once(app, bytes(6) + b"known text")
            got = bursts(app, 5, size=1000)
            assert got == [b"%06d" % n + bytes(1000) for n in range(100)]
            payloads = b"".join(p.payload for p in seen.packets)
            assert b"known text" not in payloads
            assert b"secret" in payloads, "zeros show the key"
        tunnel.stop()
        top.assert_clean()


@case("a handshake packet of each side goes first, and reaches nobody")
def handshake_packet():
    with tempfile.TemporaryDirectory() as folder, Topology() as top:
        contents = {"client": b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", "server": b"s" * 1440}
        for name, content in contents.items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(content)
        tunnel = Tunnel(top, client=["--handshake-packet", os.path.join(folder, "client")],
                        server=["--handshake-packet", os.path.join(folder, "server")])
        with Upstream(tunnel.upstream_socket()) as upstream, Capture(top.client, "c0") as seen:
            app = tunnel.application()
            ask_once(app, b"first")
            ask_once(app, b"second")
            assert [data for data, _ in upstream.received] == [b"first", b"second"]
            first = {}
            for p in seen.packets:
                if p.is_tcp and p.size:
                    first.setdefault("client" if p.outgoing else "server", p)
            for name, content in contents.items():
                assert first[name].size == len(content), (name, first[name].size)
                # The capture may have cut it.
                assert first[name].payload and content.startswith(first[name].payload), name
            # Only one of them claims to be what the rest is not.
            for end, times in ((tunnel.tonelc, 1), (tunnel.tonels, 0)):
                assert len([l for l in end.lines if "starts like HTTP" in l]) == times, end.lines
        tunnel.stop()
        top.assert_clean()


@case("connections are renewed at their deadline without loss, the port upstream stays")
def deadline():
    with Topology() as top:
        tunnel = Tunnel(top, client=["--deadline", "4"])
        with Upstream(tunnel.upstream_socket()) as upstream, Capture(top.client, "c0") as seen:
            app = tunnel.application()
            for n in range(100):
                ask_once(app, b"%d" % n)
                # A datagram every 50 ms, whatever the machine does.
                subprocess.run(["sleep", "0.05"], check=True)
            assert len(seen.all(lambda p: p.has(SYN) and p.outgoing)) >= 3
            assert len(upstream.sources()) == 1, upstream.sources()
        tunnel.stop()
        top.assert_clean()


# Opens a TUN device as descriptor 3, and becomes the program in its arguments.
OPEN_TUN = """
import fcntl, os, struct, sys
fd = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", b"theirs", int(sys.argv[1], 0)))
os.dup2(fd, 3)
os.set_inheritable(3, True)
os.execv(sys.argv[2], sys.argv[2:])
"""
IFF_TUN, IFF_NO_PI, IFF_VNET_HDR = 0x0001, 0x1000, 0x4000


class Inheriting(Tonel):
    """A program that gets its device from who starts it."""

    def __init__(self, host, argv, flags):
        self.host = host
        Process.__init__(self, host, [sys.executable, "-c", OPEN_TUN, str(flags), binary(argv[0]),
                                      *argv[1:]], name=argv[0])
        self.wait_line(READY, 15)
        self.tun = "theirs"
        self.apply_rules()


@case("a device that was opened by another: with and without large packets")
def inherited():
    for flags in (IFF_TUN | IFF_NO_PI | IFF_VNET_HDR, IFF_TUN | IFF_NO_PI):
        with Topology() as top:
            tunnel = Tunnel(top, start=False)
            argv = list(tunnel.server_argv)
            argv[argv.index("--tun") + 1] = "3"
            tunnel.tonels = Inheriting(top.server, argv, flags)
            said = tunnel.tonels.output()
            assert "device theirs, 1 queue, offload " + \
                ("on" if flags & IFF_VNET_HDR else "off") in said, said
            tunnel.start_client()
            with Upstream(tunnel.upstream_socket()):
                app = tunnel.application()
                ask_once(app, b"first")
                assert len(set(bursts(app, 10))) == 200
            tunnel.stop()
            top.assert_clean()


def open_node_to_all(folder):
    """Debian's mode of /dev/net/tun, in the mount namespace of this test where it is another."""
    if os.stat("/dev/net/tun").st_mode & 0o006 == 0o006:
        return
    node = os.path.join(folder, "tun")
    done = subprocess.run(f"mknod {node} c 10 200 && chmod 666 {node} && "
                          f"mount --bind {node} /dev/net/tun", shell=True)
    if done.returncode != 0:
        raise harness.Skip("/dev/net/tun is for root alone here")


@case("a device of another owner, with one queue, without the right to make devices", deadline=90)
def prepared():
    harness.needs("setpriv")
    with Topology() as top:
        tunnel = Tunnel(top, server=["-4"], start=False)
        top.server.run("ip tuntap add dev tuns mode tun user nobody;"
                       "ip addr add 192.168.201.1 peer 192.168.201.2/24 dev tuns;"
                       "ip link set tuns mtu 1500 txqueuelen 2048 up")
        # Readable for nobody, wherever the build folder is.
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            open_node_to_all(folder)
            copy = shutil.copy(binary("tonels"), folder)
            tunnel.tonels = Tonel.__new__(Tonel)
            tunnel.tonels.host, tunnel.tonels.tun = top.server, "tuns"
            Process.__init__(tunnel.tonels, top.server,
                             ["setpriv", "--reuid", "nobody", "--clear-groups", "--inh-caps=-all",
                              copy, *tunnel.server_argv[1:]], name="tonels")
            tunnel.tonels.wait_line(READY, 15)
            tunnel.tonels.apply_rules()
            tunnel.start_client()
            with Upstream(tunnel.upstream_socket()):
                ask_once(tunnel.application(), b"through")
            tunnel.tonelc.stop()
            tunnel.tonels.signal(signal.SIGTERM)
            assert tunnel.tonels.wait(5) == 0
        # It is as it was.
        assert "192.168.201.1 peer 192.168.201.2/24" in top.server.run("ip addr show tuns")
        top.assert_clean()


def start(host, argv, folder):
    """Runs a command to its end, as a shell would."""
    return subprocess.run(host.command([binary(argv[0]), *argv[1:]]), cwd=folder, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=20)


def gone(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


@case("in the background: ready when the command returns, errors and exit code reach the caller")
def background():
    with tempfile.TemporaryDirectory() as folder, Topology() as top:
        tunnel = Tunnel(top, start=False)
        options = ["-d", "--pid-file", "run.pid", "--log-output", "run.log"]
        pid_path = os.path.join(folder, "run.pid")
        done = start(top.server, [*tunnel.server_argv, *options], folder)
        assert done.returncode == 0, done.stdout
        with open(pid_path, encoding="ascii") as file:
            pid = int(file.read())
        # Everything is there at this moment, not a little later.
        with open(os.path.join(folder, "run.log"), encoding="utf-8") as log:
            assert "serving TCP port" in log.read()
        assert " tuns:" in top.server.run("ip -o link")
        rules = [line.strip() for line in done.stdout.splitlines()
                 if line.startswith(("  nft ", "  sysctl "))]
        top.server.run("set -e\n" + "\n".join(rules))
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        assert os.readlink(f"/proc/{pid}/fd/2") == "/dev/null"
        # A second one is refused, and says why to who started it.
        again = start(top.server, [*tunnel.server_argv, *options], folder)
        assert again.returncode == 1 and "PID file" in again.stdout, again
        tunnel.start_client()
        with Upstream(tunnel.upstream_socket()):
            ask_once(tunnel.application(), b"through")
        tunnel.tonelc.stop()
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: gone(pid), 5, "the end of the daemon")
        assert not os.path.exists(pid_path)
        # Wrong use and a failure, told by exit code and stderr.
        wrong = start(top.server, [*tunnel.server_argv, "-d", "--mtu", "1"], folder)
        assert wrong.returncode == 2 and "--mtu" in wrong.stdout, wrong
        with top.client.udp("127.0.0.1", tunnel.APP_PORT):
            busy = start(top.client, [*tunnel.client_argv, *options], folder)
        assert busy.returncode == 1 and "cannot listen" in busy.stdout, busy
        top.assert_clean()


if __name__ == "__main__":
    harness.main()
