# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""The whole table of Tools/interop: five routers, every case, and the bytes that Martlet sent."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

import harness

sys.path.insert(0, os.path.join(harness.ROOT, "Tools"))
from interoperability import cases, report, routers, runner  # noqa: E402

PAGE = os.path.join(
    harness.ROOT, "Sources", "BGPSpeaker", "BGPSpeaker.docc", "Interoperability.md")
LONGEST = 1200  # seconds


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
