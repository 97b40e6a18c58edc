# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""The scopes of DNS answers over whole tables: every address that a cache would serve under a scope
gets the same answer from Martlet itself. The tests of the room DNSFront do it, at full size."""
import os
import re
import subprocess

import harness
from trials.report import Failed, Left, say, table

SUITE = "ScopeProofTests"
LINE = re.compile(
    r"^(?P<table>.+?), (?P<state>[^:]+): (?P<clients>\d+) clients, (?P<questions>\d+) questions, (?P<parts>\d+) parts, "
    r"scopes of (?P<four>[\d.]+) and (?P<six>[\d.]+) on average, (?P<queries>\d+) queries so far")


def measure(options):
    simulated = options.dump or os.path.join(options.work, "sim8.mrt")
    if not os.path.isdir(harness.DATA):
        raise Left(f"there is no routing data at {harness.DATA} (MARTLET_DATA names it)")
    if not os.path.exists(simulated):
        say(f"there is no {simulated} (--dump names it): only the real table is asked")
    environment = {
        **os.environ, "MARTLET_SCALE": "1", "MARTLET_DATA": harness.DATA, "MARTLET_DUMP": simulated}
    before = os.times()
    done = subprocess.run(
        ["swift", "test", "-c", "release", "--skip-build", "--disable-xctest", "--filter", SUITE],
        cwd=harness.ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    after = os.times()
    found = [match.groupdict() for match in map(LINE.match, done.stdout.splitlines()) if match]
    if done.returncode:
        raise Failed("\n".join([SUITE] + [line for line in done.stdout.splitlines() if "✘" in line or "↳" in line][:20]))
    if not found:
        raise Failed(f"{SUITE} said nothing: built with its tests?\n{done.stdout[-2000:]}")
    return {"found": found, "cpu": after.children_user - before.children_user}


def report(result, options):
    rows = [
        [one["table"], one["state"], int(one["parts"]), int(one["clients"]), int(one["questions"]),
         float(one["four"]), float(one["six"]), int(one["queries"])] for one in result["found"]]
    return table(
        ["table", "sites", "parts of the address space", "clients", "questions", "scope, IPv4, mean",
         "IPv6", "queries so far"], rows) + (
        "\nNo address within a scope gets another answer than the scope was given with: for each question "
        "every part of the address space was asked, at both ends and between, and within each scope its ends, random "
        f"addresses and both sides of boundaries. {result['cpu']:.0f} s CPU.\n"), []
