#!/usr/bin/env python3
"""Tunnels on the direct path: --firewall bpf at both ends, no rule of ours, nothing forwarded.

The topologies of test_paths (one way, with a strict router and its NAT) and of test_uplinks (two providers).
"""

import contextlib
import os
import signal
import socket

import harness
from apps import Upstream, ask
from harness import case
from processes import DIRECT, Tonel, binary, joined, tonelctl, wait_until
from providers import PORT, Providers
from topology import Topology

os.environ["RUNTIME_DIRECTORY"] = "/run/tonel/direct-tunnel"
READY = r"the direct path is in place \(bpf, \w+ at "
DROP_ALL = """table inet strict {
  chain input { type filter hook input priority 0; policy drop; iifname "lo" accept; ct state new,established udp dport 7000 accept; }
  chain forward { type filter hook forward priority 0; policy drop; }
  chain output { type filter hook output priority 0; policy drop; oifname "lo" accept; }
}"""


def start_server(host, *argv):
    tonels = Tonel(host, ["tonels", "-l", str(PORT), "-r", "127.0.0.1:7000", "--tun", "tuns", *DIRECT, *argv],
                   False)
    tonels.wait_line(READY)
    return tonels


def start_client(host, remote, *argv):
    tonelc = Tonel(host, ["tonelc", "-l", "127.0.0.1:5000", "-r", joined(remote, PORT), "--tun", "tunc",
                          *DIRECT, *argv], False)
    tonelc.wait_line(READY)
    return tonelc


@contextlib.contextmanager
def application(host):
    with host.udp("127.0.0.1", connect=("127.0.0.1", 5000)) as app:
        yield app


def upstream(host):
    return Upstream(host.udp("127.0.0.1", 7000))


def rules(host):
    return host.run("nft list ruleset")


def untouched(host):
    """What a start and an end must leave as they were."""
    return (host.run("sysctl net.ipv4.ip_forward net.ipv4.conf.all.forwarding net.ipv6.conf.all.forwarding"),
            host.run("ip rule; ip -6 rule; ip route; ip -6 route; ip -br link | awk '{print $1}'"))


def works(remote, *argv, server_argv=()):
    with Topology() as top, upstream(top.server):
        before = [untouched(host) for host in (top.client, top.server)]
        for host in (top.client, top.server):
            host.nft(DROP_ALL)
        ruled = [rules(host) for host in (top.client, top.server)]
        tonels = start_server(top.server, *server_argv)
        tonelc = start_client(top.client, remote, *argv)
        with application(top.client) as app:
            for size in (1, 200, 1400):
                ask(app, b"x" * size, 10)
        for host in (top.client, top.server):
            tracked = host.run("conntrack -L -p tcp 2>/dev/null; conntrack -L -f ipv6 -p tcp 2>/dev/null")
            assert str(PORT) not in tracked, tracked
        assert [rules(host) for host in (top.client, top.server)] == ruled, "a rule of ours"
        assert "bpf" in tonelctl(top.client, "status") and "works" in tonelctl(top.client, "status")
        tonelc.stop()
        tonels.stop()
        top.assert_clean()
        assert [untouched(host) for host in (top.client, top.server)] == before


case("IPv4 through a strict NAT, policy drop at both hosts: no rule, nothing tracked, nothing left", 60)(
    lambda: works(Topology.SERVER4))
case("IPv6 likewise", 60)(lambda: works(Topology.SERVER6))
case("several connections and queues likewise", 60)(
    lambda: works(Topology.SERVER4, "--tcp-connections", "4", "--tun-queues", "2",
                  server_argv=("--tun-queues", "2")))
for wire in ("tonel", "phantun"):
    case(f"the dialect of {wire} likewise", 60)(
        lambda wire=wire: works(Topology.SERVER4, "--wire", wire, server_argv=("--accept", "native,legacy")))


def second_way(change):
    """A client with two providers; change: makes the second its way."""
    with Providers() as top:
        top.server_uses_first()
        with upstream(top.server) as behind:
            tonels = start_server(top.server)
            tonelc = start_client(top.client, "10.11.0.2")
            # The server is reached by the first; the second provider leads there, too.
            top.isp2.run("ip link add x2 type veth peer name x1 netns " + top.isp1.name +
                         "; ip addr add 10.99.0.2/24 dev x2; ip link set x2 up;"
                         "ip route add 10.11.0.0/24 via 10.99.0.1")
            top.isp1.run("ip addr add 10.99.0.1/24 dev x1; ip link set x1 up; ip route add 10.2.0.0/24 via 10.99.0.2")
            with application(top.client) as app:
                ask(app, b"before", 10)
                change(top.client)
                tonelc.wait_line(r"packets to 10\.11\.0\.2 leave from 10\.2\.0\.2 \(c2\) now", 5)
                tonelc.wait_line(r"goes on from 10\.2\.0\.2:\d+ in place of 10\.1\.0\.2", 5)
                ask(app, b"after", 10)
                assert len(behind.sources()) == 1, behind.sources()
            tonelc.stop()
            tonels.stop()


case("the route moves to a second uplink: the session goes on from there, with its port", 60)(
    lambda: second_way(lambda host: host.run("ip route replace 10.11.0.0/24 via 10.2.0.1")))
