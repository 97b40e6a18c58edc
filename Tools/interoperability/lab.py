# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""One Martlet, one router, and those that bring the router routes: what every case begins with."""
import contextlib
import json
import os
import re
import shutil
import tempfile
import time

import harness
from interoperability import routers, wire
from interoperability.source import Source

CONFIGURATION = """
router: {{ as: 65000, id: 192.0.2.1 }}
listen:
  bgp: ["{martlet4}:$bgp", "[{martlet6}]:$bgp"]
  console: [{{ address: "127.0.0.1:$machine", face: machine }}]
  socket: $socket
sites: {{ east: {{ as: 64600, addresses: [192.0.2.10] }} }}
ready: {{ wait: 0s }}
guard: off
log: {{ level: debug }}
feeds:
  core: {{ site: east, stale-time: {stale}, {feed} bgp: {{ peer: "{peer}", as: {number}, {bgp} }} }}
"""
SOURCES = (64901, 64902)  # their AS numbers
CONNECT = {"router": "passive", "martlet": "active", "both": "both"}


class Lab:
    def __init__(self, router, number, recorder):
        """`number` (1 to 200) tells its addresses from those of others in this network."""
        self.maker = router
        self.recorder = recorder
        self.martlet_at = {4: f"127.{number}.1.1", 6: f"fd00:6d:61:{number:x}::101"}
        self.router_at = {4: f"127.{number}.1.2", 6: f"fd00:6d:61:{number:x}::102"}
        for address in (self.martlet_at[6], self.router_at[6]):
            harness.run("ip", "-6", "address", "add", f"{address}/128", "dev", "lo", "nodad")
        self.source_at = [f"127.{number}.1.{3 + index}" for index in range(len(SOURCES))]
        self.folder = tempfile.mkdtemp(prefix="martlet-interop-")
        os.chmod(self.folder, 0o755)
        self.martlet = self.router = self.setup = self.machine = None
        self.sources, self.announced = [], [{} for _ in SOURCES]
        self.sessions = 0           # that Martlet counted in the end
        self.logs = []              # (program, what it said)
        self.notes = []             # for the table
        self.clues = []             # for whoever looks into a failure

    def begin(
            self, dials="router", transport=4, feed="", bgp="", stale="60s", files=None,
            **options):
        """Starts all; the router has its sources' routes as soon as `supply` brings some."""
        port = harness.free_port()
        number = options.get("number", 65001)
        bgp = ", ".join([
            f'local-address: "{self.martlet_at[transport]}", connect: {CONNECT[dials]}',
            f"port: {port}, hold-time: 9s, connect-retry: 200ms, maximum-connect-retry: 1s",
            *([bgp] if bgp else [])])
        self.martlet = harness.Martlet(
            CONFIGURATION.format(
                martlet4=self.martlet_at[4], martlet6=self.martlet_at[6], feed=feed, stale=stale,
                peer=self.router_at[transport], number=number, bgp=bgp), files)
        self.machine = self.martlet.machine()
        self.setup = routers.Setup(
            folder=self.folder, own4=self.router_at[4], address=self.router_at[transport],
            port=port, martlet=self.martlet_at[transport], martlet_port=self.martlet.port("bgp"),
            dials=dials != "martlet",
            sources=tuple(zip(self.source_at, SOURCES)) if self.maker.relays else (), **options)
        self.start_router()
        if self.maker.relays:
            self.sources = [
                Source(address, source, self.router_at[4], port)
                for address, source in self.setup.sources]

    # The router

    def start_router(self, **changes):
        """Starts it, or starts it again, with what it has of its own."""
        for name, value in changes.items():
            setattr(self.setup, name, value)
        if self.maker.relays:
            self.router = self.maker(self.setup)
        else:
            self.router = self.maker(self.setup, self.paths(0))

    def kill_router(self):
        self.router.kill()
        self.end_router()

    def end_router(self):
        if self.router:
            with contextlib.suppress(Exception):
                self.router.stop()
            self.logs.append(("router", self.router.output))
        self.router = None

    def supply(self, routes, source=0):
        """Makes the router have `routes` ({prefix: path}), from one of its sources."""
        self.announced[source].update(routes)
        if self.sources:
            self.sources[source].announce(routes)
        elif self.router:
            own = {prefix: self.whole(path, source) for prefix, path in routes.items()}
            self.router.announce(own, source + 1 if self.setup.add_paths else None)

    def take_back(self, prefixes, source=0):
        prefixes = list(prefixes)
        gone = {prefix: self.whole(self.announced[source].pop(prefix), source)
                for prefix in prefixes}
        if self.sources:
            self.sources[source].withdraw(prefixes)
        elif self.router:
            self.router.withdraw(gone, source + 1 if self.setup.add_paths else None)

    def whole(self, path, source):
        """The path as Martlet is to get it."""
        return self.setup.number, SOURCES[source], *path

    def paths(self, source):
        return {prefix: self.whole(path, source)
                for prefix, path in self.announced[source].items()}

    def wait_supplied(self, seconds=harness.PATIENCE):
        """Until the router itself has all of the routes."""
        count = len({prefix for each in self.announced for prefix in each})
        if self.maker.relays:
            harness.eventually(
                f"the router to have {count} prefixes",
                lambda: self.router.held_prefixes() == count, seconds)

    # Martlet

    def ask(self, line):
        reply = self.machine.ask(line)
        if isinstance(reply, harness.Refused):
            raise AssertionError(f"{line}: {reply}")
        return reply

    def detail(self):
        """`show feed` as JSON."""
        return json.loads(self.ask("show feed core --json"))

    def state(self):
        return self.detail()["session"]["state"]

    def wait_established(self, seconds=2 * harness.PATIENCE):
        hurried = time.monotonic()

        def check():
            nonlocal hurried
            if self.state() == "Established":
                return True
            if self.router.child.poll() is not None:
                raise AssertionError(f"the router ended: {self.router.output[-2000:]}")
            if time.monotonic() - hurried > 8:
                hurried = time.monotonic()
                if self.router.hangs():
                    raise AssertionError("the router hangs")
                self.router.hurry()
            return False

        try:
            harness.eventually("the session to be Established", check, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.detail()['session']}") from None

    def agreed(self):
        """The families of the session: {4, 6} or less."""
        return {int(row["family"][3]) for row in self.detail()["family"] if row["agreed"]}

    def received(self, kind):
        return next(
            row["received"] for row in self.detail()["messages"] if row["type"] == kind)

    def routes(self):
        """What Martlet has: {prefix: path}, of several paths the one that counts."""
        found = {}
        for line in self.ask("show routes feed core"):
            prefix, _, rest = line.partition(" ")
            path = re.search(r" path=(\S+)", rest).group(1)
            path = tuple(map(int, path.split(","))) if path != "-" else ()
            if prefix not in found or len(path) < len(found[prefix]):
                found[prefix] = path
        return found

    def stale(self):
        """Prefixes that are shown as stale."""
        return [line.split()[0] for line in self.ask("show routes feed core")
                if " stale=yes" in line]

    def counts(self):
        """How many prefixes Martlet says it has."""
        table = self.detail()["table"]
        return table["ipv4"] + table["ipv6"]

    def expected(self, families=(4, 6)):
        """What Martlet is to have: the paths of the first source that has the prefix."""
        found = {}
        for source in reversed(range(len(SOURCES))):
            found.update(self.paths(source))
        return {prefix: path for prefix, path in found.items()
                if (6 if ":" in prefix else 4) in families}

    def wait_equal(self, families=(4, 6), seconds=harness.PATIENCE, asks_router=True):
        """Until Martlet has what it is to have, and the router says that it sends just that."""
        wanted = self.expected(families)
        try:
            harness.eventually(
                f"{len(wanted)} prefixes", lambda: self.counts() == len(wanted), seconds)
            harness.eventually("equal routes", lambda: self.routes() == wanted, seconds)
        except AssertionError as error:
            raise AssertionError(
                f"{error}: {differences(self.routes(), wanted)}; the router says that it sends: "
                f"{differences(self.sent(families), wanted)}") from None
        if asks_router:
            try:
                harness.eventually("it", lambda: self.sent(families) == wanted, seconds)
            except AssertionError:
                raise AssertionError(
                    "the router says that it sends something else: "
                    + differences(self.sent(families), wanted)) from None

    def sent(self, families):
        """What the router says that it sends: {prefix: path}."""
        return {prefix: path for prefix, paths in self.router.exported().items()
                for path in paths if (6 if ":" in prefix else 4) in families}

    def hears(self, pattern):
        """Whether the router tells of it."""
        return re.search(pattern, self.router.heard(), re.I)

    def command(self, line):
        """Of an operator on the console."""
        done = self.martlet.console(line)
        if done.returncode != 0:
            raise AssertionError(f"{line}: {done.stdout}{done.stderr}")
        return done.stdout

    # What was sent

    def connections(self):
        """[(Martlet's half, the router's half or None), ...] of all connections so far."""
        self.recorder.settle()
        pairs = []
        for version in (4, 6):
            ours = self.recorder.between(self.martlet_at[version], self.router_at[version])
            theirs = self.recorder.between(self.router_at[version], self.martlet_at[version])
            # Each of theirs answers one of ours between the same ports, the first that is left.
            for half in ours:
                answer = next((
                    other for other in theirs
                    if other.source == half.destination and other.destination == half.source), None)
                if answer:
                    theirs.remove(answer)
                pairs.append((half, answer))
        return pairs

    def notifications(self, ours=False):
        """(code, subcode, data) of NOTIFICATIONs on the wire, the router's or our own.

        A Hard Reset (RFC 8538) is taken for what it wraps up.
        """
        found = []
        for half, answer in self.connections():
            if ours:
                found += [body for _, kind, body in wire.messages(half.stream()[0], False)
                          if kind == wire.NOTIFICATION]
            elif answer:
                found += [body for kind, body in answer.noted if kind == wire.NOTIFICATION]
        found = [body[2:] if body[:2] == b"\6\11" and len(body) > 3 else body for body in found]
        return [(body[0], body[1], body[2:]) for body in found]

    def refreshes(self):
        """ROUTE-REFRESH that the router sent."""
        return sum(
            kind == wire.ROUTE_REFRESH for _, answer in self.connections() if answer
            for kind, _ in answer.noted)

    def account(self):
        """Looks through all that Martlet has sent; raises `wire.Said` where it must not have."""
        now = time.time()
        if self.recorder.lost:
            raise AssertionError(f"the record lost {self.recorder.lost} packets: it says nothing")
        found = [wire.Account(half, answer, now) for half, answer in self.connections()]
        opened = sum(one.ours is not None for one in found)
        if opened < self.sessions:
            raise AssertionError(f"the record has {opened} OPENs of {self.sessions} sessions")
        return found

    def end(self):
        """Ends everything; then comes the account."""
        for source in self.sources:
            source.close()
        if self.martlet:
            try:
                self.sessions = self.detail()["counters"]["sessions"]
                self.machine.close()
                self.martlet.signal(15)
                status = self.martlet.wait(20)
                if status != 0:
                    raise AssertionError(f"martletd ended with status {status}")
            finally:
                self.martlet.stop()
                self.logs.append(("martletd", self.martlet.output))
                self.end_router()

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def differences(found, wanted):
    """Two tables' differences, in few words."""
    missing = [prefix for prefix in wanted if prefix not in found]
    further = [prefix for prefix in found if prefix not in wanted]
    other = [f"{prefix} by {found[prefix]} and not {wanted[prefix]}"
             for prefix in wanted if prefix in found and found[prefix] != wanted[prefix]]
    return (f"{len(missing)} missing {missing[:3]}, {len(further)} too many {further[:3]}, "
            f"{len(other)} different {other[:3]}")
