#!/usr/bin/env python3
"""The macOS package: reproducible, and whole when other programs unpack it. Runs where there is no Mac."""

import argparse
import hashlib
import os
import plistlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml
import zlib

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MACOS = os.path.join(ROOT, "packaging", "macos")
sys.path.insert(0, MACOS)
import bom  # noqa: E402 (beside the builder)
import flat_package  # noqa: E402

WHEN = 1_700_000_000
programs = None  # a folder with programs for macOS, where there is one


def unpack(archive, target):
    os.makedirs(target)
    subprocess.run(["bsdtar", "-xf", archive, "-C", target], check=True)


def make_tree(root):
    """Files of many kinds: empty, executable, large, deep, with odd names, and a link."""
    content = {"usr/local/bin/tool": os.urandom(300_000), "usr/local/share/a b/ä&<x>.txt": b"text\n",
               "usr/local/share/empty": b"", "Library/LaunchDaemons/x.plist": b"<plist/>"}
    for path, data in content.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as file:
            file.write(data)
    os.chmod(os.path.join(root, "usr/local/bin/tool"), 0o700)
    os.symlink("tool", os.path.join(root, "usr/local/bin/link"))


def listing(root):
    """Everything below the folder: path -> (kind, executable, content)."""
    out = {}
    for folder, names, files in os.walk(root):
        for name in names + files:
            full = os.path.join(folder, name)
            path = os.path.relpath(full, root)
            if os.path.islink(full):
                out[path] = ("link", None, os.readlink(full))
            elif os.path.isdir(full):
                out[path] = ("folder", None, None)
            else:
                with open(full, "rb") as file:
                    out[path] = ("file", os.access(full, os.X_OK), file.read())
    return out


class BomReader:
    """Reads a Bom back, from its description and not from the writer's code."""

    def __init__(self, data):
        magic, one, blocks, index_at, index_size, names_at, names_size = struct.unpack_from(
            ">8sIIIIII", data)
        assert magic == b"BOMStore" and one == 1
        assert index_at + index_size <= len(data) and names_at + names_size <= len(data)
        (count,) = struct.unpack_from(">I", data, index_at)
        assert count == blocks + 1
        places = [struct.unpack_from(">II", data, index_at + 4 + 8 * i) for i in range(count)]
        assert places[0] == (0, 0)
        used = sorted(p for p in places if p[1])
        for (at, size), (following, _) in zip(used, used[1:]):
            assert at >= 512 and at + size <= following, "blocks overlap"
        self.blocks = [data[at:at + size] for at, size in places]
        self.variables = {}
        (number,) = struct.unpack_from(">I", data, names_at)
        at = names_at + 4
        for _ in range(number):
            block, length = struct.unpack_from(">IB", data, at)
            self.variables[data[at + 5:at + 5 + length].decode()] = block
            at += 5 + length
        assert at == names_at + names_size

    def leaf(self, variable):
        magic, version, child, size, count = struct.unpack_from(
            ">4sIIII", self.blocks[self.variables[variable]])
        assert magic == b"tree" and version == 1 and size == 4096
        is_leaf, pairs = struct.unpack_from(">HH", self.blocks[child])
        assert is_leaf == 1 and pairs == count
        return [struct.unpack_from(">II", self.blocks[child], 12 + 8 * i) for i in range(pairs)]

    def files(self):
        """path -> (kind, mode, size, checksum, target)"""
        names, out = {0: ""}, {}
        for about, file in self.leaf("Paths"):
            number, attributes = struct.unpack(">II", self.blocks[about])
            (parent,) = struct.unpack_from(">I", self.blocks[file])
            name = self.blocks[file][4:].rstrip(b"\0").decode()
            path = (names[parent] + "/" if parent else "") + name
            names[number] = path
            data = self.blocks[attributes]
            kind, _, _, mode, user, group, _, size, _, check, length = struct.unpack_from(
                ">BBHHIIIIBII", data)
            assert user == group == 0 and len(data) == 31 + length
            out[path] = (kind, mode, size, check, data[31:].rstrip(b"\0").decode())
        return out


