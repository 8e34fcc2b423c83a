"""Whether each option of --help is in the program's man page, and no other.

usage: check_man.py BIN_DIR MAN_DIR PROGRAM...
"""

import os
import re
import subprocess
import sys

OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")


def main():
    bin_dir, man_dir, *programs = sys.argv[1:]
    wrong = checked = 0
    for program in programs:
        told = subprocess.run([os.path.join(bin_dir, program), "--help"], check=True, text=True,
                              stdout=subprocess.PIPE).stdout
        with open(os.path.join(man_dir, f"{program}.8"), encoding="utf-8") as file:
            page = file.read().replace("\\-", "-").replace("\\&", "")
        options, described = set(OPTION.findall(told)), set(OPTION.findall(re.sub(r"\\f.", "", page)))
        for name in sorted(options - described):
            print(f"{program}(8) lacks {name}")
        for name in sorted(described - options):
            print(f"{program}(8) has {name}, which --help has not")
        wrong += len(options ^ described)
        checked += len(options)
    print(f"{checked - wrong} passed, {wrong} failed")
    sys.exit(1 if wrong or not checked else 0)


if __name__ == "__main__":
    main()
