#!/usr/bin/env python3
"""Whether the completions of bash and zsh offer what the programs take, no more and no less.

usage: completions.py SOURCE_DIR BIN_DIR
"""

import os
import re
import shutil
import subprocess
import sys

SOURCE, BIN = (os.path.abspath(path) for path in sys.argv[1:3])
FOLDER = os.path.join(SOURCE, "packaging", "completions")
NEEDED = {"tonelc": ["--local", "127.0.0.1:1", "--remote", "192.0.2.1:1"],
          "tonels": ["--local", "1", "--remote", "192.0.2.1:1"]}
# One of a few words; other values have no end of them.
CHOICE = re.compile(r"must be ((?:[a-z]+, )*[a-z]+ or [a-z]+)$", re.M)
COMMANDS = ["", "status", "sessions", "counters", "reload", "close", "pcap", "doctor"]

# As bash calls it for the words before the cursor, of which the last is not complete.
BASH = """
. "$FILE"
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
"$FUNCTION"
printf '%s\\n' "${COMPREPLY[@]}"
"""
# What the function tells _arguments to offer.
ZSH = """
_arguments() { print -rl -- "$@" }
_call_program() { shift; "$@" }
words=("$@")
. "$FILE"
"""


def run(argv, **variables):
    return subprocess.run(argv, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False,
                          env={**os.environ, "PATH": BIN + ":" + os.environ["PATH"], **variables}).stdout


def bash(name, *words):
    out = run(["bash", "-c", BASH, "bash", *words], FILE=os.path.join(FOLDER, name + ".bash"),
              FUNCTION="_" + name)
    return set(out.split())


def zsh(name, *words):
    return run(["zsh", "-f", "-c", ZSH, "zsh", *words],
               FILE=os.path.join(FOLDER, name + ".zsh")).splitlines()


def options_of(program):
    return set(re.findall(r"^ +(?:-., )?(--[a-z0-9-]+)", run([program, "--help"]), re.M))


def choices_of(program, option):
    """The words that the option takes, as the program says when it gets another; None: it takes others."""
    said = run([program, *NEEDED[program], "--check", option, "?"])
    found = CHOICE.search(said)
    return set(re.split(r", | or ", found[1])) if found else None


wrong, checked = [], 0


def same(what, offered, taken):
    global checked  # pylint: disable=global-statement  # a count of the whole run
    checked += 1
    if offered != taken:
        wrong.append(f"{what}: not offered {sorted(taken - offered)}, not taken {sorted(offered - taken)}")


def check_program(program, with_zsh):
    options = options_of(program)
    same(f"{program} in bash", bash("tonel", program, "--"), options)
    specs = zsh("tonel", program) if with_zsh else []
    if with_zsh:
        same(f"{program} in zsh", set(re.findall(r"^--[a-z0-9-]+", "\n".join(specs), re.M)), options)
    for option in sorted(options):
        choices = choices_of(program, option)
        if choices is None:
            continue
        same(f"{program} {option} in bash", bash("tonel", program, option, ""), choices)
        offered = [spec for spec in specs if spec.startswith(option + "=")]
        if with_zsh:
            words = re.search(r":\(([^)]*)\)$", offered[0] if offered else "")
            same(f"{program} {option} in zsh", set(words[1].split() if words else []), choices)


def check_tonelctl(with_zsh):
    options = options_of("tonelctl")
    words = [["tonelctl", *([command] if command else []), ""] for command in COMMANDS]
    offered = set().union(*(bash("tonelctl", *each) for each in words))
    same("tonelctl in bash", {word for word in offered if word.startswith("--")}, options)
    same("commands of tonelctl in bash", bash("tonelctl", "tonelctl", "") - options, set(COMMANDS) - {""})
    if with_zsh:
        specs = "\n".join(line for each in words for line in zsh("tonelctl", *each))
        same("tonelctl in zsh", set(re.findall(r"^\*?(--[a-z0-9-]+)", specs, re.M)), options)


def main():
    with_zsh = shutil.which("zsh") is not None
    for program in NEEDED:
        check_program(program, with_zsh)
    check_tonelctl(with_zsh)
    print("\n".join([*wrong, f"{checked - len(wrong)} passed, {len(wrong)} failed"]))
    if wrong:
        sys.exit(1)
    if not with_zsh:
        print("zsh is not installed (./dev setup)")
        sys.exit(1 if os.environ.get("CI") == "true" else 77)


main()
