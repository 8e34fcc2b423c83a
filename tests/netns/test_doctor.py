#!/usr/bin/env python3
"""tonelctl doctor: each fault of a host is provoked, named, and mended by the command it prints."""

import json
import os
import subprocess
import tempfile

import harness
from apps import Upstream, ask, ask_once
from harness import case, needs
from processes import Process, Tunnel, binary, sanitized, tonelctl, wait_until
from topology import Topology

CLIENT = ("client", "--tun", "tunc", "--remote", "10.9.2.2:4567", "--local", "127.0.0.1:5000")
SERVER = ("server", "--tun", "tuns", "--remote", "127.0.0.1:7000", "--local", "4567")


def findings(host, argv=CLIENT):
    """What the doctor says, but for what is fine."""
    (answer,) = tonelctl(host, "doctor", *argv, "--json", expect=None)
    return [f for f in answer["findings"] if f["is"] != "ok"]


def about(host, what, argv=CLIENT):
    return [f for f in findings(host, argv) if f["about"] == what]


def mended(host, what, argv=CLIENT, level="fault", says=""):
    """The doctor names it; its commands, run as they are printed, mend it."""
    (found,) = about(host, what, argv)
    assert found["is"] == level and says in found["text"], found
    text = tonelctl(host, "doctor", *argv, expect=None)
    assert found["mend"], found
    for command in found["mend"]:
        assert f"         {command}\n" in text, text
        host.run(command)
    left = about(host, what, argv)
    assert not left, left


@case("a host on which all is well has no fault")
def healthy():
    with Topology() as top:
        tunnel = Tunnel(top)
        with Upstream(tunnel.upstream_socket()), tunnel.application() as app:
            ask_once(app, b"works")
            answers = tonelctl(top.client, "doctor", "client", "--json")
            assert answers[0]["running"] and answers[0]["tun"] == "tunc", answers
            assert tonelctl(top.server, "doctor", "server").count("fault ") == 0
        tunnel.stop()


@case("rules that cannot be read are said to be, and the rest is looked at")
def unreadable():
    if sanitized():
        print("  only for programs without sanitizers")  # they need descriptors themselves
        return
    with Topology() as top:
        said = top.client.run(f"ulimit -n 4; {binary('tonelctl')} doctor {' '.join(CLIENT)}", check=False)
        assert "rules cannot be read (socket NETLINK_NETFILTER: Too many open files)" in said, said
        assert "conntrack: " in said, said


@case("forwarding: of the host, of IPv6, of one interface")
def forwarding():
    with Topology() as top:
        host = top.client
        host.sysctl({"net.ipv4.ip_forward": 0, "net.ipv6.conf.all.forwarding": 0})
        mended(host, "forwarding", says="IPv4")
        mended(host, "forwarding6", says="IPv6")
        host.sysctl({"net.ipv4.conf.c0.forwarding": 0})
        mended(host, "forwarding", says="c0")


@case("chains at forward that drop: by policy, by interface, by state, after other rules")
def chains():
    with Topology() as top:
        for host, argv in ((top.client, CLIENT), (top.server, SERVER)):
            host.sysctl({"net.ipv4.ip_forward": 1})
            uplink = "c0" if argv is CLIENT else "s0"
            tun = argv[2]
            clear = "delete table inet strict\n"
            base = "table inet strict { chain forward { type filter hook forward priority 0; policy %s;\n%s\n}\n}\n"
            for policy, rules, says in (
                    ("drop", "", "policy"),
                    ("drop", "ct state established,related accept", "policy"),
                    ("drop", 'iifname "docker0" accept', "policy"),
                    ("accept", f'iifname "{uplink}" drop', "handle"),
                    ("accept", f'oifname != "lo" reject', "handle"),
                    ("accept", f'iifname "{tun[:3]}*" counter drop', "handle")):
                host.nft(base % (policy, rules))
                mended(host, "forward", argv, says=says)
                host.nft(clear)
            # What looks at more cannot be judged, and is not called a fault.
            host.nft(base % ("drop", "meta mark 7 accept\nct state established accept"))
            mended(host, "forward", argv, level="note", says="only a packet shows")
            host.nft(clear)
            # These let it pass, or say nothing of it.
            for policy, rules in (("accept", "ct state invalid drop"),
                                  ("drop", f'iifname "{tun}" accept\noifname {{ "{tun}", "x" }} accept'),
                                  ("accept", 'iifname "docker0" drop'),
                                  ("accept", "ip saddr 10.0.0.1 drop")):
                host.nft(base % (policy, rules))
                assert not about(host, "forward", argv), about(host, "forward", argv)
                host.nft(clear)
            # Through chains that others jump to.
            host.nft("""table inet strict {
                chain mine { iifname "%s" drop; }
                chain forward { type filter hook forward priority 0; policy accept; jump mine; }
                }
""" % tun)
            mended(host, "forward", argv, says="chain mine")
            host.nft(clear)


