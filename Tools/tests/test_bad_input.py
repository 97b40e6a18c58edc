# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Each kind of bad file, and what `martlet check` says about it."""
import gzip
import os
import re
import struct
import unittest

from harness import ROOT, Martlet, TestCase, program, run

GOOD = """router: { as: 65000, id: 192.0.2.1 }
listen:
  bgp: ["127.0.0.1:1790"]
  console: ["127.0.0.1:7777"]
  dns: ["127.0.0.1:5300"]
sites:
  near: { as: 64600, addresses: [192.0.2.10], location: AU }
  far:  { as: 64601, addresses: [192.0.2.20], location: { latitude: 52.4, longitude: 4.9 } }
feeds:
  near-router: { site: near, bgp: { peer: 127.0.0.2, as: 65001, connect: passive } }
zones:
  example.com:
    soa: { host: ns1.example.com, email: hostmaster@example.com }
    ns: [ns1.example.com]
    records:
      ns1: { a: 192.0.2.53 }
      www: { nearest: [near, far], ttl: 60 }
"""


def mrt(kind, subtype, body, size=None):
    return struct.pack(">IHHI", 1400824800, kind, subtype, len(body) if size is None else size) + body


def peer_index(peers):
    """A PEER_INDEX_TABLE of IPv4 peers with 4-octet AS numbers."""
    body = bytes(4) + struct.pack(">HH", 0, len(peers))
    for address, number in peers:
        body += b"\x02" + bytes(4) + bytes(map(int, address.split("."))) + struct.pack(">I", number)
    return mrt(13, 1, body)


def rib_entry(sequence, peers):
    """RIB_IPV4_UNICAST of 198.51.100.0/24 with ORIGIN, AS_PATH 64999 and NEXT_HOP from each peer."""
    attributes = b"\x40\x01\x01\x00" + b"\x40\x02\x06\x02\x01" + struct.pack(">I", 64999)
    attributes += b"\x40\x03\x04\xc0\x00\x02\x01"
    body = struct.pack(">IB", sequence, 24) + bytes((198, 51, 100)) + struct.pack(">H", peers)
    for peer in range(peers):
        body += struct.pack(">HIH", peer, 1400000000, len(attributes)) + attributes
    return mrt(13, 2, body)


class BadInputTestCase(TestCase):
    def setUp(self):
        self.place = self.folder()

    def write(self, name, content):
        path = os.path.join(self.place, name)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return path

    def check(self, text):
        done = run(program("martlet"), "check", self.write("martlet.yaml", text))
        return done.returncode, done.stdout + done.stderr

    def refused(self, text, *patterns):
        status, said = self.check(text)
        self.assertNotEqual(status, 0, f"accepted:\n{text}\n{said}")
        for pattern in filter(None, patterns):
            self.assertRegex(said, pattern)
        self.assertNotRegex(said, "Fatal error|Crash|Backtrace", "it fell over")


