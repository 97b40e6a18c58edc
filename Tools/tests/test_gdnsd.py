# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""gdnsd with the table that `martlet export gdnsd` writes."""
import os
import random
import re
import unittest

from exporting import PINS, SITES, clients, daemon, export
from harness import Answer, Process, TestCase, eventually, peer, program, run
from nameserver import NameServer
from questions import ask_all

CONFIGURATION = """
options => {
  listen => [ "127.0.0.1:{port}" ]
  run_dir => {folder}/run
  state_dir => {folder}/state
}
plugins => { geoip => {
  maps => { nearest => { datacenters => [ {sites} ], nets => {nets} } }
  resources => { www => { map => nearest, service_types => up, dcmap => {
{addresses}
  } } }
} }
"""
ZONE = """@ SOA ns1 hostmaster 1 3600 600 86400 60
@ NS ns1
ns1 A 127.0.0.1
www 60 DYNA geoip!www
"""


class Gdnsd(NameServer):
    """gdnsd with a map of sites' names, each site with an address of each family."""

    def __init__(self, nets, sites):
        super().__init__("gdnsd")
        for name in ["zones", "geoip", "run", "state"]:
            os.mkdir(self.path(name))
        addresses = "\n".join(
            f"    {name} => {{ addrs_v4 => [ 192.0.2.{number} ], "
            f"addrs_v6 => [ 2001:db8:{number}::80 ] }}" for name, number in sites.items())
        text = CONFIGURATION
        for word, value in [
                ("port", self.port), ("folder", self.folder), ("nets", nets),
                ("sites", ", ".join(sites)), ("addresses", addresses)]:
            text = text.replace("{%s}" % word, str(value))
        self.write("config", text)
        self.write(os.path.join("zones", "example.com"), ZONE)
        self.begin(
            "-c", self.folder, "start", line="DNS listeners started",
            # It begins to watch its files when its main loop runs, and that answers this.
            after=lambda: eventually("gdnsd's status", lambda: run(
                peer("gdnsdctl"), "-c", self.folder, "status").returncode == 0))


class ExportTests(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = daemon()
        cls.addClassCleanup(cls.daemon.stop)

    def nets(self, *options):
        path = os.path.join(self.folder(), "martlet.nets")
        done = export(self.daemon, "gdnsd", "-o", path, *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(path) as file:
            return path, [line for line in file.read().splitlines() if not line.startswith("#")]

    def gdnsd(self, path, sites=SITES):
        started = Gdnsd(path, sites)
        self.addCleanup(started.stop)
        return started

    def test_ten_thousand_clients_get_the_same_answer(self):
        path, lines = self.nets("--name", "www.example.com")
        self.assertGreater(len(lines), 500)
        gdnsd = self.gdnsd(path)
        self.assertNotRegex(gdnsd.output, r"(error|warn|fatal):")
        seed = random.randrange(1 << 32)
        subnets = list(clients(random.Random(seed), 10_000))
        for kind in ["A", "AAAA"]:
            theirs = ask_all(gdnsd.port, "www.example.com", kind, subnets)
            ours = ask_all(self.daemon.port("dns"), "www.example.com", kind, subnets)
            wrong = [
                (subnet, their, our) for subnet, their, our in zip(subnets, theirs, ours)
                if their.addresses != our.addresses or not our.addresses]
            self.assertEqual(wrong[:5], [], f"{len(wrong)} of {len(subnets)}, seed {seed}")
            if kind == "A":
                self.assertGreater(len({our.addresses[0] for our in ours}), 4, "sites differ")

    def test_fewer_sites_make_fewer_lines(self):
        _, whole = self.nets("--name", "www.example.com")
        _, first = self.nets("--name", "www.example.com", "--sites", "1")
        self.assertLess(len(first), len(whole))
        self.assertTrue(all(re.fullmatch(r"\S+ => \[ \w+ \]", line) for line in first))
        prefixes = [line.split()[0] for line in whole]
        self.assertEqual(len(prefixes), len(set(prefixes)))
        # A default for each family, and what differs from it.
        self.assertIn("0.0.0.0/0", prefixes)
        self.assertIn("::/0", prefixes)

    def test_the_map_tester_agrees(self):
        path, _ = self.nets("--name", "www.example.com")
        gdnsd = self.gdnsd(path)
        with self.machine(self.daemon) as console:
            for address in ["1.0.4.1", "198.51.100.200", "198.51.100.1", "2001:db8:abcd::1"]:
                text = run(
                    peer("gdnsd_geoip_test"), "-c", gdnsd.folder, "nearest", address).stdout
                ranked = list(console.rank(address, "www.example.com"))
                self.assertIn(", ".join(ranked), text.replace("[", "").replace("]", ""), text)


class WatchTests(TestCase):
    def test_the_file_follows_the_table_and_gdnsd_the_file(self):
        martlet = daemon()
        self.addCleanup(martlet.stop)
        path = os.path.join(self.folder(), "martlet.nets")
        watcher = Process([
            program("martlet"), "export", "gdnsd", martlet.socket_path, "--name",
            "www.example.com", "-o", path, "--watch", "--every", "0.2", "--run",
            f"echo written >>{path}.log"])
        self.addCleanup(watcher.stop)
        eventually("the first file", lambda: os.path.exists(path))
        gdnsd = Gdnsd(path, SITES)
        self.addCleanup(gdnsd.stop)
        client = "198.51.100.200/32"
        self.assertEqual(
            Answer(gdnsd.port, "www.example.com", "A", client).addresses, ["192.0.2.60"])
        inode = os.stat(path).st_ino
        martlet.write("pins.routes", PINS.replace("64605", "64601"))
        self.assertEqual(martlet.console("reload").returncode, 0)
        eventually("another file", lambda: os.stat(path).st_ino != inode)
        # gdnsd waits until a file has been quiet for some seconds.
        eventually(
            "gdnsd to take it in",
            lambda: Answer(gdnsd.port, "www.example.com", "A", client).addresses == ["192.0.2.20"],
            60)
        # A daemon that is gone changes nothing, and is said once.
        martlet.signal(15)
        self.assertEqual(martlet.wait(), 0)
        watcher.wait_line("is martletd running|connection was closed")
        with open(path) as file:
            self.assertIn("198.51.100.128/25", file.read())
        with open(path + ".log") as file:
            self.assertEqual(file.read(), "written\n" * 2)
        self.assertEqual(
            sorted(os.listdir(os.path.dirname(path))), ["martlet.nets", "martlet.nets.log"])


if __name__ == "__main__":
    unittest.main()
