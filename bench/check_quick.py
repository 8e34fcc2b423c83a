#!/usr/bin/env python3
"""Runs the harness in its quick form and checks that all of it still works: every workload gives
every figure, and tables and picture can be made of them. Times are not judged.

usage: check_quick.py FOLDER_OF_PROGRAMS
"""

import json
import math
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from harness.workloads import GROUPS, KPPS, QUICK, SENDERS, catalogue, chosen


def expect(condition, what):
    if not condition:
        print(f"FAILED: {what}", file=sys.stderr)
        sys.exit(1)


def check_catalogue():
    """What needs no run."""
    for sender in SENDERS:
        rows = catalogue(sender)
        expect({row.group for row in rows.values()} == set(GROUPS), "each group has workloads")
        for row in rows.values():
            names = [c.name for c in row.contenders]
            expect(len(set(names)) == len(names), f"contenders of {row.name}")
    expect(len(chosen("all", rows)) == len(rows), "all are chosen")
    expect({row.kind for row in rows.values()} - {rows[name].kind for name in QUICK} <= set(),
           "the quick run has one of each kind")
    expect(KPPS.aim("least", 2).target.met(3, None) and not KPPS.aim("most", 2).target.met(3, 9)
           and KPPS.aim("ratio", 2).target.met(3, 2) and not KPPS.aim("plus", 2).target.met(5, 2),
           "targets")


def check_results(data):
    rows = catalogue(data["sender"])
    expect("\n" not in data["version"], "the version is one line")
    expect(not any(r.startswith("FAILED") for r in data["remarks"]), data["remarks"])
    for name in QUICK:
        for contender in rows[name].contenders:
            runs = data["results"].get(name, {}).get(contender.name, [])
            expect(len(runs) == 1, f"one run of {name} by {contender.name}")
            for figure in rows[name].figures:
                value = figure.value(runs[0])
                expect(math.isfinite(value) and value >= 0, f"{name}: {figure.text} is {value}")
            for key, value in runs[0].items():
                expect(isinstance(value, (int, float)), f"{name}: {key} is {value!r}")
            for key in ("damaged", "invalid"):
                expect(runs[0].get(key, 0) == 0, f"{name}: {runs[0].get(key)} {key}")
    expect(data["results"]["churn"]["tonel"][0]["opened_s"] > 0, "sessions were opened")
    expect(data["results"]["close-all"]["tonel"][0]["ended"] > 0, "sessions ended")


def run(*words):
    return subprocess.run([sys.executable, *words], stdout=subprocess.PIPE, text=True)


def main():
    check_catalogue()
    with tempfile.TemporaryDirectory(prefix="tonel-bench-check-") as folder:
        result = os.path.join(folder, "result.json")
        harness = os.path.join(HERE, "run")
        done = run(harness, "--quick", "--bin", sys.argv[1], "--json", result)
        if done.returncode == 77:
            sys.exit(77)
        expect(done.returncode == 0, f"bench/run --quick gave {done.returncode}:\n{done.stdout}")
        with open(result) as file:
            check_results(json.load(file))
        again = run(harness, "--markdown", result)
        expect(again.stdout == done.stdout, "the tables of the file are those that were printed")
        expect(again.stdout.count("\n|") > 2 * len(QUICK), "tables have rows")
        picture = run(os.path.join(HERE, "plot"), result)
        expect(picture.returncode == 0, "a picture is drawn")
        expect(run(os.path.join(HERE, "plot"), result, result).stdout == picture.stdout,
               "several files make one picture")
        shapes = list(xml.etree.ElementTree.fromstring(picture.stdout))
        expect(len(shapes) > 20, f"the picture has {len(shapes)} shapes")
    print("the harness works")


if __name__ == "__main__":
    main()
