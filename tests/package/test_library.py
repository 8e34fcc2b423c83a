"""The package libtonel-dev on a system with a compiler: what its examples and guide say works there."""

import argparse
import os
import sys

from hosts import HERE, built, chroot, dependencies, field, newer

sys.path.insert(0, os.path.join(HERE, "..", "library"))

import containers  # noqa: E402
import guide  # noqa: E402
import harness  # noqa: E402
import processes  # noqa: E402
from harness import case  # noqa: E402

DOCS = "/usr/share/doc/libtonel-dev"
TOOLS = ["cmake", "g++", "make", "pkg-config"]
# Any user builds with it, and writes nothing beside the examples.
BUILDS = {
    "CMake": f"cmake -S {DOCS}/examples -B /opt/by-cmake && cmake --build /opt/by-cmake && cd /opt/by-cmake",
    "pkg-config": "mkdir /opt/by-pkg-config && cd /opt/by-pkg-config && for name in answer exchange; do "
                  f"c++ -std=c++17 -Wall -Wextra -Werror -o $name {DOCS}/examples/$name.cpp "
                  "$(pkg-config --cflags --libs tonel-protocol) || exit; done",
}


@case("examples are built with the installed package, and print what the guide says", deadline=120)
def examples():
    deb = built(processes.bin_dir, "libtonel-dev")
    with chroot() as host:
        host.install(deb)
        said = guide.commands(host.read(f"{DOCS}/library.md"))
        for by, build in BUILDS.items():
            host.run(build)
            for command, expected in said:
                printed = host.run(f"cd /opt/by-{by.lower()} && {command}")
                assert printed == expected, f"{by}: {command}\n{printed}\nbut the guide says\n{expected}"
        version = host.run("pkg-config --modversion tonel-protocol").strip()
        assert version == field(deb, "Version"), version


@case("install, upgrade, remove and purge of the library")
def life():
    deb = built(processes.bin_dir, "libtonel-dev")
    with chroot() as host:
        host.install(deb)
        host.install(newer(deb))
        assert host.version("libtonel-dev") == field(deb, "Version") + "+later"
        host.run("dpkg --remove libtonel-dev")
        assert not host.has("/usr/include/tonel")
        host.install(deb)
        host.purge("libtonel-dev")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--bin", required=True)
    arguments = parser.parse_known_args()[0]
    containers.prepare(arguments, "library-root",
                       TOOLS + dependencies(built(arguments.bin, "libtonel-dev")))
    harness.main()
