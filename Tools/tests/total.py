# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Adds up what the parts of Tools/test have left in a folder, and prints the closing line.

    total.py FOLDER UNIT WHOLE        (UNIT and WHOLE: yes where that part was run)

The folder holds `table.xml`, `client.xml` and `unit.xml` (xUnit, as swift test writes it), `format` and `whole` (the numbers of
passed, failed and skipped tests in one line) and `unit-failed` where swift test said no. A part
that was run and left nothing ended before it could count: that is one failed test.
"""
import os
import sys
import xml.etree.ElementTree


def of_xunit(path):
    passed = failed = skipped = 0
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def of_line(path):
    with open(path) as file:
        passed, failed, skipped = map(int, file.read().split())
    return passed, failed, skipped


def main():
    folder, unit, whole = sys.argv[1:]
    parts = []
    if unit == "yes":
        parts += [("table.xml", of_xunit), ("client.xml", of_xunit), ("unit.xml", of_xunit), ("format", of_line)]
    if whole == "yes":
        parts += [("whole", of_line)]
    total = [0, 0, 0]
    for name, read in parts:
        try:
            counted = read(os.path.join(folder, name))
        except (OSError, ValueError, xml.etree.ElementTree.ParseError):
            counted = (0, 1, 0)
        total = [a + b for a, b in zip(total, counted)]
    if total[1] == 0 and os.path.exists(os.path.join(folder, "unit-failed")):
        total[1] = 1  # swift test failed though no test did: the run broke off
    print("%d passed, %d failed, %d skipped" % tuple(total), flush=True)
    sys.exit(1 if total[1] else 0)


main()
