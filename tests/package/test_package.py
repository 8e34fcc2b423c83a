"""Life of the Debian package: installed, configured, upgraded, removed and purged on systems of its own.

The package is what package_build has put into the build folder.
"""

import argparse
import contextlib
import glob
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "netns"), os.path.join(HERE, "..", "service")]

import containers  # noqa: E402
import harness  # noqa: E402
import processes  # noqa: E402
from apps import Upstream, ask  # noqa: E402
from containers import WORK, Container  # noqa: E402
from harness import case  # noqa: E402
from processes import wait_until  # noqa: E402
from topology import Topology  # noqa: E402

# What the shipped configuration has.
APP, UPSTREAM = ("127.0.0.1", 51820), ("127.0.0.1", 51820)
PROGRAMS = ["tonelc", "tonelctl", "tonels"]
UNITS = ["tonelc.service", "tonels.service"]
INSTANCE = "tonelc@lab.service"
# What dpkg, systemd and the C library write for themselves when any package comes and goes.
NOT_OURS = re.compile(
    r"/(dev|proc|sys|tmp|opt|run(?!/(private/)?tonel)|var/(cache|tmp|log/(?!tonel|private/tonel))|"
    r"var/lib/dpkg/[^/]+(?:-old)?|var/lib/dpkg/(triggers|updates|alternatives)/.*|"
    r"var/lib/(systemd|private)(?!.*tonel)|etc/(\.pwd\.lock|ld\.so\.cache|machine-id|\.updated))(/|$)")


def built(bin_dir):
    found = glob.glob(os.path.join(os.path.dirname(os.path.abspath(bin_dir)), "package",
                                   "tonel_*.deb"))
    if len(found) != 1:
        containers.unable("no package was built (ctest -R package_build)")
    return found[0]


def field(deb, name):
    return subprocess.run(["dpkg-deb", "--field", deb, name], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.strip()


def dependencies(deb):
    """The names in Depends, so that a root made of them shows that they are enough."""
    return [re.match(r"\s*([^\s(|:]+)", part)[1] for part in field(deb, "Depends").split(",")]


def newer(deb):
    """The same package as a later version, whose configuration files have changed."""
    folder = os.path.join(WORK, "newer")
    if not os.path.isdir(folder):
        subprocess.run(["dpkg-deb", "--raw-extract", deb, folder], check=True)
        control = os.path.join(folder, "DEBIAN", "control")
        with open(control, encoding="utf-8") as file:
            text = file.read()
        with open(control, "w", encoding="utf-8") as file:
            file.write(re.sub(r"^Version: (.*)$", r"Version: \1+later", text, flags=re.M))
        for name in ("client.conf", "server.conf"):
            with open(os.path.join(folder, "etc/tonel", name), "a", encoding="utf-8") as file:
                file.write("# of the later version\n")
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", folder,
                        folder + ".deb"], check=True, stdout=subprocess.DEVNULL)
    return folder + ".deb"


def files(root):
    """Every path of a system that a package could have to do with."""
    found = set()
    for folder, folders, names in os.walk(root):
        inside = "/" + os.path.relpath(folder, root).removeprefix(".")
        folders[:] = [name for name in folders
                      if not NOT_OURS.match(os.path.join(inside, name) + "/")]
        found |= {os.path.join(inside, name) for name in folders + names
                  if not NOT_OURS.match(os.path.join(inside, name))}
    return found


class Host:
    """A system that the package is put on: `run` runs a shell line there."""

    def __init__(self, root, run):
        self.root, self.run = root, run
        self.files, self.users = files(root), self._users()

    def _users(self):
        return self.read("/etc/passwd") + self.read("/etc/group")

    def read(self, path):
        with open(self.root + path, encoding="utf-8") as file:
            return file.read()

    def has(self, path):
        return os.path.lexists(self.root + path)

    def install(self, deb):
        """As an administrator does who keeps changed configuration files."""
        shutil.copy(deb, self.root + "/opt/tonel.deb")
        return self.run("DEBIAN_FRONTEND=noninteractive dpkg --force-confdef --force-confold "
                        "--install /opt/tonel.deb </dev/null")

    def remove(self):
        self.run("dpkg --remove tonel")
        for path in ("/usr/bin/tonelc", "/usr/bin/tonels", "/lib/systemd/system/tonelc.service"):
            assert not self.has(path), path
        assert self.has("/etc/tonel/client.conf"), "a removal keeps the configuration"

    def purge(self):
        self.run("dpkg --purge tonel")
        left = sorted(files(self.root) - self.files)
        gone = sorted(self.files - files(self.root))
        assert not left, f"left: {left}"
        assert not gone, f"gone: {gone}"
        assert self._users() == self.users
        assert "tonel" not in self.run("dpkg --get-selections")


@contextlib.contextmanager
def chroot():
    """A system on which nothing runs, as an image is when it is being built."""
    base, own = containers._base(), os.path.join(WORK, "chroot")
    root = os.path.join(own, "root")
    for folder in ("upper", "work", "root"):
        os.makedirs(os.path.join(own, folder))
    subprocess.run(["mount", "-t", "overlay", "tonel-chroot", "-o",
                    f"lowerdir={base},upperdir={own}/upper,workdir={own}/work", root], check=True)
    for folder in ("dev", "proc"):
        subprocess.run(["mount", "--bind", f"/{folder}", f"{root}/{folder}"], check=True)

    def run(line):
        done = subprocess.run(["chroot", root, "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                               "sh", "-c", line], text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, f"{line}: {done.stdout}"
        return done.stdout
    try:
        yield Host(root, run)
    finally:
        for folder in ("dev", "proc", ""):
            subprocess.run(["umount", "--lazy", f"{root}/{folder}"], check=False)
        shutil.rmtree(own, ignore_errors=True)


def edit(host, path, old, new):
    text = host.read(path)
    assert old in text, f"{old} is not in {path}"
    with open(host.root + path, "w", encoding="utf-8") as file:
        file.write(text.replace(old, new))


@case("install, upgrade, remove and purge where nothing runs", deadline=90)
def offline():
    deb = built(processes.bin_dir)
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
        assert host.run("dpkg-query -f '${Version}' -W tonel") == version + "+later"
        host.remove()
        host.install(deb)
        assert "203.0.113.7" in host.read("/etc/tonel/client.conf")
        host.purge()
        host.install(deb)
        host.purge()


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
    deb = built(processes.bin_dir)
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
        hosts[0].remove()
        assert near.main_pid("tonelc.service") == near.main_pid(INSTANCE) == 0
        for box, host in zip((near, far), hosts):
            host.purge()
            assert box.run("pgrep -l tonel", check=False) == ""
        # The kernel takes a process' rules and devices away when the process is gone already.
        wait_until(lambda: [network(box) for box in (near, far)] == networks, 10,
                   f"networks as before: {networks}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--bin", required=True)
    arguments = parser.parse_known_args()[0]
    containers.prepare(arguments, dependencies(built(arguments.bin)))
    harness.main()
