"""Writes a macOS installer package (a flat product archive) of a folder's content.

A xar archive of Distribution (what the Installer shows) and of one component with PackageInfo, Bom and
Payload (a gzip'ed cpio archive in the old portable format). The same files, version and time give the
same bytes, whoever builds them and wherever.
"""

import collections
import gzip
import hashlib
import io
import os
import stat
import struct
import time
import zlib
from xml.sax.saxutils import escape, quoteattr

import bom

Entry = collections.namedtuple("Entry", "path kind mode time data")


def entries_of(root, when):
    """What is below the folder, sorted, folders before their content; owner and time are nobody's."""
    out = [Entry(".", bom.FOLDER, 0o40755, when, b"")]
    for folder, names, files in os.walk(root):
        names.sort()
        for name in sorted(names + files):
            full = os.path.join(folder, name)
            path = "./" + os.path.relpath(full, root)
            mode = os.lstat(full).st_mode
            if stat.S_ISLNK(mode):
                out.append(Entry(path, bom.LINK, 0o120755, when, os.readlink(full).encode()))
            elif stat.S_ISDIR(mode):
                out.append(Entry(path, bom.FOLDER, 0o40755, when, b""))
            elif stat.S_ISREG(mode):
                executable = mode & stat.S_IXUSR
                with open(full, "rb") as file:
                    out.append(Entry(path, bom.FILE, 0o100755 if executable else 0o100644, when,
                                     file.read()))
            else:
                raise ValueError(f"{full}: neither file, folder nor link")
    return sorted(out, key=lambda e: e.path.split("/"))


def cpio(entries):
    """An archive as of `cpio -o -H odc`."""
    out = []

    def add(number, mode, links, when, name, data):
        name = name.encode() + b"\0"
        out.append(b"070707%06o%06o%06o%06o%06o%06o%06o%011o%06o%011o" % (
            0, number, mode, 0, 0, links, 0, when, len(name), len(data)) + name + data)

    for number, e in enumerate(entries, 1):
        add(number, e.mode, 2 if e.kind == bom.FOLDER else 1, e.time, e.path, e.data)
    add(0, 0, 1, 0, "TRAILER!!!", b"")
    return b"".join(out)


def gzipped(data):
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9, mtime=0, filename="") as file:
        file.write(data)
    return out.getvalue()


class _Xar:
    """Collects a table of contents in XML and the heap behind it."""

    def __init__(self, when):
        self.stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))
        self.heap, self.toc, self.last = [], [], 0
        self.at = hashlib.sha1().digest_size  # of the table itself, in front

    def _open(self, name, kind, mode):
        self.last += 1
        self.toc.append(f'<file id="{self.last}"><name>{escape(name)}</name><type>{kind}</type>'
                        f"<mode>{mode}</mode><uid>0</uid><gid>0</gid><mtime>{self.stamp}</mtime>")

    def folder(self, name, content):
        self._open(name, "directory", "0755")
        for inner in content:
            self.file(*inner)
        self.toc.append("</file>")

    def file(self, name, data):
        self._open(name, "file", "0644")
        # The payload is compressed already, and the rest is small.
        kept, style = data, "application/octet-stream"
        if name != "Payload":
            kept, style = zlib.compress(data, 9), "application/x-gzip"
        self.toc.append(
            f"<data><length>{len(kept)}</length><offset>{self.at}</offset><size>{len(data)}</size>"
            f'<encoding style="{style}"/>'
            f'<extracted-checksum style="sha1">{hashlib.sha1(data).hexdigest()}</extracted-checksum>'
            f'<archived-checksum style="sha1">{hashlib.sha1(kept).hexdigest()}</archived-checksum>'
            "</data></file>")
        self.heap.append(kept)
        self.at += len(kept)

    def bytes(self):
        toc = ('<?xml version="1.0" encoding="UTF-8"?>\n<xar><toc><checksum style="sha1"><offset>0'
               f"</offset><size>{hashlib.sha1().digest_size}</size></checksum><creation-time>"
               f"{self.stamp[:-1]}</creation-time>{''.join(self.toc)}</toc></xar>\n").encode()
        packed = zlib.compress(toc, 9)
        # Size of this header, version, and 1 for SHA-1, which every Installer knows.
        header = struct.pack(">4sHHQQI", b"xar!", 28, 1, len(packed), len(toc), 1)
        return b"".join([header, packed, hashlib.sha1(packed).digest(), *self.heap])


def package_info(identifier, version, entries):
    size = sum(len(e.data) for e in entries)
    # Folders that are there already, such as /Library/LaunchDaemons, keep what they are.
    return (f'<?xml version="1.0" encoding="utf-8"?>\n<pkg-info format-version="2" '
            f"identifier={quoteattr(identifier)} version={quoteattr(version)} install-location=\"/\" "
            'auth="root" overwrite-permissions="false" relocatable="false">\n'
            f'    <payload numberOfFiles="{len(entries)}" installKBytes="{size // 1024}"/>\n'
            "</pkg-info>\n").encode()


def distribution(identifier, version, title, component, minimum, architectures, kilobytes):
    name = quoteattr(identifier)
    return f"""<?xml version="1.0" encoding="utf-8"?>
<installer-gui-script minSpecVersion="2">
    <title>{escape(title)}</title>
    <options customize="never" require-scripts="false" rootVolumeOnly="true" hostArchitectures={quoteattr(','.join(architectures))}/>
    <domains enable_anywhere="false" enable_currentUserHome="false" enable_localSystem="true"/>
    <volume-check>
        <allowed-os-versions><os-version min={quoteattr(minimum)}/></allowed-os-versions>
    </volume-check>
    <choices-outline>
        <line choice="default"/>
    </choices-outline>
    <choice id="default" title={quoteattr(title)}>
        <pkg-ref id={name}/>
    </choice>
    <pkg-ref id={name} version={quoteattr(version)} installKBytes="{kilobytes}" auth="root" onConclusion="none">#{escape(component)}</pkg-ref>
</installer-gui-script>
""".encode()


def build(root, identifier, version, title, when, minimum="11.0",
          architectures=("x86_64", "arm64")):
    """The bytes of a package that puts what is in `root` below /."""
    entries = entries_of(root, when)
    component = f"{title}.pkg"
    kilobytes = sum(len(e.data) for e in entries) // 1024
    archive = _Xar(when)
    archive.file("Distribution", distribution(identifier, version, title, component, minimum,
                                              architectures, kilobytes))
    archive.folder(component, [
        ("Bom", bom.write(entries)),
        ("PackageInfo", package_info(identifier, version, entries)),
        ("Payload", gzipped(cpio(entries))),
    ])
    return archive.bytes()
