"""Writes and reads a bill of materials (Bom), the list of files in a macOS package.

All numbers are big-endian. A store of numbered blocks, block 0 empty; named variables point to blocks.
The variable "Paths" is a tree whose leaf lists, for each path, its attributes and its name with the
number of its folder; the other variables are trees with nothing in them, which the Installer looks for.
"""

import struct

FILE, FOLDER, LINK = 1, 2, 3
LEAF_LIMIT = 500  # of 4,096 octets

_CRC = []
for _i in range(256):
    _c = _i << 24
    for _ in range(8):
        _c = ((_c << 1) ^ 0x04C11DB7) & 0xFFFFFFFF if _c & 0x80000000 else (_c << 1) & 0xFFFFFFFF
    _CRC.append(_c)


def checksum(data):
    """What POSIX cksum says of it."""
    crc = 0
    for octet in data:
        crc = ((crc << 8) & 0xFFFFFFFF) ^ _CRC[(crc >> 24) ^ octet]
    length = len(data)
    while length:
        crc = ((crc << 8) & 0xFFFFFFFF) ^ _CRC[(crc >> 24) ^ (length & 0xFF)]
        length >>= 8
    return crc ^ 0xFFFFFFFF


class _Store:
    def __init__(self):
        self.blocks = [b""]
        self.variables = []

    def add(self, data):
        self.blocks.append(data)
        return len(self.blocks) - 1

    def name(self, name, block):
        self.variables.append((name.encode(), block))

    def bytes(self):
        at = 512
        body, index = b"", b""
        for block in self.blocks:
            index += struct.pack(">II", at if block else 0, len(block))
            body += block
            at += len(block)
        names = struct.pack(">I", len(self.variables))
        for name, block in self.variables:
            names += struct.pack(">IB", block, len(name)) + name
        # Two free blocks of no size stand behind the index.
        index = struct.pack(">I", len(self.blocks)) + index + struct.pack(">IIIII", 2, 0, 0, 0, 0)
        header = struct.pack(">8sIIIIII", b"BOMStore", 1, len(self.blocks) - 1, at + len(names),
                             len(index), at, len(names))
        return header.ljust(512, b"\0") + body + names + index


def _leaf(pairs):
    return struct.pack(">HHII", 1, len(pairs), 0, 0) + b"".join(struct.pack(">II", *p) for p in pairs)


def _tree(store, leaf, count, block_size):
    return store.add(struct.pack(">4sIIIIB", b"tree", 1, store.add(leaf), block_size, count, 0))


def write(entries):
    """The Bom of entries, each with path ("." or "./a/b"), kind, mode, time and data (of a link: its
    target), folders before what is in them."""
    if len(entries) > LEAF_LIMIT:
        raise ValueError(f"more than {LEAF_LIMIT} files: the tree would need branches")
    store = _Store()
    total = sum(len(e.data) for e in entries if e.kind == FILE)
    store.name("BomInfo", store.add(struct.pack(">IIIIIII", 1, len(entries) + 1, 1, 0, 0,
                                                total & 0xFFFFFFFF, 0)))
    numbers, pairs = {}, []
    for number, entry in enumerate(entries, 1):
        numbers[entry.path] = number
        folder, _, name = entry.path.rpartition("/")
        link = entry.data + b"\0" if entry.kind == LINK else b""
        content = entry.data if entry.kind == FILE else b""
        attributes = store.add(struct.pack(
            ">BBHHIIIIBII", entry.kind, 1, 3, entry.mode, 0, 0, entry.time, len(content), 1,
            checksum(entry.data) if entry.kind != FOLDER else 0, len(link)) + link)
        about = store.add(struct.pack(">II", number, attributes))
        parent = numbers[folder] if folder else 0
        pairs.append((about, store.add(struct.pack(">I", parent) + name.encode() + b"\0")))
    store.name("Paths", _tree(store, _leaf(pairs), len(pairs), 4096))
    store.name("HLIndex", _tree(store, _leaf([]), 0, 4096))
    version_tree = _tree(store, _leaf([]), 0, 128)
    store.name("VIndex", store.add(struct.pack(">IIIB", 1, version_tree, 0, 0)))
    store.name("Size64", _tree(store, _leaf([]), 0, 4096))
    return store.bytes()
