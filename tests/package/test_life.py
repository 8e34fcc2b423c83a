"""Life of the Debian package tonel, on systems of its own: installed, configured, upgraded, removed, purged.

The package is what package_build has put into the build folder.
"""

import argparse
import os
import re
import subprocess

from hosts import Host, built, chroot, dependencies, field, newer

import containers  # noqa: E402
import harness  # noqa: E402
import processes  # noqa: E402
from apps import Upstream, ask  # noqa: E402
from containers import Container  # noqa: E402
from harness import case  # noqa: E402
from processes import wait_until  # noqa: E402
from topology import Topology  # noqa: E402

# What the shipped configuration has.
APP, UPSTREAM = ("127.0.0.1", 51820), ("127.0.0.1", 51820)
PROGRAMS = ["tonelc", "tonelctl", "tonels"]
UNITS = ["tonelc.service", "tonels.service"]
INSTANCE = "tonelc@lab.service"


# What the package promises to have, and of it what dpkg keeps from being overwritten.
CONFIGURATION = {"/etc/tonel/client.conf", "/etc/tonel/server.conf", "/etc/logrotate.d/tonel"}
DOCS = "/usr/share/doc/tonel"
PROMISED = CONFIGURATION | {
    *(f"/usr/bin/{name}" for name in PROGRAMS),
    *(f"/lib/systemd/system/{name}.service" for name in ("tonelc", "tonels", "tonelc@", "tonels@")),
    *(f"/usr/share/man/man8/{name}.8.gz" for name in PROGRAMS), "/usr/share/man/man5/tonel.conf.5.gz",
    *(f"/usr/share/bash-completion/completions/{name}" for name in PROGRAMS),
    *(f"/usr/share/zsh/vendor-completions/{name}" for name in ("_tonel", "_tonelctl")),
    *(f"{DOCS}/{name}" for name in ("README.md", "README.Debian", "copyright", "changelog.gz",
                                    "CHANGELOG.md", "install.md", "service.md", "configuration.md")),
    f"{DOCS}/examples/sysctl.d/60-tonel.conf", f"{DOCS}/examples/systemd/secrets.conf",
}


def dangling(folder):
    """The links of the guides that lead to no file."""
    out = []
    for path, _, names in os.walk(folder):
        for name in names:
            if not name.endswith(".md"):
                continue
            with open(os.path.join(path, name), encoding="utf-8") as file:
                links = re.findall(r"\]\(([^)#\s]+)", file.read())
            out += [f"{name}: {link}" for link in links
                    if ":" not in link and not os.path.exists(os.path.join(path, link))]
    return out


def remove(host):
    host.run("dpkg --remove tonel")
    for path in ("/usr/bin/tonelc", "/usr/bin/tonels", "/lib/systemd/system/tonelc.service"):
        assert not host.has(path), path
    assert host.has("/etc/tonel/client.conf"), "a removal keeps the configuration"


def edit(host, path, old, new):
    text = host.read(path)
    assert old in text, f"{old} is not in {path}"
    with open(host.root + path, "w", encoding="utf-8") as file:
        file.write(text.replace(old, new))


@case("all that is promised is in the package, and its debug symbols fit")
def contents():
    deb = built(processes.bin_dir, "tonel")
    with chroot() as host:
        host.install(deb)
        listed = set(host.run("dpkg -L tonel").split())
        assert PROMISED <= listed, f"missing: {sorted(PROMISED - listed)}"
        kept = host.run("dpkg-query -f '${Conffiles}' -W tonel").split()[::2]
        assert set(kept) == CONFIGURATION, kept
        assert not dangling(host.root + DOCS), dangling(host.root + DOCS)
        # Nothing of it is in force unasked: see README.Debian.
        in_force = [p for p in listed if re.search(r"/(sysctl|tmpfiles|sysusers|modprobe)\.d/.", p)]
        assert all(path.startswith(DOCS) for path in in_force), in_force
        programs = [f"{host.root}/usr/bin/{name}" for name in PROGRAMS]
        notes = subprocess.run(["readelf", "-n", *programs], check=True, text=True,
                               stdout=subprocess.PIPE).stdout
    symbols = field(built(processes.bin_dir, "tonel-dbgsym"), "Build-Ids")
    assert sorted(symbols.split()) == sorted(re.findall(r"Build ID: (\w+)", notes)), symbols


@case("install, upgrade, remove and purge where nothing runs", deadline=90)
def offline():
    deb = built(processes.bin_dir, "tonel")
    with chroot() as host:
        told = host.install(deb)
        assert "edit /etc/tonel/client.conf" in told, told
        version = field(deb, "Version")
        for program in PROGRAMS:
            assert host.run(f"{program} --version").startswith(f"{program} {version}\nfeatures: ")
        # What stands in the shipped files is right, but for the server's name.
        host.run("tonelc --config /etc/tonel/client.conf --check")
        host.run("tonels --config /etc/tonel/server.conf --check")

        edit(host, "/etc/tonel/client.conf", "server.example.net", "203.0.113.7")
        host.install(newer(deb))
        assert "203.0.113.7" in host.read("/etc/tonel/client.conf"), "an edited file is kept"
        assert "later" not in host.read("/etc/tonel/client.conf")
        assert "later" in host.read("/etc/tonel/server.conf"), "one that was not is renewed"
        assert host.version("tonel") == version + "+later"
        remove(host)
        host.install(deb)
        assert "203.0.113.7" in host.read("/etc/tonel/client.conf")
        host.purge("tonel")
        host.install(deb)
        host.purge("tonel")


