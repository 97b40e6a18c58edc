# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""The tests of the whole: martletd and martlet as built, real routers and resolvers, loopback.

    python3 Tools/tests [--filter REGEX] [--counts FILE] [--programs FOLDER] [--list]

--filter runs the tests whose names (file.Class.test) match; --counts writes the numbers of passed,
failed and skipped tests; --programs says where the programs are (default .build/release).
"""
import argparse
import os
import re
import sys
import time
import unittest

import harness


def every(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from every(test)
        else:
            yield test


class Lines(unittest.TextTestResult):
    """One line a test, with its seconds: what hangs or drags is seen at once."""

    passed = 0

    def startTest(self, test):
        self.began = time.monotonic()
        super().startTest(test)

    def addSuccess(self, test):
        self.passed += 1
        super().addSuccess(test)

    def stopTest(self, test):
        super().stopTest(test)
        self.stream.writeln(f"    {time.monotonic() - self.began:.1f} s")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filter", default="")
    parser.add_argument("--counts")
    parser.add_argument("--programs", default=harness.PROGRAMS)
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    harness.PROGRAMS = os.path.abspath(options.programs)
    folder = os.path.dirname(os.path.abspath(__file__))
    found = unittest.defaultTestLoader.discover(folder, pattern="test_*.py", top_level_dir=folder)
    wanted = [test for test in every(found) if re.search(options.filter, test.id())]
    if options.list:
        print("\n".join(test.id() for test in wanted))
        return
    runner = unittest.TextTestRunner(verbosity=2, resultclass=Lines, stream=sys.stdout)
    result = runner.run(unittest.TestSuite(wanted))
    broken = result.failures + result.errors
    failed = len({getattr(test, "test_case", test).id() for test, _ in broken})
    failed += len(result.unexpectedSuccesses)
    if options.counts:
        with open(options.counts, "w") as file:
            file.write(f"{result.passed} {failed} {len(result.skipped)}\n")
    sys.exit(1 if failed else 0)


main()
