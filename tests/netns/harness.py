"""Runs the cases of one test file, each on a fresh topology, in namespaces that nothing outlives.

A test file makes functions with @case and ends with harness.main(). Exit codes: 0 passed, 1 failed,
77 skipped (no rights for namespaces or TUN devices); where CI=true a skip is a failure.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
import traceback

import processes

SKIPPED = 77
INSIDE = "TONEL_NETNS_INSIDE"
_cases = []


class Skip(Exception):
    """Raised by a case for what this machine lacks."""


def case(description, deadline=60):
    """Registers a function as a test case that is to be done within `deadline` seconds."""
    def add(function):
        _cases.append((description, function, deadline))
        return function
    return add


def needs(*programs):
    """Skips where a program that a case compares with isn't installed."""
    missing = [p for p in programs if not shutil.which(p)]
    if missing:
        raise Skip(f"not installed: {', '.join(missing)} (./dev setup)")


def _skip(reason):
    print(f"skipped: {reason}")
    if os.environ.get("CI") == "true":
        print("CI=true: a skipped test is a failure")
        sys.exit(1)
    sys.exit(SKIPPED)


def isolate():
    """Re-executes this program in mount, PID and network namespaces of its own.

    The PID namespace dies with this process (--kill-child), and with its last process the network
    namespaces go, since their names live in the private mount namespace: no clean-up to forget.
    """
    if os.environ.get(INSIDE):
        _private_run_netns()
        return
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    missing = [p for p in ("unshare", "ip", "nft", "conntrack", "ethtool", "sysctl")
               if not shutil.which(p)]
    if missing:
        _skip(f"not installed: {', '.join(missing)} (./dev setup)")
    program = [sys.executable, os.path.abspath(sys.argv[0]), *sys.argv[1:]]
    unshare = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() == 0:
        _make_tun_node()
    elif _works([*unshare, "--user", "--map-root-user", "sh", "-c", ": <>/dev/net/tun"]):
        unshare += ["--user", "--map-root-user"]
    elif shutil.which("sudo") and _works(["sudo", "-n", "true"]):
        unshare = ["sudo", "-n", "--preserve-env=CI", "--", *unshare]
    else:
        _skip("network namespaces and /dev/net/tun need root")
    if not _works([*unshare, "true"]):
        _skip("network namespaces can't be made here (in a container it needs CAP_SYS_ADMIN)")
    os.execvp(unshare[0], [*unshare, "env", f"{INSIDE}=1", *program])


def _works(argv):
    return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0


def _make_tun_node():
    # Minimal roots and some containers have no device node, though the kernel has the driver.
    if not os.path.exists("/dev/net/tun"):
        try:
            os.makedirs("/dev/net", exist_ok=True)
            os.mknod("/dev/net/tun", 0o666 | 0o020000, os.makedev(10, 200))
        except OSError as error:
            _skip(f"no /dev/net/tun and it can't be made: {error}")


def _private_run_netns():
    try:
        os.makedirs("/run/netns", exist_ok=True)
        target = "/run/netns"
    except PermissionError:
        target = "/run"
    subprocess.run(["mount", "-t", "tmpfs", "tonel-tests", target], check=True)
    os.makedirs("/run/netns", exist_ok=True)
    # The programs' control sockets: each file's own, and none of the machine's.
    try:
        os.makedirs("/run/tonel", exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "tonel-tests", "/run/tonel"], check=True)
    except PermissionError:
        pass  # then what lies below is the user's own, and tonelctl looks there too


def _report_failure():
    print(traceback.format_exc())
    for process in processes.Process.started:
        state = "running" if process.alive() else f"exit {process.popen.returncode}"
        lines = process.output().splitlines()
        print(f"--- {process.name} ({state}): {' '.join(process.argv)}")
        if len(lines) > 150:
            lines = lines[:40] + [f"... {len(lines) - 140} lines ..."] + lines[-100:]
        print("\n".join(lines))
    print("---")


def _run(function):
    """One case; what it started is ended, and sanitizer reports of all of it count."""
    processes.Process.started = []
    try:
        function()
        for process in processes.Process.started:
            process.assert_no_report()
    finally:
        for process in processes.Process.started:
            process.kill()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True, help="folder with tonelc, tonels, tonel-traffic")
    parser.add_argument("--only", default="", help="run cases whose description contains this")
    parser.add_argument("--path", choices=("nat", "bpf"), default="nat",
                        help="how the tunnel's packets pass their hosts, where the case has no say in it")
    arguments = parser.parse_args()
    isolate()
    processes.bin_dir = os.path.abspath(arguments.bin)
    processes.path = arguments.path
    # No name server answers in these namespaces; a program that asks one is to learn that soon.
    os.environ["RES_OPTIONS"] = "timeout:1 attempts:1"
    failed = skipped = 0
    chosen = [c for c in _cases if arguments.only in c[0]]
    if not chosen:
        print("no case chosen")
        sys.exit(1)
    for description, function, deadline in chosen:
        began = time.monotonic()
        print(f"case: {description}", flush=True)
        try:
            _run(function)
            took = time.monotonic() - began
            if took > deadline:
                raise AssertionError(f"took {took:.0f} s, over its {deadline} s")
            print(f"  passed ({took:.1f} s)", flush=True)
        except Skip as reason:
            skipped += 1
            print(f"  skipped: {reason}", flush=True)
        except Exception:  # pylint: disable=broad-except  # a fault of any kind is the case's fault
            failed += 1
            _report_failure()
            print(f"  FAILED: {description} ({time.monotonic() - began:.1f} s)", flush=True)
    print(f"{len(chosen) - failed - skipped} passed, {failed} failed, {skipped} skipped")
    if failed or (skipped and os.environ.get("CI") == "true"):
        sys.exit(1)
    sys.exit(SKIPPED if skipped else 0)
