# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""What parts give back, and the page they become."""
import statistics


def median(values):
    return statistics.median(values)


def figure(value):
    """Three significant digits, no exponent."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def target(what, wanted, limit, measured, at_least=False, note=""):
    """A figure that is to be met. `wanted` is the words, `limit` the number."""
    met = measured >= limit if at_least else measured <= limit
    return {"what": what, "wanted": wanted, "measured": figure(measured), "met": bool(met), "note": note}


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(figure(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