class ConfigurationTests(BadInputTestCase):
    def test_the_good_one_is_good(self):
        status, said = self.check(GOOD)
        self.assertEqual(status, 0, said)

    def test_the_demonstration_is_good(self):
        done = run(program("martlet"), "check", os.path.join(ROOT, "Routes", "demo.yaml"))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_one_mistake_each(self):
        """What is changed in the good file, the place that is named, and words of the complaint."""
        for old, new, line, words in [
            # Syntax.
            ("router: { as: 65000, id: 192.0.2.1 }", "router: { as: 65000", None, ""),
            ("sites:\n", "sites:\n\tnear: {}\n", 7, ""),
            # Unknown keys, with the nearest spelling.
            ("listen:", "listn:", 2, "listen"),
            ("nearest:", "nearst:", 17, "nearest"),
            ("connect: passive", "conect: passive", 10, "connect"),
            ("location: AU", "locaton: AU", 7, "location"),
            # Values of the wrong kind or out of range.
            ("as: 65000", "as: sixty", 1, "sixty"),
            ("as: 65000", "as: 4294967296", 1, "4294967296"),
            ("as: 65000", "as: 0", 1, "0"),
            ("id: 192.0.2.1", "id: 192.0.2.256", 1, "192.0.2.256"),
            ("id: 192.0.2.1", "id: 0.0.0.0", 1, ""),
            ("127.0.0.1:1790", "127.0.0.1:99999", 3, "99999"),
            ("127.0.0.1:1790", "127.0.0.1", 3, "port"),
            ("[192.0.2.10]", "[192.0.2.010]", 7, "192.0.2.010"),
            ("[192.0.2.10]", "[]", 7, ""),
            ("location: AU", "location: XX", 7, "XX"),
            ("latitude: 52.4", "latitude: 91", 8, "91"),
            ("connect: passive", "connect: pasive", 10, "passive"),
            ("connect: passive", "hold-time: 2", 10, "hold-time must be 0 or at least 3"),
            ("ttl: 60", "ttl: -1", 17, ""),
            ("ttl: 60", "measure: kilometres", 17, "cost"),
            ("as: 65001", "as: 65001, as: 65002", 10, "as"),
            # Names that lead nowhere, or twice to the same place.
            ("site: near", "site: neer", 10, "near"),
            ("[near, far]", "[near, fra]", 17, "far"),
            ("[near, far]", "[near, near]", 17, "near"),
            ("as: 64601", "as: 64600", 8, "64600"),
            ("zones:", "maps: [missing.routes]\nzones:", 11, "missing.routes"),
            ("peer: 127.0.0.2", "peer: 127.0.0.1000", 10, "127.0.0.1000"),
            # Zones.
            ("    ns: [ns1.example.com]\n", "", 12, "ns"),
            ("www: {", "www.example.com: {", 17, "relative"),
            ("ns1: { a: 192.0.2.53 }", "ns1: { a: 2001:db8::1 }", 16, "2001:db8::1"),
            ("ns1: { a: 192.0.2.53 }", "'n..s': { a: 192.0.2.53 }", 16, ""),
            ("www: {", f"{'w' * 64}: {{", 17, "63"),
            ("www: {", "www: { cname: ns1.example.com, ", 17, "cname"),
        ]:
            with self.subTest(change=f"{old.strip()!r} -> {new.strip()!r}"):
                self.assertIn(old, GOOD)
                place = r"martlet\.yaml:\d+" if line is None else rf"martlet\.yaml:{line}:\d+: "
                self.refused(GOOD.replace(old, new, 1), place, re.escape(words))

    def test_sixty_five_sites(self):
        sites = "".join(
            f"  s{n}: {{ as: {64512 + n}, addresses: [192.0.2.{n + 1}] }}\n" for n in range(63))
        status, said = self.check(GOOD.replace("feeds:\n", sites.replace("64600", "64699").replace(
            "64601", "64698") + "feeds:\n"))
        self.assertNotEqual(status, 0)
        self.assertRegex(said, r"martlet\.yaml:\d+:\d+: .*64 sites")

    def test_norway_is_a_country(self):
        status, said = self.check(GOOD.replace("location: AU", "location: NO"))
        self.assertEqual(status, 0, said)

    def test_nothing_at_all(self):
        self.refused("", r"martlet\.yaml")
        self.refused("[]", r"martlet\.yaml:1")
        self.refused("\0\xff", r"martlet\.yaml")
        done = run(program("martlet"), "check", os.path.join(self.place, "missing.yaml"))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("missing.yaml", done.stderr + done.stdout)

    def test_a_folder(self):
        done = run(program("martlet"), "check", self.place)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(self.place, done.stderr + done.stdout)


class RouteMapTests(BadInputTestCase):
    CONFIGURATION = GOOD.replace("zones:", "maps: [pins.routes]\nzones:")

    def map(self, content):
        self.write("pins.routes", content)
        return self.CONFIGURATION

    def test_good_ones(self):
        for content in [
            "", "# nothing\n\n", "198.51.100.0/24 64600", "198.51.100.0/24\t64600  64601\r\n",
            "2001:db8::/32 64601 # a comment\n\n0.0.0.0/0 64600\n",
        ]:
            with self.subTest(content=content):
                status, said = self.check(self.map(content))
                self.assertEqual(status, 0, said)

    def test_one_bad_line_each(self):
        for content, place, words in [
            ("198.51.100.0/24 64600\n198.51.100.0/33 64600\n", "pins.routes:2:", "33"),
            ("198.51.100.0 64600\n", "pins.routes:1:", ""),
            ("198.51.100.0/24\n", "pins.routes:1:", "AS"),
            ("198.51.100.0/24 sydney\n", "pins.routes:1:17", "sydney"),
            ("198.51.100.0/24 64600 64999\n", "pins.routes:1:23", "64999"),
            ("198.51.100.0/24 64999\n", "pins.routes:1:", "64600"),
            ("298.51.100.0/24 64600\n", "pins.routes:1:1", "298.51.100.0/24"),
            ("2001:db8:::/32 64600\n", "pins.routes:1:", ""),
            ("198.51.100.0/24 4294967296\n", "pins.routes:1:17", "4294967296"),
            ("\xff\xfe", "pins.routes:1:", ""),
        ]:
            with self.subTest(content=content):
                self.refused(self.map(content), re.escape(place), re.escape(words))

    def test_twenty_complaints_and_no_more(self):
        self.write("pins.routes", "nonsense 64600\n" * 1000)
        status, said = self.check(self.CONFIGURATION)
        self.assertNotEqual(status, 0)
        self.assertEqual(len(re.findall(r"pins\.routes:\d+:\d+", said)), 20)

    def test_a_prefix_twice_is_a_warning(self):
        self.write("pins.routes", "198.51.100.0/24 64600\n# between\n198.51.100.0/24 64601\n")
        status, said = self.check(self.CONFIGURATION)
        self.assertEqual(status, 0, said)
        self.assertRegex(said, r"pins\.routes:3")
        self.assertRegex(said, r"line 1\b")

    def test_a_bad_map_keeps_the_daemon_from_starting(self):
        daemon = Martlet(
            self.CONFIGURATION.replace("127.0.0.1:1790", "127.0.0.1:$bgp")
            .replace("127.0.0.1:7777", "127.0.0.1:$console")
            .replace("127.0.0.1:5300", "127.0.0.1:$dns")
            .replace("listen:\n", "listen:\n  socket: $socket\n"),
            files={"pins.routes": "198.51.100.0/24 64999\n"}, wait=False)
        self.addCleanup(daemon.stop)
        self.assertNotEqual(daemon.wait(), 0)
        self.assertRegex(daemon.output, r"pins\.routes:1")


