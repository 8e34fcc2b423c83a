"""tonel 0.6.1 and phantun, client and server, as scripted peers: their packets, timers and faults.

Written from docs/legacy.md, not with the code under test. What is here has no device, socket or
clock: `world` has write(segment), deliver(owner, block, size), connect(owner), disconnect(owner), and
now(). A connection belongs to an owner: a client's group of connections for one UDP peer, or a
server's for one upstream port.
"""

import random

from legacy_wire import ACK, LARGEST_RUN, RST, SYN, Segment, split

TONEL_WAIT, TONEL_UDP_IDLE = 3.0, 20.0
PHANTUN_WAIT, PHANTUN_IDLE, PHANTUN_ACK_ROOM = 1.0, 180.0, 128 << 20


def xor(data, key):
    return bytes(b ^ key[n % len(key)] for n, b in enumerate(data)) if key else data


class Owner:
    """A group of connections with one UDP side."""

    def __init__(self, number, app=None, first=None):
        self.number = number  # in order of appearance
        self.app = app        # a client's: the address of its UDP peer
        self.first = first    # the datagram that opened it
        self.connections = []
        self.waiting = []     # datagrams that came while it was opening
        self.open = False
        self.turn = 0
        self.idle_at = None


class Connection:
    """One TCP-looking connection of either program, either end."""

    def __init__(self, program, key, syn):
        self.program, self.key, self.syn = program, key, syn
        self.us, self.peer = (key[0], key[1]), (key[2], key[3])
        self.state = "handshake"
        self.held = []
        self.owner = None
        self.seq = self.ack = self.syn_ack = 0
        self.at = None         # the next timer
        self.drops_next = False  # tonel: the first payload counts as the handshake packet
        self.first = None      # tonel: goes, raw, when that has come

    def emit(self, flags, seq, ack, payload=b"", size=0):
        self.program.world.write(Segment(*self.us, *self.peer, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF,
                                         flags, payload, size))

    def start(self):
        now = self.program.world.now()
        if self.program.client:
            self.seq = self.syn
            self.emit(SYN, self.syn, 0)
        else:
            self.syn_ack = self.seq = 0 if self.program.phantun else self.peer[1]
            self.ack = self.syn + 1
            self.emit(SYN | ACK, self.seq, self.ack)
        self.at = now + self.WAIT

    def completes(self, segment):
        if self.program.client:
            return segment.flags == SYN | ACK and segment.ack == (self.syn + 1) & 0xFFFFFFFF
        return segment.flags == ACK and segment.ack == (self.syn_ack + 1) & 0xFFFFFFFF

    def establish(self, segment):
        """Whatever completes it, its payload is gone."""
        self.state = "established"
        self.seq = (self.seq + 1) & 0xFFFFFFFF
        if self.program.client:
            self.syn_ack = segment.seq
            self.ack = (segment.seq + 1) & 0xFFFFFFFF
            self.emit(ACK, self.seq, self.ack)
        self.at = self.program.world.now() + self.IDLE
        self.program.established(self)

    def send(self, block, size=0):
        if self.state != "established":
            return
        step = (size or len(block) or 1) * LARGEST_RUN
        for at in range(0, max(len(block), 1), step):
            part = block[at:at + step]
            self.emit(ACK, self.seq, self.ack, part, size)
            self.seq = (self.seq + len(part)) & 0xFFFFFFFF

    def drop(self):
        if self.state == "closed":
            return
        self.state = "closed"
        self.emit(RST, self.closing_seq(), 0)
        self.program.dropped(self)