class Package(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.tree = os.path.join(self.folder, "tree")
        make_tree(self.tree)

    def build(self, tree):
        return flat_package.build(tree, "tonel.pkg", "1.2.3", "tonel", WHEN)

    def open(self, data):
        """Unpacks package and payload with bsdtar; gives both folders."""
        path = os.path.join(self.folder, "x.pkg")
        with open(path, "wb") as file:
            file.write(data)
        outer, inner = os.path.join(self.folder, "outer"), os.path.join(self.folder, "inner")
        unpack(path, outer)
        unpack(os.path.join(outer, "tonel.pkg", "Payload"), inner)
        return outer, inner

    def test_the_same_files_give_the_same_octets(self):
        first = self.build(self.tree)
        copy = os.path.join(self.folder, "other place", "copy")
        shutil.copytree(self.tree, copy, symlinks=True)
        for folder, _, files in os.walk(copy):
            for name in files:
                os.utime(os.path.join(folder, name), (1, 1), follow_symlinks=False)
        self.assertEqual(first, self.build(copy))

    def test_another_program_unpacks_what_went_in(self):
        outer, inner = self.open(self.build(self.tree))
        self.assertEqual(listing(self.tree), listing(inner))
        self.assertEqual({"Distribution", "tonel.pkg"}, set(os.listdir(outer)))
        self.assertEqual({"Bom", "PackageInfo", "Payload"},
                         set(os.listdir(os.path.join(outer, "tonel.pkg"))))

    def test_the_descriptions_agree_with_each_other(self):
        outer, inner = self.open(self.build(self.tree))
        info = xml.parse(os.path.join(outer, "tonel.pkg", "PackageInfo")).getroot()
        script = xml.parse(os.path.join(outer, "Distribution")).getroot()
        self.assertEqual("tonel.pkg", info.get("identifier"))
        self.assertEqual("1.2.3", info.get("version"))
        self.assertEqual(len(listing(inner)) + 1, int(info.find("payload").get("numberOfFiles")))
        references = script.findall("pkg-ref")
        self.assertEqual(["#tonel.pkg"], [r.text for r in references])
        self.assertEqual("1.2.3", references[0].get("version"))
        self.assertEqual(info.get("identifier"), script.find("choice/pkg-ref").get("id"))

    def test_the_table_of_contents_is_that_of_the_heap(self):
        data = self.build(self.tree)
        magic, size, version, packed, plain, kind = struct.unpack_from(">4sHHQQI", data)
        self.assertEqual((b"xar!", 28, 1, 1), (magic, size, version, kind))
        table = zlib.decompress(data[28:28 + packed])
        self.assertEqual(plain, len(table))
        heap = data[28 + packed:]
        self.assertEqual(hashlib.sha1(data[28:28 + packed]).digest(), heap[:20])
        at = 20
        for part in xml.fromstring(table).iter("data"):
            length = int(part.find("length").text)
            self.assertEqual(at, int(part.find("offset").text))
            piece = heap[at:at + length]
            self.assertEqual(hashlib.sha1(piece).hexdigest(), part.find("archived-checksum").text)
            if part.find("encoding").get("style") == "application/x-gzip":
                piece = zlib.decompress(piece)
            self.assertEqual(hashlib.sha1(piece).hexdigest(), part.find("extracted-checksum").text)
            self.assertEqual(int(part.find("size").text), len(piece))
            at += length
        self.assertEqual(len(heap), at)

    def test_the_bom_lists_the_payload(self):
        outer, inner = self.open(self.build(self.tree))
        with open(os.path.join(outer, "tonel.pkg", "Bom"), "rb") as file:
            read = BomReader(file.read())
        self.assertEqual({"BomInfo", "Paths", "HLIndex", "VIndex", "Size64"}, set(read.variables))
        for empty in ("HLIndex", "Size64"):
            self.assertEqual([], read.leaf(empty))
        files = read.files()
        self.assertEqual((bom.FOLDER, 0o40755, 0, 0, ""), files.pop("."))
        wanted = listing(inner)
        self.assertEqual({"./" + path for path in wanted}, set(files))
        for path, (kind, mode, size, check, target) in files.items():
            what, executable, content = wanted[path[2:]]
            self.assertEqual({"file": 1, "folder": 2, "link": 3}[what], kind)
            if what == "file":
                self.assertEqual((0o100755 if executable else 0o100644, len(content)), (mode, size))
                done = subprocess.run(["cksum"], input=content, stdout=subprocess.PIPE, check=True)
                self.assertEqual(int(done.stdout.split()[0]), check)
            elif what == "link":
                self.assertEqual(content, target)

    def test_more_files_than_a_leaf_holds_are_refused(self):
        folder = os.path.join(self.folder, "many")
        os.mkdir(folder)
        for i in range(bom.LEAF_LIMIT + 1):
            open(os.path.join(folder, str(i)), "wb").close()
        with self.assertRaises(ValueError):
            self.build(folder)

    def test_the_builder_packs_programs_with_their_services(self):
        given = programs
        if not given:
            given = os.path.join(self.folder, "bin")
            os.mkdir(given)
            for name in ("tonelc", "tonels", "tonelctl", "tonel-tuncheck"):
                with open(os.path.join(given, name), "wb") as file:
                    file.write(b"\xca\xfe\xba\xbe" + name.encode())
        made = []
        for name in ("a.pkg", "b.pkg"):
            made.append(os.path.join(self.folder, name))
            subprocess.run([sys.executable, os.path.join(MACOS, "build-pkg"), given, made[-1]],
                           check=True, stdout=subprocess.DEVNULL)
        with open(made[0], "rb") as first, open(made[1], "rb") as second:
            data = first.read()
            self.assertEqual(data, second.read())
        _, inner = self.open(data)
        found = listing(inner)
        for program in os.listdir(given):
            if not program.startswith("tonel"):
                continue
            with open(os.path.join(given, program), "rb") as file:
                self.assertEqual(("file", True, file.read()), found[f"usr/local/bin/{program}"])
        self.assertEqual("usr/local/bin/tonelc" in found,
                         "Library/LaunchDaemons/tonel.tonelc.plist" in found)
        self.assertIn("usr/local/share/tonel/uninstall", found)
        self.assertFalse([path for path in found if path.startswith(("etc", "private"))])

    def test_nothing_to_pack_is_an_error(self):
        done = subprocess.run([sys.executable, os.path.join(MACOS, "build-pkg"), self.tree,
                               os.path.join(self.folder, "x.pkg")], check=False,
                              stderr=subprocess.DEVNULL)
        self.assertEqual(2, done.returncode)


class Services(unittest.TestCase):
    def test_launchd_understands_them(self):
        for program, side in (("tonelc", "client"), ("tonels", "server")):
            path = os.path.join(MACOS, "launchd", f"tonel.{program}.plist")
            with open(path, "rb") as file:
                read = plistlib.load(file)
            # The job's name and the file's are the same, as launchctl has it.
            self.assertEqual(f"tonel.{program}", read["Label"])
            self.assertEqual([f"/usr/local/bin/{program}", "--config", f"/etc/tonel/{side}.conf"],
                             read["ProgramArguments"])
            self.assertIs(True, read["Disabled"])
            self.assertEqual({"SuccessfulExit": False}, read["KeepAlive"])
            self.assertEqual(0o077, read["Umask"])
            known = {"Label", "ProgramArguments", "Disabled", "RunAtLoad", "KeepAlive", "ExitTimeOut",
                     "ProcessType", "SoftResourceLimits", "HardResourceLimits", "Umask",
                     "StandardErrorPath"}
            self.assertEqual(known, set(read))


if __name__ == "__main__":
    if not shutil.which("bsdtar"):
        print("skipped: bsdtar is not installed (./dev setup)")
        sys.exit(1 if os.environ.get("CI") == "true" else 77)
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", help="a folder with programs built for macOS")
    chosen, rest = parser.parse_known_args()
    programs = chosen.programs
    unittest.main(argv=[sys.argv[0], *rest])
