#!/usr/bin/env python3
"""The scripted peers against the stored packets of the programs that they stand for, in virtual time."""

import json
import os
import sys
import unittest

from legacy_peers import Client, Server
from legacy_wire import ACK, RST, SYN, Segment, build, parse

DATA = os.path.join(os.path.dirname(__file__), "..", "data", "legacy_packets.json")
with open(DATA, encoding="ascii") as file:
    VECTORS = {p["id"]: bytes.fromhex(p["hex"]) for p in json.load(file)["packets"]}
CLIENT, SERVER, FAR = "192.168.200.2", "203.0.113.10", "192.168.201.2"


class World:
    """Time by hand; what is written and delivered is kept."""

    def __init__(self):
        self.time, self.written, self.delivered = 0.0, [], []

    def now(self):
        return self.time

    def write(self, segment):
        self.written.append(segment)

    def deliver(self, owner, block, _size):
        self.delivered.append((owner.number, block))

    def connect(self, owner):
        pass

    def disconnect(self, owner):
        pass

    def take(self):
        written, self.written = self.written, []
        return written

    def pass_time(self, program, seconds):
        end = self.time + seconds
        while True:
            at = program.deadline()
            if at is None or at > end:
                break
            self.time = at
            program.on_timer()
        self.time = end


def client(phantun=False, **options):
    world = World()
    program = Client(world, phantun, remote=("203.0.113.10", 4567), address4=CLIENT,
                     address6="fcc8::2", **options)
    return world, program


def server(phantun=False, **options):
    world = World()
    return world, Server(world, phantun, port=4567, address4=FAR, address6="fcc9::2", **options)


def answer(segment, flags, seq, ack, payload=b""):
    return Segment(segment.dst, segment.dport, segment.src, segment.sport, seq, ack, flags, payload)


def towards(segment, us):
    """The peer's packet as NAT hands it over."""
    return segment._replace(src="198.51.100.4", dst=us)


