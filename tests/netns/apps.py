"""Small UDP applications in threads of the test itself, where each datagram matters."""

import socket
import threading
import time

METRICS = ("127.0.0.1", 9100)  # what --metrics 9100 serves


class Upstream:
    """The UDP service behind tonels: remembers what came from where, and echoes if told to."""

    def __init__(self, sock, echo=True):
        self.sock, self.echo = sock, echo
        self.sock.settimeout(0.1)
        self.received = []  # (bytes, address)
        self.changed = threading.Condition()
        self.stopping = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.stopping:
            try:
                data, address = self.sock.recvfrom(65535)
            except socket.timeout:
                continue
            except ConnectionRefusedError:
                continue
            except OSError:
                return
            with self.changed:
                self.received.append((data, address[:2]))
                self.changed.notify_all()
            if self.echo:
                try:
                    self.sock.sendto(data, address)
                except OSError:
                    pass

    def wait_count(self, count, seconds=5.0):
        deadline = time.monotonic() + seconds
        with self.changed:
            while len(self.received) < count:
                left = deadline - time.monotonic()
                assert left > 0, f"{len(self.received)} of {count} datagrams within {seconds} s"
                self.changed.wait(left)
            return list(self.received)

    def sources(self):
        """The peers' addresses in order of appearance."""
        with self.changed:
            return list(dict.fromkeys(address for _, address in self.received))

    def clear(self):
        with self.changed:
            self.received.clear()

    def send(self, data, address):
        self.sock.sendto(data, address)

    def stop(self):
        self.stopping = True
        self.thread.join(2)
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def ask(sock, data, seconds=5.0, every=0.3):
    """Sends the datagram until its echo comes; returns after how many tries. Others are skipped."""
    deadline = time.monotonic() + seconds
    tries = 0
    while True:
        assert time.monotonic() < deadline, f"no echo of {data[:40]!r} within {seconds} s"
        tries += 1
        try:
            sock.send(data)
        except ConnectionRefusedError:
            pass
        until = time.monotonic() + every
        while time.monotonic() < until:
            sock.settimeout(max(0.01, until - time.monotonic()))
            try:
                if sock.recv(65535) == data:
                    return tries
            except socket.timeout:
                break
            except ConnectionRefusedError:
                time.sleep(0.02)


def ask_once(sock, data, seconds=5.0):
    """The first try has to come back."""
    sock.settimeout(seconds)
    sock.send(data)
    assert sock.recv(65535) == data


def receive_all(sock, count, seconds=5.0):
    """That many datagrams, in order of arrival."""
    deadline = time.monotonic() + seconds
    got = []
    while len(got) < count:
        sock.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            got.append(sock.recv(65535))
        except socket.timeout:
            raise AssertionError(f"{len(got)} of {count} datagrams within {seconds} s") from None
    return got


def tcp(host, address, timeout=5.0):
    with host.entered():
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.settimeout(timeout)
    sock.connect(address)
    return sock


def read_all(sock):
    data = b""
    while True:
        part = sock.recv(65536)
        if not part:
            return data
        data += part


def http(host, path, address=METRICS, method="GET"):
    """Status, body."""
    with tcp(host, address) as sock:
        sock.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head, _, body = read_all(sock).partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()
