# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""What a full table costs that comes plain, with ten rules, with origin validation, and by BMP:
processor time and memory of the whole load, instructions an UPDATE."""
import ipaddress
import itertools
import os
import re
import shlex
import signal
import socket
import statistics
import struct
import subprocess
import time

import harness
from trials import feeder, routers, rtr
from trials.report import Left, say, table

PAYLOADS = 500_000
SHARE = 8  # under callgrind, one UPDATE in as many
ADDRESS = "127.0.0.11"
EIGHT = "BMP, eight peers with such tables"

RULES = """
    prefix-lengths: { ipv4: 8-24, ipv6: 16-48 }
    rules:
      - { community: ["65000:666", blackhole], reject: true }
      - { prefix: customers, distance: 1, tag: customer }
      - { as-path: "^65000_(.*_)?1299$", penalty: 1 }
      - { as-path: { contains: 64512-65534 }, reject: true }
      - { as-path: "_(174|3356)_6939_", penalty: 2 }
      - { community: ["1299:*", "rt:65000:7", "6939:1:2"], penalty: 1 }
      - { next-hop: 203.0.113.0/24, reject: true }
      - { med: ">= 1000", penalty: 3 }
      - { local-preference: "< 50", penalty: 10 }
      - { family: ipv6, not: { as-path: { origin: 6939 } }, tag: transit }
"""
LISTS = "prefix-lists:\n  customers: [203.0.113.0/24, \"198.51.100.0/22{22,24}\", 2001:db8::/32 le 48]\n"


def configuration(kind, cache):
    source = (f"bmp: {{ router: {ADDRESS}, policy: pre }}" if kind.startswith("BMP") else
              f"bgp: {{ peer: {ADDRESS}, as: {feeder.AS}, connect: passive }}")
    text = (
        f"router: {{ as: {feeder.AS}, id: 10.255.0.1 }}\n"
        'listen: { bgp: ["127.0.0.1:$bgp"], bmp: ["127.0.0.1:$peer"], '
        'console: [{ address: "127.0.0.1:$machine", face: machine }], socket: $socket }\n'
        "sites: { one: { as: 64600, addresses: [192.0.2.1] } }\nready: { wait: 0s }\n"
        f"feeds:\n  feed:\n    site: one\n    {source}\n")
    if kind == "ten rules":
        return LISTS + text + RULES.lstrip("\n")
    if kind == EIGHT:
        return text + "limits: { prefixes-per-feed: 16000000 }\n"
    if kind == "RPKI":
        return text + f"rpki: {{ caches: [ {{ address: 127.0.0.1, port: {cache.port} }} ] }}\n"
    return text


def attributes(data):
    """(type, value) of path attributes."""
    at = 0
    while at < len(data):
        head = 4 if data[at] & 0x10 else 3
        size = int.from_bytes(data[at + 2:at + head], "big")
        yield data[at + 1], data[at + head:at + head + size]
        at += head + size


def updates(full):
    """The bodies of a table's UPDATEs."""
    data, at = full.data, 0
    while at < len(data):
        length, = struct.unpack_from(">H", data, at + 16)
        yield data[at + 19:at + length]
        at += length


def origins(full):
    """(network, origin AS) of a table's routes whose paths end in a sequence."""
    for body in updates(full):
        withdrawn, = struct.unpack_from(">H", body)
        size, = struct.unpack_from(">H", body, 2 + withdrawn)
        at = 4 + withdrawn
        nlri, wide, origin = body[at + size:], 4, None
        for kind, value in attributes(body[at:at + size]):
            if kind == 2 and value:
                begin = 0
                while begin < len(value):
                    segment, count = value[begin], value[begin + 1]
                    begin += 2 + 4 * count
                origin = int.from_bytes(value[begin - 4:begin], "big") if segment == 2 else None
            elif kind == 14:
                nlri, wide = value[5 + value[3]:], 16
        at = 0
        while at < len(nlri) and origin:
            length = nlri[at]
            octets = (length + 7) // 8
            packed = nlri[at + 1:at + 1 + octets].ljust(wide, b"\0")
            make = ipaddress.IPv4Network if wide == 4 else ipaddress.IPv6Network
            yield make((packed, length)), origin
            at += 1 + octets


