# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Instructions a lookup, counted by callgrind: the same on every machine."""
import glob
import os
import re

from parts.programs import Missing, Program, say
from parts.results import table

TITLE = "Instructions"
KEYS = 65_536
CHANGES = 100_000


def measure(programs, options):
    folder = programs.prepared(os.path.join(options.work, "instructions"), KEYS)
    valgrind = programs.installed("valgrind")
    places = [(family, kind) for family in (4, 6) for kind in ("random", "prefix", "zipf")]
    found = {}
    wanted = [(name, lambda name=name: programs.table(name, folder),
               ["lookup", "scope", "order"]) for name in ("single", "sim8", "harsh8")]
    wanted += [("rte_fib", lambda: programs.dpdk(folder), ["bulk8", "bulk1"]),
               ("libmaxminddb", lambda: programs.maxmind(folder), ["search", "value"])]
    for name, command, questions in wanted:
        try:
            command = command()
        except Missing as error:
            say(str(error))
            continue
        say(f"callgrind counts {name}")
        for old in glob.glob(os.path.join(folder, f"{name}.out*")):
            os.remove(old)
        program = Program(name, [
            valgrind, "-q", "--tool=callgrind", "--instr-atstart=no",
            f"--callgrind-out-file={folder}/{name}.out", *command])
        found[name] = {}
        for question in questions:
            for family, kind in places:
                key = f"{question} {family} {kind}"
                keys = program.ask(f"{key} {key.replace(' ', '-')}")["keys"]
                found[name][key] = keys
        if name in ("sim8", "harsh8"):
            found[name]["updates"] = program.ask(f"updates {CHANGES} 64 alone updates")["changes"]
        program.close()
        for path in glob.glob(os.path.join(folder, f"{name}.out.*")):
            with open(path) as file:
                text = file.read()
            mark = re.search(r"^desc: Trigger: Client Request: (\S+)", text, re.M)
            if mark:
                key = mark[1].replace("-", " ")
                found[name][key] = int(re.search(r"^totals: (\d+)", text, re.M)[1]) / found[name][key]
    return {"keys": KEYS, "counts": found}


def report(result):
    rows = []
    for name, counts in result["counts"].items():
        for question in dict.fromkeys(key.split()[0] for key in counts if key != "updates"):
            rows.append([name, question] + [round(counts[f"{question} {family} {kind}"]) for family in (4, 6)
                                            for kind in ("random", "prefix", "zipf")])
    updates = ", ".join(f"{name} {counts['updates']:,.0f}" for name, counts in result["counts"].items()
                        if "updates" in counts)
    text = ("Instructions a lookup, all that the loop over the keys takes included.\n\n" + table(
        ["table or peer", "question"] + [f"IPv{family} {kind}" for family in (4, 6)
                                         for kind in ("random", "prefix", "zipf")], rows))
    if updates:
        text += ("\nInstructions an update, 64 to a batch, all that the writer's thread does included, slices of a "
                 f"rebuild too: {updates}.\n")
    return [], text
