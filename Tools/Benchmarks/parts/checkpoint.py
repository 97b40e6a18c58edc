# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""The table to a checkpoint and back: written, read and verified, answering, whole."""
from parts.programs import Program, say
from parts.results import median, table, target

TITLE = "Checkpoint and restore"


def measure(programs, options):
    folder = programs.prepared(options.work, options.keys)
    result = {}
    for name in ("sim8", "harsh8"):
        program = Program(name, programs.table(name, folder))
        result[name] = []
        for number in range(options.rounds):
            say(f"checkpoint of {name}, round {number + 1} of {options.rounds}")
            result[name].append(program.ask("checkpoint"))
        program.close()
        if any(run["is_right"] != "yes" for run in result[name]):
            raise RuntimeError(f"a restored table of {name} says something else: {result[name]}")
    return result


def report(result):
    targets, rows = [], []
    for name, runs in result.items():
        def of(key, runs=runs):
            return median([run[key] for run in runs])
        rows.append([name, of("bytes") / 2**20, of("bytes") / of("routes"), of("write_cpu_ms"), of("verify_ms"),
                     of("answer_ms"), of("answer_cpu_ms"), of("routes_ms"), of("routes_cpu_ms")])
        targets.append(target(f"answering from a checkpoint, 8 full tables, warm cache, {name}", "< 300 ms", 300,
                              of("answer_ms")))
    return targets, (
        "Milliseconds. `answering` is from the first byte read until readers see the table; then the routes come "
        "back behind it. 50,000 lookups are compared with the table that was written, before and after.\n\n" + table(
            ["table", "MiB", "bytes a route", "write, CPU", "verified", "answering", "CPU", "routes back", "CPU"],
            rows))