def thinned(full):
    """One UPDATE in SHARE, and the End-of-RIBs."""
    kept = [
        body for number, body in enumerate(updates(full))
        if number % SHARE == 0 or len(body) == 4 or len(body) == 10]
    return routers.Table(b"".join(routers.message(2, body) for body in kept), 0, 0)


def only_ends():
    return routers.Table(
        routers.message(2, bytes(4)) + routers.message(2, bytes.fromhex("00000006800f03000201")), 0, 0)


class Exporter:
    """A router that monitors peers, a table each, and tells of them by BMP (RFC 7854)."""

    def __init__(self, tables, port):
        self.port = port
        messages, told = [self.framed(4, struct.pack(">HH", 2, 4) + b"test")], []
        for number, full in enumerate(tables):
            address = f"192.0.2.{99 + number}"
            header = struct.pack(
                ">BB8x12x4sI4sII", 0, 0, socket.inet_aton(address), feeder.AS,
                socket.inet_aton(address), int(time.time()), 0)
            greeting = routers.open_message(feeder.AS, 90, address)
            up = struct.pack(">12x4sHH", socket.inet_aton("192.0.2.98"), 179, 40000) + greeting + greeting
            messages.append(self.framed(3, header + up))
            told.append([self.framed(0, header + routers.message(2, body)) for body in updates(full)])
        # All peers at once.
        messages += [one for some in itertools.zip_longest(*told, fillvalue=b"") for one in some]
        self.data = b"".join(messages)
        self.socket = None

    @staticmethod
    def framed(kind, body):
        return struct.pack(">BIB", 3, 6 + len(body), kind) + body

    def start(self):
        self.socket = socket.socket()
        self.socket.bind((ADDRESS, 0))
        self.socket.connect(("127.0.0.1", self.port))
        self.socket.sendall(self.data)

    def end(self):
        self.socket.close()


def sender(kind, tables, martlet):
    """What sends the tables, ready to."""
    if kind.startswith("BMP"):
        return Exporter(tables, martlet.port("peer"))
    return routers.Router(tables[0], martlet.port("bgp"), ADDRESS)


def loaded(kind, tables, cache, patience=60):
    """Loads a table, or those of several monitored peers, into a martletd of its own, and returns what that cost."""
    martlet = harness.Martlet(configuration(kind, cache), wait=False)
    one = None
    try:
        martlet.wait_line(r"\bready\b", patience)
        console = martlet.machine()
        console.socket.settimeout(patience)
        if kind == "RPKI":
            harness.eventually(
                "the payloads", lambda: "state=synchronised" in console.ask("show rpki")[0], patience)
        resting(martlet, patience)
        one = sender(kind, tables, martlet)
        cpu, empty = feeder.cpu(martlet.child.pid), feeder.resident(martlet.child.pid)
        one.start()
        harness.eventually(
            "the whole table",
            lambda: "transfer=complete" in console.ask("show feeds")[0], patience)
        resting(martlet, patience)
        result = {
            "cpu": feeder.cpu(martlet.child.pid) - cpu,
            "memory": feeder.resident(martlet.child.pid) - empty, "empty": empty,
            "counts": console.ask("show memory")[-1]}
        one.end()
        martlet.signal(signal.SIGTERM)
        if martlet.wait(patience):
            raise RuntimeError(f"martletd ends badly:\n{martlet.output}")
        return result
    finally:
        martlet.stop()


