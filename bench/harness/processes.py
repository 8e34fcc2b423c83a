"""Programs that are started, watched and ended, and the CPU time that they take."""

import json
import os
import re
import resource
import signal
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")


class Failure(Exception):
    """A run that cannot be measured; the message says why."""


def sh(*words, check=True):
    done = subprocess.run(words, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise Failure(f"{' '.join(words)}: {done.stderr.strip() or done.returncode}")
    return done


def wait_for(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"{what} did not happen within {seconds} s")
        time.sleep(0.01)


def pass_time(seconds):
    """Lets a span of the measurement go by."""
    end = time.monotonic() + seconds
    wait_for(lambda: time.monotonic() >= end, seconds + 5, "time")


class Process:
    """A program in a namespace, with its output in files."""

    def __init__(self, namespace, words, folder, name):
        self.name = name
        self.out_path = os.path.join(folder, name + ".out")
        self.err_path = os.path.join(folder, name + ".err")
        with open(self.out_path, "w") as out, open(self.err_path, "w") as err:
            # `ip netns exec` becomes the program: the pid is the program's.
            self.popen = subprocess.Popen(["ip", "netns", "exec", namespace, *words], stdout=out,
                                          stderr=err, stdin=subprocess.DEVNULL,
                                          start_new_session=True)

    @property
    def err(self):
        with open(self.err_path, errors="replace") as file:
            return file.read()

    def check(self):
        if self.popen.poll() is not None:
            tail = self.err.strip()[-400:]
            raise Failure(f"{self.name} ended with {self.popen.returncode}: {tail}")

    def await_listening(self):
        def listening():
            self.check()
            return "listening" in self.err
        wait_for(listening, 5, f"{self.name} listening")

    def json(self, timeout):
        """What it prints at its end; asked to end if it does not by itself."""
        try:
            self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.stop()
        with open(self.out_path) as file:
            text = file.read()
        try:
            return json.loads(text)
        except ValueError:
            tail = self.err.strip()[-400:]
            raise Failure(f"{self.name} printed {text!r}, and {tail!r}") from None

    def cpu(self):
        """Seconds of all its threads: from the scheduler, to the nanosecond, where it tells."""
        base = f"/proc/{self.popen.pid}"
        try:
            total = 0
            for task in os.listdir(f"{base}/task"):
                with open(f"{base}/task/{task}/schedstat") as file:
                    total += int(file.read().split()[0])
            return total / 1e9
        except FileNotFoundError:
            with open(f"{base}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / TICK

    def status(self, key):
        """Sum of a number over its threads' status files; memory is the process's."""
        base = f"/proc/{self.popen.pid}"
        paths = [f"{base}/status"] if key == "VmRSS" else [
            f"{base}/task/{task}/status" for task in os.listdir(f"{base}/task")]
        total = 0
        for path in paths:
            with open(path) as file:
                total += int(re.search(rf"^{key}:\s+(\d+)", file.read(), re.M).group(1))
        return total

    def wakes(self):
        return self.status("voluntary_ctxt_switches")

    def counters(self):
        """What tonelc or tonels has counted so far, as it logs on SIGUSR1."""
        before = len(self.err)
        self.popen.send_signal(signal.SIGUSR1)
        sizes = [before]

        def complete():  # the lines are written at once: no more have come for a while
            sizes.append(len(self.err))
            return sizes[-1] > before and len(sizes) > 10 and sizes[-10] == sizes[-1]
        wait_for(complete, 5, f"counters of {self.name}")
        return {name: int(value) for name, value in
                re.findall(r"\b([a-z]+(?:_[a-z0-9]+)+) (\d+)$", self.err[before:], re.M)}

    def stop(self):
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(5)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()


def machine_cpu():
    """Seconds that the CPUs were not idle. Kernels that account by ticks sample the busy fields,
    and miss whatever runs for less than a tick; the idle time is measured."""
    with open("/proc/stat") as file:
        text = file.read()
    idle, iowait = (int(x) for x in text.split("\n", 1)[0].split()[4:6])
    cpus = len(re.findall(r"^cpu\d", text, re.M))
    return time.monotonic() * cpus - (idle + iowait) / TICK


def reaped_cpu():
    """Seconds of all programs that this one has started and seen end."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
