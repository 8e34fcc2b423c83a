"""Two providers between a client and a server, as drawn in test_uplinks.py."""

import subprocess

from apps import ask
from firewall import in_place
from processes import Tonel, joined
from topology import Host

PORT = 4567


def cable(near, dev, far, other):
    subprocess.run(["ip", "link", "add", dev, "netns", near.name, "type", "veth", "peer", "name", other,
                    "netns", far.name], check=True)
    for host, link in ((near, dev), (far, other)):
        host.run(f"ip link set {link} up")


def address(host, dev, net, number):
    host.run(f"ip addr add 10.{net}.0.{number}/24 dev {dev};"
             f"ip addr add fd{net:02}::{number}/64 dev {dev} nodad")


class Providers:
    """The drawing above."""

    def __init__(self):
        self.client, self.isp1, self.isp2, self.server = self.hosts = [
            Host(role) for role in ("client", "isp1", "isp2", "server")]
        for n, isp in ((1, self.isp1), (2, self.isp2)):
            cable(self.client, f"c{n}", isp, "ic")
            cable(self.server, f"w{n}", isp, "is")
            address(self.client, f"c{n}", n, 2)
            address(isp, "ic", n, 1)
            address(self.server, f"w{n}", 10 + n, 2)
            address(isp, "is", 10 + n, 1)
            isp.sysctl({"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1})
            isp.nft(f"""table inet isp {{
              counter foreign {{ }}
              chain f {{
                type filter hook forward priority 0;
                iifname "is" ip saddr != 10.1{n}.0.2 counter name foreign drop
                iifname "is" ip6 saddr != fd1{n}::2 counter name foreign drop
                iifname "ic" ip saddr != 10.{n}.0.2 counter name foreign drop
                iifname "ic" ip6 saddr != fd0{n}::2 counter name foreign drop
              }}
            }}""")
            self.client.run(f"ip route add 10.1{n}.0.0/24 via 10.{n}.0.1;"
                            f"ip -6 route add fd1{n}::/64 via fd0{n}::1")
        self.server.sysctl({f"net.ipv4.conf.{dev}.rp_filter": 2 for dev in ("all", "w1", "w2")})

    def server_uses_first(self):
        """One default route, and for the second provider's address what its manual says."""
        self.server.run("""set -e
            ip route add default via 10.11.0.1; ip -6 route add default via fd11::1
            ip route add 10.12.0.0/24 dev w2 table 102; ip route add default via 10.12.0.1 table 102
            ip rule add from 10.12.0.2 lookup 102
            ip -6 route add default via fd12::1 table 102; ip -6 rule add from fd12::2 lookup 102""")

    def server_has_both(self):
        """Two default routes, one of them preferred, as two DHCP leases give."""
        self.server.run("""set -e
            ip route add default via 10.11.0.1 metric 100; ip route add default via 10.12.0.1 metric 200
            ip -6 route add default via fd11::1 metric 100; ip -6 route add default via fd12::1 metric 200""")

    def start_server(self, *argv):
        tonels = Tonel(self.server, ["tonels", "-l", str(PORT), "-r", "127.0.0.1:7000", "--tun", "tuns",
                                     "--auto-rule", "auto", *argv], False)
        in_place(tonels)
        return tonels

    def start_client(self, remote, *argv):
        tonelc = Tonel(self.client, ["tonelc", "-l", "127.0.0.1:5000", "-r", joined(remote, PORT),
                                     "--tun", "tunc", "--auto-rule", "auto", *argv], False)
        in_place(tonelc)
        return tonelc

    def carries(self, remote, word):
        tonelc = self.start_client(remote)
        with self.client.udp("127.0.0.1", connect=("127.0.0.1", 5000)) as app:
            ask(app, word.encode(), 10)
        tonelc.stop()

    def foreign(self):
        """Packets that a provider dropped for their source address."""
        return sum(int(isp.run("nft list counter inet isp foreign").split("packets ")[1].split()[0])
                   for isp in (self.isp1, self.isp2))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for host in self.hosts:
            host.remove()
