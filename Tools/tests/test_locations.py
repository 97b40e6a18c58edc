# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Locations: read again when their files change; a bad file leaves the old ones in force."""
import os
import unittest

from harness import Martlet, eventually
from mmdb import mmdb

CONFIGURATION = """
listen:
  console: [{ address: "127.0.0.1:$machine", face: machine }]
  socket: $folder/console.sock
sites:
  near: { as: 64600, addresses: [192.0.2.10], location: AU }
  far:  { as: 64601, addresses: [192.0.2.20], location: NL }
location: { ranges: [ranges.csv], database: places.mmdb }
"""


class LocationTests(unittest.TestCase):
    def setUp(self):
        self.martlet = Martlet(
            CONFIGURATION, {
                "ranges.csv": "1.0.0.0,1.0.0.255,NL\n",
                "places.mmdb": mmdb({"country": {"iso_code": "AU"}}, {"country_code": "NL"})})
        self.addCleanup(self.martlet.stop)

    def first(self, address):
        """The site that comes first, which is where the client is."""
        with self.martlet.machine() as machine:
            return next(iter(machine.rank(address)))

    def replace(self, name, content):
        """As tools do that bring such files up to date: the new one is moved over the old one."""
        path = self.martlet.write(name + ".new", content)
        os.rename(path, os.path.join(self.martlet.folder, name))

    def test_the_database_counts_where_ranges_say_nothing(self):
        self.assertEqual(self.first("1.0.0.1"), "far")
        self.assertEqual(self.first("1.0.1.1"), "near")
        self.assertEqual(self.first("200.0.0.1"), "far")

    def test_files_that_change_are_read_again(self):
        self.replace("places.mmdb", mmdb({"country_code": "NL"}, {"country_code": "AU"}))
        eventually("the new database", lambda: self.first("1.0.1.1") == "far")
        self.assertEqual(self.first("200.0.0.1"), "near")
        self.assertEqual(self.first("1.0.0.1"), "far")
        self.replace("ranges.csv", "1.0.0.0,1.0.0.255,AU\n")
        eventually("the new ranges", lambda: self.first("1.0.0.1") == "near")

    def test_a_bad_file_changes_nothing(self):
        for name, content in [("places.mmdb", b"no database"), ("ranges.csv", "1,2\n")]:
            with self.subTest(file=name):
                seen = len(self.martlet.output.splitlines())
                self.replace(name, content)
                self.martlet.wait_line(r"the locations stay as they were", after=seen)
                self.assertEqual(self.first("1.0.1.1"), "near")
                self.assertEqual(self.first("1.0.0.1"), "far")

    def test_what_reading_took_is_given_back(self):
        """Text of many ranges: the process keeps little more than the table says it has."""
        ranges = "".join(
            f"{(number << 24) + 1},{(number << 24) + 9},{'NL' if number % 2 else 'AU'}\n"
            for number in range(1, 200))
        text = ranges + "".join(
            f"{0xc8000000 + 16 * number},{0xc8000000 + 16 * number + 15},"
            f"{'NL' if number % 2 else 'AU'}\n" for number in range(500_000))
        self.replace("ranges.csv", text)
        self.martlet.wait_line(r"read them again.*ranges=500\d\d\d")
        with self.martlet.machine() as machine:
            lines = machine.ask("show memory")
            table = next(int(line.split("=")[1]) for line in lines if line.startswith("table "))

        def beyond_the_table():
            with open(f"/proc/{self.martlet.child.pid}/smaps_rollup") as file:
                line = next(line for line in file if line.startswith("Anonymous:"))
            return int(line.split()[1]) * 1024 - table

        eventually("the memory to be given back", lambda: beyond_the_table() < 16 << 20)


if __name__ == "__main__":
    unittest.main()
