# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Malformed and unusual packets: what Martlet answers, beside what NSD and Knot do."""
import os
import random
import shutil
import struct
import tempfile
import unittest

from dns_packets import BASE, PINS, QUESTION, DNSTestCase, exchange, opt, option, query, response_code
from harness import Martlet, Process, eventually, free_port, peer

SIGNATURE = (
    b"\3key\0\0\xfa\0\xff\0\0\0\0\0\x3d\x0bhmac-sha256\0" + struct.pack(">HIH", 0, 1795000000, 300)
    + b"\0\x20" + bytes(32) + b"\x12\x34\0\0\0\0")
# What is sent, with the servers' replies compared in response code or silence. RD is set.
ODD_PACKETS = {
    "nothing": b"",
    "one byte": b"\x12",
    "eleven bytes": query()[:11],
    "a header that counts nothing": query(b"", counts=(0, 0, 0, 0)),
    "a header alone": query(b""),
    "an answer": query(flags=0x8180),
    "an answer that is a header": query(b"", flags=0x8180, counts=(0, 0, 0, 0)),
    "two questions": query(QUESTION + QUESTION, counts=(2, 0, 0, 0)),
    "a question cut short": query()[:-3],
    "a name cut short": query()[:20],
    "a name that points to itself": query(b"\xc0\x0c\0\1\0\1"),
    "a name that points behind itself": query(b"\xc0\x20\0\1\0\1"),
    "a label of 64": query(b"\x40" + b"a" * 64 + b"\0\0\1\0\1"),
    "a name of 256": query(b"\x3f" + (b"a" * 63 + b"\x3f") * 3 + b"a" * 63 + b"\0\0\1\0\1"),
    "two OPT records": query(counts=(1, 0, 0, 2), tail=opt() + opt()),
    "an OPT record cut short": query(counts=(1, 0, 0, 1), tail=opt()[:-1]),
    "an option that runs over": query(counts=(1, 0, 0, 1), tail=opt(option(10, b"12345678")[:-1])),
    "half an option": query(counts=(1, 0, 0, 1), tail=opt(b"\0\x0a\0")),
    "an unknown option": query(counts=(1, 0, 0, 1), tail=opt(option(65001, b"xyz"))),
    "EDNS version 7": query(counts=(1, 0, 0, 1), tail=opt(version=7)),
    "a cookie of nine bytes": query(counts=(1, 0, 0, 1), tail=opt(option(10, b"123456789"))),
    "more records than there are": query(counts=(1, 0, 0, 3), tail=opt()),
    "QDCOUNT 65535": query(counts=(65535, 0, 0, 0)),
    "opcode STATUS": query(flags=2 << 11),
    "opcode 3": query(flags=3 << 11),
    "opcode NOTIFY for a name that we have not": query(flags=4 << 11),
    "opcode UPDATE": query(flags=5 << 11),
    "opcode 15": query(flags=15 << 11),
    "opcode 15 and a header alone": query(b"", flags=15 << 11, counts=(0, 0, 0, 0)),
    "class NONE": query(b"\3www\7example\3com\0\0\1\0\xfe"),
    "class 4": query(b"\3www\7example\3com\0\0\1\0\4"),
    "type 0": query(b"\3www\7example\3com\0\0\0\0\1"),
    "type 65280": query(b"\3www\7example\3com\0\xff\0\0\1"),
    "type OPT": query(b"\3www\7example\3com\0\0\x29\0\1"),
    "type MAILB": query(b"\3www\7example\3com\0\0\xfd\0\1"),
    "AXFR by UDP": query(b"\7example\3com\0\0\xfc\0\1"),
    "IXFR without an SOA": query(b"\7example\3com\0\0\xfb\0\1"),
    "a name outside": query(b"\7example\3net\0\0\1\0\1"),
    "the root": query(b"\0\0\2\0\1"),
    "all flags": query(flags=0x07f0),
    "all flags and a code": query(flags=0x07ff),
    "QR of 0 and AA": query(flags=0x0400),
    "an answer section": query(
        counts=(1, 1, 0, 0), tail=b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4\1\2\3\4"),
    "an authority section": query(
        counts=(1, 0, 1, 0), tail=b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4\1\2\3\4"),
    "an address behind": query(
        counts=(1, 0, 0, 1), tail=b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4\1\2\3\4"),
    "bytes behind": query(tail=b"\0"),
    "many bytes behind": query(tail=b"\xff" * 400),
    "a TSIG record cut short": query(
        counts=(1, 0, 0, 1), tail=b"\3key\0\0\xfa\0\xff\0\0\0\0\0\2\0\0"),
    "a TSIG record by another key": query(counts=(1, 0, 0, 1), tail=SIGNATURE),
    "a TSIG record before an OPT record": query(counts=(1, 0, 0, 2), tail=SIGNATURE + opt()),
    "a TSIG record of class IN": query(
        counts=(1, 0, 0, 1), tail=SIGNATURE.replace(b"\0\xfa\0\xff", b"\0\xfa\0\1")),
    "opcode 15 and an OPT record": query(
        flags=15 << 11, counts=(1, 0, 0, 1), tail=opt()),
}
# Where Martlet does as neither of them, and why.
OWN_CODES = {
    "opcode NOTIFY for a name that we have not": (4, "there are no secondaries: NOTIMP for all"),
    "AXFR by UDP": (5, "there are no transfers by TCP either: REFUSED for both"),
    "type OPT": (1, "as BIND: OPT is no type that a name could have"),
}


class OddPacketTests(DNSTestCase):
    """Malformed packets get what NSD or Knot give them: the same code, or silence."""

    @classmethod
    def setUpClass(cls):
        cls.work = tempfile.mkdtemp(prefix="martlet-odd-")
        cls.addClassCleanup(shutil.rmtree, cls.work, True)
        cls.write(
            "zone",
            "$ORIGIN example.com.\n$TTL 300\n"
            "@ SOA ns1 hostmaster 1 3600 600 86400 60\n NS ns1\n NS ns2\n"
            "ns1 A 192.0.2.53\nns2 A 192.0.2.54\nwww A 192.0.2.10\n")
        daemon = Martlet(BASE + "dns: { rate-limit: off }\n", files={"pins.routes": PINS})
        cls.addClassCleanup(daemon.stop)
        servers = {"martlet": daemon.port("dns")}
        port = free_port()
        path = cls.write("nsd.conf", f"""
server:
  ip-address: 127.0.0.1@{port}
  zonesdir: "{cls.work}"
  pidfile: "{cls.work}/nsd.pid"
  database: ""
  xfrdfile: "{cls.work}/xfrd.state"
  zonelistfile: "{cls.work}/zone.list"
  username: ""
  logfile: "{cls.work}/nsd.log"
  rrl-ratelimit: 0
  answer-cookie: yes
remote-control:
  control-enable: no
zone:
  name: example.com
  zonefile: zone
""")
        nsd = Process([peer("nsd"), "-d", "-c", path])
        cls.addClassCleanup(nsd.stop)
        servers["nsd"] = port
        port = free_port()
        path = cls.write("knot.conf", f"""
server:
  listen: 127.0.0.1@{port}
  rundir: "{cls.work}"
database:
  storage: "{cls.work}"
control:
  listen: "{cls.work}/knot.sock"
zone:
  - domain: example.com
    storage: "{cls.work}"
    file: zone
    zonefile-sync: -1
    journal-content: none
""")
        knot = Process([peer("knotd"), "-c", path])
        cls.addClassCleanup(knot.stop)
        servers["knot"] = port
        for name, port in servers.items():
            eventually(f"{name} to answer", lambda port=port: cls.code(exchange(port, query())) == 0)
        cls.servers = servers

    @classmethod
    def write(cls, name, text):
        path = os.path.join(cls.work, name)
        with open(path, "w") as file:
            file.write(text)
        return path

    @staticmethod
    def code(reply):
        return response_code(reply) if reply else "silence"

    def test_odd_packets(self):
        for name, packet in ODD_PACKETS.items():
            with self.subTest(name):
                replies = {}
                for server, port in self.servers.items():
                    replies[server] = exchange(port, packet, seconds=0.5)
                    # Lost on a busy machine is not silence: ask again.
                    if not replies[server]:
                        replies[server] = exchange(port, packet, seconds=0.5)
                codes = {server: self.code(reply) for server, reply in replies.items()}
                allowed = {codes["nsd"], codes["knot"]}
                if name in OWN_CODES:
                    allowed = {OWN_CODES[name][0]}
                self.assertIn(codes["martlet"], allowed, f"{name}: {codes}")
                if reply := replies["martlet"]:
                    self.assertEqual(reply[:2], packet[:2])
                    self.assertEqual(reply[2] & 0x80, 0x80)
                    self.assertLessEqual(len(reply), max(512, len(packet)))

    def test_random_packets_are_no_worse_amplified(self):
        """No reply to noise is longer than what came, but for an SOA and an OPT record."""
        seed = random.randrange(1 << 32)
        source = random.Random(seed)
        port = self.servers["martlet"]
        base = query(counts=(1, 0, 0, 1), tail=opt(option(8, b"\0\1\x18\0\xc0\0\2")))
        for _ in range(300):
            packet = bytearray(base)
            for _ in range(source.randrange(1, 6)):
                packet[source.randrange(2, len(packet))] = source.randrange(256)
            reply = exchange(port, bytes(packet), seconds=0.05)
            self.assertLessEqual(len(reply), len(packet) + 100, f"seed {seed}: {packet.hex()}")


if __name__ == "__main__":
    unittest.main()
