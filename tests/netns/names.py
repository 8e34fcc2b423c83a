"""A name server of a test's own, and hosts that ask it: the mount namespace is the case's alone."""

import os
import socket
import struct
import subprocess
import tempfile
import threading

ADDRESS = "10.9.9.9"
A, AAAA = 1, 28


class NameServer:
    """Answers for names of one topology, on the host that asks. `names` may change at any time; while
    `silent` nobody gets an answer."""

    def __init__(self, host, names):
        self.names, self.silent, self.questions = dict(names), False, 0
        host.run(f"ip addr add {ADDRESS}/32 dev lo")
        self.files = tempfile.TemporaryDirectory()
        self._hide("resolv.conf", f"nameserver {ADDRESS}\noptions timeout:1 attempts:1\n")
        self._hide("hosts", "127.0.0.1 localhost\n")
        self.sock = host.udp(ADDRESS, 53, timeout=0.1)
        self.stopping = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _hide(self, name, text):
        path = os.path.join(self.files.name, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        subprocess.run(["mount", "--bind", path, f"/etc/{name}"], check=True)

    def _run(self):
        while not self.stopping:
            try:
                question, peer = self.sock.recvfrom(4096)
            except socket.timeout:
                continue
            self.questions += 1
            if not self.silent:
                self.sock.sendto(self._answer(question), peer)

    def _answer(self, question):
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode())
            at += 1 + question[at]
        kind, = struct.unpack("!H", question[at + 1:at + 3])
        found = self.names.get(".".join(labels).lower())
        records = []
        for address in found or []:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            if (kind == AAAA) == (family == socket.AF_INET6) and kind in (A, AAAA):
                packed = socket.inet_pton(family, address)
                records.append(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 1, len(packed)) + packed)
        code = 0x8180 if found is not None else 0x8183
        return (question[:2] + struct.pack("!HHHHH", code, 1, len(records), 0, 0)
                + question[12:at + 5] + b"".join(records))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.thread.join(2)
        self.sock.close()
        for name in ("resolv.conf", "hosts"):
            subprocess.run(["umount", f"/etc/{name}"], check=False)
        self.files.cleanup()
