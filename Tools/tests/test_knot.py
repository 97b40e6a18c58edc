# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Knot's geoip module with the file that `martlet export knot` writes."""
import ipaddress
import os
import random
import re
import unittest

from exporting import PINS, clients, daemon, export
from harness import Answer, Process, TestCase, eventually, peer, program
from nameserver import NameServer
from questions import ask_all

CONFIGURATION = """
server:
  rundir: "{folder}"
  listen: 127.0.0.1@{port}
  edns-client-subnet: on
  udp-workers: 1
  tcp-workers: 1
log:
  - target: stderr
    any: info
database:
  storage: "{folder}/db"
mod-geoip:
  - id: martlet
    config-file: "{geo}"
    ttl: 60
    mode: subnet
zone:
  - domain: example.com
    file: "{folder}/example.com.zone"
    module: mod-geoip/martlet
"""
# What the module has an answer for stands in the zone, too, or denials would be wrong.
ZONE = """$ORIGIN example.com.
@ 300 SOA ns1 hostmaster 1 3600 600 86400 60
@ NS ns1
ns1 A 127.0.0.1
www 60 A 192.0.2.99
two 60 A 192.0.2.99
cdn 60 CNAME nowhere.example.net.
"""


class Knot(NameServer):
    def __init__(self, geo):
        super().__init__("knotd")
        self.configuration = self.path("knot.conf")
        os.mkdir(self.path("db"))
        self.write(
            "knot.conf", CONFIGURATION.format(folder=self.folder, port=self.port, geo=geo))
        self.write("example.com.zone", ZONE)
        self.begin("-c", self.configuration, line="server started")


