"""Passes each built package through piuparts: installed by apt with what it depends on, removed and
purged in a root, whose files are compared. apt needs a mirror, which is the one of this machine's apt.
"""

import argparse
import os
import shutil
import subprocess
import sys

from hosts import built

import containers  # noqa: E402
import harness  # noqa: E402
import processes  # noqa: E402

PACKAGES = ["tonel", "libtonel-dev"]


def isolate():
    """Mounts and processes of the test end with it. Unlike the harness' namespaces, with the network."""
    if os.environ.get(harness.INSIDE):
        return
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n", "--preserve-env=CI", "--"]
    argv = [*as_root, "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "env",
            f"{harness.INSIDE}=1", sys.executable, "-B", os.path.abspath(sys.argv[0]), *sys.argv[1:]]
    os.execvp(argv[0], argv)


def mirrors():
    """The options that name what apt may load from."""
    options = []
    for line in containers.apt_sources():
        _, url, suite, component = line.split()
        if suite == "bookworm":
            options += ["--mirror", f"{url} {component}"]
        else:
            options += ["--extra-repo", line]
    return options


def passes(package):
    base = containers.base_root()
    # What any package leaves behind (systemd's own traces) is no fault of ours.
    done = subprocess.run(
        ["piuparts", f"--existing-chroot={base}", "-d", "bookworm", *mirrors(), "--no-eatmydata",
         "--warn-on-others", "--skip-logrotatefiles-test", built(processes.bin_dir, package)],
        env={**os.environ, "TMPDIR": containers.WORK}, stdin=subprocess.DEVNULL, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
    if done.returncode != 0:
        print(done.stdout)
    print(f"{package}: {'passed' if done.returncode == 0 else 'FAILED'}", flush=True)
    return done.returncode == 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    arguments = parser.parse_args()
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    if not shutil.which("piuparts"):
        harness._skip("not installed: piuparts (./dev setup)")
    containers.prepare(arguments, "piuparts-root", [])
    isolate()
    processes.bin_dir = os.path.abspath(arguments.bin)
    sys.exit(0 if all([passes(package) for package in PACKAGES]) else 1)


if __name__ == "__main__":
    main()
