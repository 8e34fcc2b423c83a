#!/usr/bin/env python3
"""Paths whose firewalls see other windows than the ends announce."""

import time

import harness
from apps import Upstream, ask_once
from harness import case
from processes import Tunnel
from topology import Topology

STRIP = """
table inet strip {
  chain c {
    type filter hook prerouting priority -350
    %s tcp flags & syn == syn reset tcp option window
  }
}
"""


def stripped(which):
    def run():
        with Topology() as top:
            top.router.nft(STRIP % which)
            tunnel = Tunnel(top)
            with Upstream(tunnel.upstream_socket(), echo=False) as upstream:
                app = tunnel.application()
                count = 3000
                for number in range(count):
                    app.send(number.to_bytes(4, "big") * 250)
                    time.sleep(0.002)
                got = upstream.wait_count(int(count * 0.99), 5)
                # The other way, too: answers to the same session.
                for number in range(count):
                    upstream.send(number.to_bytes(4, "big") * 250, got[0][1])
                    time.sleep(0.002)
                back = 0
                app.settimeout(1)
                try:
                    while back < count:
                        app.recv(2000)
                        back += 1
                except TimeoutError:
                    pass
                assert back >= count * 0.99, f"{back} of {count} came back"
                assert len(upstream.sources()) == 1
                ask = top.client.udp(tunnel.loopback, connect=tunnel.app)
                upstream.echo = True
                ask_once(ask, b"a second session says no more of it")
            said = [l for l in tunnel.tonelc.lines if "window scale" in l]
            assert len(said) == 1, said
            tunnel.stop()
            top.assert_clean()
    return run


for _name, _which in (("both SYNs", ""), ("the client's SYN", 'iifname "rc"'),
                      ("the server's SYN-ACK", 'iifname "rs"')):
    case(f"no window scale in {_name}: what the windows allow passes, said once",
         deadline=60)(stripped(_which))

if __name__ == "__main__":
    harness.main()
