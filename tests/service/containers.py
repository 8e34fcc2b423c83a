"""Debian hosts with systemd, as containers in the network namespaces of a topology.

The root is a minimal Debian 12 that mmdebstrap makes once and keeps as an archive in the build
folder. Each test run unpacks it into memory and, unless it tests the package, installs the programs
there; each host then gets a layer of its own on top of it. systemd-nspawn boots it. Everything lives in the
private mount and PID namespaces of the harness, so that nothing of it outlives a test but empty
control groups, which are removed.
"""

import ctypes
import ctypes.util
import glob
import hashlib
import os
import re
import secrets
import shutil
import signal
import stat
import subprocess
import sys

import harness
import processes
from processes import wait_until

WORK = "/mnt"  # hidden by a tmpfs in the harness' mount namespace, so that nothing is left behind
# systemd itself, what a unit's ExecReload= calls, and tools to look at the host with.
PACKAGES = ["systemd", "systemd-sysv", "dbus", "procps", "iproute2"]
BOOT_SECONDS = 60
# What only makes a root large, and where mmdebstrap leaves that dpkg was told so.
LEFT_OUT = [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "man", "locale")]
EXCLUDES = "etc/dpkg/dpkg.cfg.d/99mmdebstrap"
# The folder of the root's archive, and what the root is made of where a package is to be tested;
# None: PACKAGES, the programs, and their libraries.
_folder, _packages = "service", None


def unable(reason):
    """This machine can't do it at all, so that it is no failure even where CI=true."""
    print(f"skipped: {reason}")
    sys.exit(harness.SKIPPED)


def prepare(arguments, folder="service", packages=None):
    """Before the harness isolates itself, and with it loses the network: the archive of the root.

    With `packages` it is a root that has those, and not the programs; with none of them the smallest
    Debian, whole. A folder keeps one root.
    """
    global _folder, _packages  # pylint: disable=global-statement  # once a run, before anything else
    _folder, _packages = folder, packages
    if os.environ.get(harness.INSIDE):
        return
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n", "--"]
    if as_root and not _works([*as_root, "true"]):
        unable("containers need root's rights")
    if not as_root and not _is_real_root():
        unable("containers need the machine's own root")
    mounts = _group_mounts()
    if not mounts or not all(_works([*as_root, "test", "-w", mount]) for mount in mounts):
        unable("no control groups here that can be written")
    missing = [p for p in ("systemd-nspawn", "mmdebstrap", "cmake") if not shutil.which(p)]
    if missing:
        harness._skip(f"not installed: {', '.join(missing)} (./dev setup)")
    archive(arguments.bin, as_root)


def _works(argv):
    return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0


def _is_real_root():
    with open("/proc/self/uid_map", encoding="ascii") as file:
        return file.read().split() == ["0", "0", "4294967295"]


def archive(bin_dir, as_root=()):
    """The path of the root's archive, which is made if there is none with these packages."""
    packages = sorted(set(PACKAGES + _libraries(bin_dir) if _packages is None else _packages))
    key = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:12]
    folder = os.path.join(os.path.dirname(os.path.abspath(bin_dir)), _folder)
    path = os.path.join(folder, f"root-{key}.tar")
    if os.path.exists(path):
        return path
    os.makedirs(folder, exist_ok=True)
    for old in glob.glob(os.path.join(folder, "root-*")):
        os.remove(old)
    sources = os.path.join(folder, "sources.list")
    with open(sources, "w", encoding="ascii") as file:
        file.write("\n".join(apt_sources()) + "\n")
    print(f"making a root with {' '.join(packages) or 'nothing more'}", flush=True)
    unfinished = os.path.join(folder, f"root-{key}.unfinished.tar")
    done = subprocess.run(
        [*as_root, "mmdebstrap", "--quiet", "--variant=minbase", *_apt_options(),
         *([f"--include={','.join(packages)}", *LEFT_OUT] if packages else []), "bookworm",
         unfinished, sources],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        if os.path.exists(unfinished):
            os.remove(unfinished)
        harness._skip(f"no root can be made: {done.stdout[-1500:]}")
    os.rename(unfinished, path)
    return path


def _libraries(bin_dir):
    """The packages that the programs' shared libraries come from."""
    paths = set()
    for program in ("tonelc", "tonels"):
        out = subprocess.run(["ldd", os.path.join(bin_dir, program)], stdout=subprocess.PIPE,
                             text=True, check=True).stdout
        paths |= set(re.findall(r"=> (/\S+)", out))
    packages = set()
    for path in paths:
        # dpkg knows a file by the name it was packed with, before /lib became a link to /usr/lib.
        for name in (path, "/usr" + path, path.removeprefix("/usr")):
            found = subprocess.run(["dpkg-query", "-S", name], stdout=subprocess.PIPE, text=True,
                                   stderr=subprocess.DEVNULL).stdout
            if found:
                packages.add(found.split(":")[0])
                break
    return sorted(packages)


def apt_sources():
    """The mirror that this machine's apt uses for its own suite."""
    out = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)",
                          "Identifier: Packages"], stdout=subprocess.PIPE, text=True).stdout
    lines = {"deb " + line for line in out.splitlines()
             if re.match(r"\S+ bookworm\S* main", line)}
    if not lines:
        unable("apt knows no mirror of Debian 12")
    return sorted(lines)


