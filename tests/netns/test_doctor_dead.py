#!/usr/bin/env python3
"""tonelctl doctor where nothing gets through: each row is a set-up in which it has to find the cause."""

import harness
from doctor_rows import (FULL_TUNNEL, dead, firewalld, forwards_already, listener, services, ufw,
                         upstream)
from names import NameServer
from processes import wait_until

SECTIONS = ("[tunnel.office]", "local = 127.0.0.1:5000", "remote = 10.9.2.2:4567")


@dead("the port is closed", "refuses connections")
def closed():
    with services() as (top, made):
        path = made.client_file(sections=SECTIONS)
        yield top.client, "client", "--config", path
        made.client()
        yield top.client, "client"
        made.want()
        yield top.client, "client"


@dead("the server's host is gone", "finds nobody at 10.9.2.77", "no answer from 10.9.2.77")
def gone():
    with services() as (top, made):
        path = made.client_file(remote="10.9.2.77:4567")
        yield top.client, "client", "--config", path


@dead("a router drops", "no answer from 10.9.2.2")
def dropping():
    with services() as (top, made):
        made.server()
        top.block("up")
        yield top.client, "client", "--config", made.client_file(sections=SECTIONS)
        made.client()
        made.want()
        yield top.client, "client"


@dead("a web server has the port", "is not tonels, a web server")
def web():
    with services() as (top, made):
        listener(top.server, "import http.server, socketserver\n"
                 "socketserver.TCPServer(('', 4567), http.server.SimpleHTTPRequestHandler).serve_forever()")
        yield top.client, "client", "--config", made.client_file(sections=SECTIONS)
        made.client()
        made.want()
        yield top.client, "client"


@dead("only one side has a key", "another key")
def one_key():
    with services() as (top, made), upstream(top):
        made.server("encryption = xor:one")
        yield top.client, "client", "--config", made.client_file()
        made.client()
        made.want()
        yield top.client, "client"


@dead("the keys differ", "another key")
def other_key():
    with services() as (top, made), upstream(top):
        made.server()
        yield top.client, "client", "--config", made.client_file("encryption = xor:two")


@dead("the upstream refuses", "the upstream 127.0.0.1:7000 refuses")
def upstream_refuses():
    with services() as (top, made):
        yield top.server, "server", "--config", made.server_file()
        made.server()
        yield top.server, "server"
        made.client()
        made.want("tonels-tuns")
        yield top.server, "server"


# It may be that nobody means to answer.
@dead("the client of such a server: nothing has come back", "none has come back", level="note")
def no_reply():
    with services() as (top, made):
        made.server()
        made.client()
        made.want()
        yield top.client, "client"


@dead("a name does not resolve", "vpn.example.net does not resolve")
def name():
    with services() as (top, made), NameServer(top.client, {}):
        yield top.client, "client", "--config", made.client_file(remote="vpn.example.net:4567")
        made.client(remote="vpn.example.net:4567")
        yield top.client, "client"


@dead("no address of a name answers", "vpn.example.net (10.9.2.2:4567) refuses connections")
def all_dead():
    with services() as (top, made), NameServer(top.client, {"vpn.example.net": ["10.9.1.1", "10.9.2.2"]}):
        yield top.client, "client", "--config", made.client_file(remote="vpn.example.net:4567")


@dead("--auto-rule names a device that does not lead to the server", "name c0, or auto")
def other_device():
    with services() as (top, made), upstream(top):
        top.client.run("ip link add d0 type veth peer name d1; ip link set d0 up; ip link set d1 up;"
                       "ip addr add 10.77.0.1/24 dev d0")
        made.server()
        yield top.client, "client", "--config", made.client_file(rule="d0")
        made.client(rule="d0")
        yield top.client, "client"


@dead("the LAN is in the net of the TUN", "the net of c0")
def lan():
    with services() as (top, made), upstream(top):
        made.server()
        ends = ("tun-local = 10.9.1.253", "tun-peer = 10.9.1.254")
        yield top.client, "client", "--config", made.client_file(*ends)


@dead("ufw at the client", "ufw route allow in on tunc")
def ufw_client():
    harness.needs("iptables", "ip6tables")
    with services() as (top, made), upstream(top):
        ufw(top.client)
        made.server()
        yield top.client, "client", "--config", made.client_file()
        made.client()
        yield top.client, "client"
        made.want()
        yield top.client, "client"


@dead("ufw at the server", "ufw route allow in on tuns")
def ufw_server():
    harness.needs("iptables", "ip6tables")
    with services() as (top, made), upstream(top):
        ufw(top.server)
        yield top.server, "server", "--config", made.server_file()
        made.server()
        yield top.server, "server"


@dead("ufw at the server, as its client sees it", "no answer from 10.9.2.2")
def ufw_afar():
    harness.needs("iptables", "ip6tables")
    with services() as (top, made), upstream(top):
        ufw(top.server)
        made.server()
        yield top.client, "client", "--config", made.client_file()


