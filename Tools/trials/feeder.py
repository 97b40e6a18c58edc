# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Routers that flap, by the program in the folder feeder, and Martlet with a site for each."""
import glob
import gzip
import ipaddress
import json
import os
import shutil
import struct
import subprocess
import threading

import harness
from trials.report import Left

HERE = os.path.dirname(os.path.abspath(__file__))
AS = 65000


def built(work, name="feeder"):
    """The program of the folder of this name, compiled."""
    compiler = shutil.which("cc") or shutil.which("clang")
    if compiler is None:
        raise Left("there is no C compiler")
    program = os.path.join(work, name)
    subprocess.check_call(
        [compiler, "-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program,
         *sorted(glob.glob(os.path.join(HERE, name, "*.c")))])
    return program


def prefixes(options, every=1):
    """The real prefixes of both families, in order, as networks; one in as many."""
    with gzip.open(harness.data("prefixes", "prefixes.txt.gz"), "rt") as file:
        found = {ipaddress.ip_network(line.strip()) for line in file if line.strip()}
    ordered = sorted(
        found, key=lambda one: (one.version, int(one.network_address), one.prefixlen))
    return ordered[::every]


def written(networks, path):
    with open(path, "wb") as file:
        for network in networks:
            file.write(struct.pack(
                "BB16s", network.version, network.prefixlen, network.network_address.packed))
    return path


def peer_as(number):
    return AS if number % 2 == 0 else 64700 + number if number % 4 == 1 else 4200000000 + number


def hold_time(number):
    return 9 if number % 3 == 2 else 90


def address(number):
    return f"127.0.0.{11 + number}"


def configuration(feeds, more="", more_feeds="", more_sites=""):
    sites = "".join(
        f"  site{number}: {{ as: {64600 + number}, addresses: [192.0.2.{number + 1}] }}\n"
        for number in range(feeds))
    # Routes of a lost session stay for less than some sessions are away.
    lines = "".join(
        f"  feed{number}: {{ site: site{number}, stale-time: 20s, bgp: {{ peer: {address(number)}, "
        f"as: {peer_as(number)}, connect: passive }} }}\n" for number in range(feeds))
    return (
        f"router: {{ as: {AS}, id: 10.255.0.1 }}\n"
        'listen: { bgp: ["127.0.0.1:$bgp"], '
        'console: [{ address: "127.0.0.1:$machine", face: machine }], socket: $socket, '
        'dns: ["127.0.0.1:$dns"] }\n'
        f"sites:\n{sites}{more_sites}feeds:\n{lines}{more_feeds}"
        "zones:\n  example.com:\n    soa: { host: ns1.example.com, email: hostmaster@example.com }\n"
        "    ns: [ns1.example.com]\n    records:\n      ns1: { a: 192.0.2.253 }\n"
        f"      www: {{ nearest: [{', '.join(f'site{number}' for number in range(feeds))}"
        f"{', probe' if more_sites else ''}], "
        "measure: hops, ties: [order], ttl: 60 }\n" + more)


class Feeder:
    """The routers. A line of theirs that nobody asked for is trouble, and raises."""

    def __init__(self, program, places, feeds, seed, port, rate, losses):
        self.child = subprocess.Popen(
            [program, places, str(feeds), str(seed), str(port), str(AS), str(rate), str(losses)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lock = threading.Lock()
        self._expect("ready")

    def _line(self):
        line = self.child.stdout.readline()
        if not line or line.startswith("!"):
            raise RuntimeError(f"the feeder: {line.strip() or self.child.wait()}")
        return line.strip()

    def _expect(self, wanted):
        line = self._line()
        if line != wanted:
            raise RuntimeError(f"the feeder says {line!r}, not {wanted!r}")

    def ask(self, command, answer=None):
        with self.lock:
            self.child.stdin.write(command + "\n")
            self.child.stdin.flush()
            return self._line() if answer is None else self._expect(answer)

    def counts(self):
        return json.loads(self.ask("counts"))

    def up(self):
        self.ask("up", "quiet")

    def calm(self):
        self.ask("calm", "quiet")

    def flap(self, steadily=False):
        self.ask("flap steady" if steadily else "flap", "flapping")

    def lines(self, what, folder):
        """The lines of `reference` or `origins`, through a pipe."""
        path = os.path.join(folder, what)
        os.mkfifo(path)
        try:
            self.ask(f"{what} {path}", "writing")
            with open(path) as file:
                yield from file
        finally:
            os.unlink(path)

    def stop(self):
        self.child.stdin.close()
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self.child.stdout.close()


class Sampler:
    """What a process holds and has spent, every few seconds, in a thread."""

    def __init__(self, take, every):
        self.samples, self.take, self.every = [], take, every
        self.over = threading.Event()
        self.failure = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            while not self.over.wait(self.every):
                self.samples.append(self.take())
        except Exception as error:  # told by stop, in the main thread
            self.failure = error

    def stop(self):
        self.over.set()
        self.thread.join()
        if self.failure:
            raise self.failure
        return self.samples


def cpu(pid):
    """CPU seconds so far."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid):
    """MiB in memory."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def settled(console, seconds=120):
    """Waits until the table has taken all that the feeds sent, and returns `show memory`."""
    state = {"updates": -1, "since": 0}

    def look():
        memory = json.loads(console.ask("show memory --json"))
        changed = memory["updates"] != state["updates"]
        state["updates"], state["since"] = memory["updates"], 0 if changed else state["since"] + 1
        return memory if state["since"] >= 20 else None

    return harness.eventually("the table to be at rest", look, seconds)
