"""Puts a program's own --help into the source of its man page, so that the two can't disagree.

usage: fill.py VERSION SOURCE.scd [PROGRAM] >PAGE.scd

@VERSION@ of the source becomes the version, the line @OPTIONS@ one section a group of options of the
program. What --help says of each stands there as it is.
"""

import re
import subprocess
import sys

GROUP = re.compile(r"^(\w[\w ]*):$")
# "  -l, --local IP:PORT          text" or, where that is too wide, the text on the next line.
OPTION = re.compile(r"^ {2}(?:(-\w), | {4})(--[a-z0-9-]+)(?: (\S+))?(?: {2,}(.*))?$")


def escaped(text):
    return re.sub(r"([\\_*#~`])", r"\\\1", text)


def groups(help_text):
    """[(title, [(letter, name, argument, text), ...]), ...]"""
    found = []
    for line in help_text.splitlines():
        if match := GROUP.match(line):
            found.append((match[1], []))
        elif match := OPTION.match(line):
            found[-1][1].append([match[1], match[2], match[3], match[4] or ""])
        elif found and found[-1][1] and line.startswith(" " * 20):
            option = found[-1][1][-1]
            option[3] = f"{option[3]} {line.strip()}".strip()
    return [(title, options) for title, options in found if options]


def section(title, options):
    lines = [f"## {title}", ""]
    for letter, name, argument, text in options:
        head = ", ".join(f"*{escaped(part)}*" for part in (letter, name) if part)
        if argument:
            head += f" _{escaped(argument)}_"
        # A line that begins with one of these would be a list or a heading.
        body = re.sub(r"^([-.])", r"\\\1", escaped(text))
        lines += [head, f"\t{body}", ""]
    return "\n".join(lines)


def main():
    version, source, *program = sys.argv[1:]
    with open(source, encoding="utf-8") as file:
        page = file.read().replace("@VERSION@", version)
    if program:
        help_text = subprocess.run([program[0], "--help"], stdout=subprocess.PIPE, text=True,
                                   check=True).stdout
        options = "\n".join(section(*group) for group in groups(help_text))
        page = page.replace("@OPTIONS@\n", options)
    sys.stdout.write(page)


if __name__ == "__main__":
    main()
