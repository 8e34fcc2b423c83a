#!/usr/bin/env python3
"""tonel-tuncheck: it finds a working device, and says what is wrong with one that isn't."""

import harness
from harness import case
from processes import binary
from topology import Topology


def tuncheck(host, *options, expect):
    """What it prints, on both streams."""
    line = " ".join([binary("tonel-tuncheck"), *options])
    said, _, code = host.run(f"{line}; echo exit $?").rpartition("exit ")
    assert int(code) == expect, (code, said)
    return said


@case("a working device is opened, used and taken away")
def works():
    with Topology() as top:
        said = tuncheck(top.client, "--tun", "look0", expect=0)
        assert "device look0: MTU 1500, offload on" in said, said
        assert "IPv4: the host answers" in said, said
        assert "IPv6: the host answers" in said, said
        assert "UDP: sends" in said, said
        assert "look0" not in top.client.run("ip link")
        assert "IPv6" not in tuncheck(top.client, "--no-ipv6", expect=0)


@case("a host that answers nothing through it is a fault")
def silent():
    with Topology() as top:
        top.client.nft("""
            table inet mute {
              chain in {
                type filter hook input priority 0;
                iifname "look0" ip protocol tcp drop
              }
            }
        """)
        said = tuncheck(top.client, "--tun", "look0", expect=1)
        assert "IPv4: no answer from the host" in said, said
        assert "IPv6: the host answers" in said, said


@case("a device that can't be had is a fault, wrong options are another")
def refused():
    with Topology() as top:
        assert tuncheck(top.client, "--tun", "lo", expect=1).startswith("fault: "), "lo is no TUN"
        assert tuncheck(top.client, "--tun", expect=2).startswith("usage: ")
        assert tuncheck(top.client, "more", expect=2).startswith("usage: ")
        assert tuncheck(top.client, "--help", expect=0).startswith("usage: tonel-tuncheck")
        assert tuncheck(top.client, "--version", expect=0).startswith("tonel-tuncheck ")


if __name__ == "__main__":
    harness.main()
