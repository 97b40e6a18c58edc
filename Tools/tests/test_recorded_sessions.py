# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Real sessions, as collectors recorded them, played byte for byte at martletd over TCP.

Each peer of an update archive is a session of its own; the state after the last byte is held against
what `bgpdump -m` reads in the same file. The real session of 2015 begins with the peer's own OPEN; the others
were recorded in the middle, and get an OPEN that fits them.
"""
import bz2
import collections
import gzip
import ipaddress
import re
import socket
import struct
import subprocess
import threading
import unittest

from harness import TestCase, data, eventually, peer

OPEN, UPDATE, NOTIFICATION = 1, 2, 3
MARKER = b"\xff" * 16


class Recorded:
    """What one peer said: (kind, message) in order; and where its session ended in between."""

    def __init__(self, address, number, local):
        self.address, self.number, self.local = address, number, local
        self.sessions = [[]]
        self.wide = True

    @property
    def name(self):
        return f"{self.address}-{self.number}".replace(":", "-").replace(".", "-")


def recorded(path):
    """{(address, AS): Recorded} of an update archive, by framing alone."""
    peers = {}
    with bz2.open(path) if path.endswith(".bz2") else gzip.open(path) as file:
        while len(head := file.read(12)) == 12:
            _, kind, subtype, size = struct.unpack(">IHHI", head)
            body = file.read(size)
            if kind == 17:
                body = body[4:]
            width = 4 if subtype in (4, 5) else 2
            number = int.from_bytes(body[:width], "big")
            local = int.from_bytes(body[width:2 * width], "big")
            octets = 4 if body[2 * width + 3] == 1 else 16
            at = 2 * width + 4
            address = str(ipaddress.ip_address(body[at:at + octets]))
            at += 2 * octets
            one = peers.setdefault((address, number), Recorded(address, number, local))
            if subtype in (0, 5):
                old, _ = struct.unpack_from(">HH", body, at)
                if old == 6:
                    one.sessions.append([])
                continue
            if body[at + 18] == UPDATE:
                one.wide = subtype == 4
            one.sessions[-1].append((body[at + 18], body[at:]))
    return peers


def dumped(path):
    """{(address, AS): {prefix: (path, origin, next hop, local preference, MED)}}, by bgpdump."""
    tables = collections.defaultdict(dict)
    with subprocess.Popen(
            [peer("bgpdump"), "-m", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, errors="replace") as process:
        for line in process.stdout:
            fields = line.rstrip("\n").split("|")
            table = tables[str(ipaddress.ip_address(fields[3])), int(fields[4])]
            if fields[2] == "A":
                table[fields[5]] = (
                    fields[6].replace(" ", ",") or "-", fields[7].lower(),
                    str(ipaddress.ip_address(fields[8])),
                    int(fields[9] or 0), int(fields[10] or 0))
            elif fields[2] == "W":
                table.pop(fields[5], None)
            elif fields[2] == "STATE" and fields[5] == "6":
                table.clear()
    return tables


def open_message(one, identifier):
    """An OPEN that offers what the recorded messages need."""
    capabilities = struct.pack(">BBHBB", 1, 4, 1, 0, 1) + struct.pack(">BBHBB", 1, 4, 2, 0, 1)
    if one.wide:
        capabilities += struct.pack(">BBI", 65, 4, one.number)
    number = one.number if one.number < 65536 else 23456
    body = struct.pack(">BHHIB", 4, number, 180, identifier, 2 + len(capabilities))
    body += struct.pack(">BB", 2, len(capabilities)) + capabilities
    return MARKER + struct.pack(">HB", 19 + len(body), OPEN) + body


class Player:
    """A connection that sends what was recorded, and reads what comes back without a look."""

    def __init__(self, source, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 30, (source, 0))
        self.received = b""
        self.closed = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            while chunk := self.socket.recv(1 << 16):
                self.received += chunk
        except OSError:
            pass
        self.closed.set()

    def notification(self):
        """The NOTIFICATION that Martlet sent, if any: (code, subcode, data)."""
        at = 0
        while at + 19 <= len(self.received):
            size, kind = struct.unpack_from(">HB", self.received, at + 16)
            if kind == NOTIFICATION:
                return self.received[at + 19], self.received[at + 20], self.received[at + 21:]
            at += size
        return None

    def end(self):
        self.socket.close()


class RecordedSessionTests(TestCase):
    def play(self, name):
        """Plays a file; returns how many routes each peer has then, and how many are AS 0's."""
        path = data("mrt", "updates", name)
        peers = recorded(path)
        wanted = dumped(path)
        lines = [
            "router: { as: 64999, id: 192.0.2.99 }", "listen:",
            '  bgp: ["127.0.0.1:$bgp"]',
            '  console: [{ address: "127.0.0.1:$machine", face: machine }]',
            "  socket: $socket", "sites: { here: { as: 64600, addresses: [192.0.2.1] } }", "feeds:"]
        order = list(enumerate(peers.values()))
        for number, one in order:
            lines.append(
                f"  p{number}: {{ site: here, stale-time: 0, guard: off, default-route: accept, bgp: "
                f"{{ peer: 127.0.1.{number + 1}, as: {one.number}, local-as: {one.local}, connect: passive }} }}")
        martlet = self.martlet("\n".join([*lines, "ready: { wait: 1 }", ""]))
        players, sent = {}, collections.Counter()
        for number, one in order:
            for session in one.sessions:
                if not any(kind == UPDATE for kind, _ in session):
                    continue
                if number in players:
                    players[number].end()
                    self.wait_for(martlet, f"p{number}", lambda row: row["ipv4"] == row["ipv6"] == "0")
                player = players[number] = Player(f"127.0.1.{number + 1}", martlet.port("bgp"))
                self.addCleanup(player.end)
                if session[0][0] == OPEN:
                    messages = [message for _, message in session]
                else:
                    messages = [open_message(one, 0x0a000001 + number)]
                    messages += [MARKER + b"\0\x13\4"]
                    messages += [message for kind, message in session if kind == UPDATE]
                player.socket.sendall(b"".join(messages))
                sent[number] += len(messages)
        console = self.machine(martlet)
        sizes = {}
        for number, one in order:
            if number not in players:
                continue
            self.wait_for(
                martlet, f"p{number}",
                lambda row: int(row["received"]) >= sent[number]
                or players[number].closed.is_set())
            self.assertIsNone(players[number].notification(), f"{one.name} of {name}")
            got = {}
            for line in console.ask(f"show routes feed p{number}"):
                prefix, *fields = line.split()
                row = dict(field.split("=", 1) for field in fields)
                got[prefix] = (
                    row["path"], row["origin"].lower(), row["nexthop"],
                    int(row["localpref"].replace("-", "0")), int(row["metric"].replace("-", "0")))
            everything = wanted[one.address, one.number]
            # RFC 7607 section 2: a path with AS 0 in it is malformed, and its routes are withdrawn.
            table = {
                prefix: route for prefix, route in everything.items()
                if "0" not in re.split("[^0-9]+", route[0])}
            sizes[one.address, one.number] = len(table), len(everything) - len(table)
            differences = {
                prefix: (got.get(prefix), table.get(prefix))
                for prefix in got.keys() | table.keys() if got.get(prefix) != table.get(prefix)}
            self.assertEqual(
                dict(list(differences.items())[:10]), {},
                f"{len(differences)} of {len(table)} of {one.name} differ (Martlet, bgpdump)")
        return sizes

    def wait_for(self, martlet, feed, holds):
        with martlet.machine() as console:
            def row():
                for line in console.ask("show feeds"):
                    name, *fields = line.split()
                    if name == feed:
                        found = dict(field.split("=", 1) for field in fields)
                        return found if holds(found) else None
                return None

            return eventually(f"{feed} to have taken all in", row, 120)

    def test_a_full_table_from_its_open_on(self):
        sizes = self.play("updates.et-header.2015.gz")
        self.assertEqual(sizes, {("206.220.231.55", 3856): (577_699, 4)})

    def test_ris_of_2015(self):
        self.play("ris.rrc06.updates.1427846400.gz")

    def test_two_octets_of_2002(self):
        self.play("updates.20020722.2238.gz")

    def test_two_octets_of_2007(self):
        self.play("updates.20070211.0141.gz")

    def test_mixed_of_2010(self):
        self.play("updates.20100722.2015.gz")

    def test_ris_of_2016(self):
        self.play("updates.20160811.1600.gz")

    def test_extended_time_of_2024(self):
        self.play("updates.20240914.2230.et.bz2")


if __name__ == "__main__":
    unittest.main()