class ExportTests(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = daemon()
        cls.addClassCleanup(cls.daemon.stop)

    def test_ten_thousand_clients_get_the_same_answer_and_no_scope_is_too_wide(self):
        for name, answers in [("www.example.com", 1), ("two.example.com", 2)]:
            path = os.path.join(self.folder(), "martlet.geo")
            # As many sites as the name has.
            done = export(self.daemon, "knot", "--name", name, "-o", path)
            self.assertEqual(done.returncode, 0, done.stderr)
            knot = Knot(path)
            self.addCleanup(knot.stop)
            self.assertNotRegex(knot.output, r"(error|warning):")
            seed = random.randrange(1 << 32)
            source = random.Random(seed)
            subnets = list(clients(source, 10_000))
            for kind in ["A", "AAAA"]:
                theirs = ask_all(knot.port, name, kind, subnets)
                ours = ask_all(self.daemon.port("dns"), name, kind, subnets)
                wrong = [
                    (subnet, their, our) for subnet, their, our in zip(subnets, theirs, ours)
                    if sorted(their.addresses) != sorted(our.addresses)
                    or len(our.addresses) != answers]
                self.assertEqual(wrong[:5], [], f"{len(wrong)} of {len(subnets)}, seed {seed}")
            # Whoever shares Knot's scope with a client gets that client's answer from Martlet.
            beside = []
            for subnet, their in zip(subnets, theirs):
                block = ipaddress.ip_network(subnet).supernet(new_prefix=their.scope)
                other = block[source.randrange(block.num_addresses)]
                beside.append(f"{other}/{other.max_prefixlen}")
            for subnet, their, our in zip(
                    subnets, theirs, ask_all(self.daemon.port("dns"), name, kind, beside)):
                self.assertEqual(
                    sorted(their.addresses), sorted(our.addresses),
                    f"{subnet}, scope {their.scope}, seed {seed}")

    def test_a_name_that_is_an_alias_is_one_in_knot(self):
        path = os.path.join(self.folder(), "martlet.geo")
        done = export(self.daemon, "knot", "--name", "cdn.example.com", "-o", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        knot = Knot(path)
        self.addCleanup(knot.stop)
        self.assertNotRegex(knot.output, r"(error|warning):")
        with open(path) as file:
            text = file.read()
        self.assertIn("# cdn.example.com: ttl 30\n", text)
        self.assertNotRegex(text, r"(?m)^    A+: ")
        targets = set()
        seed = random.randrange(1 << 32)
        for subnet in clients(random.Random(seed), 60):
            for kind in ["A", "AAAA", "TXT"]:
                theirs, ours = (
                    Answer(port, "cdn.example.com", kind, subnet)
                    for port in (knot.port, self.daemon.port("dns")))
                found = re.findall(r"IN\s+CNAME\s+(\S+)", ours.text)
                self.assertEqual(len(found), 1, ours.text)
                self.assertEqual(
                    re.findall(r"IN\s+CNAME\s+(\S+)", theirs.text), found,
                    f"{subnet} {kind}, seed {seed}: {theirs.text}")
                targets.update(found)
        self.assertGreater(len(targets), 1, targets)

    def test_what_a_file_cannot_say_is_said(self):
        path = os.path.join(self.folder(), "martlet.geo")
        done = export(self.daemon, "knot", "--name", "own.example.com", "-o", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("own.example.com goes by the resolver's address", done.stderr)
        done = export(
            self.daemon, "gdnsd", "--name", "cdn.example.com", "--addresses", "ipv4", "-o", path)
        self.assertEqual(done.returncode, 1)
        self.assertIn("cdn.example.com is an alias", done.stderr)

    def test_prefixes_that_hold_each_other_are_taken_apart(self):
        """Knot gives a prefix's length as scope, whatever lies inside."""
        text = export(self.daemon, "knot", "--name", "www.example.com", "-q").stdout
        prefixes = [
            ipaddress.ip_network(line.split()[-1]) for line in text.splitlines() if "net:" in line]
        self.assertGreater(len(prefixes), 500)
        ends = {4: -1, 6: -1}
        for prefix in prefixes:
            self.assertGreater(int(prefix.network_address), ends[prefix.version])
            ends[prefix.version] = int(prefix.broadcast_address)
        self.assertEqual(ends, {4: (1 << 32) - 1, 6: (1 << 128) - 1})


class WatchTests(TestCase):
    def test_knot_follows_the_table(self):
        martlet = daemon()
        self.addCleanup(martlet.stop)
        path = os.path.join(self.folder(), "martlet.geo")
        self.assertEqual(
            export(martlet, "knot", "--name", "www.example.com", "-o", path).returncode, 0)
        knot = Knot(path)
        self.addCleanup(knot.stop)
        watcher = Process([
            program("martlet"), "export", "knot", martlet.socket_path, "--name",
            "www.example.com", "-o", path, "--watch", "--every", "0.2", "--run",
            f"{peer('knotc')} -c {knot.configuration} -f zone-reload example.com"])
        self.addCleanup(watcher.stop)
        watcher.wait_line("OK")

        def answer():
            return Answer(knot.port, "www.example.com", "A", "198.51.100.200/32").addresses

        self.assertEqual(answer(), ["192.0.2.60"])
        martlet.write("pins.routes", PINS.replace("64605", "64601"))
        self.assertEqual(martlet.console("reload").returncode, 0)
        eventually("Knot to answer with another site", lambda: answer() == ["192.0.2.20"])


    def test_a_command_that_failed_is_run_again(self):
        """As Knot's while it is being restarted."""
        martlet = daemon()
        self.addCleanup(martlet.stop)
        folder = self.folder()
        watcher = Process([
            program("martlet"), "export", "knot", martlet.socket_path, "--name",
            "www.example.com", "-o", os.path.join(folder, "geo"), "--watch", "--every", "0.1",
            "--run", f"echo run >>{folder}/runs; test -e {folder}/there"])
        self.addCleanup(watcher.stop)

        def runs():
            path = os.path.join(folder, "runs")
            if not os.path.exists(path):
                return 0
            with open(path) as file:
                return len(file.readlines())

        eventually("three attempts", lambda: runs() >= 3)
        with open(os.path.join(folder, "there"), "w"):
            pass
        watcher.wait_line("has succeeded")
        self.assertEqual(watcher.output.count("failed: exit status 1"), 1, watcher.output)
        # It is owed no more.
        before = runs()
        martlet.write("pins.routes", PINS.replace("64605", "64601"))
        self.assertEqual(martlet.console("reload").returncode, 0)
        eventually("the command for another file", lambda: runs() == before + 1)


if __name__ == "__main__":
    unittest.main()
