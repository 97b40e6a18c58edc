# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Changes to the table with a reader running, rebuilds, wide prefixes, and memory."""
import os

from parts.programs import Missing, Program, say
from parts.results import median, table, target

TITLE = "Updates, rebuilds, memory"


def measure(programs, options):
    folder = programs.prepared(options.work, options.keys)
    names = ["sim8", "harsh8"] + ([] if options.quick else ["single", "sim32", "harsh32", "harsh64"])
    changes, single = (200_000, 100_000) if options.quick else (1_000_000, 500_000)
    result = {}
    try:
        peer = Program("rte_fib", programs.dpdk(folder))
    except Missing as error:
        say(str(error))
        peer = None
    peers = []
    for name in names:
        runs, steps, machine = [], [], []
        often = name in ("sim8", "harsh8")
        rounds = options.rounds if often else min(3, options.rounds)
        program = None
        for number in range(rounds):
            if program is None:
                program = Program(name, programs.table(name, folder))
                memory = program.ask("memory")
            say(f"updates of {name}, round {number + 1} of {rounds}")
            runs.append({
                "reader": program.ask(f"updates {changes} 64 reader"),
                "alone": program.ask(f"updates {changes} 64 alone"),
                "wide": program.ask("wide 2"),
                "rebuild": program.ask("rebuild"),
            })
            found = program.ask("steps")
            # It stops the writer within a step, again and again, and times batches itself.
            runs[-1]["latency"] = program.ask(f"latency {single} reader")
            if often:
                machine.append(program.ask("machine"))
            if peer and name == "sim8":
                peers.append({f: peer.ask(f"updates {f} prefix")["ns"] for f in "46"})
            if often or number + 1 == rounds:
                steps.append(found)
            if often and number + 1 < rounds:
                # The longest step is the longest since the table was made: each round gets its own.
                program.close()
                program = None
        result[name] = {"load": program.ready, "memory": memory, "runs": runs,
                        "after": program.ask("memory"), "steps": steps, "machine": machine}
        if often:
            files = " ".join(os.path.join(options.data, "geo", file)
                             for file in ("tor-geoip.txt.gz", "tor-geoip6.txt.gz"))
            result[name]["locations"] = program.ask(f"locations {files}")
            result[name]["with locations"] = program.ask("memory")
        program.close()
    if peer:
        peer.close()
    return {"rounds": options.rounds, "tables": result, "rte_fib": peers}


# What the bytes a route count: the table itself. Paths and the routes' links to them are apart.
TABLE = ("rib", "distances", "index", "lookup", "classes", "pins", "locations", "round trips")


def bytes_of(memory, parts=None):
    """The sum of some parts, or of all; what there is by feed (`routes of NAME`) belongs to its part."""
    return sum(value for key, value in memory.items()
               if key.startswith("part ") and (parts is None or key[5:].split(" of ")[0] in parts))


def longest(steps):
    """Milliseconds of the longest step of any kind in a round."""
    return max(value for key, value in steps.items() if key.endswith("cpu_ms"))


