"""Packages that package_build has put into the build folder, and systems that they are put on."""

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
from containers import WORK  # noqa: E402

# What dpkg, systemd and the C library write for themselves when any package comes and goes.
NOT_OURS = re.compile(
    r"/(dev|proc|sys|tmp|opt|run(?!/(private/)?tonel)|var/(cache|tmp|log/(?!tonel|private/tonel))|"
    r"var/lib/dpkg/[^/]+(?:-old)?|var/lib/dpkg/(triggers|updates|alternatives)/.*|"
    r"var/lib/(systemd|private)(?!.*tonel)|etc/(\.pwd\.lock|ld\.so\.cache|machine-id|\.updated))(/|$)")


def built(bin_dir, package):
    found = glob.glob(os.path.join(os.path.dirname(os.path.abspath(bin_dir)), "package",
                                   f"{package}_*.deb"))
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
    folder = os.path.join(WORK, "newer-" + field(deb, "Package"))
    if not os.path.isdir(folder):
        subprocess.run(["dpkg-deb", "--raw-extract", deb, folder], check=True)
        control = os.path.join(folder, "DEBIAN", "control")
        with open(control, encoding="utf-8") as file:
            text = file.read()
        with open(control, "w", encoding="utf-8") as file:
            file.write(re.sub(r"^Version: (.*)$", r"Version: \1+later", text, flags=re.M))
        for path in glob.glob(os.path.join(folder, "etc/tonel/*.conf")):
            with open(path, "a", encoding="utf-8") as file:
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
        shutil.copy(deb, self.root + "/opt/package.deb")
        return self.run("DEBIAN_FRONTEND=noninteractive dpkg --force-confdef --force-confold "
                        "--install /opt/package.deb </dev/null")

    def version(self, package):
        return self.run(f"dpkg-query -f '${{Version}}' -W {package}")

    def purge(self, package):
        """And then nothing is left of it."""
        self.run(f"dpkg --purge {package}")
        left = sorted(files(self.root) - self.files)
        gone = sorted(self.files - files(self.root))
        assert not left, f"left: {left}"
        assert not gone, f"gone: {gone}"
        assert self._users() == self.users
        assert package not in self.run("dpkg --get-selections").split()


@contextlib.contextmanager
def chroot():
    """A system on which nothing runs, as an image is when it is being built."""
    base, own = containers.base_root(), os.path.join(WORK, "chroot")
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
