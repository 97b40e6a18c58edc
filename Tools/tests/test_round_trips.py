# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Measured round trips: from files, from programs, forgotten and read again."""
import time

from harness import Machine, Refused, TestCase, eventually

CONFIGURATION = """
router: { as: 65000, id: 192.0.2.1 }
listen:
  console: [{ address: "127.0.0.1:$machine", face: machine }]
  socket: $socket
  dns: ["127.0.0.1:$dns"]
sites:
  near: { as: 64600, addresses: [192.0.2.10] }
  far:  { as: 64601, addresses: [192.0.2.20] }
round-trips: { files: [rtt.csv], weight: 0.5, expire: 10 }
zones:
  example.com:
    soa: { host: ns1.example.com, email: hostmaster@example.com }
    ns: [ns1.example.com]
    records:
      ns1: { a: 192.0.2.53 }
      www: { nearest: [near, far], ttl: 60 }
"""
FILE = "prefix,site,milliseconds\n198.51.100.0/24,near,80\n198.51.100.0/24,far,20\n"


class RoundTripTests(TestCase):
    def start(self):
        self.daemon = self.martlet(CONFIGURATION, files={"rtt.csv": FILE})
        eventually("the file's round trips", lambda: self.answer() == ["192.0.2.20"])

    def answer(self):
        return self.daemon.dig("www.example.com", "A", "198.51.100.0/24").addresses

    def console(self, *lines):
        return self.daemon.console(*lines).stdout

    def test_files_count_and_are_read_again(self):
        self.start()
        with self.daemon.machine() as console:
            # In steps of a tenth.
            self.assertIn(console.rank("198.51.100.1")["far"]["rtt"], ("19", "20", "21"))
        self.daemon.write("rtt.csv", "198.51.100.0/24,near,10\n198.51.100.0/24,far,20\n")
        self.assertIn("round trips are read again", self.console("reload"))
        self.assertEqual(self.answer(), ["192.0.2.10"])

    def test_a_bad_file_changes_nothing(self):
        self.start()
        self.daemon.write("rtt.csv", "198.51.100.0/24,near,10\n198.51.100.0/24,fra,20\n")
        reply = self.console("reload")
        self.assertIn("rtt.csv:2:17: 'fra' is no site; the sites are near, far", reply)
        self.assertEqual(self.answer(), ["192.0.2.20"])

    def test_observations_count_before_files_until_they_expire(self):
        self.start()
        # The average begins with what the file says: half of 80 and half of 2.
        self.console("observe 198.51.100.0/24 near 2", "observe 198.51.100.0/24 near 2")
        self.console("observe 198.51.100.0/24 near 2")
        eventually("the observations", lambda: self.answer() == ["192.0.2.10"])
        eventually("that they expire", lambda: self.answer() == ["192.0.2.20"], seconds=30)

    def test_observing_over_tcp_needs_enable(self):
        self.start()
        with self.daemon.machine() as console:
            reply = console.ask("observe 198.51.100.0/24 near 2")
            self.assertIsInstance(reply, Refused)
            self.assertEqual(reply.code, 401)

    def test_observations_are_pipelined(self):
        self.start()
        count = 20_000
        lines = [f"observe 203.0.{index % 256}.0/24 near {index % 90 + 5}" for index in range(count)]
        with Machine(self.daemon.socket_path) as console:
            began = time.monotonic()
            console.send("machine", *lines, "quit")
            replies = console.file.read().decode()
            print(f"{count / (time.monotonic() - began):.0f} observations a second", end=" ")
        self.assertEqual(replies.count("+ ok\n"), count + 1)
        reply = self.console("show round-trips 203.0.0.0/16 limit 300")
        self.assertIn("256 round trips", reply)