def network(box):
    """What a tunnel changes in its host's network."""
    # The topology's own rule counts packets.
    rules = re.sub(r"packets \d+ bytes \d+", "", box.host.run("nft list ruleset"))
    return (rules, box.host.run("ip -o link show | cut -d: -f2"),
            box.host.run("sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding"))


def healed(box, unit):
    """Kills the unit's process, and waits until systemd has started another."""
    before = box.main_pid(unit)
    os.kill(before, 9)

    def again():
        pid = box.main_pid(unit)
        return pid not in (0, before) and box.show(unit, "ActiveState") == "active"
    wait_until(again, 20, f"{unit} in a new process")


def add_instance(box, host):
    """A second client beside the first: the same file with addresses of its own."""
    text = host.read("/etc/tonel/client.conf").replace(":51820", ":51821")
    own = ("tun-local = 192.168.210.1\ntun-peer = 192.168.210.2\n"
           "tun-local6 = fcca::1\ntun-peer6 = fcca::2\n")
    box.write("/etc/tonel/client-lab.conf", own + text)
    enable(box, INSTANCE)


def enable(box, unit):
    box.run(f"systemctl enable --now {unit} || (journalctl --no-pager -u {unit}; false)")


@case("services of an installed package, from one edited file to the purge", deadline=240)
def services():
    deb = built(processes.bin_dir, "tonel")
    with Topology() as top, Container(top.client) as near, Container(top.server) as far:
        hosts = [Host(box.root, box.run) for box in (near, far)]
        networks = [network(box) for box in (near, far)]
        for box, host in zip((near, far), hosts):
            host.install(deb)
            for unit in UNITS:
                assert box.run(f"systemctl is-enabled {unit}", check=False) == "disabled\n"
                assert box.show(unit, "ActiveState") == "inactive"
            assert box.run("systemctl --failed --no-legend") == ""
        assert [network(box) for box in (near, far)] == networks, "an installation changes nothing"

        # The one edit: the server's address. The upstream of the shipped server.conf is right here.
        edit(hosts[0], "/etc/tonel/client.conf", "server.example.net", top.SERVER4)
        for box, unit in ((far, "tonels.service"), (near, "tonelc.service")):
            enable(box, unit)
        add_instance(near, hosts[0])
        with Upstream(top.server.udp(*UPSTREAM)), \
                top.client.udp(APP[0], connect=APP) as app, \
                top.client.udp(APP[0], connect=(APP[0], APP[1] + 1)) as other:
            ask(other, b"by the second instance", 15)
            for i in range(20):
                ask(app, bytes([i]) * (70 * i + 1), 15)
            status = near.run("tonelctl status")
            assert len(re.findall(r"^tonelc 0\.", status, re.M)) == 2, status
            for box, unit in ((near, "tonelc.service"), (far, "tonels.service")):
                healed(box, unit)
                ask(app, b"after kill -9 of " + unit.encode(), 15)
            # An upgrade restarts what runs, and starts nothing else.
            for box, host, unit in ((near, hosts[0], UNITS[0]), (far, hosts[1], UNITS[1])):
                running = [unit, INSTANCE] if box is near else [unit]
                before = [box.main_pid(each) for each in running]
                host.install(newer(deb))
                for each, old in zip(running, before):
                    assert box.show(each, "ActiveState") == "active", each
                    assert box.main_pid(each) not in (0, old), f"the new program runs: {each}"
                ask(app, b"after an upgrade", 15)
            assert near.show("tonels.service", "ActiveState") == "inactive"
            assert top.SERVER4 in hosts[0].read("/etc/tonel/client.conf")
        remove(hosts[0])
        assert near.main_pid("tonelc.service") == near.main_pid(INSTANCE) == 0
        for box, host in zip((near, far), hosts):
            host.purge("tonel")
            assert box.run("pgrep -l tonel", check=False) == ""
        # The kernel takes a process' rules and devices away when the process is gone already.
        wait_until(lambda: [network(box) for box in (near, far)] == networks, 10,
                   lambda: f"networks as before: {networks}, not {[network(b) for b in (near, far)]}")


@case("logrotate puts a service's log aside, and the service goes on in a new one", deadline=120)
def rotated():
    log = "/var/log/tonel/tonelc.log"
    with Topology() as top, Container(top.client) as box:
        host = Host(box.root, box.run)
        host.install(built(processes.bin_dir, "tonel"))
        edit(host, "/etc/tonel/client.conf", "server.example.net", top.SERVER4)
        box.write("/etc/tonel/client.conf", f"log-output = {log}\n" + host.read("/etc/tonel/client.conf"))
        box.write("/etc/systemd/system/tonelc.service.d/log.conf", "[Service]\nLogsDirectory=tonel\n")
        box.run("systemctl daemon-reload")
        enable(box, "tonelc.service")
        box.run("logrotate --force /etc/logrotate.d/tonel")
        assert "listening on" in box.run(f"cat {log}.1")
        wait_until(lambda: box.run(f"ls {log}", check=False) == f"{log}\n", 5, "a new file")
        box.run("dpkg --purge tonel")
        assert not host.has("/var/log/tonel") and not host.has("/var/log/private/tonel")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--bin", required=True)
    arguments = parser.parse_known_args()[0]
    deb_built = built(arguments.bin, "tonel")
    containers.prepare(arguments, "package-root",
                       [*containers.PACKAGES, "logrotate", *dependencies(deb_built)])
    harness.main()
