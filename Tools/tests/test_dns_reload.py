# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""What reloads of zones cost and keep: memory, names whose sites have changed, files that are none."""
import json
import os
import re
import resource
import signal
import socket
import time
import unittest

import questions
from harness import PATIENCE, TestCase, eventually, program, run

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


class CounterTests(TestCase):
    AMS = "  ams: { as: 64600, addresses: [192.0.2.20] }\n"
    TOK = "  tok: { as: 64601, addresses: [192.0.2.30] }\n"

    def counted(self, daemon):
        """Answers by site, in all and of the name."""
        report = json.loads(daemon.console("show dns --json").stdout)
        names = json.loads(daemon.console("show dns names --json").stdout)["names"]
        return (
            {one["what"]: one["count"] for one in report["counters"] if one["kind"] == "sites"},
            dict(words.split(":") for words in names[0]["sites"]))

    def test_a_site_has_what_was_counted_of_it_and_none_of_anothers(self):
        """Whatever number it has: one that is free again is given to another site."""
        daemon = self.martlet(BASE, files={"z.zone": ZONE})

        def sites(*lines, nearest):
            text = BASE.replace(self.AMS + self.TOK, "".join(lines))
            daemon.write("martlet.yaml", text.replace("[ams]", f"[{nearest}]"))
            done = daemon.console("reload")
            self.assertEqual(done.returncode, 0, done.stderr)

        def ask(count, address):
            for _ in range(count):
                self.assertEqual(daemon.dig("near.z.test").addresses, [address])

        ask(3, "192.0.2.20")
        sites(self.TOK, nearest="tok")
        ask(1, "192.0.2.30")
        self.assertEqual(self.counted(daemon), ({"ams": 3, "tok": 1}, {"ams": "3", "tok": "1"}))
        sites("  par: { as: 64602, addresses: [192.0.2.50] }\n", self.TOK, nearest="tok")
        self.assertEqual(self.counted(daemon), ({"ams": 3, "tok": 1}, {"ams": "3", "tok": "1"}))
        sites("  par: { as: 64602, addresses: [192.0.2.50] }\n", self.TOK, nearest="par")
        ask(2, "192.0.2.50")
        # It comes back, by another number.
        sites(self.AMS, "  par: { as: 64602, addresses: [192.0.2.50] }\n", self.TOK, nearest="ams")
        ask(4, "192.0.2.20")
        self.assertEqual(
            self.counted(daemon),
            ({"ams": 7, "par": 2, "tok": 1}, {"ams": "7", "par": "2", "tok": "1"}))


class ListenerReportTests(TestCase):
    def test_a_listener_that_is_not_had_is_told(self):
        daemon = self.martlet(BASE, files={"z.zone": ZONE})

        def problems():
            listeners = json.loads(daemon.console("show dns listeners --json").stdout)["listeners"]
            return {one["listener"]: one["problem"] for one in listeners}

        one = f"127.0.0.1:{daemon.port('dns')}"
        with socket.create_server(("127.0.0.1", 0)) as taken:
            two = f"127.0.0.1:{taken.getsockname()[1]}"
            daemon.write("martlet.yaml", BASE.replace('dns: ["', f'dns: ["{two}", "'))
            self.assertIn(f"DNS can't have {two}", daemon.console("reload").stdout)
            self.assertEqual(problems(), {one: None, two: "it is not listened on"})
            # Who watches the log for errors sees it, too.
            daemon.wait_line(rf" error .*DNS can't have {re.escape(two)} by TCP")
        eventually("the port", lambda: "can't have" not in daemon.console("reload").stdout)
        self.assertEqual(problems(), {one: None, two: None})


class DecisionFileTests(TestCase):
    CONFIGURATION = BASE.replace(
        "threads: 2", "threads: 2, decision-log: { file: decisions, sample: 1, rate: 10000 }")

    def start(self, **options):
        self.daemon = self.martlet(self.CONFIGURATION, files={"z.zone": ZONE}, **options)
        self.path = os.path.join(self.daemon.folder, "decisions")

    def ask(self, count):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(PATIENCE)
            client.connect(("127.0.0.1", self.daemon.port("dns")))
            for number in range(count):
                client.send(questions.question(number, "near.z.test", "A", "198.51.100.0/24"))
                self.assertEqual(questions.reply(client.recv(4096))[0], number)

    def limit(self, size):
        """So long may a file be that the daemon writes: what goes beyond is refused, as on a full disk."""
        _, most = resource.prlimit(self.daemon.child.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.daemon.child.pid, resource.RLIMIT_FSIZE, (size, most))

    def counted(self):
        """Whole lines, those that are told to be lost, and pieces."""
        whole = lost = torn = 0
        with open(self.path, "rb") as file:
            for line in file.read().split(b"\n")[:-1]:
                try:
                    found = json.loads(line)
                except ValueError:
                    torn += 1
                    continue
                lost += found.get("lost", 0)
                whole += "name" in found
        return whole, lost, torn

    def test_lines_are_whole_or_counted(self):
        # Who writes beyond the limit would be sent SIGXFSZ, which Python ignores and hands on so.
        self.start(process={"restore_signals": False})
        self.limit(20_000)
        self.ask(800)
        self.daemon.wait_line("DNS decisions can't be written")
        self.limit(resource.RLIM_INFINITY)
        eventually("all that was asked", lambda: sum(self.counted()[:2]) >= 800)
        whole, lost, torn = self.counted()
        self.assertEqual(whole + lost, 800)
        self.assertGreater(lost, 0)
        self.assertGreater(whole, 0)
        self.assertLessEqual(torn, 1)
        # What comes then is whole again.
        self.ask(10)
        eventually("the rest", lambda: self.counted() == (whole + 10, lost, torn))

    def test_a_pipe_that_takes_the_files_place_holds_nothing_up(self):
        self.start()
        os.mkfifo(self.path)
        self.ask(50)
        self.daemon.wait_line("DNS decisions can't be written")
        begin = time.monotonic()
        self.daemon.signal(signal.SIGTERM)
        self.assertEqual(self.daemon.wait(), 0)
        self.assertLess(time.monotonic() - begin, 10)

    def test_a_file_that_cannot_be_written_is_told_once(self):
        self.start()
        os.mkdir(self.path)
        begin = time.monotonic()
        while time.monotonic() < begin + 2:
            self.ask(20)
        said = [line for line in self.daemon.output.splitlines() if "can't be written" in line]
        self.assertEqual(len(said), 1, said[:5])


if __name__ == "__main__":
    unittest.main()
