# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""What reloads of zones cost and keep: memory, names whose sites have changed, files that are none."""
import os
import re
import signal
import unittest

from harness import TestCase, eventually, program, run

BASE = """
listen:
  socket: $socket
  dns: ["127.0.0.1:$dns"]
dns: { rate-limit: off, threads: 2 }
sites:
  ams: { as: 64600, addresses: [192.0.2.20] }
  tok: { as: 64601, addresses: [192.0.2.30] }
zones:
  z.test:
    file: z.zone
    records:
      near: { nearest: [ams] }
"""
ZONE = """$TTL 300
@ SOA ns1 hostmaster 1 3600 600 86400 60
@ NS ns1
ns1 A 127.0.0.1
"""


def resident(daemon):
    """MiB of memory."""
    with open(f"/proc/{daemon.child.pid}/status") as file:
        return int(re.search(r"VmRSS:\s+(\d+) kB", file.read())[1]) / 1024


class MemoryTests(TestCase):
    RECORDS = 100_000

    def zone(self, number):
        lines = [f"h{index} A 10.{index >> 16}.{index >> 8 & 255}.{index & 255}"
                 for index in range(self.RECORDS)]
        return ZONE + "\n".join(lines) + f"\nnumber TXT {number}\n"

    def test_reloads_leave_nothing_behind(self):
        daemon = self.martlet(BASE, files={"z.zone": self.zone(0)})
        self.assertEqual(daemon.dig("h7.z.test").addresses, ["10.0.0.7"])

        def reload():
            done = daemon.console("reload")
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stdout

        # The first ones find the heap's size.
        for number in range(1, 4):
            daemon.write("z.zone", self.zone(number))
            self.assertIn("zone z.test.: changed", reload())
        before = resident(daemon)
        for number in range(4, 10):
            daemon.write("z.zone", self.zone(number))
            reload()
            # Neither thread answers anything: they let go of the zones all the same.
        self.assertIn(f'"{number}"', daemon.dig("number.z.test", "TXT").text)
        eventually("the memory of before", lambda: resident(daemon) < before + 8)
        # A reload without a change makes nothing new.
        for _ in range(6):
            self.assertIn("nothing has changed", reload())
        eventually("the memory of before", lambda: resident(daemon) < before + 8)
        self.assertEqual(daemon.dig("h7.z.test").addresses, ["10.0.0.7"])
        counted = daemon.console("show dns names").stdout
        self.assertRegex(counted, r"h7\.z\.test\.\s+z\.test\.\s+2\b")

    def test_limits_cost_memory_where_clients_are_counted_alone(self):
        """Three buckets for each of 65,536 prefixes are 4 MiB, for each listener and thread."""
        addresses = ", ".join(f'"127.0.0.{number}:$dns"' for number in range(1, 11))
        daemon = self.martlet(
            BASE.replace('"127.0.0.1:$dns"', addresses).replace("rate-limit: off, ", ""),
            files={"z.zone": ZONE})
        self.assertEqual(daemon.dig("ns1.z.test").addresses, ["127.0.0.1"])
        self.assertLess(resident(daemon), 80)


class KeptZoneTests(TestCase):
    def test_a_bad_file_keeps_its_records_and_no_site_that_is_no_more(self):
        daemon = self.martlet(BASE, files={"z.zone": ZONE + "www A 192.0.2.80\n"})
        self.assertEqual(daemon.dig("near.z.test").addresses, ["192.0.2.20"])
        daemon.write("z.zone", ZONE + "www A 192.0.2.81\nbad BOGUS\n")
        text = BASE.replace("  ams: { as: 64600, addresses: [192.0.2.20] }\n", "").replace(
            "[ams]", "[tok]")
        daemon.write("martlet.yaml", text)
        daemon.signal(signal.SIGHUP)
        daemon.wait_line("reloaded")
        self.assertRegex(daemon.output, r"z\.zone:6:5: .*it is served as before")
        self.assertEqual(daemon.dig("near.z.test").addresses, ["192.0.2.30"])
        self.assertEqual(daemon.dig("www.z.test").addresses, ["192.0.2.80"])
        daemon.write("z.zone", ZONE + "www A 192.0.2.82\n")
        self.assertEqual(daemon.console("reload").returncode, 0)
        self.assertEqual(daemon.dig("www.z.test").addresses, ["192.0.2.82"])


class OddFileTests(TestCase):
    def test_a_pipe_in_a_zone_files_place_holds_nothing_up(self):
        daemon = self.martlet(BASE, files={"z.zone": ZONE + "www A 192.0.2.80\n"})
        path = os.path.join(daemon.folder, "z.zone")
        os.remove(path)
        os.mkfifo(path)
        done = run(program("martlet"), "check", daemon.configuration)
        self.assertEqual(done.returncode, 1)
        self.assertIn("it is not a plain file", done.stdout + done.stderr)
        done = daemon.console("reload")
        self.assertIn("it is not a plain file", done.stdout)
        self.assertEqual(daemon.dig("www.z.test").addresses, ["192.0.2.80"])
        os.remove(path)
        daemon.write("z.zone", ZONE + "www A 192.0.2.81\n")
        self.assertEqual(daemon.console("reload").returncode, 0)
        self.assertEqual(daemon.dig("www.z.test").addresses, ["192.0.2.81"])


if __name__ == "__main__":
    unittest.main()
