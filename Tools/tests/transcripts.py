# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Sessions printed in documents: what is typed there, and what it prints.

A fenced block of the kind `console` is a session: `$ ` begins a command, what follows is what it prints.
"""
import re

# What differs from one day, machine or version to the next.
VARYING = [
    (r"since=\d+", "since=N"),
    (r"Last update: .*", "Last update: DATE"),
    (r"; <<>> DiG \S+ <<>>", "; <<>> DiG VERSION <<>>"),
    (r"(->>HEADER<<-.* id: )\d+", r"\1N"),
    (r"(COOKIE: )[0-9A-Fa-f]{48}", r"\1HEX"),
    (r";; Query time: \d+ msec", ";; Query time: N msec"),
    (r";; WHEN: .*", ";; WHEN: DATE"),
    (r";; Time \d.*", ";; Time DATE"),
    (r"\d\d:\d\d:\d\d", "TIME"),
    (r"\(version [^)]*\)", "(version N)"),
    (r"( in )[\d.]+ ms$", r"\1N ms"),
    (r" \((UDP|TCP)\)$", ""),  # dig before 9.18 doesn't say
]


def steadied(text):
    for pattern, word in VARYING:
        text = re.sub(pattern, word, text, flags=re.M)
    return [line.rstrip() for line in text.strip("\n").splitlines()]


def session(text):
    """[(command, what it prints), ...] of all console blocks."""
    steps = []
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.M | re.S):
        for line in block.splitlines(keepends=True):
            if line.startswith("$ "):
                steps.append([line[2:].strip(), ""])
            elif steps:
                steps[-1][1] += line
    return steps


def files(text):
    """{name: text} of the blocks that begin with a comment that is a file's name."""
    return {name: f"# {name}\n{rest}" for name, rest in
            re.findall(r"^```\w*\n# ([\w.-]+\.\w+)\n(.*?)^```$", text, re.M | re.S)}
