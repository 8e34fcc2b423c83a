#!/usr/bin/env python3
"""The library as other programs get it: installed, found by CMake and pkg-config, used by the examples.

usage: test_installed.py SOURCE_DIR BUILD_DIR WORK_DIR CMAKE GENERATOR COMPILER [CMAKE_ARGUMENT...]
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import guide

SOURCE, BUILD, WORK = (Path(a).resolve() for a in sys.argv[1:4])
CMAKE, GENERATOR, COMPILER = sys.argv[4:7]
EXAMPLES = SOURCE / "examples" / "library"
GUIDE = (SOURCE / "docs" / "library.md").read_text(encoding="utf-8")
WARNINGS = "-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wold-style-cast -Wnon-virtual-dtor -Werror"


def run(*command, **options):
    """Runs a command that has to work, and returns its standard output."""
    words = [str(word) for word in command]
    done = subprocess.run(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout}")
    return done.stdout


def check(is_so, what):
    """Prints a line for what holds; ends the test at what does not."""
    if not is_so:
        sys.exit(f"FAILED: {what}")
    print(f"ok: {what}")


def files_in(folder):
    return sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if not f.is_dir())


def install(prefix, root=None):
    """Installs the component to a prefix, below `root` as package builders do."""
    environment = dict(os.environ, **({"DESTDIR": str(root)} if root else {}))
    run(CMAKE, "--install", BUILD, "--component", "dev", "--prefix", prefix, env=environment)


def check_files(prefix):
    files = files_in(prefix)
    headers = [f for f in files if f.startswith("include/")]
    rest = [re.sub(r"^lib[^/]*/([^/]*-linux-[^/]*/)?", "", f) for f in files if f not in headers]
    targets = [f for f in rest if re.fullmatch(r"cmake/tonel/tonel-targets-\w+\.cmake", f)]
    check(sorted(set(rest) - set(targets)) == [
        "cmake/tonel/tonel-config-version.cmake", "cmake/tonel/tonel-config.cmake",
        "cmake/tonel/tonel-targets.cmake", "libtonel-protocol.a", "pkgconfig/tonel-protocol.pc"]
        and len(targets) == 1, "library, CMake package and pkg-config file, and nothing else")
    table = GUIDE[GUIDE.index("## Headers"):]
    documented = set(re.findall(r"`([\w/]+\.hpp)`", table[:table.index("\n## ", 1)]))
    check({f"include/tonel/protocol/{name}" for name in documented} == set(headers),
          "the headers are those of docs/library.md")
    for header in headers:
        text = (prefix / header).read_text(encoding="utf-8")
        for name in re.findall(r'#include "(.*)"', text):
            if f"include/{name}" not in headers:
                sys.exit(f"FAILED: {header} includes {name}, which is not installed")
    check(True, "headers include installed ones only")


def version_accepted(prefix, version):
    """Whether find_package(tonel VERSION) would take what is installed."""
    (file,) = prefix.rglob("tonel-config-version.cmake")
    parts = version.split(".")
    script = WORK / "version.cmake"
    script.write_text(
        f'set(PACKAGE_FIND_VERSION "{version}")\n'
        f'set(PACKAGE_FIND_VERSION_MAJOR {parts[0]})\nset(PACKAGE_FIND_VERSION_MINOR {parts[1]})\n'
        f'include("{file}")\nmessage("accepted: ${{PACKAGE_VERSION_COMPATIBLE}}")\n', encoding="ascii")
    return "accepted: TRUE" in run(CMAKE, "-P", script)


def check_versions(prefix):
    (pc,) = prefix.rglob("tonel-protocol.pc")
    version = re.search(r"^Version: (.*)$", pc.read_text(encoding="ascii"), re.MULTILINE).group(1)
    major, minor = (int(part) for part in version.split(".")[:2])
    check(version_accepted(prefix, f"{major}.{minor}"), f"{version} is taken as {major}.{minor}")
    for other in (f"{major}.{minor + 1}", f"{major + 1}.0"):
        check(not version_accepted(prefix, other), f"{version} is not taken as {other}")


def check_root(prefix):
    """What a package builder gets: the same files, made for /usr."""
    root = WORK / "root"
    install("/usr", root)
    check(files_in(root / "usr") == files_in(prefix), "the same files below DESTDIR")
    (pc,) = root.rglob("tonel-protocol.pc")
    check(pc.read_text(encoding="ascii").startswith("prefix=/usr\n"), "made for the prefix /usr")
    for file in root.rglob("*.[cp]*"):
        text = file.read_text(encoding="utf-8", errors="replace")
        check(not any(str(d) in text for d in (WORK, BUILD, SOURCE)), f"{file.name} names no build folder")


def check_programs(folder, built_by):
    """The commands of docs/library.md print what it says."""
    for command, expected in guide.commands(GUIDE):
        printed = run("sh", "-c", command, cwd=folder)
        if printed != expected:
            sys.exit(f"FAILED: {command}\n-- docs/library.md says\n{expected}-- it printed\n{printed}")
        check(True, f"{built_by}: {command[:12]}{'...' if len(command) > 12 else ''}")
    for number in range(1, 31):
        printed = run("./exchange", number, cwd=folder, timeout=60)
        if printed.count("stream forgotten") not in (1, 2):
            sys.exit(f"FAILED: exchange {number} does not come to its end:\n{printed}")
    check(True, f"{built_by}: the exchange ends whichever packet is lost")


def check_cmake(prefix):
    folder = WORK / "by-cmake"
    run(CMAKE, "-S", EXAMPLES, "-B", folder, "-G", GENERATOR, f"-DCMAKE_PREFIX_PATH={prefix}",
        f"-DCMAKE_CXX_COMPILER={COMPILER}", f"-DCMAKE_CXX_FLAGS={WARNINGS}",
        # Warnings of installed headers are to be seen.
        "-DCMAKE_NO_SYSTEM_FROM_IMPORTED=ON", *sys.argv[7:])
    run(CMAKE, "--build", folder)
    check_programs(folder, "CMake")


def check_pkg_config(prefix):
    folder = WORK / "by-pkg-config"
    folder.mkdir()
    (pc,) = prefix.rglob("tonel-protocol.pc")
    flags = run("pkg-config", "--cflags", "--libs", "tonel-protocol",
                env=dict(os.environ, PKG_CONFIG_PATH=str(pc.parent))).split()
    for program in ("answer", "exchange"):
        run(COMPILER, "-std=c++17", *WARNINGS.split(), "-o", folder / program,
            EXAMPLES / f"{program}.cpp", *flags)
    check_programs(folder, "pkg-config")


def check_within_another_project(how, words):
    """As part of somebody's own build: needs no installation, tests nothing, installs nothing."""
    folder = WORK / how
    folder.mkdir()
    (folder / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.22)\nproject(other LANGUAGES CXX)\nenable_testing()\n" + words +
        "foreach(program IN ITEMS answer exchange)\n"
        f'  add_executable(${{program}} "{EXAMPLES}/${{program}}.cpp")\n'
        "  target_link_libraries(${program} PRIVATE tonel::protocol)\nendforeach()\n", encoding="ascii")
    run(CMAKE, "-S", folder, "-B", folder / "build", "-G", GENERATOR,
        f"-DCMAKE_CXX_COMPILER={COMPILER}", f"-DCMAKE_CXX_FLAGS={WARNINGS}", *sys.argv[7:])
    run(CMAKE, "--build", folder / "build")
    check_programs(folder / "build", how)
    tests = run("ctest", "--test-dir", folder / "build", "-N")
    check("Total Tests: 0" in tests, f"{how}: no tests of ours in another's build")
    run(CMAKE, "--install", folder / "build", "--prefix", folder / "prefix")
    check(not (folder / "prefix").exists(), f"{how}: nothing of ours is installed with another's")


def main():
    if shutil.which("pkg-config") is None:
        print("pkg-config is not installed (./dev setup)")
        sys.exit(1 if os.environ.get("CI") == "true" else 77)
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    prefix = WORK / "prefix"
    install(prefix)
    check_files(prefix)
    check_versions(prefix)
    check_root(prefix)
    code = (EXAMPLES / "answer.cpp").read_text(encoding="utf-8")
    check(f"```cpp\n{code}```\n" in GUIDE, "docs/library.md shows answer.cpp as it is")
    check_cmake(prefix)
    check_pkg_config(prefix)
    check_within_another_project("add_subdirectory", f'add_subdirectory("{SOURCE}" tonel)\n')
    check_within_another_project(
        "FetchContent", f'include(FetchContent)\nFetchContent_Declare(tonel SOURCE_DIR "{SOURCE}")\n'
        "FetchContent_MakeAvailable(tonel)\n")


main()
