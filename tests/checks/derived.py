#!/usr/bin/env python3
"""Whether what is derived from the rows of the options is as they are: completions, and the lists in
the documentation. What people write beside them stays theirs.

usage: derived.py SOURCE_DIR BIN_DIR [--write]     --write: puts it right
"""

import json
import os
import re
import subprocess
import sys
import textwrap

SOURCE, BIN = (os.path.abspath(path) for path in sys.argv[1:3])
WRITE = sys.argv[3:] == ["--write"]
ROWS = json.loads(subprocess.run([os.path.join(BIN, "option_rows")], stdout=subprocess.PIPE, check=True,
                                 text=True).stdout)
wrong = []


def between(text, what, content):
    """The text with that content between its two marks."""
    begin = re.search(rf"^.*derived from the rows: {what}\b.*\n", text, re.M)
    end = re.search(r"^.*\bend of what is derived\b", text[begin.end():], re.M)
    return text[:begin.end()] + content + text[begin.end() + end.start():]


def judge(path, derive):
    with open(os.path.join(SOURCE, path), encoding="utf-8") as file:
        there = file.read()
    right = derive(there)
    if right == there:
        return
    if WRITE:
        with open(os.path.join(SOURCE, path), "w", encoding="utf-8") as file:
            file.write(right)
        print(f"{path}: written")
        return
    lines = [line for line in right.splitlines() if line not in there.splitlines()]
    wrong.append(f"{path} is not as the rows of the options are (tests/checks/derived.py . BIN --write); "
                 "it lacks:\n  " + "\n  ".join(lines[:10]))


def is_path(row):
    return row["argument"][0] in ("PATH", "FILE")


def words():
    """Of the options that take one of a few words, those words."""
    return {row["name"]: row["choices"] for row in sorted(ROWS, key=lambda row: row["name"])
            if row["choices"] and not is_path(row)}


def bash(text):
    values = "".join(f'    [--{name}]="{" ".join(each)}"\n' for name, each in words().items())
    files = " | ".join("--" + row["name"] for row in ROWS if is_path(row))
    wrapped = textwrap.fill(files + ")", 96, initial_indent="    ", subsequent_indent="      ",
                            break_on_hyphens=False, break_long_words=False)
    return between(between(text, "words", values), "files", wrapped.replace("\n", " \\\n") + "\n")


def zsh(text):
    return between(text, "words", "".join(f"    --{name} '{' '.join(each)}'\n"
                                          for name, each in words().items()))


def default(row):
    client, server = row["preset"]
    if "Required" in row["text"][0]:
        return "required"
    if not row["argument"][0]:
        return "" if row["scope"] == "command_line" else "off"
    if client == server:
        return client or "none"
    return f"{client} (tonelc), {server} (tonels)" if server else client


def tables(text):
    """options.md: a heading and a table for each group; what the last column says is kept."""
    said = {name: rest for name, rest in
            re.findall(r"^\| (?:`-\w`, )?`--([a-z0-9-]+)` \| [^|]*\| (.*) \|$", text, re.M)}
    for group in dict.fromkeys(row["group"] for row in ROWS):
        lines = ["| option | default | |", "|---|---|---|"]
        for row in (row for row in ROWS if row["group"] == group):
            letter = f"`-{row['letter']}`, " if row["letter"] else ""
            lines.append(f"| {letter}`--{row['name']}` | {default(row)}{' ' if default(row) else ''}"
                         f"| {said.get(row['name'], row['text'][0])} |")
        found = re.search(rf"^## {group}\n(?:(?!^##|^\|).*\n)*?((?:^\|.*\n)+)", text, re.M)
        if found is None:
            wrong.append(f"docs/options.md has no table under '## {group}'")
            continue
        text = text[:found.start(1)] + "\n".join(lines) + "\n" + text[found.end(1):]
    return text


def of_scope(scope):
    return [row["name"] for row in ROWS if row["scope"] == scope]


def sentence(names):
    return textwrap.fill(", ".join(f"`{name}`" for name in names) + ".", 100, break_on_hyphens=False) + "\n"


def configuration(text):
    return between(between(text, "tunnels", sentence(of_scope("tunnel"))), "command line",
                   sentence(of_scope("command_line")))


def man(text):
    section = text[text.index("In a tunnel's section"):text.index("But for the first two")]
    named = re.findall(r"\*([a-z0-9-]+)\*", section)
    if sorted(named) != sorted(of_scope("tunnel")):
        wrong.append("docs/man/tonel.conf.5.scd, of a tunnel's section: "
                     f"{sorted(set(named) ^ set(of_scope('tunnel')))} too few or too many")
    return text


def main():
    judge("packaging/completions/tonel.bash", bash)
    judge("packaging/completions/tonel.zsh", zsh)
    judge("docs/options.md", tables)
    judge("docs/configuration.md", configuration)
    judge("docs/man/tonel.conf.5.scd", man)
    print("\n".join([*wrong, f"{len(ROWS)} rows, {len(wrong)} wrong"]))
    sys.exit(1 if wrong else 0)


main()
