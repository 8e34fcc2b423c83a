#!/usr/bin/env python3
"""What is said of programs for macOS, of small ones that are made here."""

import hashlib
import os
import struct
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MACOS = os.path.join(ROOT, "packaging", "macos")
sys.path.insert(0, MACOS)
import macho  # noqa: E402 (beside the programs that use it)

CPUS = {arch: cpu for cpu, arch in macho.CPUS.items()}
PAGE = 12
SIZE = 10_000  # in front of the signature: two pages and a part of one


def signature(covered, flags=macho.AD_HOC, requirements=b"\xfa\xde\x0c\x01\0\0\0\x0c\0\0\0\0"):
    hashes = [hashlib.sha256(requirements).digest(), bytes(32)]
    hashes += [hashlib.sha256(covered[at:at + (1 << PAGE)]).digest()
               for at in range(0, len(covered), 1 << PAGE)]
    directory = struct.pack(">9I4B", macho.CODE_DIRECTORY, 40 + 32 * len(hashes), 0x20400, flags,
                            40 + 64, 40, 2, len(hashes) - 2, len(covered), 32, macho.SHA256, 0, PAGE)
    # The requirements are part 2; a part 1 there is none of.
    directory += b"".join(hashes)
    first = 12 + 2 * 8
    return struct.pack(">7I", macho.SUPER_BLOB, first + len(directory) + len(requirements), 2,
                       0, first, 2, first + len(directory)) + directory + requirements


def program(arch="arm64", library=macho.EVERYWHERE, system=macho.MACOS, version=11 << 16,
            signed=True, kind=macho.EXECUTE, entry=True, **how):
    """A program that would do nothing."""
    tail = signature(bytes(SIZE), **how) if signed else b""
    segment = struct.pack("<2I16s4Q4I", macho.SEGMENT, 72, b"__LINKEDIT", 0, 0, 0, SIZE + len(tail),
                          0, 0, 0, 0)
    name = library.encode().ljust(40, b"\0")
    commands = [segment, struct.pack("<6I", macho.BUILD_VERSION, 24, system, version, version, 0),
                struct.pack("<6I", macho.LIBRARIES[0], 24 + len(name), 24, 0, 0, 0) + name]
    if entry:
        commands.append(struct.pack("<2I2Q", macho.MAIN, 24, 0, 0))
    if signed:
        commands.append(struct.pack("<4I", macho.CODE_SIGNATURE, 16, SIZE, len(tail)))
    body = b"".join(commands)
    head = macho.THIN + struct.pack("<7I", CPUS[arch], 0, kind, len(commands), len(body), macho.PIE,
                                    0)
    body = (head + body).ljust(SIZE, b"\x90")
    return body + (signature(body, **how) if signed else b"")


def universal(parts, align=14):
    head, body, at = macho.FAT + struct.pack(">I", len(parts)), b"", 1 << align
    for arch, data in parts:
        head += struct.pack(">5I", CPUS[arch], 0, at, len(data), align)
        body = body.ljust(at - (1 << align), b"\0") + data
        at += -(-len(data) // (1 << align)) << align
    return head.ljust(1 << align, b"\0") + body


def faults(data):
    return [fault for one in macho.slices(data) for fault in macho.faults(one, (11, 0))]


class Verify(unittest.TestCase):
    def test_what_a_mac_wants_is_right(self):
        intel, arm = program("x86_64", signed=False), program()
        for data in (intel, program("x86_64"), arm, universal([("x86_64", intel), ("arm64", arm)])):
            self.assertEqual([], faults(data))

    def test_each_fault_is_named(self):
        intel, arm = program("x86_64", signed=False), program()
        for what, data in (
                ("it is not signed", program(signed=False)),
                ("it needs /usr/local/lib/x.dylib", program(library="/usr/local/lib/x.dylib")),
                ("it is for another system, or another version of it", program(system=2)),
                ("it is for another system, or another version of it", program(version=12 << 16)),
                ("it is no program that can lie anywhere", program(kind=6)),
                ("it has no entry, or does not say which system it is for", program(entry=False)),
                ("its segments do not end where it does", intel + b"\0"),
                ("its signature claims a signer, and has none", program(flags=0)),
                ("it does not begin at a page",
                 universal([("x86_64", intel), ("arm64", arm)], align=13))):
            self.assertEqual([what], faults(data))

    def test_an_octet_that_was_not_signed_is_found_wherever_it_is(self):
        data = program()
        for at, page in ((5_000, 1), (SIZE - 1, 2)):
            changed = bytearray(data)
            changed[at] ^= 1
            self.assertEqual([f"page {page} is not what was signed"], faults(bytes(changed)))
        changed = bytearray(data)
        changed[-1] ^= 1  # of the requirements
        self.assertEqual(["part 2 of its signature is not what was signed"], faults(bytes(changed)))

    def test_what_is_cut_off_or_no_program_is_an_error_and_no_crash(self):
        data = universal([("x86_64", program("x86_64", signed=False)), ("arm64", program())])
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "program")
            for size in (0, 3, 6, 40, 16_400, 17_000, 40_000, len(data) - 1, len(data)):
                with open(path, "wb") as file:
                    file.write(data[:size])
                done = subprocess.run([os.path.join(MACOS, "verify"), path], check=False,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                self.assertEqual(("", 0 if size == len(data) else 1),
                                 (done.stderr, done.returncode))

    def test_a_file_that_names_no_program_is_an_error(self):
        with tempfile.NamedTemporaryFile() as file:
            file.write(universal([]))
            file.flush()
            done = subprocess.run([os.path.join(MACOS, "verify"), file.name], check=False,
                                  stdout=subprocess.PIPE, text=True)
            self.assertEqual(1, done.returncode)
            self.assertIn("there is no program in it", done.stdout)


if __name__ == "__main__":
    unittest.main()
