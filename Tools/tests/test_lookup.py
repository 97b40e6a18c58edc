# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""`martlet lookup`: the same answers without a daemon."""
import os
import unittest

from harness import ROOT, TestCase, program, run

SLICE = os.path.join(ROOT, "Routes", "route-views2.rib.20140523.0600.first-9072.gz")


class LookupTests(TestCase):
    def lookup(self, *arguments):
        return run(program("martlet"), "lookup", *arguments)

    def test_a_table_dump(self):
        done = self.lookup("--table", SLICE, "1.0.4.1", "12.130.199.7")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("1.0.4.0/24", done.stdout)
        self.assertIn("12.130.199.0/24", done.stdout)

    def test_a_route_map(self):
        path = os.path.join(self.folder(), "pins.routes")
        with open(path, "w") as file:
            file.write("198.51.100.0/24 64601 64600\n198.51.0.0/16 64600\n")
        done = self.lookup("--table", path, "198.51.100.9")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("198.51.100.0/24", done.stdout)
        self.assertIn("64601", done.stdout)

    def test_bad_addresses_and_files(self):
        done = self.lookup("--table", SLICE, "1.0.4")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("1.0.4", done.stdout + done.stderr)
        done = self.lookup("--table", "/nonexistent.mrt", "1.0.4.1")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("/nonexistent.mrt", done.stderr)
        self.assertNotEqual(self.lookup("1.0.4.1").returncode, 0)


if __name__ == "__main__":
    unittest.main()