class TableDumpTests(BadInputTestCase):
    PEERS = [("203.0.113.1", 64999), ("203.0.113.2", 64999), ("203.0.113.3", 64998)]

    def dump(self, content, selector="peer-as: 64998", name="table.mrt"):
        self.write(name, content)
        feed = f"  near-dump: {{ site: near, mrt: {{ file: {name}, {selector} }} }}\n"
        return GOOD.replace("feeds:\n", "feeds:\n" + feed)

    def good(self):
        return peer_index(self.PEERS) + b"".join(rib_entry(n, 3) for n in range(100))

    def test_a_good_one(self):
        for content, name in [
            (self.good(), "table.mrt"), (gzip.compress(self.good()), "table.mrt.gz"),
        ]:
            status, said = self.check(self.dump(content, name=name))
            self.assertEqual(status, 0, said)

    def test_an_as_with_two_peers_lists_them(self):
        self.refused(
            self.dump(self.good(), "peer-as: 64999"), r"203\.0\.113\.1\b", r"203\.0\.113\.2\b")

    def test_a_peer_that_is_not_there(self):
        self.refused(self.dump(self.good(), "peer: 203.0.113.9"), r"203\.0\.113\.9")
        self.refused(self.dump(self.good(), "peer-as: 1"), r"table\.mrt")

    def test_neither_peer_nor_as(self):
        self.write("table.mrt", self.good())
        self.refused(
            GOOD.replace("feeds:\n", "feeds:\n  d: { site: near, mrt: { file: table.mrt } }\n")
            .replace("zones:", "zones:"), r"martlet\.yaml:10:\d+: .*peer")

    def test_a_file_that_is_missing(self):
        self.refused(
            GOOD.replace("feeds:\n", (
                "feeds:\n  d: { site: near, mrt: { file: gone.mrt, peer-as: 1 } }\n")), r"gone\.mrt")

    def test_damage_names_record_and_offset(self):
        good = self.good()
        size = len(rib_entry(0, 3))
        start = len(good) - size
        broken = bytearray(good)
        struct.pack_into(">H", broken, start + 12 + 5 + 3, 9)  # nine entries where three are
        for name, content, offset in [
            ("cut within a record", good[:-5], start),
            ("cut within a header", good[:start + 7], start),
            ("a length beyond the file", good[:start] + mrt(13, 2, b"", size=1 << 31), start),
            # Here the offset is that of the missing entry: the end of the record.
            ("more entries than bytes", bytes(broken), len(broken)),
            ("a peer that the index lacks", good[:start] + rib_entry(99, 4), start),
        ]:
            with self.subTest(damage=name):
                self.refused(self.dump(content), r"table\.mrt", r"record 10[12]\b", rf"\b{offset}\b")

    def test_what_is_no_table_at_all(self):
        for name, content in [
            ("empty", b""), ("text", b"hello, world\n" * 100), ("zeros", bytes(5000)),
            ("gzip, cut", gzip.compress(self.good())[:-20]),
            ("gzip, damaged", gzip.compress(self.good())[:30] + bytes(50)),
            ("bzip2, damaged", b"BZh91AY&SY" + bytes(100)),
            ("entries before the index", rib_entry(0, 1) + peer_index(self.PEERS)),
        ]:
            with self.subTest(content=name):
                self.refused(self.dump(content), r"table\.mrt")


class LocationTests(BadInputTestCase):
    CONFIGURATION = GOOD.replace("zones:", "location: { ranges: [ranges.csv] }\nzones:")

    def test_good_ones(self):
        for content in [
            "16777216,16777471,AU\n", "# a comment\n16777216,16777471,AU\r\n",
            "2001:db8::,2001:db8:ffff:ffff:ffff:ffff:ffff:ffff,DE\n", "15726992,15726999,??\n",
        ]:
            with self.subTest(content=content):
                self.write("ranges.csv", content)
                status, said = self.check(self.CONFIGURATION)
                self.assertEqual(status, 0, said)

    def test_bad_ones(self):
        for content in [
            "16777471,16777216,AU\n", "1,2\n", "a,b,AU\n", "1,4294967296,AU\n", "1,2,Australia\n",
            "1,2001:db8::,AU\n", "1.0.0.0,1.0.0.255,A\n",
        ]:
            with self.subTest(content=content):
                self.write("ranges.csv", "16777216,16777471,AU\n" + content)
                self.refused(self.CONFIGURATION, r"ranges\.csv:2")

    def test_a_missing_one(self):
        self.refused(self.CONFIGURATION, r"ranges\.csv")


if __name__ == "__main__":
    unittest.main()
