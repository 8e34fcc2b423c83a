#!/usr/bin/env python3
"""tonelctl doctor asks the running program, or the other end itself, why nothing gets through."""

import shutil
import tempfile

import harness
from apps import Upstream, ask
from harness import case
from processes import Process, Tunnel, tonelctl, wait_until
from topology import Topology

ARGV = ("client", "--tun", "tunc", "--remote", "10.9.2.2:4567", "--local", "127.0.0.1:5000")


def about_tunnel(host, argv=ARGV, level="fault"):
    """What is found about the tunnel; the exit code follows from it."""
    (answer,) = tonelctl(host, "doctor", *argv, "--json", expect=None)
    found = [f for f in answer["findings"] if f["about"] == "tunnel"]
    assert len(found) == 1 and found[0]["is"] == level, (level, answer["findings"])
    tonelctl(host, "doctor", *argv, expect=1 if level == "fault" else None)
    return found[0]["text"]


@case("before the first start: a closed port, a web server, tonels, a router that drops", deadline=120)
def before_the_start():
    with Topology() as top:
        # What the running server would need of this host is not the question here.
        top.client.sysctl({"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1})
        assert "refuses connections" in about_tunnel(top.client)
        web = Process(top.server, ["python3", "-m", "http.server", "4567"], name="web")
        wait_until(lambda: ":4567" in top.server.run("ss -tln"), 10, "the web server listens")
        text = about_tunnel(top.client)
        assert "is not tonels, a web server" in text, text
        web.kill()
        tunnel = Tunnel(top, start=False)
        tunnel.start_server()
        assert "tonels answers at 10.9.2.2:4567" in about_tunnel(top.client, level="ok")
        assert " warning " not in tunnel.tonels.output(), tunnel.tonels.output()
        top.block("up")
        assert "no answer from 10.9.2.2:4567" in about_tunnel(top.client)
        top.clear()
        top.client.run("ip route del default")
        assert "no route" in about_tunnel(top.client)
        tunnel.tonels.stop()


@case("a key that differs, from the files of both ends", deadline=60)
def keys():
    with Topology() as top:
        tunnel = Tunnel(top, server=["--encryption", "xor:b"], start=False)
        tunnel.start_server()
        folder = tempfile.mkdtemp()
        path = f"{folder}/client.conf"
        for key, level in (("xor:a", "fault"), ("xor:b", "ok"), (None, "fault")):
            with open(path, "w", encoding="ascii") as file:
                file.write("tun = tunc\nlocal = 127.0.0.1:5000\nremote = 10.9.2.2:4567\n" +
                           (f"encryption = {key}\n" if key else ""))
            text = about_tunnel(top.client, ("client", "--config", path), level)
            assert ("another key" in text) == (level == "fault"), text
        shutil.rmtree(folder)
        tunnel.tonels.stop()


@case("a running program says why, and that it works", deadline=60)
def running():
    with Topology() as top:
        tunnel = Tunnel(top, start=False)
        tunnel.start_client()
        with tunnel.application(timeout=0.25) as app, Upstream(tunnel.upstream_socket()):
            # Nothing wants the tunnel yet: the doctor asks the server itself.
            assert "refuses connections" in about_tunnel(top.client, ("client",))

            def failing():
                app.send(b"question")
                text = tonelctl(top.client, "status")
                return "failing" in text
            wait_until(failing, 6, "the program knows")
            assert "refuses connections" in about_tunnel(top.client, ("client",))
            tunnel.start_server()
            ask(app, b"works", 40)
            assert "pass both ways" in about_tunnel(top.client, ("client",), "ok")
        tunnel.stop()


@case("a name that does not resolve", deadline=60)
def name():
    with Topology() as top:
        argv = ("client", "--tun", "tunc", "--remote", "nowhere.invalid:4567", "--local", "127.0.0.1:5000")
        (answer,) = tonelctl(top.client, "doctor", *argv, "--json", expect=1)
        found = [f for f in answer["findings"] if f["about"] == "name"]
        assert found and found[0]["is"] == "fault" and "nowhere.invalid" in found[0]["text"], answer


if __name__ == "__main__":
    harness.main()
