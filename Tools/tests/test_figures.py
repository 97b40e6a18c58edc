# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Reports of benchmarks and trials: no figure is met by answers that weren't given, or were bad."""
import argparse
import os
import sys
import unittest

from harness import TestCase

TOOLS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [TOOLS, os.path.join(TOOLS, "Benchmarks")]
from parts import dns  # noqa: E402
from trials import latency  # noqa: E402


def runs(cpu, **other):
    run = {"qps": 200000, "cpu_us": cpu, "lost": 0, "p99_us": 700, "bad": 0, "ready_s": 0.5, "rss_mib": 100}
    return [dict(run), dict(run), {**run, **other}]


class DNSFigureTests(TestCase):
    def result(self, **runs_of):
        servers = {"nsd": runs(5.0), "map": runs(4.9), "feeds": runs(4.9), "one": runs(4.9), "two": runs(5.0), **runs_of}
        groups = {"map": ["nsd", "map"], "feeds": ["nsd", "feeds"], "threads": ["one", "two"]}
        return {group: {name: servers[name] for name in names} for group, names in groups.items()}

    def missed(self, **runs_of):
        """The figures that aren't met: their numbers, and what is said of them."""
        figures, _ = dns.report(self.result(**runs_of))
        return {number: one["measured"] for number, one in enumerate(figures) if not one["met"]}

    def test_good_runs_meet_all(self):
        self.assertEqual(self.missed(), {})
        self.assertEqual(self.missed(map=runs(4.9, lost=200)), {}, "a thousandth of a second's")

    def test_a_slow_one_is_not_met(self):
        self.assertEqual(list(self.missed(two=runs(6))), [4])

    def test_one_bad_answer_in_one_run_is_enough(self):
        missed = self.missed(map=runs(4.9, bad=1))
        self.assertEqual(list(missed), [0, 1, 2])
        self.assertEqual(missed[0], "0.98; Martlet, the map: 1 bad")
        self.assertEqual(list(self.missed(feeds=runs(4.9, bad=1))), [3])
        self.assertEqual(list(self.missed(two=runs(5, bad=1))), [4])

    def test_lost_queries_are_no_saving(self):
        missed = self.missed(one=runs(4.9, lost=201))
        self.assertEqual(missed, {4: "1.02; Martlet, one thread: 201 queries lost in a run"})

    def test_what_it_is_measured_by_must_answer_too(self):
        self.assertEqual(list(self.missed(nsd=runs(5, bad=7))), [0, 3])

    def test_a_failed_run_counts(self):
        missed = self.missed(map=runs(4.9) + [{"error": "it ended"}])
        self.assertEqual(missed[0], "0.98; Martlet, the map: 1 runs of 4 failed")


class LatencyTests(TestCase):
    def faults(self, **other):
        one = {"count": 1000, "p50": 1, "p99": 2, "p999": 3, "longest": 4}
        result = {
            **{key: dict(one) for key in ("rest", "questions under all", "update at rest", "update among others", "update under all")},
            "peak": 1e5, "prefixes": 1000, "loaded": 1000, "loads": 3, "updates": 4900, "others": 5000, "cpu": 1, **other}
        return latency.report(result, argparse.Namespace(rate=5000))[1]

    def test_all_is_well(self):
        self.assertEqual(self.faults(), [])

    def test_updates_that_do_not_arrive(self):
        self.assertEqual(self.faults(updates=4749), ["4,749 UPDATEs a second arrive while a table loads, not 5,000"])
        self.assertEqual(self.faults(others=0), ["0 UPDATEs a second arrive alone, not 5,000"])

    def test_a_table_that_was_not_loaded(self):
        self.assertEqual(self.faults(loads=0), ["no table was loaded meanwhile"])


if __name__ == "__main__":
    unittest.main()
