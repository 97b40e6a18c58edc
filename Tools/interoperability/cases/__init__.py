# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""What every router is tried with, in the order of the table."""
import importlib

ROOMS = ["connecting", "signing", "numbers", "paths", "restart", "refresh", "limits", "shutdown",
         "tables", "flaps"]
CASES = {}  # name: Case


class Case:
    def __init__(self, name, words, run, weight):
        self.name, self.words, self.run, self.weight = name, words, run, weight


def case(name, words, weight=1):
    """Adds a function of a `Lab` to the table, as the row `words`; heavy ones run alone."""

    def add(run):
        CASES[name] = Case(name, words, run, weight)
        return run

    return add


def routes(count, first=0, path=(64999,)):
    """Some routes, a third of them IPv6: {prefix: path}; paths of one to three further ASes."""
    found = {}
    for number in range(first, first + count):
        prefix = (f"2001:db8:{number:x}::/48" if number % 3 == 2
                  else f"10.{number >> 8}.{number & 255}.0/24")
        found[prefix] = path * (1 + number % 3)
    return found


def load():
    """All cases by name, as they are listed."""
    for room in ROOMS:
        importlib.import_module(f"interoperability.cases.{room}")
    return CASES
