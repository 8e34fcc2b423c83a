"""Reads programs of macOS (Mach-O, thin or universal) and says what keeps a Mac from running them.

That is what can be seen without one: kind, oldest system, libraries, alignment, and the code signature,
whose hashes are computed anew. arm64 Macs kill programs without a signature or with a wrong one; one that
names no signer (ad hoc), as the linker writes it, is enough.
Source: mach-o/loader.h, mach-o/fat.h, XNU osfmk/kern/cs_blobs.h
"""

import collections
import hashlib
import struct

CPUS = {0x01000007: "x86_64", 0x0100000C: "arm64"}
FAT, THIN = b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe"
EXECUTE, PIE = 2, 0x200000
SEGMENT, CODE_SIGNATURE, BUILD_VERSION, MAIN = 0x19, 0x1D, 0x32, 0x80000028
LIBRARIES = (0xC, 0x80000018, 0x8000001F)
MACOS = 1
SUPER_BLOB, CODE_DIRECTORY, AD_HOC, SHA256 = 0xFADE0CC0, 0xFADE0C02, 2, 2
# The size of a page, as a power of two: what a slice of a universal file begins at.
PAGES = {"x86_64": 12, "arm64": 14}
EVERYWHERE = "/usr/lib/libSystem.B.dylib"

Slice = collections.namedtuple("Slice", "arch data faults")


class Broken(ValueError):
    """What is there can't be read on."""


def unpack(form, data, at):
    if at < 0 or at + struct.calcsize(form) > len(data):
        raise Broken("it ends too early")
    return struct.unpack_from(form, data, at)


def slices(data):
    """The programs of a file, one for each processor."""
    if data[:4] == THIN:
        cpu, = unpack("<I", data, 4)
        return [Slice(CPUS.get(cpu, hex(cpu)), data, [])]
    if data[:4] != FAT:
        raise Broken("it is no program of macOS")
    out = []
    for i in range(unpack(">I", data, 4)[0]):
        cpu, _, at, size, align = unpack(">5I", data, 8 + 20 * i)
        arch = CPUS.get(cpu, hex(cpu))
        faults = []
        if at + size > len(data):
            faults.append("it is cut off")
        if align < PAGES.get(arch, 0) or at % (1 << align):
            faults.append("it does not begin at a page")
        out.append(Slice(arch, data[at:at + size], faults))
    return out


def commands(data):
    """Number and place of each load command."""
    count, = unpack("<I", data, 16)
    at = 32
    for _ in range(count):
        number, size = unpack("<2I", data, at)
        yield number, at
        at += max(size, 8)


def signature_faults(data, at, size):
    """What is wrong with the signature at this place, which is to cover everything in front of it."""
    magic, _, count = unpack(">3I", data, at)
    if magic != SUPER_BLOB or at + size != len(data):
        return ["its signature is none, or does not stand at the end"]
    blobs = {}
    for i in range(count):
        kind, offset = unpack(">2I", data, at + 12 + 8 * i)
        length, = unpack(">I", data, at + offset + 4)
        blobs[kind] = data[at + offset:at + offset + length]
    directory = blobs.get(0, b"")
    (magic, _, _, flags, hashes, _, specials, pages, limit, width, kind, _,
     page) = unpack(">9I4B", directory, 0)
    if magic != CODE_DIRECTORY or (kind, width) != (SHA256, 32):
        return ["its signature has no hashes that are known"]
    out = []
    if not flags & AD_HOC and 0x10000 not in blobs:
        out.append("its signature claims a signer, and has none")
    if limit != at or pages != -(-limit >> page):
        out.append("its signature does not cover all of it")
    for i in range(pages):
        part = data[i << page:min((i + 1) << page, limit)]
        if hashlib.sha256(part).digest() != directory[hashes + 32 * i:hashes + 32 * (i + 1)]:
            out.append(f"page {i} is not what was signed")
    for i in range(1, specials + 1):
        given = directory[hashes - 32 * i:hashes - 32 * (i - 1)]
        if any(given) and hashlib.sha256(blobs.get(i, b"")).digest() != given:
            out.append(f"part {i} of its signature is not what was signed")
    return out


def faults(one, oldest):
    """What is wrong with a slice, in words; oldest: the macOS that it is to run on, as (11, 0)."""
    data, out = one.data, list(one.faults)
    kind, = unpack("<I", data, 12)
    flags, = unpack("<I", data, 24)
    if kind != EXECUTE or not flags & PIE:
        out.append("it is no program that can lie anywhere")
    seen, end = set(), 0
    for number, at in commands(data):
        seen.add(number)
        if number in LIBRARIES:
            start, = unpack("<I", data, at + 8)
            name = data[at + start:data.index(b"\0", at + start)].decode()
            if name != EVERYWHERE:
                out.append(f"it needs {name}")
        elif number == BUILD_VERSION:
            system, version = unpack("<2I", data, at + 8)
            if system != MACOS or (version >> 16, version >> 8 & 255) != oldest:
                out.append("it is for another system, or another version of it")
        elif number == SEGMENT:
            start, size = unpack("<2Q", data, at + 40)
            end = max(end, start + size)
        elif number == CODE_SIGNATURE:
            out += signature_faults(data, *unpack("<2I", data, at + 8))
    if end != len(data):
        out.append("its segments do not end where it does")
    if not {BUILD_VERSION, MAIN} <= seen:
        out.append("it has no entry, or does not say which system it is for")
    if one.arch == "arm64" and CODE_SIGNATURE not in seen:
        out.append("it is not signed")
    return out