class TonelConnection(Connection):
    WAIT = IDLE = TONEL_WAIT

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.asked, self.lost_rounds = False, 0

    def closing_seq(self):
        return 0

    def unread(self):
        """A client reads nothing before all connections of the group are there."""
        return self.state == "established" and self.owner is not None and not self.owner.open

    def receive(self, segment):
        if self.unread():
            return self.held.append(segment)
        if segment.flags & RST:
            return self.drop()
        if self.state == "handshake":
            # The first packet decides, and a SYN that is repeated is a wrong one.
            return self.establish(segment) if self.completes(segment) else self.drop()
        self.at = self.program.world.now() + TONEL_WAIT
        if segment.flags == ACK and segment.ack == 0 and not segment.payload:
            if segment.seq == 0:
                return self.emit(ACK, 1, 0)
            if segment.seq == 1 and self.asked:
                self.asked = False
                return None
        self.ack = (segment.seq + len(segment.payload)) & 0xFFFFFFFF
        self.asked, self.lost_rounds = False, 0
        return self.program.payload(self, segment.payload, segment.size)

    def on_timer(self):
        if self.state == "handshake":
            return self.drop()  # one SYN, one SYN-ACK, 3 s
        self.at = self.program.world.now() + TONEL_WAIT
        if self.unread():
            return None
        if not self.asked:
            self.asked = True
            return self.emit(ACK, 0, 0)
        self.asked = False
        self.lost_rounds += 1
        return self.drop() if self.lost_rounds == 3 else None

    def oversize(self, block, size):
        return (size or len(block)) > (1440 if ":" in self.us[0] else 1460)

    def send(self, block, size=0):
        if self.oversize(block, size):
            return self.drop()
        return super().send(block, size)


class PhantunConnection(Connection):
    WAIT, IDLE = PHANTUN_WAIT, PHANTUN_IDLE

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.last_ack, self.turns = 0, 0

    def closing_seq(self):
        return self.seq

    def emit(self, flags, seq, ack, payload=b"", size=0):
        if flags & ACK:
            self.last_ack = ack
        super().emit(flags, seq, ack, payload, size)

    def start(self):
        self.turns += 1
        super().start()

    def receive(self, segment):
        if segment.flags & RST:
            return self.drop()
        if self.state == "handshake":
            if self.completes(segment):
                return self.establish(segment)
            return self.wait_ended()
        self.at = self.program.world.now() + PHANTUN_IDLE
        self.ack = (segment.seq + len(segment.payload)) & 0xFFFFFFFF
        if (self.ack - self.last_ack) & 0xFFFFFFFF > PHANTUN_ACK_ROOM:
            self.emit(ACK, self.seq, self.ack)
        return self.program.payload(self, segment.payload, segment.size) if segment.payload else None

    def send(self, block, size=0):
        super().send(block, size)
        self.at = self.program.world.now() + PHANTUN_IDLE

    def wait_ended(self):
        """Six turns of sending and waiting; a wrong packet costs one."""
        self.turns += 1
        if self.turns >= 6:
            self.drop()

    def on_timer(self):
        if self.state == "established":
            return self.drop()
        self.wait_ended()
        return self.start() if self.state == "handshake" else None