class Vectors(unittest.TestCase):
    def expect(self, segment, name):
        """All of it but the addresses and ports that the vector has otherwise."""
        vector = parse(VECTORS[name])
        moved = segment._replace(src=vector.src, sport=vector.sport, dst=vector.dst, dport=vector.dport)
        self.assertEqual(build(moved).hex(), VECTORS[name].hex(), name)

    def test_every_vector_is_rebuilt_from_its_fields(self):
        for name, packet in VECTORS.items():
            self.assertEqual(build(parse(packet)).hex(), packet.hex(), name)

    def test_tonels_client_says_what_is_stored(self):
        packet = parse(VECTORS["T4-HS-C"]).payload
        for options, data in (({}, "T4-DATA"), ({"key": b"KEY"}, "T4-DATA-XOR"),
                              ({"handshake": packet}, "T4-DATA-AFTER-HS")):
            world, program = client(**options)
            program.next_port = 40001
            program.submit("app", b"hello")
            syn, = world.take()
            self.expect(syn, "T4-SYN-FIRST")
            program.receive(answer(syn, SYN | ACK, 40001, 1))
            third, *rest = world.take()
            self.expect(third, "T4-ACK")
            if "handshake" in options:
                self.expect(rest[0], "T4-HS-C")
                program.receive(answer(syn, ACK, 40002, 38, parse(VECTORS["T4-HS-S"]).payload))
            else:
                self.assertEqual(rest, [])  # the first datagram is lost
                program.submit("app", b"hello")
            last, = world.take()
            self.expect(last, data)
            self.assertEqual(world.delivered, [])
            world.pass_time(program, 3)
            self.expect(world.take()[0], "T4-PROBE")
            program.close_all()
            self.expect(world.take()[0], "T4-RST-CLOSE")

    def test_tonels_client_joins_with_the_token(self):
        world, program = client(connections=2)
        program.next_port = 40001
        program.submit("app", b"lost")
        syn, = world.take()
        program.receive(answer(syn, SYN | ACK, 40001, 1))
        _, join = world.take()
        self.expect(join, "T4-SYN-JOIN")
        program.receive(answer(join, SYN | ACK, 40002, 40002))
        self.expect(world.take()[0], "T4-ACK-JOIN")

    def test_tonels_server_says_what_is_stored(self):
        for options, data in (({}, "T4-DATA-S"), ({"key": b"key"}, "T4-DATA-S-XOR")):
            world, program = server(**options)
            program.receive(parse(VECTORS["T4-SYN-FIRST"])._replace(src="198.51.100.4", dst=FAR))
            self.expect(world.take()[0], "T4-SYNACK")
            program.receive(towards(parse(VECTORS["T4-ACK"]), FAR))
            program.receive(towards(parse(VECTORS["T4-SYN-JOIN"]), FAR))
            self.expect(world.take()[0], "T4-SYNACK-JOIN")
            program.receive(towards(parse(VECTORS["T4-ACK-JOIN"]), FAR))
            self.assertEqual((program.opened, len(program.owners)), (2, 1))
            name = "T4-DATA-XOR" if options else "T4-DATA"
            program.receive(towards(parse(VECTORS[name]), FAR))
            self.assertEqual(world.delivered, [(0, b"hello")])
            first = next(iter(program.connections.values()))
            first.send(parse(VECTORS[data]).payload)
            self.expect(world.take()[0], data)
            program.receive(towards(parse(VECTORS["T4-PROBE"]), FAR))
            self.expect(world.take()[0], "T4-PROBE-REPLY")

    def test_tonels_server_answers_a_handshake_packet_and_strangers(self):
        packet = parse(VECTORS["T4-HS-S"]).payload
        world, program = server(handshake=packet)
        for name in ("T4-SYN-FIRST", "T4-ACK", "T4-HS-C"):
            program.receive(towards(parse(VECTORS[name]), FAR))
        self.expect(world.take()[1], "T4-HS-S")
        self.assertEqual(world.delivered, [])
        world, program = server()
        program.receive(towards(parse(VECTORS["T4-DATA"]), FAR))
        self.expect(world.take()[0], "T4-RST-UNKNOWN")
        program.receive(towards(parse(VECTORS["T4-SYN-FIRST"]), FAR)._replace(dport=4568))
        self.expect(world.take()[0], "T4-RST-UNKNOWN-SYN")

    def test_phantun_says_what_is_stored(self):
        world, program = client(True)
        program.next_port = 40001
        program.submit("app", b"hello")
        syn, = world.take()
        self.expect(syn, "P4-SYN")
        program.receive(answer(syn, SYN | ACK, 0, 1))
        third, data = world.take()
        self.expect(third, "P4-ACK")
        self.expect(data, "P4-DATA")
        program.close_all()
        self.expect(world.take()[0], "P4-RST-CLOSE")
        world, program = server(True)
        program.receive(towards(parse(VECTORS["P4-SYN"]), FAR))
        self.expect(world.take()[0], "P4-SYNACK")
        program.receive(towards(parse(VECTORS["P4-ACK"]), FAR))
        program.receive(towards(parse(VECTORS["T4-PROBE"]), FAR))
        self.expect(world.take()[0], "P4-PROBE-ANSWER")
        program.receive(towards(parse(VECTORS["T4-SYN-JOIN"]), FAR))
        self.expect(world.take()[0], "P4-RST-BADSYN")


