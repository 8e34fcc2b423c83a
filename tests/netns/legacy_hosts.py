"""The scripted peers of legacy_peers.py in a host's namespace: a TUN device, UDP sockets, the firewall
rules that those programs' users have, and a thread that serves them."""

import os
import queue
import selectors
import socket
import struct
import threading
import time

from legacy_peers import Client, Server
from legacy_wire import Tun
from processes import joined, wait_until

UDP_SEGMENT, UDP_GRO, SO_RCVBUFFORCE = 103, 104, 33


class Peer:
    """tonel 0.6.1 or phantun as it runs: `core` is what it does. All of it happens in one thread;
    tests ask through run()."""

    def __init__(self, top, kind, client, remote=None, local=None, port=4567, upstream=None, index=0,
                 link=None, bulk=False, family=4, rules=True, **options):
        self.top, self.kind, self.client, self.bulk = top, kind, client, bulk
        self.host = top.client if client else top.server
        self.upstream = upstream
        self.delivered = []  # (owner's number, datagram): all that the application side got
        self.delivered_octets = 0
        self.changed = threading.Condition()
        subnet = (200 if client else 201) + 10 * index
        tun = f"{'fc' if client else 'fs'}{index}"
        self.tun = Tun(self.host, tun, f"192.168.{subnet}.1", f"fc{subnet:02x}::1", bulk)
        link = link or ("c0" if client else "s0")
        common = dict(world=self, phantun=kind == "phantun", address4=f"192.168.{subnet}.2",
                      address6=f"fc{subnet:02x}::2", **options)
        if client:
            self.core = Client(remote=remote, **common)
            chain = f"""chain nat {{ type nat hook postrouting priority 100;
                        oifname "{link}" tcp dport {remote[1]} masquerade; }}"""
        else:
            self.core = Server(port=port, **common)
            address = f"ip6 to fc{subnet:02x}::2" if family == 6 else f"ip to 192.168.{subnet}.2"
            chain = f"""chain nat {{ type nat hook prerouting priority -100;
                        iifname "{link}" tcp dport {port} dnat {address}; }}"""
        if rules:
            self.host.sysctl({"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1})
            self.host.nft(f"table inet legacy_{tun} {{ {chain}\n }}")
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.tun.fd, selectors.EVENT_READ, self._from_tun)
        self.wake_in, self.wake_out = os.pipe()
        self.selector.register(self.wake_in, selectors.EVENT_READ, self._from_tests)
        self.requests = queue.Queue()
        self.sockets = {}  # a server's, by owner
        self.socket = None
        if local:
            self.socket = self._udp(local)
            self.selector.register(self.socket, selectors.EVENT_READ, self._from_applications)
        self.stopping, self.failure = False, None
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _udp(self, bind):
        sock = self.host.udp(*bind, timeout=0)
        sock.setsockopt(socket.SOL_UDP, UDP_GRO, 1)
        try:  # an interpreter is slow to come back to its socket
            sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)
        except PermissionError:
            pass
        return sock

    # --- the world of the core -----------------------------------------------------------------

    @staticmethod
    def now():
        return time.monotonic()

    def write(self, segment):
        self.tun.write(segment)

    def deliver(self, owner, block, size):
        with self.changed:
            self.delivered_octets += len(block)
            if not self.bulk:
                self.delivered.append((owner.number, block))
            self.changed.notify_all()
        sock = self.socket if self.client else self.sockets.get(owner)
        if sock is None or (self.client and not isinstance(owner.app, tuple)):
            return  # a test is the application
        run = [(socket.SOL_UDP, UDP_SEGMENT, struct.pack("=H", size))] if 0 < size < len(block) else []
        try:
            sock.sendmsg([block], run, 0, *([owner.app] if self.client else []))
        except (BlockingIOError, ConnectionRefusedError):
            pass

    def connect(self, owner):
        if self.upstream:
            sock = self.sockets[owner] = self._udp(("::1" if ":" in self.upstream[0] else "127.0.0.1", 0))
            sock.connect(self.upstream)
            self.selector.register(sock, selectors.EVENT_READ, lambda: self._from_upstream(owner, sock))

    def disconnect(self, owner):
        sock = self.sockets.pop(owner, None)
        if sock:
            self.selector.unregister(sock)
            sock.close()

    # --- events --------------------------------------------------------------------------------

    def _from_tun(self):
        for _ in range(64):
            try:
                segment = self.tun.read()
            except BlockingIOError:
                return
            if segment:
                self.core.receive(segment)

    @staticmethod
    def _read(sock):
        try:
            block, ancillary, _, source = sock.recvmsg(65535, 64)
        except (BlockingIOError, ConnectionRefusedError):
            return None
        sizes = [struct.unpack("=i", data[:4])[0] for level, kind, data in ancillary
                 if (level, kind) == (socket.SOL_UDP, UDP_GRO)]
        return block, sizes[0] if sizes else 0, source[:2] if source else None

    def _from_applications(self):
        # A burst for a peer that is not known yet is what stood in the queue together.
        strangers = {}
        for _ in range(64):
            got = self._read(self.socket)
            if got is None:
                break
            block, size, source = got
            if source in self.core.routes or self.bulk:
                self.core.submit_run(source, block, size)
                continue
            strangers.setdefault(source, []).extend(
                [block] if not size else [block[n:n + size] for n in range(0, len(block), size)])
        for source, datagrams in strangers.items():
            self.core.submit_queued(source, datagrams)

    def _from_upstream(self, owner, sock):
        for _ in range(16):
            got = self._read(sock)
            if got is None:
                return
            self.core.answer(owner, got[0], got[1])

    def _from_tests(self):
        os.read(self.wake_in, 4096)
        while not self.requests.empty():
            function, done = self.requests.get()
            done.append(function())

    def _serve(self):
        try:
            while not self.stopping:
                at = self.core.deadline()
                timeout = None if at is None else max(0.0, at - time.monotonic())
                for key, _ in self.selector.select(timeout):
                    key.data()
                self.core.on_timer()
        except Exception as failure:  # pylint: disable=broad-except  # told to the test that asks next
            self.failure = failure
            raise

    # --- for tests -----------------------------------------------------------------------------

    def run(self, function):
        """Calls it in the peer's thread and gives what it returned."""
        done = []
        self.requests.put((function, done))
        os.write(self.wake_out, b"!")
        wait_until(lambda: done or not self.thread.is_alive(), 10, f"{self.kind} answers")
        assert done, f"the scripted {self.kind} failed: {self.failure!r}"
        return done[0]

    def live(self):
        return self.run(lambda: sum(c.state == "established" for c in self.core.connections.values()))

    def datagrams(self):
        with self.changed:
            return [data for _, data in self.delivered]

    def owners(self):
        """The groups, or ports of the upstream, that something was delivered for."""
        with self.changed:
            return list(dict.fromkeys(number for number, _ in self.delivered))

    def wait_delivered(self, count, seconds=5.0):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.delivered) >= count, seconds), \
                f"{len(self.delivered)} of {count} datagrams within {seconds} s: {self.delivered[-5:]}"
            return [data for _, data in self.delivered]

    def kill(self):
        """As by SIGKILL: no word, and the device is gone."""
        self.stopping = True
        os.write(self.wake_out, b"!")
        self.thread.join(5)
        for sock in list(self.sockets.values()) + ([self.socket] if self.socket else []):
            sock.close()
        self.tun.close()
        self.selector.close()
        os.close(self.wake_in)
        os.close(self.wake_out)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if not self.stopping:
            self.kill()
        assert self.failure is None, f"the scripted {self.kind} failed: {self.failure!r}"