def _apt_options():
    out = subprocess.run(["apt-config", "dump"], stdout=subprocess.PIPE, text=True).stdout
    return [f"--aptopt={line}" for line in out.splitlines()
            if re.match(r'Acquire::(Check-|http|https|Proxy|AllowInsecure|Retries)\S* ".+";', line)]


def base_root():
    """The unpacked root with the programs installed, made once a run."""
    base = os.path.join(WORK, "base")
    if os.path.isdir(base):
        return base
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tonel-hosts", WORK], check=True)
    os.makedirs(base)
    subprocess.run(["tar", "-C", base, "--exclude=./dev/*", "-xf",
                    archive(processes.bin_dir)], check=True)
    if _packages is not None:
        # What was left out of the root is not to be left out of the package, too.
        if _packages:
            os.remove(os.path.join(base, EXCLUDES))
        return base
    build = os.path.dirname(processes.bin_dir)
    done = subprocess.run(["cmake", "--install", build], env={**os.environ, "DESTDIR": base},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return base


class Container:
    """A host of the topology with a system of its own, booted."""

    def __init__(self, host):
        self.host = host
        self.name = f"{host.role}-{secrets.token_hex(4)}"
        self.nspawn = self.leader = None
        self.groups = []
        self.root = self._layer()
        try:
            self._boot()
        except BaseException:
            print(f"{self.name}: {self.state() if self.leader else 'no systemd'}\n{self.console()}")
            self.stop()
            raise

    def _layer(self):
        base = base_root()
        own = os.path.join(WORK, self.name)
        for folder in ("upper", "work", "root", "dev"):
            os.makedirs(os.path.join(own, folder))
        root = os.path.join(own, "root")
        subprocess.run(["mount", "-t", "overlay", "tonel-host", "-o",
                        f"lowerdir={base},upperdir={own}/upper,workdir={own}/work", root],
                       check=True)
        # As udev makes it on a host; this machine's may be root's alone.
        self.tun = os.path.join(own, "dev", "tun")
        os.mknod(self.tun, stat.S_IFCHR | 0o666, os.makedev(10, 200))
        os.chmod(self.tun, 0o666)
        return root

    def _boot(self):
        # nspawn makes its groups below the one that it is in, always of the same names.
        enter = []
        for mount in _group_mounts():
            group = os.path.join(mount, f"tonel-{self.name}")
            os.makedirs(group, exist_ok=True)
            self.groups.append(group)
            enter.append(f"echo $$ >{group}/cgroup.procs")
        self.log = open(os.path.join(WORK, self.name, "console"), "w+", encoding="utf-8",
                        errors="replace")
        argv = ["systemd-nspawn", "--boot", "--quiet", f"--directory={self.root}",
                "--register=no", "--keep-unit", f"--machine={self.name}", "--console=pipe",
                f"--network-namespace-path=/run/netns/{self.host.name}",
                f"--bind={self.tun}:/dev/net/tun", "--capability=CAP_NET_ADMIN",
                "--resolv-conf=off", "--timezone=off"]
        self.nspawn = subprocess.Popen(["sh", "-c", "; ".join([*enter, 'exec "$@"']), "sh", *argv],
                                       stdin=subprocess.DEVNULL, stdout=self.log,
                                       stderr=subprocess.STDOUT)
        self.leader = wait_until(self._find_leader, BOOT_SECONDS, "a container's systemd")
        wait_until(lambda: self.state() in ("running", "degraded"), BOOT_SECONDS, "a boot")

    def _find_leader(self):
        assert self.nspawn.poll() is None, f"nspawn ended: {self.console()}"
        for child in _children(self.nspawn.pid):
            try:
                with open(f"/proc/{child}/comm", encoding="ascii") as file:
                    if file.read().strip() == "systemd":
                        return child
            except OSError:
                pass
        return None

    def console(self):
        self.log.flush()
        self.log.seek(0)
        return self.log.read()

    def command(self, argv):
        return ["nsenter", f"--target={self.leader}", "--mount", "--uts", "--ipc", "--net", "--pid",
                "--cgroup", "--root", "--wd", "env", "-i", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "TERM=dumb", *argv]

    def run(self, line, check=True):
        """Runs a shell line as root of the container and gives what it printed."""
        done = subprocess.run(self.command(["sh", "-c", line]), stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
        if check and done.returncode != 0:
            raise RuntimeError(f"{self.name}: {line!r} gave {done.returncode}: {done.stdout}")
        return done.stdout

    def state(self):
        return self.run("systemctl is-system-running", check=False).strip()

    def write(self, path, text, mode=0o644):
        path = self.root + path
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)

    def show(self, unit, name):
        return self.run(f"systemctl show --property={name} --value {unit}").strip()

    def main_pid(self, unit):
        """The number of the unit's process as this machine sees it; 0: it does not run."""
        inner = self.show(unit, "MainPID")
        if inner == "0":
            return 0
        for path in glob.glob("/proc/[0-9]*/status"):
            try:
                with open(path, encoding="utf-8", errors="replace") as file:
                    text = file.read()
            except OSError:
                continue
            # One number a PID namespace, from the outermost to its own.
            numbers = re.search(r"^NSpid:\s+(.*)$", text, re.M).group(1).split()
            if len(numbers) > 1 and numbers[-1] == inner and self._is_ours(path):
                return int(numbers[0])
        return 0

    def _is_ours(self, status):
        try:
            return (os.readlink(os.path.join(os.path.dirname(status), "ns/pid")) ==
                    os.readlink(f"/proc/{self.leader}/ns/pid"))
        except OSError:
            return False

    def journal(self, unit, *options):
        return self.run(f"journalctl --no-pager -o short-precise -u {unit} {' '.join(options)}")

    def stop(self):
        if self.nspawn and self.nspawn.poll() is None:
            self.nspawn.send_signal(signal.SIGTERM)  # an orderly power-off
            try:
                self.nspawn.wait(30)
            except subprocess.TimeoutExpired:
                self.nspawn.kill()
                self.nspawn.wait(10)
        subprocess.run(["umount", "--lazy", self.root], check=False)
        shutil.rmtree(os.path.join(WORK, self.name), ignore_errors=True)
        for group in self.groups:
            for folder, _, _ in os.walk(group, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def _group_mounts():
    """Where systemd keeps its groups: the unified tree, and its own where the old ones are used."""
    mounts = []
    with open("/proc/self/mounts", encoding="utf-8") as file:
        for line in file:
            _, path, kind, options = line.split()[:4]
            if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
                mounts.append(path)
    return mounts


def _children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(n) for n in file.read().split()]
    except OSError:
        return []


class Frozen:
    """One thread of a process, which stands still as long as this lasts: as a handler that does not
    return would keep it. A signal would stop all threads; a tracer stops one."""

    SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17

    def __init__(self, pid, thread_name):
        self.tid = self._thread(pid, thread_name)
        self._ptrace(self.SEIZE)
        self._ptrace(self.INTERRUPT)
        os.waitpid(self.tid, 0x40000000)  # __WALL

    @staticmethod
    def _thread(pid, name):
        for tid in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{tid}/comm", encoding="ascii") as file:
                if file.read().strip() == name:
                    return int(tid)
        raise AssertionError(f"no thread {name} in {pid}")

    def _ptrace(self, request):
        libc = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
        libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        if libc.ptrace(request, self.tid, None, None) != 0:
            raise OSError(ctypes.get_errno(), "ptrace")

    def ended(self):
        """Whether the process has been killed meanwhile; its parent learns of it by this call."""
        try:
            tid, status = os.waitpid(self.tid, os.WNOHANG | 0x40000000)
        except ChildProcessError:
            return True
        return tid != 0 and (os.WIFSIGNALED(status) or os.WIFEXITED(status))
