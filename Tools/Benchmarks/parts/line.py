# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""What a reply of the line protocol costs, beside one of redis-server.

One connection over TCP sends 512 commands at a time and reads as many replies: `nearest` of one
address and of many to martletd (eight full tables, locations by country), `GET` of one key to
redis-server, in turn. Counted is the CPU time of the servers' threads (/proc/PID/task/*/schedstat).
"""
import contextlib
import gzip
import ipaddress
import os
import random
import shutil
import socket
import sys
import tempfile

from parts.dump import configuration as sites_and_feeds
from parts.programs import ROOT, say
from parts.results import median, table, target

sys.path.insert(0, os.path.join(ROOT, "Tools", "tests"))
import harness  # noqa: E402

TITLE = "The line protocol"
DEPTH = 512
# As long as a reply of Martlet.
VALUE = b"+ site3 192.0.2.4 distance=3 cost=15 scope=22 reason=cost"


def configuration(path, data):
    ranges = [os.path.join(data, "geo", name) for name in ("tor-geoip.txt.gz", "tor-geoip6.txt.gz")]
    return sites_and_feeds(path) + f"location: {{ ranges: [{', '.join(ranges)}] }}\n"


def questions(data, count):
    """`nearest` of random addresses in random prefixes of a real table."""
    source = random.Random(1)
    with gzip.open(os.path.join(data, "prefixes", "prefixes.txt.gz"), "rt") as file:
        prefixes = [line.strip() for line in file if ":" not in line]
    for _ in range(count):
        network = ipaddress.ip_network(source.choice(prefixes))
        yield b"nearest %s\n" % str(network[source.randrange(network.num_addresses)]).encode()


def cpu(pid):
    """Nanoseconds of CPU that the threads of a process have had."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(FileNotFoundError):
            with open(f"/proc/{pid}/task/{task}/schedstat") as file:
                total += int(file.read().split()[0])
    return total


class Subject:
    """A server, a connection to it, and the commands to send, 512 at a time."""

    def __init__(self, pid, port, bursts, ends):
        self.pid, self.bursts = pid, bursts
        self.ends = ends  # line ends a reply
        self.results = []
        self.buffer = bytearray(1 << 20)
        self.connection = socket.create_connection(("127.0.0.1", port))
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection.settimeout(harness.PATIENCE)

    def run(self, replies):
        """Nanoseconds of the server's CPU a reply."""
        began, done, turn = cpu(self.pid), 0, 0
        while done < replies:
            self.connection.sendall(self.bursts[turn % len(self.bursts)])
            missing = DEPTH * self.ends
            while missing > 0:
                length = self.connection.recv_into(self.buffer)
                if length == 0:
                    raise RuntimeError("a server hung up")
                missing -= self.buffer.count(b"\n", 0, length)
            done += DEPTH
            turn += 1
        return (cpu(self.pid) - began) / done


@contextlib.contextmanager
def redis(program):
    """A redis-server on a free port that keeps nothing on disk."""
    folder = tempfile.mkdtemp(prefix="martlet-redis-")
    port = harness.free_port()
    server = harness.Process([
        program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
        "--dir", folder])
    try:
        server.wait_line("[Rr]eady to accept connections")
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$%d\r\n%s\r\n" % (len(VALUE), VALUE))
            if not connection.recv(100).startswith(b"+OK"):
                raise RuntimeError("redis-server does not take a value")
        yield server.child.pid, port
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def measure(programs, options):
    programs.daemon()
    server = programs.installed("redis-server")
    lines = list(questions(options.data, 64 * DEPTH))
    many = [b"".join(lines[at:at + DEPTH]) for at in range(0, len(lines), DEPTH)]
    replies = 100_000 if options.quick else 1_000_000
    martlet = harness.Martlet(configuration(programs.dump(), options.data), wait=False)
    try:
        martlet.wait_line(r"\bready\b", seconds=600)
        pid, port = martlet.child.pid, martlet.port("machine")
        with redis(server) as (peer_pid, peer_port):
            get = b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n" * DEPTH
            subjects = {
                "redis-server, GET of one key": Subject(peer_pid, peer_port, [get], 2),
                "nearest, one address": Subject(pid, port, [lines[0] * DEPTH], 1),
                "nearest, 32,768 addresses": Subject(pid, port, many, 1)}
            for number in range(options.rounds + 1):
                say(f"the line protocol, run {number} of {options.rounds}")
                for subject in subjects.values():
                    subject.results.append(subject.run(replies))
    finally:
        martlet.stop()
    # The first run is for caches to fill.
    return {name: subject.results[1:] for name, subject in subjects.items()}


def report(result):
    medians = {name: median(runs) for name, runs in result.items()}
    peer = next(iter(medians.values()))
    text = f"One connection, {DEPTH} commands at a time; CPU of the server alone.\n\n"
    text += table(["what", "ns CPU a reply", "ratio"],
                  [[name, value, value / peer] for name, value in medians.items()])
    return [target("`nearest` of many addresses, pipelined 512 deep", "≤ 1.0 × redis-server's GET", 1.0,
                   medians["nearest, 32,768 addresses"] / peer)], text
