"""Life as a service: real systemd, in containers on both ends of the topology's router."""

import argparse
import contextlib
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "netns"))

import containers  # noqa: E402
import harness  # noqa: E402
from apps import Upstream, ask  # noqa: E402
from containers import Container, Frozen  # noqa: E402
from harness import case  # noqa: E402
from processes import joined, sanitized, wait_until  # noqa: E402
from topology import Topology  # noqa: E402

PORT, APP_PORT, UPSTREAM_PORT = 4567, 5000, 7000
UNITS = ["tonelc.service", "tonels.service", "tonelc@.service", "tonels@.service"]


def configure(box, unit, local, remote, options=(), extra=""):
    """The configuration that comes with the program, with these addresses; options of the whole
    process beside it; extra: what else the unit is to have."""
    side = "client" if unit.startswith("tonelc") else "server"
    text = box.run(f"cat /usr/*/share/doc/tonel/examples/{side}.conf "
                   f"/usr/share/doc/tonel/examples/{side}.conf 2>/dev/null || true")
    text = re.sub(r"^local = .*$", f"local = {local}", text, count=1, flags=re.M)
    text = re.sub(r"^remote = .*$", f"remote = {remote}", text, count=1, flags=re.M)
    assert f"local = {local}\n" in text and f"remote = {remote}\n" in text, text
    box.write(f"/etc/tonel/{side}.conf", text)
    box.write(f"/etc/tonel/{side}.d/test.conf", "".join(f"{line}\n" for line in options))
    # A sanitizer's leak check traces its process, which the sandbox forbids.
    environment = "Environment=ASAN_OPTIONS=detect_leaks=0\n" if sanitized() else ""
    if environment or extra:
        box.write(f"/etc/systemd/system/{unit}.d/test.conf", f"[Service]\n{environment}{extra}")
    box.run("systemctl daemon-reload")


def start(box, unit):
    box.run(f"systemctl start {unit} || (journalctl --no-pager -u {unit}; false)")


@contextlib.contextmanager
def pair(top, family=4):
    """Both services up, with an application's socket on one end and an echo on the other."""
    loopback = "127.0.0.1" if family == 4 else "::1"
    address = top.SERVER4 if family == 4 else top.SERVER6
    with Container(top.client) as near, Container(top.server) as far:
        configure(near, "tonelc.service", joined(loopback, APP_PORT), joined(address, PORT),
                  ["tun = tunc"])
        configure(far, "tonels.service", PORT, joined(loopback, UPSTREAM_PORT), ["tun = tuns"])
        start(far, "tonels.service")
        start(near, "tonelc.service")
        with Upstream(top.server.udp(loopback, UPSTREAM_PORT)) as upstream, \
                top.client.udp(loopback, connect=(loopback, APP_PORT)) as app:
            near.upstream = upstream
            yield near, far, app


def restarted(box, unit, before, seconds=20):
    """Waits until the unit runs again in another process."""
    def again():
        pid = box.main_pid(unit)
        return pid not in (0, before) and box.show(unit, "ActiveState") == "active" and pid
    return wait_until(again, seconds, f"{unit} in a new process")


@case("the units are well formed and tightly confined", deadline=90)
def well_formed():
    with Topology() as top, Container(top.client) as box:
        folder = os.path.dirname(box.show("tonelc.service", "FragmentPath"))
        for unit in UNITS:
            text = box.run(f"systemd-analyze verify --man=no {folder}/{unit} 2>&1")
            assert text == "", f"{unit}: {text}"
            text = box.run(f"systemd-analyze security --no-pager --offline=true --threshold=21 "
                           f"{folder}/{unit}")
            print(f"  {unit}: {text.strip().splitlines()[-1]}")