case("the uplink goes down: likewise", 60)(
    lambda: second_way(lambda host: host.run(
        "ip route add 10.11.0.0/24 via 10.2.0.1 metric 500; ip link set c1 down")))
case("the address is removed: likewise", 60)(
    lambda: second_way(lambda host: host.run(
        "ip route add 10.11.0.0/24 via 10.2.0.1 metric 500; ip addr del 10.1.0.2/24 dev c1")))


@case("another address by DHCP: the session goes on from that", 60)
def renumbered():
    with Topology() as top, upstream(top.server) as behind:
        tonels = start_server(top.server)
        tonelc = start_client(top.client, Topology.SERVER4)
        with application(top.client) as app:
            ask(app, b"before", 10)
            top.client.run("ip addr del 10.9.1.2/24 dev c0; ip addr add 10.9.1.77/24 dev c0;"
                           "ip route add default via 10.9.1.1")
            tonelc.wait_line(r"goes on from 10\.9\.1\.77:", 5)
            ask(app, b"after", 10)
            assert len(behind.sources()) == 1, behind.sources()
        tonelc.stop()
        tonels.stop()


@case("without a route the health says so; with one it works", 60)
def routeless():
    with Topology() as top, upstream(top.server):
        tonels = start_server(top.server)
        top.client.run("ip route del default")
        tonelc = start_client(top.client, Topology.SERVER4)
        with application(top.client) as app:
            app.send(b"into nowhere")
            tonelc.wait_line("this host has no route to", 15)
            assert "no route" in tonelctl(top.client, "status", expect=None)
            top.client.run("ip route add default via 10.9.1.1")
            ask(app, b"at last", 10)
        tonelc.stop()
        tonels.stop()


@case("a reload adds a port and takes one away; what stays loses nothing", 60)
def reloaded():
    with Topology() as top, upstream(top.server):
        path = "/run/tonel/direct.conf"

        def write(*ports):
            with open(path, "w", encoding="ascii") as file:
                file.write("auto-rule = auto\nfirewall = bpf\ntun = tuns\n" + "".join(
                    f"[tunnel.t{port}]\nlocal = {port}\nremote = 127.0.0.1:7000\n" for port in ports))

        write(PORT, PORT + 1)
        tonels = Tonel(top.server, ["tonels", "--config", path, "--tun", "tuns"], False)
        tonels.wait_line(READY)
        tonelc = start_client(top.client, Topology.SERVER4)
        with application(top.client) as app:
            ask(app, b"before", 10)
            write(PORT, PORT + 2)
            tonels.signal(signal.SIGHUP)
            app.settimeout(0.5)
            for n in range(200):  # none is lost, none comes twice
                word = f"while {n}".encode()
                app.send(word)
                assert app.recv(100) == word, n
            tonels.wait_line("configuration read again", 5)
        tonelc.stop()
        tonelc = Tonel(top.client, ["tonelc", "-l", "127.0.0.1:5000", "-r", joined(Topology.SERVER4, PORT + 2),
                                    "--tun", "tunc", *DIRECT], False)
        with application(top.client) as app:
            ask(app, b"the new port", 10)
        tonelc.stop()
        tonels.stop()


@case("a killed end leaves nothing that the next start does not take over", 60)
def killed():
    with Topology() as top, upstream(top.server):
        tonels = start_server(top.server)
        tonelc = start_client(top.client, Topology.SERVER4)
        with application(top.client) as app:
            ask(app, b"before", 10)
            for process in (tonelc, tonels):
                process.signal(signal.SIGKILL)
                process.wait(5)
            tonels = start_server(top.server)
            tonelc = start_client(top.client, Topology.SERVER4)
            ask(app, b"after", 10)
        tonelc.stop()
        tonels.stop()


@case("connections of the host's own TCP to the server go on, to the same port, too", 60)
def own_tcp():
    with Topology() as top, upstream(top.server):
        with top.server.entered():
            listener = socket.create_server((Topology.SERVER4, 80))
        with top.client.entered():
            own = socket.create_connection((Topology.SERVER4, 80), 5)
        there, _ = listener.accept()
        tonels = start_server(top.server)
        tonelc = start_client(top.client, Topology.SERVER4)
        with top.client.entered():
            # By the very port of the tunnel, too: what answers is tonels.
            same = socket.create_connection((Topology.SERVER4, PORT), 5)
        with application(top.client) as app:
            for n in range(20):
                ask(app, b"tunnel", 10)
                for near, far in ((own, there), (there, own)):
                    near.send(b"own")
                    assert far.recv(100) == b"own"
        for sock in (own, there, same, listener):
            sock.close()
        tonelc.stop()
        tonels.stop()


@case("--print-rules says what would be attached", 30)
def printed():
    with Topology() as top:
        for host, argv in ((top.server, ["tonels", "-l", str(PORT), "-r", "127.0.0.1:7000", "--tun", "tuns"]),
                           (top.client, ["tonelc", "-l", "127.0.0.1:5000", "-r", joined(Topology.SERVER4, PORT),
                                         "--tun", "tunc"])):
            text = host.run(" ".join([binary(argv[0]), *argv[1:], *DIRECT, "--print-rules"]))
            assert f"ingress of {'s0' if host is top.server else 'c0'}: to tun" in text, text
            assert "nft" not in text, text


if __name__ == "__main__":
    harness.main()