@dead("firewalld at the client", "firewall-cmd --zone=trusted --add-interface=tunc")
def firewalld_client():
    with services() as (top, made), upstream(top):
        firewalld(top.client)
        made.server()
        yield top.client, "client", "--config", made.client_file()
        made.client()
        yield top.client, "client"
        made.want()
        yield top.client, "client"


@dead("firewalld with StrictForwardPorts at the server",
      "firewall-cmd --permanent --policy=tonel --add-port=4567/tcp")
def firewalld_server():
    with services() as (top, made), upstream(top):
        firewalld(top.server, strict=True)
        yield top.server, "server", "--config", made.server_file()
        made.server()
        yield top.server, "server"


@dead("a policy that drops, at either end", "nft insert rule inet host passing")
def policy():
    table = "table inet host { chain passing { type filter hook forward priority 5; policy drop; " \
            "ct state established,related accept; ip saddr 172.16.0.0/12 accept; }; }"
    with services() as (top, made), upstream(top):
        top.client.nft(table)
        top.server.nft(table)
        yield top.client, "client", "--config", made.client_file()
        yield top.server, "server", "--config", made.server_file()
        made.server()
        yield top.server, "server"
        made.client()
        yield top.client, "client"


@dead("a rule in front of the translation drops", "nft insert rule ip wall early")
def early():
    with services() as (top, made), upstream(top):
        top.server.nft("table ip wall { chain early { type filter hook prerouting priority -150; "
                       "tcp dport { 80, 4567 } drop; }; }")
        made.server()
        yield top.server, "server"


@dead("a full tunnel without --fwmark: its packets run in a circle", "--fwmark 51820")
def circle():
    with services() as (top, made), upstream(top):
        top.client.run(FULL_TUNNEL)
        made.server()
        yield top.client, "client", "--config", made.client_file()
        made.client()
        yield top.client, "client"
        made.want()
        yield top.client, "client"


@dead("a TCP proxy is on the way", "ends TCP connections")
def proxy():
    harness.needs("socat")
    with services() as (top, made), upstream(top):
        made.server()
        harness.processes.Process(top.router, ["socat", "TCP4-LISTEN:4567,fork,reuseaddr",
                                               "TCP4:10.9.2.2:4567"])
        wait_until(lambda: ":4567 " in top.router.run("ss -tln"), 10, "the proxy listens")
        yield top.client, "client", "--config", made.client_file(remote="10.9.1.1:4567")
        made.client(remote="10.9.1.1:4567")
        made.want()
        yield top.client, "client"


# The program puts its addresses back within a second; where it can't, all of the device is gone.
@dead("the TUN's addresses are gone, and can't come back", "its part device: failing")
def addresses():
    with services() as (top, made), upstream(top):
        made.server()
        program = made.client()
        top.client.run("ip link del tunc; ip link add tunc type veth peer name other")
        program.wait_line("cannot keep the device", 5)
        yield top.client, "client"


@dead("forwarding is off, and nobody is to switch it on", "IPv4 forwarding is off")
def forwarding():
    with services() as (top, made), upstream(top):
        made.server(rule=None)
        yield top.server, "server"
        yield top.client, "client", "--config", made.client_file(rule=None)
        program = made.client(rule=None)
        top.client.run("\n".join(rule for rule in program.rules() if rule.startswith("nft ")))
        yield top.client, "client"


@dead("a black hole: the way takes 1,400 octets, and ICMP is filtered", "1400")
def black_hole():
    with services() as (top, made), upstream(top):
        top.path_mtu(1400)
        top.router.nft("table inet hole { chain o { type filter hook output priority 0; "
                       "meta l4proto { icmp, ipv6-icmp } drop; }; }")
        made.server()
        yield top.client, "client", "--config", made.client_file()
        made.client()
        yield top.client, "client"
        made.carries()
        yield top.client, "client"


@dead("there is no route", "no route")
def no_route():
    with services() as (top, made):
        forwards_already(top.client)
        top.client.run("ip route del default; ip -6 route del default")
        yield top.client, "client", "--config", made.client_file()


@dead("another program has the server's port", "listens on TCP port 4567")
def port():
    with services() as (top, made), upstream(top):
        listener(top.server, "import socket; s = socket.create_server(('', 4567)); s.accept()")
        yield top.server, "server", "--config", made.server_file()


@dead("one of two tunnels of a file is dead", "refuses connections")
def one_of_two():
    with services() as (top, made), upstream(top):
        made.server()
        sections = (*SECTIONS, "[tunnel.home]", "local = 127.0.0.1:5001", "remote = 10.9.2.2:4568")
        yield top.client, "client", "--config", made.client_file(sections=sections)
        made.client(sections=sections)
        yield top.client, "client"


if __name__ == "__main__":
    harness.main()
