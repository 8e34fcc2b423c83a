"""What the tests of --auto-rule share: tunnels that set their own rules, and what a host has of them."""

import contextlib
import os
import re

import harness
from apps import ask_once
from processes import Process, Tunnel

# On the private tmpfs of the harness: gone with it.
STATE = "/run/netns/tonel-state"
os.environ["RUNTIME_DIRECTORY"] = STATE
BACKENDS = ("owned", "nft", "iptables")
# Whether a host forwards anything, and what it learns from routers, by device. Not of the tunnels' own.
FORWARDING = ("cd /proc/sys/net; grep -s . ipv4/conf/*/forwarding ipv6/conf/*/forwarding "
              "ipv6/conf/*/force_forwarding ipv6/conf/*/accept_ra | grep -v conf/tun")


def forwards(host, device="c0"):
    """Whether IPv4 packets that come in there are sent on."""
    return "= 1" in host.run(f"sysctl net.ipv4.conf.{device}.forwarding")


class Automatic(Tunnel):
    """A tunnel whose programs set their rules themselves."""

    def __init__(self, top, family=4, backend="auto", interfaces=("auto", "auto"), client=(), server=(),
                 start=True):
        if backend == "iptables":
            harness.needs("iptables", "ip6tables")
        super().__init__(top, family, start=False,
                         client=["--auto-rule", interfaces[0], "--firewall", backend, *client],
                         server=["--auto-rule", interfaces[1], "--firewall", backend, *server])
        if start:
            self.start_server(apply_rules=False)
            self.start_client(apply_rules=False)
            for program in (self.tonels, self.tonelc):
                in_place(program)

    def carries(self, word=b"through"):
        ask_once(self.application(), word)


def in_place(program):
    program.wait_line("(firewall rules are|direct path is) in place", 5)


def rules_of(host, table):
    """The table's chains and rules, in nft's words; None: there is none. (As JSON, nft 1.0.6 prints an
    owned table wrong.)"""
    lines = host.run(f"nft -s list table inet {table}", check=False).splitlines()
    if not lines or not lines[0].startswith("table inet "):
        return None
    return [line.strip() for line in lines[1:] if "flags owner" not in line and line.strip()]


def tagged(host, table):
    """The rules of iptables and ip6tables with the tag of this table."""
    lines = host.run("iptables-save; ip6tables-save").splitlines()
    return [line for line in lines if line.startswith("-A") and re.search(rf'--comment "?{table}"? ', line)]


def present(host, backend, table):
    return bool(tagged(host, table)) if backend == "iptables" else rules_of(host, table) is not None


def state(host):
    """What of the host a start may change and an end must restore. The chains that iptables makes for
    the first rule of a table stay, empty, as they do for everybody."""
    tables = host.run("nft list tables")
    return ([line for line in tables.splitlines() if "tonel_" in line], tagged(host, "tonel_tunc"),
            tagged(host, "tonel_tuns"), host.run(FORWARDING))


@contextlib.contextmanager
def unchanged(*hosts):
    before = [state(host) for host in hosts]
    yield
    after = [state(host) for host in hosts]
    assert after == before, f"{after} against {before}"


@contextlib.contextmanager
def web_server(host, port, address="0.0.0.0"):
    """A program that answers who connects."""
    family = "AF_INET6" if ":" in address else "AF_INET"
    program = Process(host, ["python3", "-c", f"""import socket
s = socket.create_server(("{address}", {port}), family=socket.{family})
print("ready", flush=True)
while True:
    connection = s.accept()[0]
    connection.send(b"web")
    connection.close()
"""])
    program.wait_line("ready")
    yield program
    program.kill()


def answers(host, address, port):
    script = (f"import socket; s = socket.create_connection(('{address}', {port}), 2); "
              "s.settimeout(2); print(s.recv(9))")
    return "b'web'" in host.run(f'python3 -c "{script}"', check=False)
