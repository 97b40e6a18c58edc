# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""The table of what passed, for people, for programs and for the documentation."""
import dataclasses
import json

from interoperability import cases, routers
from interoperability.runner import FAIL, PASS


PAGE = """# Interoperability

What Martlet was tried with, and what passed.

## Overview

Written by `Tools/interop --page FILE`; `Tools/test` runs the same, and compares it with this page where the
routers have the versions named here. Each case is a Martlet and a router of its own on loopback, whose routes come
from other BGP speakers (ExaBGP's over its pipe), and is passed when Martlet's table is equal, path by
path, to what was sent and to what the router says that it sends. All that Martlet sends is recorded from
the wire and read without its code: a case passes only if there was nothing but well-framed
messages, no UPDATE but End-of-RIB to routers with graceful restart, and no message later than a second beyond
a third of the hold time. A dash means that the router hasn't what the case is about: it was tried, and how that
showed stands below.
"""


def cells_of_page(path):
    """{(router with its version, words of the case): status} of a page."""
    with open(path) as file:
        rows = [[cell.strip() for cell in line.strip().strip("|").split("|")]
                for line in file if line.startswith("|")]
    return {(title, row[0]): cell.split()[0] for row in rows[2:]
            for title, cell in zip(rows[0][1:], row[1:])}


class Report:
    def __init__(self, versions, results):
        self.versions = versions
        self.results = results
        self.names = [name for name in routers.NAMES if any(one.router == name for one in results)]
        done = {one.case for one in results}
        self.cases = [one for one in cases.load().values() if one.name in done]
        self.cells = {(one.router, one.case): one for one in results}

    @property
    def failed(self):
        return [one for one in self.results if one.status == FAIL]

    def title(self, name):
        return routers.router(name).title

    def numbered(self):
        """({sentence: its number}, {(router, case): [numbers]}) of what stands below the table."""
        numbers, places = {}, {}
        for case in self.cases:
            for name in self.names:
                one = self.cells[name, case.name]
                words = [one.words] if one.status not in (PASS, FAIL) else []
                for sentence in [*words, *one.notes]:
                    number = numbers.setdefault(sentence, len(numbers) + 1)
                    places.setdefault((name, case.name), []).append(number)
        return numbers, places

    def rows(self, mark):
        """The table's cells as text; `mark` makes one of a status and its footnotes."""
        numbers, places = self.numbered()
        rows = [["", *(f"{self.title(name)} {self.versions.get(name, '')}".strip()
                       for name in self.names)]]
        for case in self.cases:
            rows.append([case.words, *(
                mark(self.cells[name, case.name].status, places.get((name, case.name), []))
                for name in self.names)])
        return rows, numbers

    def totals(self):
        sent, connections, intervals, late = {}, 0, 0, None
        for one in self.results:
            connections += one.connections
            intervals += one.intervals
            for kind, count in one.sent.items():
                sent[kind] = sent.get(kind, 0) + count
            if one.late is not None:
                late = one.late if late is None else max(late, one.late)
        return sent, connections, intervals, late

    def silence(self):
        sent, connections, intervals, late = self.totals()
        words = ", ".join(f"{count} {kind}" for kind, count in sent.items())
        lines = [f"Sent by Martlet in {connections} connections: {words}.",
                 "Every UPDATE was an End-of-RIB." * bool(sent.get("UPDATE") and not self.failed)]
        if late is not None:
            lines.append(
                f"Of {intervals} waits for the next message of a session the longest was "
                f"{abs(late):.2f} s {'longer' if late > 0 else 'shorter'} than a third of its "
                "hold time.")
        return " ".join(filter(None, lines))

    def page(self):
        """The page of DocC; `cells_of_page` reads it again."""

        def mark(status, numbers):
            return status + "".join(f" ({number})" for number in numbers)

        rows, numbers = self.rows(mark)
        lines = [PAGE]
        for index, row in enumerate(rows):
            lines.append("| " + " | ".join(row) + " |")
            if index == 0:
                lines.append("| --- " * len(row) + "|")
        lines += ["", *(f"{number}. {sentence[0].upper()}{sentence[1:]}."
                        for sentence, number in numbers.items())]
        return "\n".join([*lines, "", self.silence(), ""])

    def text(self):
        def mark(status, numbers):
            return status + "".join(f" [{number}]" for number in numbers)

        rows, numbers = self.rows(mark)
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
                 for row in rows]
        lines += ["", *(f"[{number}] {sentence}" for sentence, number in numbers.items())]
        for one in self.failed:
            lines += ["", f"FAILED: {self.title(one.router)}, {one.case}: {one.words}"]
            lines += [f"logs: {one.logs}"] * bool(one.logs)
        lines += ["", self.silence(), self.verdict()]
        return "\n".join(lines)

    def verdict(self):
        count = {status: sum(one.status == status for one in self.results)
                 for status in {one.status for one in self.results}}
        return (f"{count.get(PASS, 0)} passed, {count.get(FAIL, 0)} failed, "
                f"{len(self.results) - count.get(PASS, 0) - count.get(FAIL, 0)} can't be")

    def json(self):
        sent, connections, intervals, late = self.totals()
        return json.dumps({
            "versions": self.versions, "sent": sent, "connections": connections,
            "intervals": intervals, "late": late,
            "results": [dataclasses.asdict(one) for one in self.results]}, indent=1)
