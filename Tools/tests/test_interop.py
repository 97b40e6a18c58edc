# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""The whole table of Tools/interop: five routers, every case, and the bytes that Martlet sent."""
import json
import os
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

import harness

sys.path.insert(0, os.path.join(harness.ROOT, "Tools"))
from interoperability import capture, cases, report, routers, runner, wire  # noqa: E402
from interoperability.source import KEEPALIVE, message, updates  # noqa: E402

PAGE = os.path.join(
    harness.ROOT, "Sources", "BGPSpeaker", "BGPSpeaker.docc", "Interoperability.md")
LONGEST = 1200  # seconds


class Unheard(capture.Recorder):
    """Takes the packets that it is given, and listens to nothing."""

    def __init__(self):  # no thread, no socket
        self.lock = threading.Lock()
        self.connections, self.open = [], {}


class AccountTests(unittest.TestCase):
    """What Tools/interop makes of a record: that it finds what it looks for."""

    def open(self, *capabilities, hold_time=9):
        """An OPEN with IPv4 and what else is said: [(code, value), ...]."""
        value = b"".join(struct.pack("!BB", code, len(data)) + data
                         for code, data in [(1, b"\0\1\0\1"), *capabilities])
        return message(1, struct.pack("!BHH4sBBB", 4, 65000, hold_time, b"\1\2\3\4", len(value) + 2,
                                      2, len(value)) + value)

    def half(self, *sent, ended=None):
        """One end of a connection that sent [(seconds, bytes), ...]."""
        half = capture.Connection(("127.10.1.1", 179), ("127.10.1.2", 40000), 0)
        half.add(0xFFFFFFF0, capture.SYN, 0, b"")
        sequence = 0xFFFFFFF1
        for when, data in sent:
            half.add(sequence, 0, when, data)
            sequence = (sequence + len(data)) & 0xFFFFFFFF
        if ended is not None:
            half.add(sequence, capture.FIN, ended, b"")
        return half

    def account(self, *sent, theirs=(), ended=20, **options):
        answer = self.half((0, self.open(*theirs, **options)))
        return wire.Account(self.half(*sent, ended=ended), answer, 30)

    def begin(self, *capabilities):
        return (1, self.open(*capabilities) + KEEPALIVE)

    RESTART = (64, b"\0\0")
    END, END6 = message(2, bytes(4)), message(2, b"\0\0\0\6\x80\x0f\3\0\2\1")

    def refused(self, words, *sent, **options):
        with self.assertRaisesRegex(wire.Said, words):
            self.account(*sent, **options)

    def test_ports_that_come_again(self):
        """A connection that the router ended without a word, and another with the same ports."""
        recorder = Unheard()
        ours, theirs = (bytes([127, 10, 1, 1]), 40000), (bytes([127, 10, 1, 2]), 179)
        sequence = {ours: 1000, theirs: 5000}

        def send(source, flags, data=b""):
            other = theirs if source == ours else ours
            recorder.take(
                bytes(12) + b"\x08\0\x45\0" + struct.pack("!H", 40 + len(data)) + bytes(8)
                + source[0] + other[0]
                + struct.pack("!HHIIBBHHH", source[1], other[1], sequence[source], 0, 5 << 4,
                              flags, 0, 0, 0) + data, 0)
            sequence[source] += len(data) + (flags & capture.SYN > 0)

        for answer in ("none", "reset", "silence", "both"):
            for end in sequence:
                sequence[end] += 100_000
            send(ours, capture.SYN)
            if answer == "none":
                send(theirs, capture.RST)
                continue
            send(theirs, capture.SYN | capture.ACK)
            send(theirs, capture.ACK)
            send(ours, capture.ACK, self.open())
            send(theirs, capture.RST if answer == "reset" else capture.ACK,
                 self.open() if answer == "both" else b"")
        sent = recorder.between("127.10.1.1", "127.10.1.2")
        answered = recorder.between("127.10.1.2", "127.10.1.1")
        self.assertEqual([len(half.stream()[0]) > 0 for half in sent], [False, True, True, True])
        self.assertEqual(
            [len(half.stream()[0]) > 0 for half in answered], [False, False, False, True])

    def test_a_good_session(self):
        found = self.account(
            self.begin(), (2, self.END), *((when, KEEPALIVE) for when in range(3, 20, 3)),
            theirs=[self.RESTART])
        self.assertEqual(found.counts, {
            "OPEN": 1, "UPDATE": 1, "NOTIFICATION": 0, "KEEPALIVE": 7, "ROUTE-REFRESH": 0})
        self.assertEqual((found.intervals, found.late), (8, 0))

    def test_a_route(self):
        for update in updates({"10.0.0.0/8": (1, 2), "2001:db8::/32": (1,)}, 65000):
            self.refused("NO End-of-RIB", self.begin(), (2, update), theirs=[self.RESTART])

    def test_a_withdrawal(self):
        for body in (b"\0\2\x08\x0a\0\0", b"\0\0\0\7\x80\x0f\4\0\2\1\0"):
            self.refused("NO End-of-RIB", self.begin(), (2, message(2, body)),
                         theirs=[self.RESTART])

    def test_the_end_of_what_was_not_agreed_on(self):
        self.refused("without graceful restart", self.begin(), (2, self.END))
        self.refused("not agreed on", self.begin(), (2, self.END6), theirs=[self.RESTART])
        self.refused("twice", self.begin(), (2, self.END * 2), theirs=[self.RESTART])

    def test_bytes_that_are_no_messages(self):
        self.refused("no marker", self.begin(), (2, b"GET /nearest HTTP/1.1\r\n\r\n"))
        self.refused("behind the last message", self.begin(), (2, KEEPALIVE[:18]))
        self.refused("type 6", self.begin(), (2, message(6)))
        self.refused("KEEPALIVE as message 1", (1, KEEPALIVE))
        self.refused("after NOTIFICATION", self.begin(), (2, message(3, b"\6\2") + KEEPALIVE))

    def test_a_late_keepalive(self):
        found = self.account(self.begin(), (4.9, KEEPALIVE), ended=5)
        self.assertAlmostEqual(found.late, 0.9)
        self.refused("nothing for 4.1 s", self.begin(), (5.1, KEEPALIVE), ended=6)
        self.refused("nothing for 19.0 s", self.begin(), ended=20)
        self.assertEqual(self.account(self.begin(), ended=20, hold_time=0).intervals, 0)

    def test_a_gap(self):
        half = self.half(self.begin(), (2, KEEPALIVE), ended=3)
        first = min(half.segments)
        half.segments[first] = (1, half.segments[first][1][:-1])
        with self.assertRaisesRegex(AssertionError, "gap"):
            wire.Account(half, None, 5)


class InteroperabilityTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if runner.network() is None:
            if os.environ.get("CI") == "true":
                raise AssertionError("CI runs the interoperability table, and can't have a network")
            raise unittest.SkipTest("a network namespace is root's to make here")
        with tempfile.TemporaryDirectory(prefix="martlet-interop-") as folder:
            path = os.path.join(folder, "results.json")
            done = subprocess.run(
                [os.path.join(harness.ROOT, "Tools", "interop"), "--json", path,
                 "--programs", harness.PROGRAMS], stdin=subprocess.DEVNULL,
                capture_output=True, text=True, timeout=LONGEST)
            print(f"\n{done.stdout}", flush=True)
            if not os.path.exists(path):
                raise AssertionError(f"Tools/interop wrote no results: {done.stderr}")
            with open(path) as file:
                cls.found = json.load(file)
            cls.status = done.returncode
        cls.results = {
            (one["router"], one["case"]): one for one in cls.found["results"]}

    def check(self, name):
        versions = self.found["versions"]
        if name not in versions and os.environ.get("CI") != "true":
            self.skipTest(self.results[name, "dials"]["words"])
        router = f"{routers.router(name).title} {versions[name]}"
        documented = report.cells_of_page(PAGE)
        for case in cases.load().values():
            with self.subTest(case=case.name):
                one = self.results[name, case.name]
                self.assertNotEqual(one["status"], runner.FAIL, one["words"])
                if case.name == "table" and "no routing data" in one["words"]:
                    continue
                wanted = documented.get((router, case.words), one["status"])
                self.assertEqual(one["status"], wanted, f"the page says otherwise; {one['words']}")

    def test_silence(self):
        """Something was said, and heard: nothing that a route could be in."""
        self.assertEqual(self.status, 0)
        sent = self.found["sent"]
        for kind in ("OPEN", "KEEPALIVE", "NOTIFICATION", "ROUTE-REFRESH", "UPDATE"):
            self.assertGreater(sent[kind], 0, f"no {kind} was recorded: {sent}")
        self.assertLess(self.found["late"], 1)


def check_of(name):
    return lambda self: self.check(name)


for each in routers.NAMES:
    setattr(InteroperabilityTests, f"test_{each}", check_of(each))


if __name__ == "__main__":
    unittest.main()