def report(result):
    targets, rows, step_rows, memory_rows, round_rows = [], [], [], [], []
    for name, found in result["tables"].items():
        def of(kind, key, runs=found["runs"]):
            return median([run[kind][key] for run in runs])
        steps = {key: median([each[key] for each in found["steps"]]) for key in found["steps"][0]}
        memory = found["memory"]
        a_route = bytes_of(memory, TABLE) / memory["routes"]
        rows.append([
            name, found["load"]["load_cpu_seconds"], of("rebuild", "cpu_seconds") * 1e3,
            of("alone", "per_cpu_second"), of("reader", "per_cpu_second"),
            of("reader", "reader_slowdown"), of("latency", "p50_us"), of("latency", "p99_us"),
            of("latency", "p999_us"), of("latency", "max_us"), of("wide", "cpu_ms")])
        kinds = [key[:-7] for key in steps if key.endswith(" cpu_ms")]
        step_rows.append([name] + [f"{steps[kind + ' cpu_ms']:.2f} ({steps[kind + ' ms']:.2f})" for kind in kinds])
        for label, memory in [(name, memory), (f"{name} with countries", found.get("with locations"))]:
            if memory is None:
                continue
            memory_rows.append([
                label, memory["routes"], memory["classes"], bytes_of(memory, TABLE) / memory["routes"],
                *(bytes_of(memory, (part,)) / 2**20
                  for part in ("rib", "distances", "index", "lookup", "classes", "locations", "routes", "paths")),
                bytes_of(memory) / 2**20])
        if name in ("sim8", "harsh8"):
            for number, (each, machine) in enumerate(zip(found["steps"], found["machine"]), 1):
                round_rows.append([name, number, longest(each), machine["new page cpu_ms"],
                                   machine["known pages cpu_ms"]])
            wanted = 0.5e6 if name == "sim8" else 0.35e6
            kind = "simulated" if name == "sim8" else "harsh"
            targets += [
                target(f"updates a second of the writer's CPU, 8 sites, reader running, {kind}",
                       f"≥ {wanted / 1e6:g} M/s", wanted, of("reader", "per_cpu_second"), at_least=True),
                target(f"p99.9 of an update, /12 and longer, {kind}", "≤ 50 µs", 50,
                       of("latency", "p999_us")),
                target(f"reader beside a writer at full speed, {kind}", "≤ 1.2 × slower", 1.2,
                       of("reader", "reader_slowdown"))]
            targets += [
                target(f"the writer's longest step, of its CPU time, {kind}", "≤ 5 ms", 5,
                       min(longest(each) for each in found["steps"])),
                target(f"table (RIB, index, lookup), bytes a route, 8 sites, without countries, {kind}",
                       "≤ 12", 12, a_route),
                target(f"the same with countries, {kind}", "≤ 16", 16,
                       bytes_of(found["with locations"], TABLE) / found["with locations"]["routes"])]
    text = ("Seconds and microseconds of the writer's CPU time. An update is an announcement or a "
            "withdrawal of one prefix at one site; for throughput they come 64 to a batch, for latency "
            "one to a batch, timed with all that the writer does for a batch. `wide`: the most that "
            "0.0.0.0/0 or ::/0 cost, coming or going.\n\n")
    text += table(["table", "load, s", "rebuild, ms", "updates/s alone", "updates/s, reader", "reader slower",
                   "p50, µs", "p99, µs", "p99.9, µs", "max, µs", "wide, ms"], rows)
    text += ("\nThe writer's longest step by kind, milliseconds of its CPU time (and from beginning to end, other "
             "threads' turns included): of sim8 and harsh8 the median of each round's longest, with a table of its "
             "own, of the others the longest of all rounds.\n\n" + table(["table", *kinds], step_rows))
    text += ("\nThe same of each round. Every round does the same changes to the same table, so a step that the "
             "code makes long is long in all of them; what the machine adds is not. So the figure to meet is judged "
             "by the round with the least. Beside it what the machine takes where there is no table, right after: "
             "the longest that one new page of 4 KiB, of 128 MiB, took to be there, and the longest of 20,000 times "
             "500 random places of that memory, all in milliseconds of CPU time.\n\n"
             + table(["table", "round", "longest step", "new page", "known pages"], round_rows))
    if result["rte_fib"]:
        four, six = (1e9 / median([peer[family] for peer in result["rte_fib"]]) for family in "46")
        text += (f"\nrte_fib, one table, no reader: {four:,.0f} updates a second, rte_fib6 {six:,.0f}.\n")
    text += ("\nMemory in MiB by part; bytes a route count the table without `routes` (each feed's link "
             "from prefix to path) and `paths`.\n\n")
    text += table(["table", "routes", "classes", "bytes a route", "rib", "distances", "index", "lookup",
                   "classes MiB", "locations", "routes MiB", "paths", "sum"], memory_rows)
    return targets, text