@case("iptables' FORWARD with policy drop, as Docker leaves it")
def docker():
    needs("iptables")
    with Topology() as top:
        host = top.client
        host.run("iptables-nft -P FORWARD DROP && iptables-nft -N DOCKER-USER && "
                 "iptables-nft -A FORWARD -j DOCKER-USER && iptables-nft -A DOCKER-USER -j RETURN && "
                 "iptables-nft -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT")
        found = about(host, "forward")
        assert any("DOCKER-USER" in command for f in found for command in f["mend"]), found
        for f in found:
            for command in f["mend"]:
                host.run(command.replace("iptables ", "iptables-nft ", 1))
        assert not about(host, "forward")


@case("strict rp_filter where the way back is another")
def reverse_path():
    with Topology() as top:
        host = top.client
        host.run("ip link add d0 type veth peer name d1 && ip link set d1 up && ip addr add 10.77.0.1/24 dev d0 && ip link set d0 up && "
                 "ip route add default via 10.77.0.2 dev d0 metric 5")
        host.sysctl({"net.ipv4.conf.all.rp_filter": 0, "net.ipv4.conf.d0.rp_filter": 1})
        host.run("ip route replace 10.9.2.0/24 via 10.9.1.1 dev c0")
        mended(host, "rp_filter", says="d0")


@case("connection tracking that checks windows is noted")
def tracking():
    with Topology() as top:
        mended(top.client, "conntrack-strict", level="note", says="phantun")


@case("offloads that are switched off")
def offloads():
    with Topology() as top:
        top.client.run("ethtool -K c0 tso off gro off")
        mended(top.client, "offload", level="note", says="tso")


@case("a path of small packets: --mtu, in the config file")
def path_mtu():
    with Topology() as top, tempfile.TemporaryDirectory() as folder:
        top.client.run("ip link set c0 mtu 1300")
        (found,) = about(top.client, "mtu")
        assert "--mtu 1300" in found["text"] and not found["mend"], found
        assert not about(top.client, "mtu", (*CLIENT, "--mtu", "1300"))
        for name, content in (("a", "mtu = 1500\nlocal = 127.0.0.1:5000\nremote = 10.9.2.2:4567\n"),
                              ("b", "# a comment\n[tunnel.x]\nlocal = 127.0.0.1:5000\n"
                                    "remote = 10.9.2.2:4567 # the server\n")):
            path = os.path.join(folder, f"client-{name}.conf")
            with open(path, "w", encoding="ascii") as file:
                file.write(content)
            mended(top.client, "mtu", ("--config", path), level="note", says="1300")


@case("a program that listens on the server's TCP port")
def port():
    with Topology() as top:
        listener = Process(top.server, ["python3", "-c",
                                        "import socket; s = socket.create_server(('', 4567)); "
                                        "print('ready', flush=True); s.accept()"])
        listener.wait_line("ready")
        (found,) = about(top.server, "port", SERVER)
        assert found["is"] == "fault" and "python3" in found["text"], found
        assert not found["mend"], found  # nobody is told to kill it
        listener.kill()
        wait_until(lambda: not about(top.server, "port", SERVER), 5, "the port is free")
        assert not about(top.client, "port")


@case("every tunnel of every file is looked at, and the fault says whose it is")
def all_tunnels():
    with Topology() as top, tempfile.TemporaryDirectory() as folder:
        main = os.path.join(folder, "server.conf")
        os.mkdir(os.path.join(folder, "server.d"))
        beside = os.path.join(folder, "server.d", "more.conf")
        sections = {name: f"[tunnel.{name}]\nlocal = {port}\nremote = 127.0.0.1:7000\n"
                    for name, port in (("one", 4567), ("two", 4568), ("three", 4569))}

        def write(path, text):
            with open(path, "w", encoding="ascii") as file:
                file.write(text)

        def listen(number):
            listener = Process(top.server, ["python3", "-c",
                                            f"import socket; s = socket.create_server(('', {number})); "
                                            "print('ready', flush=True); s.accept()"])
            listener.wait_line("ready")
            return listener

        write(main, "tun = tuns\n" + sections["one"] + sections["two"])
        write(beside, sections["three"])
        argv = ("--config", main)
        assert not about(top.server, "port", argv) and not about(top.server, "configuration", argv)
        for name, number in (("one", 4567), ("two", 4568), ("three", 4569)):
            listener = listen(number)
            (found,) = about(top.server, "port", argv)
            assert found["is"] == "fault" and found["tunnels"] == [name], found
            text = tonelctl(top.server, "doctor", *argv, expect=None)
            assert f"fault  port: tunnel {name}: another program" in text, text
            listener.kill()
            wait_until(lambda: not about(top.server, "port", argv), 5, "the port is free")
        write(beside, sections["three"] + "deadline = never\n")
        (found,) = about(top.server, "configuration", argv)
        assert found["is"] == "fault" and found["text"].startswith(f"{beside}:4: deadline never: "), found
        write(beside, sections["three"])
        # The way of one client's tunnel is too narrow.
        top.client.run("ip route add 10.9.2.2/32 via 10.9.1.1 mtu lock 1300")
        write(main, "tun = tunc\n[tunnel.one]\nlocal = 127.0.0.1:5000\nremote = 10.9.1.1:4567\n")
        write(beside, "[tunnel.two]\nlocal = 127.0.0.1:5001\nremote = 10.9.2.2:4567\n")
        (found,) = about(top.client, "mtu", ("client", *argv))
        assert found["tunnels"] == ["two"] and "1300" in found["text"], found
        assert found["mend"][0].endswith(main), found