class Faults(unittest.TestCase):
    """Those that the tests rely on."""

    def opened(self, phantun=False, **options):
        world, program = client(phantun, **options)
        program.submit("app", b"first")
        syn, = world.take()
        program.receive(answer(syn, SYN | ACK, 7 if not phantun else 0, 1))
        world.take()
        return world, program, syn

    def test_tonel_sends_one_syn_and_waits_3_s(self):
        world, program = client()
        program.submit("app", b"x")
        world.pass_time(program, 2.9)
        self.assertEqual(len(world.take()), 1)
        world.pass_time(program, 0.2)
        self.assertEqual([s.flags for s in world.take()], [RST])
        self.assertFalse(program.connections)

    def test_phantun_sends_three_and_waits_3_s(self):
        world, program = client(True)
        program.submit("app", b"x")
        world.pass_time(program, 3.1)
        self.assertEqual([s.flags for s in world.take()], [SYN, SYN, SYN, RST])

    def test_a_second_syn_kills_a_half_open_one(self):
        world, program = server()
        for _ in range(2):
            program.receive(towards(parse(VECTORS["T4-SYN-FIRST"]), FAR))
        self.assertEqual([s.flags for s in world.take()], [SYN | ACK, RST])

    def test_tonel_dies_18_s_after_the_last_packet(self):
        world, program, _ = self.opened()
        program.routes["app"].idle_at = 1e9
        world.pass_time(program, 17.9)
        self.assertEqual([(s.flags, s.seq) for s in world.take()], [(ACK, 0)] * 3)
        world.pass_time(program, 0.2)
        self.assertEqual([s.flags for s in world.take()], [RST])

    def test_tonels_client_closes_20_s_after_the_last_datagram(self):
        world, program, syn = self.opened()
        for _ in range(12):
            world.pass_time(program, 1.7)
            program.receive(answer(syn, ACK, 0, 0))
        self.assertFalse(program.connections)

    def test_the_payload_that_completes_a_handshake_is_thrown_away(self):
        for phantun in (False, True):
            world, program = server(phantun)
            program.receive(towards(parse(VECTORS["P4-SYN" if phantun else "T4-SYN-FIRST"]), FAR))
            program.receive(towards(parse(VECTORS["P4-DATA" if phantun else "T4-DATA"]), FAR))
            self.assertEqual((program.opened, world.delivered), (1, []))

    def test_empty_packets_are_datagrams_to_tonel_alone(self):
        for phantun, delivered in ((False, [(0, b"")]), (True, [])):
            world, program, syn = self.opened(phantun)
            program.receive(answer(syn, ACK, 8, 1))
            self.assertEqual(world.delivered, delivered)

    def test_acks_run_back_and_a_probe_spoils_phantuns(self):
        world, program, syn = self.opened()
        program.receive(answer(syn, ACK, 100, 1, b"late"))
        program.receive(answer(syn, ACK, 50, 1, b"early"))
        program.submit("app", b"x")
        self.assertEqual(world.take()[-1].ack, 55)
        world, program, syn = self.opened(True)
        program.receive(answer(syn, ACK, 0, 0))
        self.assertEqual([(s.seq, s.ack) for s in world.take()], [(6, 0)])
        program.receive(answer(syn, ACK, 0, 0))
        self.assertEqual(world.take(), [])

    def test_what_is_queued_at_the_start_makes_groups(self):
        world, program = client()
        program.submit_queued("app", [b"%d" % n for n in range(3)])
        for _ in range(3):
            syn = world.take()[-1]
            program.receive(answer(syn, SYN | ACK, 7, 1))
        self.assertEqual((len(program.owners), program.opened), (3, 3))

    def test_the_first_datagram_goes_raw_and_twice_with_a_handshake_packet(self):
        world, program = client(connections=2, handshake=b"HS", key=b"key")
        program.submit("app", b"first")
        for n in range(2):
            syn = world.take()[-1]
            program.receive(answer(syn, SYN | ACK, 7 + n, syn.seq + 1))
        world.take()
        for connection in list(program.connections.values()):
            program.receive(Segment(*connection.peer, *connection.us, connection.ack, 1, ACK, b"HS-S"))
        self.assertEqual([s.payload for s in world.take()], [b"first", b"first"])
        self.assertEqual(world.delivered, [])

    def test_a_client_reads_nothing_before_its_group_is_there(self):
        world, program = client(connections=2, handshake=b"HS")
        program.submit("app", b"first")
        syn, = world.take()
        program.receive(answer(syn, SYN | ACK, 7, 1))
        program.receive(answer(syn, ACK, 8, 1, b"HS-S"))
        join = world.take()[-1]
        program.receive(answer(join, SYN | ACK, 8, join.seq + 1))
        self.assertEqual([s.payload for s in world.take()], [b"", b"HS", b"HS", b"first"])
        self.assertEqual(world.delivered, [])

    def test_any_reset_and_any_size_over_1460_closes(self):
        world, program, syn = self.opened()
        program.receive(answer(syn, RST, 12345, 0))
        self.assertFalse(program.connections)
        world, program, _ = self.opened()
        program.submit("app", bytes(1461))
        self.assertFalse(program.connections)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    unittest.main()
