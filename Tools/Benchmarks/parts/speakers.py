# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Full tables over BGP sessions, beside BIRD: `bgpload.py` plays them and reads the kernel's accounts."""
import glob
import json
import os
import subprocess
import sys

from parts.programs import HERE, Missing, say
from parts.results import median, table, target

TITLE = "Full tables by BGP"


def measure(programs, options):
    load = programs.tool("bgpload.py")
    programs.daemon()
    programs.installed("bird")
    feeds = sorted(glob.glob(os.path.join(options.feeds, "sim-*.bgp"))) if options.feeds else []
    if len(feeds) < 8:
        feeds = made_feeds(programs, options)
    command = f"{os.path.join(HERE, 'martlet-bgp')} {{port}} {{peers}} {{work}}"
    result = {}
    for name, some, runs in [("one", feeds[:1], options.rounds), ("eight", feeds[:8], options.rounds)]:
        say(f"{len(some)} feed(s) by BGP, {runs} runs")
        out = os.path.join(options.work, f"bgpload-{name}.json")
        arguments = [word for feed in some for word in ("--feed", feed)]
        subprocess.check_call(
            [sys.executable, load, *arguments, "--runs", str(runs), "--only", "bird",
             "--extra", f"martlet={command}", "--json", out], stdout=sys.stderr)
        with open(out) as file:
            result[name] = json.load(file)
    return result


def made_feeds(programs, options):
    """Feeds from the simulated dump, one a peer."""
    feed = programs.tool("bgpfeed.py")
    paths = [os.path.join(options.work, f"sim-{number}.bgp") for number in range(8)]
    if not all(os.path.exists(path) for path in paths):
        say("making the feeds (some minutes)")
        peers = [word for number in range(8) for word in ("--peer", str(number))]
        subprocess.check_call(
            [sys.executable, feed, "build", programs.dump(), *peers, "--ibgp", "-o",
             os.path.join(options.work, "sim.bgp")], stdout=sys.stderr)
    return paths


def report(result):
    targets, rows = [], []
    for name, words, cpu, memory in [
            ("one", "one feed by BGP, 1,000,645 routes", 1.0, 0.6),
            ("eight", "eight feeds by BGP at once, 8,000,512 routes", 0.7, 0.3)]:
        runs = {}
        for speaker, found in result[name].items():
            good = [run for run in found if "error" not in run]
            if not good:
                raise Missing(f"{speaker} failed: {found[-1]['error']}")
            runs[speaker] = {key: median([run[key] for run in good]) for key in good[0]}
            rows.append([words, speaker, runs[speaker]["cpu_s"], runs[speaker]["rss_mib"],
                         runs[speaker]["bytes_per_route"], len(good)])
        bird, martlet = runs["bird"], runs["martlet"]
        targets += [target(words + ", CPU", f"≤ {cpu} × BIRD", cpu, martlet["cpu_s"] / bird["cpu_s"]),
                    target(words + ", memory", f"≤ {memory} × BIRD", memory,
                           martlet["rss_mib"] / bird["rss_mib"])]
    return targets, table(["load", "speaker", "CPU, s", "memory growth, MiB", "bytes a route", "runs"], rows)