class Program:
    """What the four have in common: the table of connections, and answers to strangers."""

    def __init__(self, world, phantun, client, address4, address6, port=0, handshake=b"", key=b"",
                 seed=1):
        self.world, self.phantun, self.client = world, phantun, client
        self.addresses = {4: address4, 6: address6}
        self.port = port            # a server's
        self.handshake, self.key = handshake, b"" if phantun else key.lower()
        self.random = random.Random(seed)
        self.connections = {}
        self.owners = []            # all that there ever were
        self.opened = self.refused = 0

    def make(self, key, syn):
        kind = PhantunConnection if self.phantun else TonelConnection
        connection = self.connections[key] = kind(self, key, syn)
        return connection

    def receive(self, segment):
        key = (segment.dst, segment.dport, segment.src, segment.sport)
        connection = self.connections.get(key)
        if connection is None:
            return self.stranger(segment, key)
        if not segment.size or len(segment.payload) <= segment.size:
            return connection.receive(segment)
        if connection.state == "established" and not connection.drops_next:
            return connection.receive(segment)
        for n, part in enumerate(segment.datagrams()):
            connection.receive(segment._replace(seq=(segment.seq + n * segment.size) & 0xFFFFFFFF,
                                                payload=part, size=0))
        return None

    def stranger(self, segment, key):
        if not self.client and segment.flags == SYN and segment.dport == self.port:
            if not self.phantun or segment.seq == 0:
                return self.make(key, segment.seq).start()
            return self.world.write(Segment(*key, 0, segment.seq + 1 + len(segment.payload),
                                            RST | ACK))
        if segment.flags & RST:
            return None
        return self.world.write(Segment(*key, segment.ack, (segment.seq + len(segment.payload)) &
                                        0xFFFFFFFF, RST | ACK))

    def dropped(self, connection):
        self.connections.pop(connection.key, None)
        owner = connection.owner
        if owner is None:
            return
        owner.connections = [c for c in owner.connections if c is not connection]
        self.lost(connection, owner)

    def new_owner(self, *arguments):
        owner = Owner(len(self.owners), *arguments)
        self.owners.append(owner)
        return owner

    def deliver(self, owner, block, size):
        if self.key:
            for part in split(block, size):
                self.world.deliver(owner, xor(part, self.key), 0)
        else:
            self.world.deliver(owner, block, size)

    def close_all(self):
        """Every connection object is dropped."""
        for connection in list(self.connections.values()):
            connection.drop()

    def deadline(self):
        return min((c.at for c in self.connections.values()), default=None)

    def on_timer(self):
        now = self.world.now()
        for connection in list(self.connections.values()):
            if connection.at <= now and connection.state != "closed":
                connection.on_timer()


