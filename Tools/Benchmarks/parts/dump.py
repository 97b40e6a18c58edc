# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Eight tables from one uncompressed MRT file to the first answer, beside `bgpdump -m`."""
import json
import os
import subprocess
import sys
import time

from parts.programs import ROOT, say
from parts.results import median, table, target

sys.path.insert(0, os.path.join(ROOT, "Tools", "tests"))
import harness  # noqa: E402

TITLE = "Eight tables from MRT"


def configuration(path):
    places = "AU JP ZA US SE US AU RU".split()
    sites = "".join(
        f"  site{number}: {{ as: {64600 + number}, addresses: [192.0.2.{number + 1}], location: {place} }}\n"
        for number, place in enumerate(places))
    feeds = "".join(
        f"  feed{number}: {{ site: site{number}, mrt: {{ file: {path}, peer: 10.0.0.{number + 1} }} }}\n"
        for number in range(len(places)))
    return ("router: { as: 65000, id: 10.255.0.1 }\n"
            'listen: { console: [{ address: "127.0.0.1:$machine", face: machine }], socket: $socket }\n'
            f"sites:\n{sites}feeds:\n{feeds}")


def spent(pid):
    """CPU seconds so far, resident bytes, and the most that were ever resident."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    with open(f"/proc/{pid}/status") as file:
        peak = next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
    cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return cpu, int(fields[21]) * os.sysconf("SC_PAGE_SIZE"), peak


def load(path):
    began = time.monotonic()
    martlet = harness.Martlet(configuration(path), wait=False)
    try:
        martlet.wait_line(r"\bready\b", seconds=600)
        with martlet.machine() as console:
            answer = console.ask("nearest 1.0.4.1")
            if "distance=" not in str(answer):
                raise RuntimeError(f"no first answer: {answer}")
            wall = time.monotonic() - began
            cpu, resident, peak = spent(martlet.child.pid)
            memory = json.loads(console.ask("show memory --json"))
    finally:
        martlet.stop()
    return {"cpu": cpu, "wall": wall, "resident": resident, "peak": peak, "memory": memory}


def dumped(program, path):
    """CPU seconds of bgpdump over the whole file."""
    before = os.times()
    subprocess.run([program, "-m", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    after = os.times()
    return (after.children_user - before.children_user) + (after.children_system - before.children_system)


def measure(programs, options):
    programs.daemon()
    bgpdump = programs.installed("bgpdump")
    path = programs.dump()
    runs, peers = [], []
    for number in range(options.rounds):
        say(f"eight tables from MRT, run {number + 1} of {options.rounds}")
        runs.append(load(path))
        # It takes most of a minute, and moves little.
        if number < (1 if options.quick else 3):
            peers.append(dumped(bgpdump, path))
    return {"runs": runs, "bgpdump": peers}


def report(result):
    cpu = median([run["cpu"] for run in result["runs"]])
    peer = median(result["bgpdump"])
    last = result["runs"][-1]
    memory = last["memory"]
    text = table(
        ["what", "CPU, s", "wall, s", "resident, MiB", "peak, MiB", "runs"],
        [["martletd, to the first answer", cpu, median([run["wall"] for run in result["runs"]]),
          median([run["resident"] for run in result["runs"]]) / 2**20,
          median([run["peak"] for run in result["runs"]]) / 2**20, len(result["runs"])],
         ["bgpdump -m", peer, "", "", "", len(result["bgpdump"])]])
    text += (f"\n{memory['routes']:,} routes of {memory['ipv4_prefixes']:,} IPv4 and "
             f"{memory['ipv6_prefixes']:,} IPv6 prefixes, {memory['classes']:,} classes")
    sets = memory.get("attribute_sets")
    text += f", {sets:,} distinct attribute sets.\n\n" if sets is not None else ".\n\n"
    text += table(["part", "MiB"], [[part["part"], part["bytes"] / 2**20] for part in memory["memory"]])
    return [target("8 tables from one MRT file, uncompressed, to first answer", "≤ 0.1 × bgpdump -m's CPU",
                   0.1, cpu / peer)], text
