# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""How trials say what they do and what they found."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "Benchmarks"))
from parts.results import table  # noqa: E402, F401


class Failed(Exception):
    """A trial found what should not be."""


class Left(Exception):
    """Something that a trial needs is not here; the message says what."""


def say(text):
    print(f"trial: {text}", file=sys.stderr, flush=True)
