# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""A router that is killed and starts again (RFC 4724): its routes stay until it has told all."""
import struct
import threading
import time

import harness
from interoperability import wire
from interoperability.cases import case, routes

COUNT, GONE = 120, 20
RESTART, STALE = 40, 70  # seconds


class Watch(threading.Thread):
    """Asks Martlet for its routes without pause, and notes what of some was missing."""

    def __init__(self, lab, prefixes):
        super().__init__(daemon=True)
        self.machine = lab.martlet.machine()
        self.wanted = set(prefixes)
        self.missing = set()
        self.looks = 0
        self.running = True
        self.start()

    def run(self):
        while self.running:
            reply = self.machine.ask("show routes feed core")
            self.missing |= self.wanted - {line.split(" ", 1)[0] for line in reply}
            self.looks += 1
            time.sleep(0.02)

    def end(self):
        self.running = False
        self.join(10)
        self.machine.close()


@case("restart", "killed and restarted: stale, none lost, swept")
def killed_and_restarted(lab):
    all_of_them = routes(COUNT)
    gone = list(all_of_them)[:GONE]
    lab.begin(restart_time=RESTART, stale=f"{STALE}s")
    lab.supply(all_of_them)
    lab.wait_established()
    lab.wait_equal()
    watch = Watch(lab, set(all_of_them) - set(gone))
    try:
        lab.kill_router()
        harness.eventually("all routes to be stale", lambda: len(lab.stale()) == COUNT)
        left = next(
            row["seconds"] for row in lab.detail()["timer"] if row["timer"] == "stale routes")
        announced = {
            struct.unpack_from("!H", value)[0] & 0xFFF
            for one in lab.account() if one.theirs
            for value in one.theirs.capabilities.get(wire.GRACEFUL_RESTART, [])}
        if announced == {RESTART}:
            if not RESTART - 10 < left <= RESTART:
                raise AssertionError(f"stale routes are kept for {left} s, not {RESTART} s")
        elif not STALE - 10 < left <= STALE:
            raise AssertionError(f"stale routes are kept for {left} s, not {STALE} s")
        else:
            lab.notes.append("it announces no restart time: Martlet's stale-time counts")
        lab.take_back(gone)
        lab.supply(routes(10, first=COUNT))
        # It has its routes before it talks to Martlet, as one that restarts gracefully.
        lab.start_router(held=True)
        lab.wait_supplied()
        lab.router.release()
        lab.wait_established()
        lab.wait_equal()
        if lab.stale():
            raise AssertionError(f"still stale: {lab.stale()}")
    finally:
        watch.end()
    if watch.missing:
        raise AssertionError(f"missing for a while: {sorted(watch.missing)[:5]}")
    if watch.looks < 3:
        raise AssertionError(f"looked only {watch.looks} times")


@case("gone", "killed for good: swept in time")
def killed_for_good(lab):
    lab.begin(restart_time=5, stale="5s")
    lab.supply(routes(COUNT))
    lab.wait_established()
    lab.wait_equal()
    began = time.monotonic()
    lab.kill_router()
    harness.eventually("all routes to be stale", lambda: len(lab.stale()) == COUNT, 3)
    harness.eventually("all routes to leave", lambda: lab.counts() == 0, 15)
    if time.monotonic() - began < 4:
        raise AssertionError(f"they left after {time.monotonic() - began:.1f} s")