def echo(peer):
    """A server whose upstream answers each datagram, without sockets."""
    deliver = peer.deliver

    def and_answer(owner, block, size):
        deliver(owner, block, size)
        peer.core.answer(owner, block, size)
    peer.deliver = and_answer
    return peer


class Blame:
    """Whose packets are invalid to a tracker of any of the three hosts.

    `up` comes from the client's side and `down` from the server's. What those programs are known to send
    invalid is named: tonel's RST with number 0, and probes and answers once 1 GiB has passed.
    """

    def __init__(self, top):
        self.top = top
        names = [f"{d}_{k}" for d in ("up", "down") for k in ("reset", "probe", "other")]
        counters = "\n".join(f"counter {n} {{ }}" for n in names)
        for host, up, down in ((top.client, 'iifname != "c0"', 'iifname "c0"'),
                               (top.router, 'iifname "rc"', 'iifname "rs"'),
                               (top.server, 'iifname "s0"', 'iifname != "s0"')):
            rules = []
            for side, where in (("up", up), ("down", down)):
                invalid = f"meta l4proto tcp ct state invalid {where}"
                rules += [f"{invalid} tcp flags & rst == rst tcp sequence 0 counter name {side}_reset return",
                          f"{invalid} tcp flags == ack tcp sequence <= 1 tcp ackseq 0 counter name "
                          f"{side}_probe return",
                          f"{invalid} counter name {side}_other"]
            host.nft(f"table inet blame {{ {counters}\nchain seen {{ type filter hook prerouting "
                     "priority -150;\n" + "\n".join(rules) + "\n}\n}")

    def figures(self):
        """Names to packets, those that are not 0, over the three hosts."""
        found = {}
        for host in self.top.hosts:
            words = host.run("nft list counters table inet blame").split()
            for n, word in enumerate(words):
                if word == "packets" and words[n + 1] != "0":
                    name = words[n - 2]
                    found[f"{host.role} {name}"] = int(words[n + 1])
        return found

    def clear(self, ours, known=()):
        """Nothing of ours is invalid, and of theirs only what is known."""
        bad = {who: count for who, count in self.figures().items()
               if who.split()[1].startswith(ours) or who.split()[1].split("_")[1] not in known}
        assert not bad, f"invalid packets: {bad}; ours are {ours}"


__all__ = ["Blame", "Peer", "echo", "joined"]