@case("start, status, reload, kill -9, stop", deadline=120)
def life():
    with Topology() as top, Container(top.client) as box:
        unit = "tonelc.service"
        configure(box, unit, f"127.0.0.1:{APP_PORT}", f"{top.SERVER4}:{PORT}", ["tun = tunc"])
        before = top.client.run("sysctl -a 2>/dev/null | grep -E 'forwarding|ip_forward |accept_ra '")
        start(box, unit)
        assert "tunc" in top.client.run("ip -o link show")
        wait_until(lambda: box.show(unit, "StatusText") == "0 sessions", 5, "a status")
        pid = box.main_pid(unit)
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            status = file.read()
        assert not re.search(r"^Uid:\s+0\b", status, re.M), status
        for which in ("CapPrm", "CapEff", "CapBnd"):
            assert re.search(rf"^{which}:\s+0*1000$", status, re.M), f"more than CAP_NET_ADMIN: {status}"
        assert re.search(r"^NoNewPrivs:\s+1$", status, re.M), status
        assert re.search(r"^Seccomp:\s+2$", status, re.M), status

        assert "tonel_tunc" in top.client.run("nft list tables"), "ready, but no rules"
        assert "tunc" in box.run("tonelctl status"), "root of the host is not answered"

        box.write("/etc/tonel/client.d/two.conf",
                  f"[tunnel.two]\nlocal = 127.0.0.1:{APP_PORT + 1}\nremote = {top.SERVER4}:{PORT + 1}\n")
        box.run(f"systemctl reload {unit}")
        wait_until(lambda: "tunnels that started: 1" in box.journal(unit), 10, "another tunnel")
        wait_until(lambda: box.show(unit, "ActiveState") == "active", 10, "the end of the reload")
        assert box.main_pid(unit) == pid, "a reload is no restart"
        assert str(PORT + 1) in top.client.run("nft list table inet tonel_tunc")
        box.write("/etc/tonel/client.d/wrong.conf", "mtu = 1\n")
        text = box.run(f"systemctl reload {unit}", check=False)
        assert "failed" in text and box.show(unit, "ActiveState") == "active", text
        box.run("rm /etc/tonel/client.d/wrong.conf")
        box.run(f"systemctl reload {unit}")

        os.kill(pid, 9)
        again = restarted(box, unit, pid)
        assert "tunc" in top.client.run("ip -o link show")
        assert box.show(unit, "NRestarts") == "1"

        box.run(f"systemctl stop {unit}")
        assert box.show(unit, "Result") == "success", box.journal(unit)
        assert box.show(unit, "ExecMainStatus") == "0"
        assert not os.path.exists(f"/proc/{again}")
        assert "tunc" not in top.client.run("ip -o link show")
        # Files that are locked can't be removed without a race.
        assert box.run("ls -A /run/tonel").split() == ["rules", "rules.lock", "turn"]
        assert box.run("cat /run/tonel/*") == ""
        assert "tonel" not in top.client.run("nft list tables")
        after = top.client.run("sysctl -a 2>/dev/null | grep -E 'forwarding|ip_forward |accept_ra '")
        assert after == before, "sysctls differ"


@case("a wrong configuration is told and not tried again", deadline=60)
def wrong():
    with Topology() as top, Container(top.client) as box:
        unit = "tonelc.service"
        configure(box, unit, "nonsense", "192.0.2.1:1")
        text = box.run(f"systemctl start {unit}", check=False)
        assert "failed" in text, text
        assert box.show(unit, "ExecMainStatus") == "2"
        assert box.show(unit, "NRestarts") == "0"
        assert re.search(r"client.conf:\d+: local nonsense", box.journal(unit))


@case("what the sandbox lets through, and what not", deadline=60)
def sandbox():
    script = """
      set -u
      try() { if "$@" 2>/dev/null; then echo "yes: $*"; else echo "no: $*"; fi; }
      put() { echo "$1" >"$2"; }
      try test -w /dev/net/tun
      try put 1 /proc/sys/net/ipv4/conf/c0/forwarding
      try put 1 /proc/sys/net/ipv6/conf/all/forwarding
      try put 2 /proc/sys/net/ipv6/conf/c0/accept_ra
      try put x /run/tonel/state
      try put 0 /proc/sys/net/ipv4/tcp_syncookies
      try put x /etc/x
      try put x /var/lib/x
      try cat /dev/kmsg
      try ls /root
      try unshare --net true
      """
    expected = """
      yes: test -w /dev/net/tun
      yes: put 1 /proc/sys/net/ipv4/conf/c0/forwarding
      yes: put 1 /proc/sys/net/ipv6/conf/all/forwarding
      yes: put 2 /proc/sys/net/ipv6/conf/c0/accept_ra
      yes: put x /run/tonel/state
      no: put 0 /proc/sys/net/ipv4/tcp_syncookies
      no: put x /etc/x
      no: put x /var/lib/x
      no: cat /dev/kmsg
      no: ls /root
      no: unshare --net true
      """
    with Topology() as top, Container(top.client) as box:
        box.write("/opt/try.sh", script)
        configure(box, "tonelc.service", "127.0.0.1:1", "192.0.2.1:1", (), "Type=oneshot\nRestart=no\nWatchdogSec=0\nExecStart=\n"
                  "ExecStart=/bin/sh /opt/try.sh\n")
        box.run("systemctl start tonelc.service", check=False)
        told = re.findall(r"^(?:yes|no): .*$",
                          box.run("journalctl --no-pager -o cat -u tonelc.service"), re.M)
        assert told == [line.strip() for line in expected.strip().splitlines()], "\n".join(told)