def resting(martlet, patience):
    """Waits until the process has spent nothing for a second."""
    state = {"cpu": -1, "since": 0}

    def look():
        cpu = feeder.cpu(martlet.child.pid)
        if cpu > state["cpu"] + 0.015:
            state.update(cpu=cpu, since=time.monotonic())
        return time.monotonic() - state["since"] > 1

    harness.eventually("martletd to be at rest", look, patience)


def instructions(kind, full, cache, options):
    """Instructions of a martletd with so many UPDATEs, and without."""
    folder = os.path.join(options.work, "counted")
    os.makedirs(folder, exist_ok=True)
    plain = os.path.join(options.work, "martletd-plain")
    out = os.path.join(options.work, "callgrind.out")
    subprocess.check_call(["strip", "-o", plain, harness.program("martletd")])
    with open(os.path.join(folder, "martletd"), "w") as file:
        file.write("#!/bin/sh\nexec valgrind -q --tool=callgrind "
                   f"--callgrind-out-file={shlex.quote(out)} {shlex.quote(plain)} \"$@\"\n")
    os.chmod(file.name, 0o755)
    counts, programs = [], harness.PROGRAMS
    try:
        harness.PROGRAMS = folder
        for one in (thinned(full), only_ends()):
            loaded(kind, [one], cache, patience=600)
            with open(out) as file:
                counts.append(int(re.search(r"^(?:totals|summary): (\d+)", file.read(), re.M)[1]))
    finally:
        harness.PROGRAMS = programs
    return (counts[0] - counts[1]) / (thinned(full).messages - 2)


def measure(options):
    tables = routers.tables(options, 8)
    full = tables[0]
    payloads = []
    for number, (network, origin) in enumerate(origins(full)):
        if number % 2 == 0:
            payloads.append((network, network.prefixlen, origin))
    cache = rtr.Cache(payloads[:PAYLOADS])
    kinds = ["plain", "ten rules", "RPKI", "BMP"]
    runs = {kind: [] for kind in [*kinds, EIGHT]}
    try:
        for number in range(options.rounds):
            say(f"a table plain, with rules, with RPKI, by BMP: {number + 1} of {options.rounds}")
            for kind in kinds:
                runs[kind].append(loaded(kind, [full], cache))
        say(EIGHT)
        runs[EIGHT].append(loaded(EIGHT, tables, cache, patience=300))
        counted = {}
        try:
            harness.peer("valgrind")
        except harness.unittest.SkipTest:
            say("valgrind is not installed: instructions are not counted")
        else:
            for kind in kinds:
                say(f"callgrind counts {kind}")
                counted[kind] = instructions(kind, full, cache, options)
    finally:
        cache.stop()
    return {
        "runs": runs, "instructions": counted, "updates": full.messages - 2,
        "routes": full.ipv4 + full.ipv6, "eight": sum(one.ipv4 + one.ipv6 for one in tables), "payloads": min(PAYLOADS, len(payloads))}


def report(result, options):
    rows, base = [], None
    for kind, runs in result["runs"].items():
        cpu = statistics.median(run["cpu"] for run in runs)
        memory, empty = (
            statistics.median(run[key] for run in runs) for key in ("memory", "empty"))
        count = result["instructions"].get(kind)
        base = base or (cpu, memory, count)
        rows.append([
            kind, cpu, f"{cpu / base[0]:.2f}", empty, memory, f"{memory / base[1]:.2f}",
            f"{count:,.0f}" if count else "", f"{count / base[2]:.2f}" if count else ""])
    return (
        f"One table of {result['routes']:,} routes in {result['updates']:,} UPDATEs, {result['payloads']:,} payloads of the RPKI; "
        f"medians of {len(result['runs']['plain'])} runs; instructions of the whole process by callgrind, one UPDATE in {SHARE}, less what "
        f"it takes without any. Eight peers: {result['eight']:,} routes in one run.\n\n" + table(
            ["load", "CPU, s", "× plain", "resident before, MiB", "memory growth, MiB", "× plain", "instructions an UPDATE", "× plain"],
            rows)), []