@case("no TUN device node")
def tun():
    with Topology() as top:
        def doctor(shell):
            # Its own mounts, so that the machine's node stays where it is.
            return subprocess.run(
                ["unshare", "--mount", "sh", "-c",
                 f"mount -t tmpfs none /dev/net && {shell}"], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
        command = " ".join(top.client.command([binary("tonelctl"), "doctor", *CLIENT, "--json"]))
        answer = json.loads(doctor(command))
        (found,) = [f for f in answer["findings"] if f["about"] == "tun"]
        assert found["is"] == "fault" and "missing" in found["text"], found
        mend = " && ".join(found["mend"])
        answer = json.loads(doctor(f"{mend} && {command}"))
        assert [f["is"] for f in answer["findings"] if f["about"] == "tun"] == ["ok"], answer


@case("a user without the capability")
def capability():
    needs("setcap", "setpriv")
    with Topology() as top, tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        for name in ("tonelctl", "tonelc"):
            subprocess.run(["cp", binary(name), folder], check=True)
        argv = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                f"{folder}/tonelctl", "doctor", *CLIENT, "--json"]

        def ask():
            text = subprocess.run(top.client.command(argv), text=True, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE).stdout
            return [f for f in json.loads(text)["findings"] if f["about"] == "capability"]
        (found,) = ask()
        assert found["is"] == "fault", found
        for command in found["mend"]:
            top.client.run(command)
        (found,) = ask()
        assert found["is"] == "ok", found


@case("a user who may not ask the running program: told to be root, and nothing else")
def no_rights():
    needs("setpriv")
    with Topology() as top:
        tunnel = Tunnel(top)
        as_nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", binary("tonelctl")]
        done = subprocess.run(top.client.command([*as_nobody, "doctor"]), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 3 and "run tonelctl as root" in done.stdout, done
        assert "fault" not in done.stdout, done.stdout
        # Of what it describes itself it is told what can be seen, without lines of libraries.
        done = subprocess.run(top.client.command([*as_nobody, "doctor", *CLIENT]), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert done.returncode == 1 and not done.stderr, done
        assert "rules cannot be read (that takes CAP_NET_ADMIN); run this as root" in done.stdout, done.stdout
        tunnel.stop()


@case("no route at all: the fault is that, and not forwarding, which --auto-rule keeps on")
def no_route():
    with Topology() as top:
        auto = ("--auto-rule", "auto")
        tunnel = Tunnel(top, client=auto, server=auto, start=False)
        tunnel.start_client(apply_rules=False).wait_line("rules are in place")
        top.client.run("ip route del default; ip -6 route del default")
        faults = [f["about"] for f in findings(top.client, ("client",)) if f["is"] == "fault"]
        assert set(faults) == {"route", "tunnel"}, faults
        tunnel.tonelc.stop()


@case("an idle session hides nothing: others that cannot open are a fault")
def idle_beside():
    with Topology() as top:
        tunnel = Tunnel(top, client=("--metrics", "9100"))
        with Upstream(tunnel.upstream_socket()), tunnel.application() as idle:
            ask_once(idle, b"opens")
            top.block("up")
            with tunnel.application() as other:
                other.send(b"nobody hears this")
                tunnel.tonelc.wait_line("no answer from", 6)
            (found,) = about(top.client, "tunnel", ("client",))
            assert found["is"] == "fault" and "others do not open: no answer from" in found["text"], found
            assert "others do not open" in tonelctl(top.client, "status")
            top.clear()
            ask(tunnel.application(), b"back", 35)
            assert not about(top.client, "tunnel", ("client",))
        tunnel.stop()


@case("a running program whose rules are not there")
def translation():
    with Topology() as top:
        tunnel = Tunnel(top, start=False)
        tunnel.start_server(apply_rules=False)
        tunnel.start_client(apply_rules=False)
        for host, side in ((top.server, "server"), (top.client, "client")):
            # The rules switch forwarding on as well, as the doctor would.
            mended(host, "translation", (side,), says="no rule")
        with Upstream(tunnel.upstream_socket()), tunnel.application() as app:
            ask_once(app, b"works now")
        tunnel.stop()


if __name__ == "__main__":
    harness.main()
