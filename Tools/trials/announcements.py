# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""What was captured of long runs: all that Martlet sent is well-framed BGP and announces nothing."""
import glob
import os

from trials import messages
from trials.report import Left, table

KINDS = ["OPEN", "KEEPALIVE", "End-of-RIB", "ROUTE-REFRESH", "NOTIFICATION"]


def measure(options):
    paths = options.captures or sorted(glob.glob(os.path.join(options.work, "*.pcap")))
    if not paths:
        raise Left(f"there are no captures in {options.work}: flaps and keepalives make them")
    return {"captures": [[os.path.basename(path), *messages.announced(path)] for path in paths]}


def report(result, options):
    rows = [
        [name, connections, size, *(counts.get(kind, 0) for kind in KINDS)]
        for name, connections, size, counts in result["captures"]]
    return table(
        ["capture", "connections", "bytes", *KINDS], rows) + (
        "\nNo other UPDATE, and not a byte that is not of one of these.\n"), []