@case("a tunnel between two services carries datagrams", deadline=180)
def tunnel():
    for family in (4, 6):
        with Topology() as top, pair(top, family) as (near, far, app):
            for i in range(50):
                text = bytes([i]) * (20 * i + 1)
                ask(app, text)
            # The upstream's half of the tunnel goes on over a reload of both.
            for box, unit in ((near, "tonelc.service"), (far, "tonels.service")):
                box.run(f"systemctl reload {unit}")
                ask(app, unit.encode())
            # It goes on over restarts of the client, too, whichever way that ends.
            for end in ("systemctl restart tonelc.service", "systemctl kill -s KILL tonelc.service"):
                pid = near.main_pid("tonelc.service")
                wait_until(lambda: near.run("cat /var/lib/tonel/tonelc/sessions",
                                            check=False).count("\n") == 2,
                           15, "the session is not written")
                near.run(end)
                restarted(near, "tonelc.service", pid)
                ask(app, end.encode(), 15)
            assert len(near.upstream.sources()) == 1, near.upstream.sources()
            assert near.run("stat -Lc %a /var/lib/tonel/tonelc").strip() == "700"
            pid = far.main_pid("tonels.service")
            os.kill(pid, 9)
            restarted(far, "tonels.service", pid)
            ask(app, b"anew", 15)
            top.assert_clean(expect_invalid=True)
            for box, unit in ((near, "tonelc.service"), (far, "tonels.service")):
                box.run(f"systemctl stop {unit}")
                assert box.show(unit, "ExecMainStatus") == "0", box.journal(unit)


@case("the journal has levels; json lines go there, too", deadline=90)
def journal():
    with Topology() as top, Container(top.client) as box:
        unit = "tonelc.service"

        def lines():
            text = box.run(f"journalctl --no-pager -o json -u {unit} _COMM=tonelc")
            return [json.loads(line) for line in text.splitlines()]

        configure(box, unit, f"127.0.0.1:{APP_PORT}", f"nobody.invalid:{PORT}", ["tun = tunc"])
        start(box, unit)
        found = wait_until(lambda: [line for line in lines() if "does not resolve" in line["MESSAGE"]],
                           20, "a warning")
        assert found[0]["PRIORITY"] == "4", found
        assert found[0]["MESSAGE"].startswith("tunnel main: the remote's name"), "neither time nor level in it"
        told = [line for line in lines() if "listening on" in line["MESSAGE"]]
        assert told and told[0]["PRIORITY"] == "6", told
        box.run(f"systemctl stop {unit}")
        configure(box, unit, f"127.0.0.1:{APP_PORT}", f"{top.SERVER4}:{PORT}",
                  ["tun = tunc", "log-format = json"])
        start(box, unit)
        told = [json.loads(line["MESSAGE"]) for line in lines() if line["MESSAGE"].startswith("{")]
        assert any("listening on" in line["message"] and line["level"] == "info"
                   for line in told), told


@case("a log file that is moved away is opened again", deadline=60)
def rotation():
    with Topology() as top, Container(top.client) as box:
        unit, log = "tonelc.service", "/var/log/tonel/tonelc.log"
        configure(box, unit, f"127.0.0.1:{APP_PORT}", f"{top.SERVER4}:{PORT}",
                  ["tun = tunc", f"log-output = {log}"], "LogsDirectory=tonel\n")
        start(box, unit)
        assert " info tunnel main: listening on " in box.run(f"cat {log}")
        box.run(f"mv {log} {log}.1; systemctl kill --kill-whom=main --signal=USR2 {unit}")
        wait_until(lambda: box.run(f"test -e {log}; echo $?") == "0\n", 5, "a new file")
        box.run(f"systemctl stop {unit}")
        assert " info stopped" in box.run(f"cat {log}")
        assert " info stopped" not in box.run(f"cat {log}.1")


@case("a stuck thread is found by the watchdog, which starts the program anew", deadline=150)
def watchdog():
    with Topology() as top, Container(top.client) as box:
        unit = "tonelc.service"
        configure(box, unit, f"127.0.0.1:{APP_PORT}", f"{top.SERVER4}:{PORT}",
                  ["tun = tunc", "tun-queues = 2"], "WatchdogSec=4s\n")
        start(box, unit)
        first = box.main_pid(unit)
        # A healthy one is left alone for several intervals: until it is fed that often.
        fed = set()
        wait_until(lambda: fed.add(box.show(unit, "WatchdogTimestampMonotonic")) or len(fed) > 4,
                   30, "five feedings")
        assert box.main_pid(unit) == first and box.show(unit, "NRestarts") == "0"
        for thread in ("shard-1", "control"):
            before = box.main_pid(unit)
            stuck = Frozen(before, thread)
            wait_until(stuck.ended, 30, f"the end of a process whose {thread} is stuck")
            restarted(box, unit, before)
        assert box.journal(unit).count("Watchdog timeout") == 2, box.journal(unit)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--bin", required=True)
    containers.prepare(parser.parse_known_args()[0])
    harness.main()
