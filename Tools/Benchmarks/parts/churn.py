# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Days of flapping in miniature: random updates, then every route against a reference."""
import json
import subprocess

from parts.programs import say
from parts.results import table, target

TITLE = "Churn"


def measure(programs, options):
    changes = 2_000_000 if options.quick else 50_000_000
    result = {}
    for name in ["harsh8"] + ([] if options.quick else ["sim8"]):
        say(f"churn: {changes:,} updates of {name}")
        output = subprocess.run(
            [programs.bench(), "churn", name, "--data", options.data, "--dump", programs.dump(),
             "--every", str(options.every), "--changes", str(changes)],
            stdout=subprocess.PIPE, text=True, check=True).stdout
        result[name] = json.loads(output)
    return result


def report(result):
    targets, rows = [], []
    for name, found in result.items():
        wrong = found["wrong_routes"] + found["wrong_lookups"]
        targets += [
            target(f"churn, {found['changes']:,} random updates, {name}: routes and lookups that differ from the "
                   "reference", "0", 0, wrong),
            target(f"churn, {name}: memory of the table at the end, of the start", "≤ 1.05 ×", 1.05,
                   found["table_growth"]),
            target(f"churn, {name}: resident memory at the end, of the start", "≤ 1.05 ×", 1.05,
                   found["resident_growth"])]
        rows.append([name, found["changes"], found["per_second"], wrong]
                    + [found[f"{kind}_{when}"] / 2**20 for kind, when in (
                        ("table_bytes", "before"), ("table_bytes", "after"), ("table_bytes", "most"),
                        ("resident", "before"), ("resident", "after"), ("resident", "most"))])
    return targets, table(
        ["table", "updates", "a second", "wrong", "table before, MiB", "after", "most",
         "resident before, MiB", "after", "most"], rows)
