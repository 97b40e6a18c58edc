# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Routes that flap, sessions that flap: at the end all is as the router says."""
import random

import harness
from interoperability.cases import case, routes

ROUNDS, COUNT = 60, 200


@case("route-flaps", "flapping routes")
def routes_flap(lab):
    seed = random.randrange(1 << 32)
    source = random.Random(seed)
    lab.clues.append(f"seed {seed}")
    lab.begin()
    every = routes(COUNT)
    lab.supply(every)
    lab.wait_established()
    for _ in range(ROUNDS):
        some = source.sample(list(every), source.randrange(1, COUNT))
        here = [prefix for prefix in some if prefix in lab.announced[0]]
        if source.random() < 0.5:
            lab.take_back(here)
        else:
            lab.supply({prefix: tuple(source.choices(range(64700, 64800), k=source.randrange(1, 9)))
                        for prefix in some})
    lab.wait_equal()
    if lab.detail()["counters"]["sessions"] != 1:
        raise AssertionError("the session was lost")


@case("session-flaps", "flapping sessions")
def sessions_flap(lab):
    """Ended in turns by the router and by Martlet, with routes that change meanwhile."""
    lab.begin(dials="both", restart_time=30)
    every = routes(COUNT)
    lab.supply(every)
    lab.wait_established()
    lab.wait_equal()
    for turn in range(6):
        before = lab.detail()["counters"]["sessions"]
        if turn % 2:
            lab.command("clear feed core")
        else:
            lab.router.reset()
        lab.take_back(list(every)[turn * 10:turn * 10 + 10])
        lab.supply(routes(5, first=COUNT + turn * 5))
        harness.eventually(
            "another session", lambda: lab.detail()["counters"]["sessions"] > before, 60)
        lab.wait_established()
    lab.wait_equal()
    harness.eventually("no stale routes", lambda: not lab.stale())
