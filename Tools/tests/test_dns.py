# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""DNS as independent programs see it: dig, kdig, and packets written by hand."""
import random
import socket
import struct
import unittest

from harness import PATIENCE, Martlet, TestCase, peer, run

CONFIGURATION = """
router: { as: 65000, id: 192.0.2.1 }
listen:
  console: [{ address: "127.0.0.1:$machine", face: machine }]
  socket: $socket
  dns: ["127.0.0.1:$dns"]
sites:
  near: { as: 64600, addresses: [192.0.2.10, "2001:db8:10::80"] }
  far:  { as: 64601, addresses: [192.0.2.20] }
maps: [pins.routes]
zones:
  example.com:
    soa: { host: ns1.example.com, email: hostmaster@example.com }
    ns: [ns1.example.com, ns2.example.com]
    ttl: 300
    records:
      ns1: { a: 192.0.2.53, aaaa: "2001:db8::53" }
      ns2: { a: 192.0.2.54 }
      www: { nearest: [near, far], ttl: 60, answers: 1 }
      both: { nearest: [near, far], ttl: 60, answers: 2 }
      text: { txt: [%s] }
      alias: { cname: www.example.com }
      deep.below: { a: 192.0.2.55 }
""" % ", ".join(f'"{str(n) * 200}"' for n in range(1, 6))
PINS = "198.51.100.0/24 64601\n203.0.113.0/25 64600\n2001:db8:abcd::/48 64600\n127.0.0.0/8 64601\n"
QUERY = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\3www\7example\3com\0\0\1\0\1"


