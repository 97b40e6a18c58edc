# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Lookups, classes with scopes, and rankings, beside rte_fib, libmaxminddb and pytricia.

All programs hold the same 1.06 million prefixes and look up the same keys, in turn, round after
round; what they find has to add up to the same.
"""
from parts.programs import Missing, Program, say
from parts.results import median, table, target

TITLE = "Lookups"
KINDS = ["random", "prefix", "zipf"]
OURS = ["lookup", "scope", "dependent"]


def measure(programs, options):
    folder = programs.prepared(options.work, options.keys)
    started, missing = [], []

    def start(name, command, questions):
        try:
            started.append((Program(name, command()), questions))
            say(f"{name} is loaded")
        except Missing as error:
            missing.append(str(error))
            say(str(error))

    everywhere = [(family, kind) for family in (4, 6) for kind in KINDS]
    prefixes = [(4, "prefix"), (6, "prefix")]

    def all_of(names, places):
        return [f"{name} {family} {kind}" for name in names for family, kind in places]

    full = all_of(OURS, everywhere) + all_of(["order", "answer"], prefixes)
    tables = [("single", full), ("sim8", full), ("harsh8", full)]
    if not options.quick:
        some = all_of(OURS + ["order", "answer"], prefixes)
        tables += [(name, some) for name in ("sim1", "sim32", "harsh32", "harsh64")]
    try:
        for name, questions in tables:
            start(name, lambda name=name: programs.table(name, folder), questions)
        start("rte_fib", lambda: programs.dpdk(folder),
              all_of(["bulk8", "bulk1", "dependent"], everywhere))
        start("libmaxminddb", lambda: programs.maxmind(folder),
              all_of(["search"], everywhere) + all_of(["value", "dependent"], prefixes))
        start("pytricia", lambda: programs.pytricia(folder), all_of(["search"], prefixes))
        # Not counted: pages are touched, readers meet the classes.
        scopes = {program.name: {family: program.ask(f"scopes {family} prefix") for family in "46"}
                  for program, questions in started if "answer 4 prefix" in questions}
        times = {program.name: {question: [] for question in questions}
                 for program, questions in started}
        for number in range(options.rounds + 1):
            say(f"lookups, round {number} of {options.rounds}")
            for program, questions in started:
                for question in questions:
                    answer = program.ask(question)
                    if number:
                        times[program.name][question].append(answer["ns"])
        check = agreement({program.name: program for program, _ in started})
        loads = {program.name: program.ready for program, _ in started}
    finally:
        for program, _ in started:
            program.close()
    return {"rounds": options.rounds, "times": times, "missing": missing, "check": check,
            "loads": loads, "scopes": scopes}


def agreement(programs):
    """Whether all programs found the same, key by key in sum."""
    said = {}
    for family in (4, 6):
        for kind in KINDS:
            sums = {"martlet": programs["single"].ask(f"check {family} {kind}")["sum"]}
            if "rte_fib" in programs:
                sums["rte_fib"] = programs["rte_fib"].ask(f"bulk8 {family} {kind}")["sum"]
            if "libmaxminddb" in programs:
                sums["libmaxminddb"] = programs["libmaxminddb"].ask(f"value {family} {kind}")["sum"]
            if len(set(sums.values())) > 1:
                raise RuntimeError(f"IPv{family} {kind}: the programs disagree: {sums}")
            said[f"{family} {kind}"] = sums
    return said


def report(result):
    times = {name: {question: median(values) for question, values in questions.items()}
             for name, questions in result["times"].items()}
    fib, mmdb = times.get("rte_fib"), times.get("libmaxminddb")
    targets = []
    for name in ("single", "sim8", "harsh8"):
        ours = times.get(name)
        if ours is None:
            continue
        if fib:
            targets += [
                target(f"lookup IPv4, in-prefix, independent, table {name}",
                       "≤ 1.3 × rte_fib scalar bulk 8", 1.3,
                       ours["lookup 4 prefix"] / fib["bulk8 4 prefix"]),
                target(f"lookup IPv6, in-prefix, independent, table {name}",
                       "≤ 1.0 × rte_fib6 scalar bulk 1", 1.0,
                       ours["lookup 6 prefix"] / fib["bulk1 6 prefix"])]
        if mmdb:
            targets += [
                target(f"lookup IPv4, in-prefix, independent, table {name}", "≤ 0.05 × libmaxminddb",
                       0.05, ours["lookup 4 prefix"] / mmdb["search 4 prefix"]),
                target(f"class and exact scope, IPv4, table {name}", "≤ 0.25 × libmaxminddb", 0.25,
                       ours["scope 4 prefix"] / mmdb["search 4 prefix"]),
                target(f"class and exact scope, IPv6, table {name}", "≤ 0.3 × libmaxminddb", 0.3,
                       ours["scope 6 prefix"] / mmdb["search 6 prefix"])]
    text = ("Nanoseconds of thread CPU time a lookup. `random`: any address (IPv6: in 2000::/4); "
            "`prefix`: a random address in a random prefix; `zipf`: 200,000 such, the nth as often as "
            "1/n of the first. `dependent`: the next key depends on the last result. `order`: what DNS "
            "asks for, the sites in order with the scope of the class; `answer`: with the scope of the answer.\n\n")
    for family in (4, 6):
        rows = []
        for name, label in [("single", "Martlet, `single`"), ("sim8", "Martlet, 8 sites, simulated"),
                            ("harsh8", "Martlet, 8 sites, harsh"), ("rte_fib", "rte_fib"),
                            ("libmaxminddb", "libmaxminddb"), ("pytricia", "pytricia")]:
            if name not in times:
                continue
            names = dict.fromkeys(question.split()[0] for question in times[name])
            for question in names:
                cells = [times[name].get(f"{question} {family} {kind}", "") for kind in KINDS]
                if any(cells):
                    rows.append([label, question, *cells])
        text += f"IPv{family}:\n\n" + table(["what", "question", *KINDS], rows) + "\n"
    rows = []
    for name in ("sim1", "sim8", "sim32", "harsh8", "harsh32", "harsh64"):
        if name in times:
            rows.append([name] + [times[name][f"{question} {family} prefix"]
                                  for family in (4, 6) for question in (*OURS, "order", "answer")])
    text += "By the number of sites, `prefix`:\n\n" + table(
        ["table"] + [f"{question} IPv{family}" for family in (4, 6) for question in (*OURS, "order", "answer")], rows)
    text += ("\nMean length of the scope that DNS answers would have, `prefix`, by class and by answer; once with the "
             "default ties, where a hash of the client's /24 or /48 may decide, and once without it; and the CPU time "
             "of making the index of the answers' scopes.\n\n")
    rows = []
    for name, families in result["scopes"].items():
        for family, found in families.items():
            rows.append([f"{name}, IPv{family}", found["class_scope_default"], found["answer_scope_default"],
                         found["class_scope_by_order"], found["answer_scope_by_order"], found["index_cpu_ms"]])
    text += table(["table", "by class", "by answer", "by class, no hash", "by answer, no hash", "index, ms"], rows)
    return targets, text
