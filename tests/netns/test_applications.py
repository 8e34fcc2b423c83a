#!/usr/bin/env python3
"""Real applications over the tunnel: WireGuard with a TCP download, iperf3."""

import hashlib
import json
import os
import socket
import subprocess
import tempfile
import threading
import time

import harness
from harness import case
from processes import Process, Tunnel, sanitized, wait_until
from topology import Topology


@case("WireGuard brings up its tunnel over ours and carries a TCP download", deadline=120)
def wireguard():
    harness.needs("wireguard-go", "wg")
    for family in (4, 6):
        with Topology() as top, tempfile.TemporaryDirectory() as folder:
            tunnel = Tunnel(top, family)
            key = {}
            for role in ("client", "server"):
                private = subprocess.check_output(["wg", "genkey"], text=True)
                public = subprocess.check_output(["wg", "pubkey"], input=private, text=True)
                path = os.path.join(folder, role)
                with open(path, "w", encoding="ascii") as file:
                    file.write(private)
                key[role] = (path, public.strip())
            # 1500 less ours (40 or 60) and WireGuard's (32).
            mtu = 1500 - (40 if family == 4 else 60) - 32
            endpoint = f"{'[::1]' if family == 6 else '127.0.0.1'}:{Tunnel.APP_PORT}"
            for host, device, role, peer, address, more in (
                    (top.server, f"wgs{family}", "server", "client", "10.77.0.1/24",
                     f"listen-port {Tunnel.UPSTREAM_PORT}"),
                    (top.client, f"wgc{family}", "client", "server", "10.77.0.2/24", "")):
                control = f"/var/run/wireguard/{device}.sock"
                if os.path.exists(control):  # of a process that was killed
                    os.unlink(control)
                Process(host, ["env", "WG_PROCESS_FOREGROUND=1", "LOG_LEVEL=error", "wireguard-go", device],
                        name=f"wireguard-go {role}")
                wait_until(lambda host=host, device=device, control=control:
                           f" {device}:" in host.run("ip -o link") and os.path.exists(control),
                           10, f"the device {device}")
                reach = f"endpoint {endpoint} persistent-keepalive 25" if role == "client" else ""
                host.run(f"wg set {device} private-key {key[role][0]} {more} peer {key[peer][1]} "
                         f"{reach} allowed-ips 10.77.0.0/24 && ip addr add {address} dev {device} && "
                         f"ip link set {device} mtu {mtu} up")
            size = (4 if sanitized() else 40) << 20
            content = os.urandom(1 << 20) * (size >> 20)
            with top.server.entered():
                listener = socket.create_server(("10.77.0.1", 8000))

            def serve():
                connection, _ = listener.accept()
                connection.sendall(content)
                connection.close()

            threading.Thread(target=serve, daemon=True).start()
            with top.client.entered():
                client = socket.socket()
            client.settimeout(20)
            client.connect(("10.77.0.1", 8000))
            began = time.monotonic()
            digest, got = hashlib.sha256(), 0
            while chunk := client.recv(1 << 18):
                digest.update(chunk)
                got += len(chunk)
            took = time.monotonic() - began
            print(f"  IPv{family}, MTU {mtu}: {got >> 20} MiB in {took:.1f} s, "
                  f"{8e-6 * got / took:.0f} Mbit/s")
            assert got == size and digest.digest() == hashlib.sha256(content).digest()
            # The MTU of the table in the README is exact: nothing was too large for the tunnel.
            large = {k: v for k, v in tunnel.tonelc.counters().items() if "large" in k and v}
            assert not large, large
            tunnel.stop()
            top.assert_clean()


@case("iperf3 -u, its TCP control connection passed beside the tunnel", deadline=60)
def iperf3():
    harness.needs("iperf3", "socat")
    with Topology() as top:
        tunnel = Tunnel(top, start=False)
        tunnel.APP_PORT = tunnel.UPSTREAM_PORT = 5201
        tunnel.app, tunnel.upstream = ("127.0.0.1", 5201), ("127.0.0.1", 5201)
        tunnel.client_argv[2], tunnel.server_argv[4] = "127.0.0.1:5201", "127.0.0.1:5201"
        tunnel.start_server()
        tunnel.start_client()
        server = Process(top.server, ["iperf3", "-s", "--forceflush"])
        server.wait_line("listening", 5)
        Process(top.client, ["socat", "TCP-LISTEN:5201,bind=127.0.0.1,fork,reuseaddr",
                             f"TCP:{top.SERVER4}:5201"])
        wait_until(lambda: ":5201" in top.client.run("ss -ltn"), 5, "socat listens")
        for direction in ((), ("-R",)):
            client = Process(top.client, ["iperf3", "-c", "127.0.0.1", "-u", "-b", "50M", "-l", "1400",
                                          "-t", "4", "-J", *direction])
            code = client.wait(30)
            text = client.output()
            assert code == 0, text
            total = json.loads(text[text.index("{"):])["end"]["sum"]
            print(f"  {'down' if direction else 'up'}: {total['bits_per_second'] / 1e6:.1f} Mbit/s, "
                  f"{total['lost_percent']:.2f} % lost")
            assert total["packets"] > 10000 and total["lost_percent"] < 2, total
        tunnel.stop()
        top.assert_clean()


if __name__ == "__main__":
    harness.main()
