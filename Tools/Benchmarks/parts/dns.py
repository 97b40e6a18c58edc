# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Answers to DNS queries by client subnet, beside servers with a fixed answer and with a static map.

`dnsload.py` puts the same load on one server after another, each on a processor of its own: NSD and
Knot with a fixed answer, gdnsd that chooses from a map of a million prefixes, Martlet with that map and
with eight full tables. Then Martlet with one thread and with two, on both processors.
"""
import json
import os
import subprocess
import sys

from parts.programs import HERE, Missing, say
from parts.results import median, table, target

TITLE = "DNS"
PEERS = {"nsd": "nsd", "gdnsd": "gdnsd", "knot": "knotd"}
WORDS = {
    "nsd": "NSD, a fixed answer", "knot": "Knot, a fixed answer", "gdnsd": "gdnsd, the map",
    "map": "Martlet, the map", "feeds": "Martlet, eight full tables", "one": "Martlet, one thread",
    "two": "Martlet, two threads"}
LOST = 1e-3  # queries that a run may lose, at the most, as a part of those answered in a second of it


def measure(programs, options):
    load = programs.tool("dnsload.py")
    programs.tool("dnsblast.c")
    programs.daemon()
    programs.installed(PEERS["nsd"])
    peers = []
    for name, program in PEERS.items():
        try:
            programs.installed(program)
            peers.append(name)
        except Missing as error:
            say(str(error))
    routes, dump = programs.routes(), programs.dump()
    command = os.path.join(HERE, "martlet-dns")
    groups = {
        "map": ["--only", ",".join(peers), "--extra", f"map={command} {{port}} {{map}} {{work}}"],
        "feeds": ["--only", "nsd", "--extra", f"feeds={command} {{port}} {dump} {{work}}"],
        "threads": ["--only", "", "--server-cpu", "0,1", "--client-cpu", "0,1",
                    "--extra", f"one={command} {{port}} {{map}} {{work}} 1",
                    "--extra", f"two={command} {{port}} {{map}} {{work}} 2"]}
    result = {}
    for name, words in groups.items():
        say(f"DNS, {name}, {options.rounds} runs")
        out = os.path.join(options.work, f"dnsload-{name}.json")
        subprocess.check_call(
            [sys.executable, load, "--map", routes, "--runs", str(options.rounds),
             "--seconds", "2" if options.quick else "4", "--json", out, *words], stdout=sys.stderr)
        with open(out) as file:
            result[name] = json.load(file)
    return result


def faults(name, runs):
    """What makes a server's figures worthless, in words: what it didn't answer, or not as it should, costs it less."""
    good = [run for run in runs if "error" not in run]
    found = [f"{len(runs) - len(good)} runs of {len(runs)} failed"] if len(good) < len(runs) else []
    if bad := sum(run["bad"] for run in good):
        found.append(f"{bad:,} bad")
    if any(run["lost"] > LOST * run["qps"] for run in good):
        found.append(f"{max(run['lost'] for run in good):,} queries lost in a run")
    return [f"{WORDS[name]}: {', '.join(found)}"] if found else []


def judged(figure, *servers):
    """The figure, which isn't met where one of the servers that it is of, `(name, runs)`, answered badly."""
    found = [fault for name, runs in servers for fault in faults(name, runs)]
    return {**figure, "measured": "; ".join([figure["measured"], *found]), "met": figure["met"] and not found}


def report(result):
    found, rows = {}, []
    for group, servers in result.items():
        for name, runs in servers.items():
            good = [run for run in runs if "error" not in run]
            if not good:
                raise RuntimeError(f"{name} failed: {runs[-1]['error']}")
            figures = {key: median([run[key] for run in good]) for key in good[0]}
            found[group, name] = figures
            beside = found.get((group, "nsd"), found[group, next(iter(servers))])["cpu_us"]
            rows.append([WORDS[name], round(figures["qps"]), figures["cpu_us"], figures["cpu_us"] / beside,
                         figures["p99_us"], figures["lost"], figures["bad"], figures["ready_s"], figures["rss_mib"]])
    def ratio(group, name, other):
        return found[group, name]["cpu_us"] / found[group, other]["cpu_us"]
    def of(group, *names):
        return [(name, result[group][name]) for name in names]
    text = ("Random /24 subnets, one processor for the server and one for the load; for threads, both for both. Ratios "
            "are of CPU a query, to NSD or one thread in the same runs. No figure is met where an answer was bad, a run "
            f"failed, or more queries were lost in one than {LOST:.1%} of those answered in a second.\n\n"
            + table(["server", "queries a second", "CPU, µs a query", "ratio", "p99, µs", "lost", "bad",
                     "ready, s", "resident, MiB"], rows))
    return [
        judged(target("DNS by subnet, a map of a million prefixes, CPU a query", "≤ 1.03 × NSD's fixed answer", 1.03,
                      ratio("map", "map", "nsd")), *of("map", "map", "nsd")),
        judged(target("the same, ready", "≤ 2 s", 2, found["map", "map"]["ready_s"]), *of("map", "map")),
        judged(target("the same, resident", "≤ 200 MiB", 200, found["map", "map"]["rss_mib"]), *of("map", "map")),
        judged(target("DNS by subnet, eight full tables, CPU a query", "≤ 1.03 × NSD's fixed answer", 1.03,
                      ratio("feeds", "feeds", "nsd")), *of("feeds", "feeds", "nsd")),
        judged(target("DNS, CPU a query with two threads", "≤ 1.05 × one", 1.05, ratio("threads", "two", "one")),
               *of("threads", "one", "two"))], text
