"""Tunnels between the two namespaces: tonel, the limit, or none at all."""

import re

from harness.processes import Failure, sh, wait_for
from harness.topology import SERVER_IP, SERVER_IP6, need_ipv6


class Tunnel:
    """Both ends of one tunnel. Number 0 is the measured one; 1 is its neighbour, with a TUN device,
    ports and addresses of its own."""

    def __init__(self, net, args, program, number=0):
        self.net, self.args, self.program, self.number = net, args, program, number
        self.local = f"127.0.0.1:{4000 + 10 * number}"
        self.upstream_port = 5000 + 10 * number
        self.upstream = f"127.0.0.1:{self.upstream_port}"
        self.port = 4567 + number
        self.device = f"bench{number}"
        self.client = self.server = None
        if program == "none":
            self.local = f"{SERVER_IP}:{self.upstream_port}"
            self.upstream = f"0.0.0.0:{self.upstream_port}"

    @property
    def ends(self):
        return [] if self.program == "none" else [(self.net.server, self.server),
                                                  (self.net.client, self.client)]

    def cpu(self):
        return tuple(p.cpu() if p else 0 for p in (self.client, self.server))

    def check(self):
        for _, process in self.ends:
            process.check()

    def start(self, options=(), ipv6=False):
        """Starts both ends, prepares the hosts and waits until a datagram comes back."""
        if self.program == "none":
            return self
        if ipv6:
            need_ipv6(self.net)
        host = f"[{SERVER_IP6}]" if ipv6 and self.program == "tonel" else SERVER_IP
        words = self._limit(host) if self.program == "limit" else self._tonel(host, options)
        tag = str(self.number) if self.number else ""
        self.server = self.net.start(self.net.server, words[0], "server" + tag)
        self.client = self.net.start(self.net.client, words[1], "client" + tag)
        for namespace, process in self.ends:
            def device():
                process.check()
                return sh("ip", "-n", namespace, "link", "show", self.device,
                          check=False).returncode == 0
            wait_for(device, 15, f"TUN device of {process.name}")
            sh("ip", "-n", namespace, "link", "set", self.device, "txqueuelen", "2048")
        self._prepare_hosts()
        return self

    def _limit(self, host):
        args = self.args
        return ([args.limit, "server", "--listen", str(self.port), "--remote", self.upstream,
                 "--tun", self.device],
                [args.limit, "client", "--listen", self.local, "--remote", f"{host}:{self.port}",
                 "--tun", self.device])

    def _tonel(self, host, options):
        args, n = self.args, 2 * self.number

        def addresses(net):
            if n == 0:
                return []
            return ["--tun-local", f"192.168.{net + n}.1", "--tun-peer", f"192.168.{net + n}.2",
                    "--ipv4-only"]
        return ([args.tonels, "-l", str(self.port), "-r", self.upstream, "--tun", self.device,
                 *addresses(201), *options, *args.tonels_args.split()],
                [args.tonelc, "-l", self.local, "-r", f"{host}:{self.port}", "--tun", self.device,
                 *addresses(200), *options, *args.tonelc_args.split()])

    def _prepare_hosts(self):
        own = self.program == "limit" or (self.args.own_rules and self.number == 0)
        if own:
            self.net.own_rules(self.port)
        done = {self.net.server: 0, self.net.client: 0}
        echo = self.net.start(self.net.server, [self.args.traffic, "echo", self.upstream],
                              f"probe-echo{self.number}")

        def answered():
            self.check()
            for namespace, process in self.ends:
                commands = [] if own else printed_commands(process)
                for command in commands[done[namespace]:]:
                    self.net.run(namespace, "sh", "-c", command)
                done[namespace] = len(commands)
            probe = sh("ip", "netns", "exec", self.net.client, self.args.traffic, "ping",
                       self.local, "--first", "--seconds", "1", "--timeout-ms", "200", check=False)
            return probe.returncode == 0

        try:
            wait_for(answered, 20, "an answer through the tunnel")
        except Failure as why:
            raise Failure(f"{why}; client: {self.client.err[-300:]!r}; "
                          f"server: {self.server.err[-300:]!r}") from None
        echo.stop()


def printed_commands(process):
    """The commands for the host that tonel prints at its start, one an indented line."""
    return [line.strip() for line in process.err.splitlines()
            if re.match(r"\s+(nft|sysctl) ", line)]
