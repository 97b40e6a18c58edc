# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""ADD-PATH (RFC 7911): all paths of a prefix are held, the shortest counts."""
import json

import harness
from interoperability.cases import case, routes
from interoperability.routers import Cannot

LONGER = (64801, 64802, 64803, 64804)


def all_paths(lab, prefixes):
    """{prefix: {path, ...}} as Martlet has them."""
    found = {}
    for prefix in prefixes:
        reply = lab.machine.ask(f"show ip bgp {prefix} --json")
        paths = [] if isinstance(reply, harness.Refused) else json.loads(reply)["paths"]
        found[prefix] = {tuple(path["as_path"]) for path in paths}
    return found


@case("add-path", "ADD-PATH")
def several_paths(lab):
    lab.begin(bgp="add-path: [ipv4, ipv6]", add_paths=True)
    short = routes(24)
    long = {prefix: LONGER for prefix in short}
    lab.supply(short)
    lab.supply(long, source=1)
    lab.wait_established()
    if not all(row["several_paths"] for row in lab.detail()["family"] if row["agreed"]):
        raise Cannot("it doesn't announce ADD-PATH")
    first, second = lab.paths(0), lab.paths(1)
    if not lab.maker.relays:
        lab.supply(short)
        lab.supply(long, source=1)

    def has(wanted):
        return lambda: all_paths(lab, short) == wanted

    harness.eventually(
        "both paths", has({prefix: {first[prefix], second[prefix]} for prefix in short}))
    lab.wait_equal(asks_router=False)
    said = lab.router.exported()
    # FRR's JSON has room for one path a prefix.
    if said.keys() != short.keys() or any(
            not said[prefix] <= {first[prefix], second[prefix]} for prefix in short):
        raise AssertionError(f"the router says that it sends something else: {said}")
    # Without the shorter ones the others count; and they come back.
    gone = list(short)[:12]
    lab.take_back(gone)
    harness.eventually("the longer paths alone", has(
        {prefix: {second[prefix]} | (set() if prefix in gone else {first[prefix]})
         for prefix in short}))
    lab.wait_equal(asks_router=False)
    lab.supply({prefix: short[prefix] for prefix in gone})
    lab.take_back(list(short)[12:], source=1)
    harness.eventually("the shorter paths again", has(
        {prefix: {first[prefix]} | ({second[prefix]} if prefix in gone else set())
         for prefix in short}))
    lab.wait_equal(asks_router=False)
