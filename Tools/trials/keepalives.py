# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Eight full tables come at once, again and again, while consoles show the whole table in a loop and,
from half time on, bad neighbours do their worst: no KEEPALIVE leaves later than a second after it
was due, as a capture has it, and no session of a good neighbour ends."""
import os
import threading
import time

import harness
import loopback
from trials import capture, feeder, messages, nuisances, routers
from trials.report import Left, say, table

FEEDS = 8
CONSOLES = 2
LATE = 1.0  # seconds
WHOLE = 1 << 29  # bytes of a reply with most of the routes


def hold_time(number):
    return 3 if number % 2 == 0 else 6


class Dumper(threading.Thread):
    """A console that shows all routes, over and over."""

    def __init__(self, martlet):
        super().__init__(daemon=True)
        self.console = martlet.machine()
        self.over = threading.Event()
        self.dumps, self.bytes, self.failure = 0, 0, None

    def run(self):
        try:
            while not self.over.is_set():
                self.console.send("show routes")
                last, before = b"", self.bytes
                while not last.endswith(b"\n.\n"):
                    data = self.console.socket.recv(1 << 20)
                    if not data:
                        raise RuntimeError("Martlet closed the console")
                    self.bytes += len(data)
                    last = (last + data)[-3:]
                    if self.over.is_set():
                        return
                # At first there is nothing to show.
                self.dumps += self.bytes - before >= WHOLE
        except (OSError, RuntimeError) as error:
            self.failure = str(error)

    def stop(self):
        self.over.set()
        self.join()
        self.console.close()
        if self.failure:
            raise RuntimeError(f"a console: {self.failure}")


def configuration():
    text = feeder.configuration(FEEDS, more_feeds=nuisances.feeds())
    for number in range(FEEDS):
        text = text.replace(
            f"as: {feeder.peer_as(number)}, connect: passive }} }}\n",
            f"as: {feeder.AS}, hold-time: {hold_time(number)}s, connect: passive }} }}\n", 1)
    return text + "ready: { wait: 0s }\n"


def measure(options):
    if not loopback.is_allowed():
        raise Left("a capture needs CAP_NET_RAW")
    full = routers.tables(options, FEEDS)
    path = os.path.join(options.work, "keepalives.pcap")
    addresses = [feeder.address(number) for number in range(FEEDS)]
    holds = [hold_time(number) for number in range(FEEDS)]
    martlet = harness.Martlet(configuration())
    taken = capture.Capture(path, martlet.port("bgp"))
    dumpers, started, bad = [], [], []
    loads, sending, pid = 0, 0.0, martlet.child.pid
    began, spent = time.monotonic(), feeder.cpu(pid)
    try:
        console = martlet.machine()
        dumpers = [Dumper(martlet) for _ in range(CONSOLES)]
        for dumper in dumpers:
            dumper.start()
        while time.monotonic() - began < options.seconds:
            if not bad and time.monotonic() - began > options.seconds / 2:
                say("bad neighbours join in")
                bad = nuisances.start(martlet.port("bgp"))
            # Another router's table than before: all routes change.
            moved = [full[(number + loads) % FEEDS] for number in range(FEEDS)]
            begun = time.monotonic()
            started = routers.load(
                moved, martlet.port("bgp"), addresses, [feeder.AS] * FEEDS, holds)
            routers.wait_sent(started)
            sending += time.monotonic() - begun
            loads += 1
            harness.eventually(
                "all tables to be whole", lambda: all(
                    "transfer=complete" in line for line in console.ask("show feeds")
                    if line.startswith("feed")), 300)
            time.sleep(min(10, options.seconds / 10))
            for router in started:
                if router.failure:
                    raise RuntimeError(f"{router.address}: {router.failure}")
                router.end()
    finally:
        for dumper in dumpers:
            dumper.stop()
        for one in bad:
            one.stop()
        for router in started:
            router.end()
        seconds, spent = time.monotonic() - began, feeder.cpu(pid) - spent
        martlet.stop()
        taken.stop()
    return {
        "seconds": seconds, "cpu": spent, "loads": loads, "sending": sending,
        "routes": sum(one.ipv4 + one.ipv6 for one in full),
        "dumps": sum(dumper.dumps for dumper in dumpers),
        "bad": {nuisances.KINDS[one.number].__name__: one.connections for one in bad},
        "bytes": sum(dumper.bytes for dumper in dumpers), "holds": dict(zip(addresses, holds)),
        "late": messages.lateness(path, dict(zip(addresses, holds))),
        "announced": messages.announced(path)}


def report(result, options):
    faults, rows = [], []
    text = (
        f"{result['loads']} times {result['routes']:,} routes of {FEEDS} feeds at once, {CONSOLES} consoles that show all routes "
        f"in a loop ({result['dumps']} times to the end, {result['bytes'] / 2**30:.1f} GiB), {result['seconds']:.0f} s, of them "
        f"{result['sending']:.0f} s of transfers; {result['cpu']:.0f} s CPU of martletd. Bad neighbours from half time on, "
        "with their connections: " + ", ".join(f"{count} {name}" for name, count in result["bad"].items()) + ".\n\n")
    for address, (sessions, count, worst, strictly) in sorted(
            result["late"].items(), key=lambda one: int(one[0].rsplit(".", 1)[1])):
        rows.append([
            address, f"{result['holds'][address]} s", sessions, count, f"{1000 * worst:+.0f} ms",
            f"{1000 * strictly:+.0f} ms"])
        if strictly > LATE:
            faults.append(f"{address}: a KEEPALIVE was up to {strictly:.2f} s late")
    if len(rows) < FEEDS:
        faults.append(f"only {len(rows)} sessions in the capture")
    text += table(
        ["peer", "hold time", "sessions", "KEEPALIVEs", "latest after a third of it",
         "latest after three quarters of that"], rows)
    connections, size, counts = result["announced"]
    text += (f"\nThe capture: {connections} connections, {size:,} bytes from us, all of them messages: "
             + ", ".join(f"{count:,} {name}" for name, count in counts.items()) + ".\n")
    return text, faults
