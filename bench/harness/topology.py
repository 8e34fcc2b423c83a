"""Two hosts in namespaces, with a veth pair between them and strict trackers.

    client                                             server
    127.0.0.1 apps, tunnel's TUN, masquerade = wan = DNAT, tunnel's TUN, upstreams 127.0.0.1
                            10.99.0.1, fd99::1         10.99.0.2, fd99::2
"""

import json
import os
import re
import signal
import tempfile

from harness.processes import Failure, Process, sh

CLIENT_IP, SERVER_IP, SERVER_IP6 = "10.99.0.1", "10.99.0.2", "fd99::2"
CLIENT_IP6 = "fd99::1"


class Topology:
    """The two namespaces, and the processes started in them."""

    count = 0
    live = None

    def __init__(self, offloads=True):
        Topology.count += 1
        tag = f"{os.getpid()}-{Topology.count}"
        self.client, self.server = f"tonel-bench-c{tag}", f"tonel-bench-s{tag}"
        self.folder = tempfile.TemporaryDirectory(prefix="tonel-bench-")
        self.processes = []
        self.has_ipv6 = os.path.exists("/proc/net/if_inet6")
        Topology.live = self
        for namespace in (self.client, self.server):
            sh("ip", "netns", "add", namespace)
            sh("ip", "-n", namespace, "link", "set", "lo", "up")
        sh("ip", "-n", self.client, "link", "add", "wan", "type", "veth", "peer", "name", "wan",
           "netns", self.server)
        self._settle(self.client, CLIENT_IP, CLIENT_IP6, offloads)
        self._settle(self.server, SERVER_IP, SERVER_IP6, offloads)

    def _settle(self, namespace, address, address6, offloads):
        # A tracker needs a rule that asks it before it looks at anything; its module, which has the
        # sysctls, comes with the first.
        self.run(namespace, "nft", "add table inet tonel_bench_strict; "
                 "add chain inet tonel_bench_strict forward "
                 "{ type filter hook forward priority 0; }; "
                 "add rule inet tonel_bench_strict forward ct state invalid counter drop")
        settings = ["ipv4.ip_forward=1", "netfilter.nf_conntrack_tcp_be_liberal=0",
                    "netfilter.nf_conntrack_tcp_loose=0"]
        if self.has_ipv6:
            settings += ["ipv6.conf.all.forwarding=1"]
        self.set(namespace, *settings)
        sh("ip", "-n", namespace, "address", "add", f"{address}/24", "dev", "wan")
        if self.has_ipv6:
            sh("ip", "-n", namespace, "address", "add", f"{address6}/64", "dev", "wan", "nodad")
        if not offloads:
            self.run(namespace, "ethtool", "-K", "wan", "tso", "off", "gso", "off", "gro", "off",
                     "tx", "off", "rx", "off")
        sh("ip", "-n", namespace, "link", "set", "wan", "up")

    def set(self, namespace, *settings):
        for setting in settings:
            self.run(namespace, "sysctl", "-qw", "net." + setting)

    def run(self, namespace, *words):
        return sh("ip", "netns", "exec", namespace, *words)

    def start(self, namespace, words, name):
        process = Process(namespace, words, self.folder.name, name)
        self.processes.append(process)
        return process

    def own_rules(self, port):
        """The translation that production has, for a tunnel that prints none."""
        drop = ("add chain inet tonel_bench input { type filter hook input priority 0; }; "
                f"add rule inet tonel_bench input tcp %s {port} ct state invalid drop; ")
        self.run(self.client, "nft", "add table inet tonel_bench; " + drop % "sport" +
                 "add chain inet tonel_bench out { type nat hook postrouting priority 100; }; "
                 "add rule inet tonel_bench out ip saddr 192.168.200.2 masquerade")
        self.run(self.server, "nft", "add table inet tonel_bench; " + drop % "dport" +
                 "add chain inet tonel_bench in { type nat hook prerouting priority -100; }; "
                 f"add rule inet tonel_bench in iifname wan tcp dport {port} "
                 "dnat ip to 192.168.201.2")

    def split_upstream(self, port, light_port, octets):
        """Flows whose first datagram has so many octets go to another port of the upstream's host:
        what a light session's echo takes is then not the queue of the full one's sink."""
        self.run(self.server, "nft", "add table ip tonel_bench_split; "
                 "add chain ip tonel_bench_split out { type nat hook output priority -100; }; "
                 f"add rule ip tonel_bench_split out udp dport {port} udp length {octets + 8} "
                 f"dnat to 127.0.0.1:{light_port}")

    def invalid(self):
        """Packets that the trackers called invalid: none, when all is well."""
        total = 0
        for namespace in (self.client, self.server):
            text = self.run(namespace, "nft", "list", "table", "inet", "tonel_bench_strict").stdout
            total += int(re.search(r"counter packets (\d+)", text).group(1))
        return total

    def udp_drops(self, namespace):
        """Datagrams that met a full socket in this namespace."""
        text = self.run(namespace, "cat", "/proc/net/snmp").stdout
        names, values = re.findall(r"^Udp: (.*)$", text, re.M)
        return int(dict(zip(names.split(), values.split()))["RcvbufErrors"])

    def device_drops(self, namespace, device):
        """Packets that a device did not take in or out."""
        found = json.loads(sh("ip", "-n", namespace, "-j", "-s", "link", "show", device).stdout)
        stats = found[0]["stats64"]
        return stats["tx"]["dropped"] + stats["rx"]["dropped"]

    def close(self):
        for process in reversed(self.processes):
            process.stop()
        for namespace in (self.client, self.server):
            sh("ip", "netns", "delete", namespace, check=False)
        self.folder.cleanup()
        Topology.live = None


def need_ipv6(net):
    if not net.has_ipv6:
        raise Failure("this host has no IPv6")


def sweep():
    """Removes what a harness that was killed outright has left; names carry its pid."""
    for line in sh("ip", "netns", "list", check=False).stdout.splitlines():
        found = re.match(r"(tonel-bench-[cs](\d+)-\d+)\b", line)
        if not found or os.path.exists(f"/proc/{found.group(2)}"):
            continue
        for pid in sh("ip", "netns", "pids", found.group(1), check=False).stdout.split():
            os.kill(int(pid), signal.SIGTERM)
        sh("ip", "netns", "delete", found.group(1), check=False)


def close_live():
    if Topology.live:
        Topology.live.close()