class Client(Program):
    """`submit` is a datagram that the UDP side has read."""

    def __init__(self, world, phantun, remote, connections=1, **rest):
        super().__init__(world, phantun, True, **rest)
        self.remote = remote
        self.count = 1 if phantun else connections
        self.routes = {}       # UDP peer -> its newest group
        self.opening = None    # nobody else is served meanwhile
        self.pending = []
        self.next_port = None  # for a peer that has a port again

    def connect(self, owner, syn):
        source = self.addresses[6 if ":" in self.remote[0] else 4]
        while True:
            port, self.next_port = self.next_port or self.random.randrange(32768, 61000), None
            key = (source, port, *self.remote)
            if key not in self.connections:
                break
        connection = self.make(key, syn)
        connection.owner = owner
        owner.connections.append(connection)
        connection.start()

    def submit(self, app, datagram):
        self.submit_queued(app, [datagram])

    def submit_queued(self, app, datagrams):
        """These stood in the queue of the listening socket together. tonel opens a group for each
        that came before the group's own sockets were there."""
        owner = self.routes.get(app)
        if owner is not None:
            for datagram in datagrams:
                self.up(owner, datagram)
        elif self.phantun:
            self.pending += [(app, d) for d in datagrams]
            self.serve()
        else:
            self.pending += [(app, d) for d in datagrams]
            self.serve()

    def submit_run(self, app, block, size):
        owner = self.routes.get(app)
        if owner is not None and owner.open and len(owner.connections) == 1 and not self.key:
            owner.idle_at = self.world.now() + TONEL_UDP_IDLE
            owner.connections[0].send(block, size)
        else:
            self.submit_queued(app, split(block, size))

    def serve(self):
        while self.pending and self.opening is None:
            app, datagram = self.pending.pop(0)
            known = self.routes.get(app)
            if self.phantun and known is not None:
                self.up(known, datagram)
                continue
            owner = self.opening = self.routes[app] = self.new_owner(app, datagram)
            self.connect(owner, 0)

    def up(self, owner, datagram):
        if not owner.open:
            owner.waiting.append(datagram)
            return
        owner.idle_at = self.world.now() + TONEL_UDP_IDLE
        if not owner.connections:
            return
        owner.turn = (owner.turn + 1) % len(owner.connections)
        owner.connections[owner.turn].send(xor(datagram, self.key))

    def established(self, connection):
        self.opened += 1
        owner = connection.owner
        if len(owner.connections) < self.count and connection is owner.connections[0]:
            token = connection.syn_ack if connection.syn_ack <= 65535 else 0
            for _ in range(1, self.count):
                self.connect(owner, token)
        if all(c.state == "established" for c in owner.connections):
            self.group_open(owner)

    def group_open(self, owner):
        owner.open, self.opening = True, None
        owner.idle_at = self.world.now() + TONEL_UDP_IDLE
        for index, connection in enumerate(list(owner.connections)):
            if self.handshake:
                connection.send(self.handshake)
                connection.drops_next = not self.phantun
                # The copy for the second is made before the field is cleared: it goes twice, and raw.
                connection.first = owner.first if index < 2 and not self.phantun else None
        if self.phantun:
            owner.connections[0].send(owner.first)
        waiting, owner.waiting = owner.waiting, []
        for datagram in waiting:
            self.up(owner, datagram)
        for connection in list(owner.connections):
            held, connection.held = connection.held, []
            for segment in held:
                connection.receive(segment)
        self.serve()

    def payload(self, connection, block, size):
        owner = connection.owner
        owner.idle_at = self.world.now() + TONEL_UDP_IDLE
        if connection.drops_next:
            connection.drops_next = False
            if connection.first is not None:
                connection.send(connection.first)
                connection.first = None
            return
        self.deliver(owner, block, size)

    def lost(self, _connection, owner):
        """One that fails takes its group along."""
        if self.routes.get(owner.app) is owner:
            del self.routes[owner.app]
        for other in list(owner.connections):
            other.drop()
        if self.opening is owner:
            self.opening = None
            self.serve()

    def deadline(self):
        times = [super().deadline()]
        if not self.phantun:
            times += [o.idle_at for o in self.owners if o.open and o.connections]
        return min((t for t in times if t is not None), default=None)

    def on_timer(self):
        super().on_timer()
        if self.phantun:
            return
        now = self.world.now()
        for owner in self.owners:
            if owner.open and owner.connections and owner.idle_at <= now:
                owner.connections[0].drop()  # and so the group


class Server(Program):
    """`answer` is a datagram of the upstream for an owner's port."""

    def __init__(self, world, phantun, **rest):
        super().__init__(world, phantun, False, **rest)
        self.groups = {}  # (client's address, token) -> owner, as long as its first connection lives

    def established(self, connection):
        self.opened += 1
        group = connection.syn if connection.syn <= 65535 and not self.phantun else 0
        owner = self.groups.get((connection.peer[0], group)) if group else self.new_owner()
        if owner is None:
            self.refused += 1
            connection.drop()
            return
        connection.owner, owner.open = owner, True
        owner.connections.append(connection)
        if not group:
            self.groups[(connection.peer[0], connection.syn_ack)] = owner
            self.world.connect(owner)
        if self.handshake:
            if self.phantun:
                connection.send(self.handshake)
            else:
                connection.drops_next = True

    def payload(self, connection, block, size):
        if connection.drops_next:
            connection.drops_next = False
            connection.send(self.handshake)
            return
        self.deliver(connection.owner, block, size)

    def answer(self, owner, block, size=0):
        if not owner.connections:
            return
        # N tasks read the upstream's socket, whichever is first; one may well take several in a row.
        if size and not self.key:
            self.random.choice(owner.connections).send(block, size)
            return
        for datagram in split(block, size):
            if owner.connections:
                self.random.choice(owner.connections).send(xor(datagram, self.key))

    def lost(self, connection, owner):
        key = (connection.peer[0], connection.syn_ack)
        if self.groups.get(key) is owner:
            del self.groups[key]
        if not owner.connections:
            self.world.disconnect(owner)