class AnswerTests(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Martlet(CONFIGURATION, files={"pins.routes": PINS})
        cls.addClassCleanup(cls.daemon.stop)

    def dig(self, *arguments):
        return self.daemon.dig(*arguments)

    def exchange(self, packet):
        """One datagram there; the reply, or nothing within a moment."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.settimeout(1)
            sender.sendto(packet, ("127.0.0.1", self.daemon.port("dns")))
            try:
                return sender.recv(65536)
            except TimeoutError:
                return b""

    def test_the_client_subnet_decides(self):
        for subnet, address, scope in [
            # 25 is the pin's; all of 200.0.0.0/5 is told the same, which is said once the daemon knows.
            ("198.51.100.0/24", "192.0.2.20", {24}), ("203.0.113.0/24", "192.0.2.10", {25, 5}),
            ("203.0.113.77/32", "192.0.2.10", {25, 5}),
        ]:
            with self.subTest(subnet=subnet):
                answer = self.dig("www.example.com", "A", subnet)
                self.assertEqual(answer.status, "NOERROR")
                self.assertIn("aa", answer.flags)
                self.assertEqual(answer.addresses, [address])
                self.assertIn(answer.scope, scope)
                self.assertEqual(answer.answer[0][1], "60")

    def test_without_a_client_subnet_the_resolver_decides(self):
        answer = self.dig("www.example.com", "A")
        self.assertEqual(answer.addresses, ["192.0.2.20"])
        self.assertIsNone(answer.scope, "no client subnet in the query, none in the reply")

    def test_a_subnet_of_length_zero(self):
        """RFC 7871 section 7.1.2: a client that wants no tailoring gets scope 0."""
        self.assertEqual(self.dig("www.example.com", "A", "0.0.0.0/0").scope, 0)

    def test_ipv6(self):
        answer = self.dig("www.example.com", "AAAA", "2001:db8:abcd::/48")
        self.assertEqual(answer.addresses, ["2001:db8:10::80"])
        # One site alone has an IPv6 address: no client is told anything else, which is said once the
        # daemon knows.
        self.assertIn(answer.scope, {48, 0})
        # The pinned site has no IPv6 address: the next one that has.
        self.assertEqual(
            self.dig("www.example.com", "AAAA", "198.51.100.0/24").addresses, ["2001:db8:10::80"])

    def test_several_answers_in_order(self):
        self.assertEqual(
            self.dig("both.example.com", "A", "198.51.100.0/24").addresses,
            ["192.0.2.20", "192.0.2.10"])

    def test_static_records(self):
        self.assertEqual(self.dig("ns1.example.com", "A").addresses, ["192.0.2.53"])
        self.assertEqual(self.dig("ns1.example.com", "AAAA").addresses, ["2001:db8::53"])
        self.assertEqual(
            sorted(record[-1] for record in self.dig("example.com", "NS").answer),
            ["ns1.example.com.", "ns2.example.com."])
        self.assertEqual(self.dig("example.com", "SOA").answer[0][4:6],
                         ["ns1.example.com.", "hostmaster.example.com."])
        self.assertEqual(self.dig("NS1.Example.COM", "A").addresses, ["192.0.2.53"])

    def test_an_alias_to_a_nearest_name(self):
        answer = self.dig("alias.example.com", "A")
        self.assertEqual([record[3] for record in answer.answer], ["CNAME", "A"])
        self.assertEqual(answer.addresses, ["192.0.2.20"])
        # The alias holds for all clients, what it leads to doesn't: with a subnet, it stands alone.
        answer = self.dig("alias.example.com", "A", "198.51.100.0/24")
        self.assertEqual([record[3] for record in answer.answer], ["CNAME"])
        self.assertEqual(answer.scope, 0)

    def test_what_is_not_there(self):
        for name, kind, status, soa in [
            ("nothing.example.com", "A", "NXDOMAIN", True),
            ("www.example.com", "TXT", "NOERROR", True),
            ("below.example.com", "A", "NOERROR", True),
            ("example.net", "A", "REFUSED", False),
            ("com", "A", "REFUSED", False),
        ]:
            with self.subTest(name=name, kind=kind):
                answer = self.dig(name, kind)
                self.assertEqual(answer.status, status, answer.text)
                self.assertEqual(answer.answer, [])
                self.assertEqual([record[3] for record in answer.authority], ["SOA"] if soa else [])

    def test_tcp(self):
        answer = self.dig("www.example.com", "A", "198.51.100.0/24", "+tcp")
        self.assertEqual(answer.addresses, ["192.0.2.20"])
        self.assertEqual(answer.scope, 24)

    def test_truncation_and_the_way_out(self):
        answer = self.dig("text.example.com", "TXT", None, "+ignore", "+bufsize=512")
        self.assertIn("tc", answer.flags)
        answer = self.dig("text.example.com", "TXT", None, "+bufsize=512")
        self.assertNotIn("tc", answer.flags)
        self.assertEqual(answer.answer[0].count("TXT"), 1)
        answer = self.dig("text.example.com", "TXT", None, "+ignore", "+bufsize=1232")
        self.assertIn("5" * 200, answer.text.replace('" "', ""))

    def test_a_second_opinion(self):
        """Knot's kdig understands the answers too."""
        text = run(
            peer("kdig"), "@127.0.0.1", "-p", str(self.daemon.port("dns")), "www.example.com", "A",
            "+subnet=198.51.100.0/24").stdout
        self.assertRegex(text, r"CLIENT-SUBNET: 198\.51\.100\.0/24/24")
        self.assertRegex(text, r"www\.example\.com\.\s+60\s+IN\s+A\s+192\.0\.2\.20")
        self.assertNotIn(";; WARNING", text)

    def test_a_transfer_is_refused(self):
        text = self.dig("example.com", "AXFR").text
        self.assertIn("Transfer failed", text)

    def test_other_operations(self):
        for opcode, code in [(1, 4), (2, 4), (4, 4), (5, 4), (15, 4)]:  # 4: NOTIMP
            reply = self.exchange(QUERY[:2] + bytes([opcode << 3 | 1, 0]) + QUERY[4:])
            self.assertEqual(reply[3] & 15, code, f"opcode {opcode}")

    def test_bad_questions(self):
        for name, packet, code in [
            ("no question", QUERY[:4] + bytes(8), 1),
            ("two questions", QUERY[:5] + b"\2" + QUERY[6:] + QUERY[12:], 1),
            ("a question cut short", QUERY[:-3], 1),
            ("a pointer to itself", QUERY[:12] + b"\xc0\x0c\0\1\0\1", 1),
            ("a label too long", QUERY[:12] + b"\x7f" + b"a" * 127 + b"\0\0\1\0\1", 1),
        ]:
            with self.subTest(name):
                reply = self.exchange(packet)
                self.assertEqual(reply[:2], packet[:2])
                self.assertEqual(reply[3] & 15, code)

    def test_replies_are_never_answered(self):
        self.assertEqual(self.exchange(QUERY[:2] + b"\x81\x00" + QUERY[4:]), b"")
        self.assertEqual(self.exchange(b""), b"")
        self.assertEqual(self.exchange(QUERY[:11]), b"")

    def test_an_unknown_edns_version(self):
        answer = self.dig("www.example.com", "A", None, "+edns=1", "+noednsneg")
        self.assertEqual(answer.status, "BADVERS")

    def test_a_bad_client_subnet(self):
        """RFC 7871 section 7.1.2: more address bits than the source length say is FORMERR."""
        option = struct.pack(">HHHBB", 8, 8, 1, 24, 0) + bytes((198, 51, 100, 7))
        packet = QUERY[:11] + b"\1" + QUERY[12:] + b"\0" + struct.pack(">HHIH", 41, 1232, 0, 12) + option
        self.assertEqual(self.exchange(packet)[3] & 15, 1)

    def test_garbage_ends_nothing(self):
        seed = random.randrange(1 << 32)
        source = random.Random(seed)
        target = ("127.0.0.1", self.daemon.port("dns"))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(5000):
                packet = bytearray(QUERY + b"\0\0\x29\x04\xd0\0\0\0\0\0\0" * source.randrange(2))
                for _ in range(source.randrange(8)):
                    packet[source.randrange(len(packet))] = source.randrange(256)
                sender.sendto(packet[:source.randrange(len(packet) + 1)], target)
                sender.sendto(source.randbytes(source.randrange(600)), target)
        answer = self.dig("www.example.com", "A", "198.51.100.0/24", "+tries=5")
        self.assertEqual(answer.addresses, ["192.0.2.20"], f"seed {seed}")

    def test_garbage_over_tcp_ends_nothing(self):
        source = random.Random(53)
        for _ in range(50):
            with socket.create_connection(
                    ("127.0.0.1", self.daemon.port("dns")), PATIENCE) as opened:
                try:
                    opened.sendall(source.randbytes(source.randrange(1, 5000)))
                except OSError:
                    pass
        self.assertEqual(
            self.dig("www.example.com", "A", "198.51.100.0/24", "+tcp").addresses, ["192.0.2.20"])

    def test_pipelined_over_tcp(self):
        count = 200
        with socket.create_connection(("127.0.0.1", self.daemon.port("dns")), PATIENCE) as opened:
            for number in range(count):
                packet = struct.pack(">H", number) + QUERY[2:]
                opened.sendall(struct.pack(">H", len(packet)) + packet)
            file, seen = opened.makefile("rb"), set()
            for _ in range(count):
                size, = struct.unpack(">H", file.read(2))
                seen.add(struct.unpack_from(">H", file.read(size))[0])
            file.close()
        self.assertEqual(seen, set(range(count)))


if __name__ == "__main__":
    unittest.main()
