# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Memory and references of a DNS answer: what the thread that answers by UDP calls, by callgrind.

Every kind of query is sent thousands of times to a martletd that has met it before, one at a time
(so that each is a batch of its own) and 64 at once. Counted are all calls on that thread that
allocate or free memory, count a reference or take a lock.
"""
import collections
import glob
import os
import random
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile

from parts.programs import ROOT, say
from parts.results import table, target

sys.path.insert(0, os.path.join(ROOT, "Tools", "tests"))
import dns_packets  # noqa: E402
import harness  # noqa: E402

TITLE = "Memory and references of a DNS answer"
QUERIES = 4096
WINDOWS = [1, 64]
SITES = 8
CALLS = {
    "allocated": re.compile(r"(malloc|calloc|realloc|reallocarray|posix_memalign|aligned_alloc|memalign"
                            r"|swift_(slowAlloc|alloc|init).*)$"),
    "freed": re.compile(r"(free|swift_(slowDealloc|dealloc).*)$"),
    "counted": re.compile(r"swift_.*([rR]etain|[rR]elease).*$"),
    "locked": re.compile(r"(pthread_(mutex|rwlock|spin)_(lock|rdlock|wrlock|trylock))$"),
}
# What differs between the two daemons.
RULES = {
    "": "rate-limit: off",
    "limited and logged: ":
        "rate-limit: { answers: 1000000, negative: 1000000, errors: 1000000 }, "
        "decision-log: { file: decisions.json, sample: 1, rate: 10000 }",
}


def configuration(rules):
    sites = "".join(
        f'  s{n}: {{ as: {64600 + n}, addresses: [192.0.2.{n + 1}, 198.18.0.{n + 1}, "2001:db8:{n}::1"], alias: s{n}.example.net }}\n'
        for n in range(SITES))
    names = ", ".join(f"s{n}" for n in range(SITES))
    return f"""
router: {{ as: 65000, id: 10.255.0.1 }}
listen: {{ dns: ["127.0.0.1:$dns"], socket: $socket }}
dns: {{ {rules} }}
sites:
{sites}maps: [map.routes]
zones:
  example.com:
    soa: {{ host: ns1.example.com, email: hostmaster@example.com }}
    ns: [ns1.example.com]
    records:
      ns1: {{ a: 127.0.0.1 }}
      text: {{ txt: hello }}
      "*.wild": {{ txt: wild }}
      mail: {{ mx: 10 ns1.example.com }}
      moved: {{ dname: example.com }}
      sub: {{ ns: [ns.sub.example.com, ns1.example.com] }}
      ns.sub: {{ a: 192.0.2.54 }}
      www: {{ nearest: [{names}], ttl: 60, rotate: false }}
      two: {{ nearest: [{names}], ttl: 60, answers: 2, https: '1 . alpn="h2,h3"' }}
      alias: {{ nearest: [{names}], ttl: 60, alias: true }}
"""


NEW_COOKIE = dns_packets.option(10, b"12345678")


def asked(name, kind, *options, edns=True, zone="example.com", record_class=1):
    labels = f"{name}.{zone}".split(".")
    wire = b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"
    return dns_packets.query(
        wire + struct.pack(">HH", kind, record_class), counts=(1, 0, 0, 1 if edns else 0),
        tail=dns_packets.opt(b"".join(options)) if edns else b"")


def queries(good_cookie):
    """{kind: [query, ...]}, for clients inside and outside of the map's prefixes."""
    source = random.Random(1)
    def subnet(family=1, length=24):
        first = source.randrange(1, 224) if family == 1 else 0x20
        rest = bytes(source.randrange(256) for _ in range(length // 8 - 1))
        return dns_packets.option(8, struct.pack(">HBB", family, length, 0) + bytes([first]) + rest)
    def several(make):
        return [make() for _ in range(512)]
    return {
        "A, without EDNS": several(lambda: asked("www", 1, edns=False)),
        "A, subnet": several(lambda: asked("www", 1, subnet())),
        "A, subnet, new cookie": several(lambda: asked("www", 1, subnet(), NEW_COOKIE)),
        "A, subnet, good cookie": several(lambda: asked("www", 1, subnet(), good_cookie)),
        "AAAA, IPv6 subnet, two rotated sites": several(lambda: asked("two", 28, subnet(2, 56))),
        "alias, subnet": several(lambda: asked("alias", 1, subnet())),
        "HTTPS, hints of two sites": several(lambda: asked("two", 65, subnet())),
        "TXT, static": several(lambda: asked("text", 16)),
        "TXT, wildcard": several(lambda: asked(f"n{source.randrange(1 << 30)}.wild", 16)),
        "TXT, DNAME": several(lambda: asked("text.moved", 16)),
        "MX, addresses along": several(lambda: asked("mail", 15)),
        "referral": several(lambda: asked(f"n{source.randrange(1 << 30)}.sub", 1, subnet())),
        "CHAOS": several(lambda: asked(
            source.choice(["id", "version"]), 16, zone="server", record_class=3)),
        "NODATA": several(lambda: asked("text", 1, subnet())),
        "NXDOMAIN": several(lambda: asked(f"n{source.randrange(1 << 30)}", 1, subnet())),
        "REFUSED": several(lambda: asked("www", 252)),
    }


class Subject:
    """martletd below callgrind, which counts nothing until it is told to."""

    def __init__(self, program, valgrind, folder, rules):
        self.folder = folder
        self.port = harness.free_port()
        source = random.Random(2)
        with open(os.path.join(folder, "map.routes"), "w") as file:
            for _ in range(2000):
                file.write(f"{source.randrange(1, 224)}.{source.randrange(256)}.{source.randrange(256)}.0/24 "
                           f"{64600 + source.randrange(SITES)}\n")
        path = os.path.join(folder, "martlet.yaml")
        with open(path, "w") as file:
            file.write(configuration(rules).replace("$dns", str(self.port)).replace(
                "$socket", os.path.join(folder, "console.sock")))
        self.server = harness.Process([
            valgrind, "-q", "--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes",
            f"--callgrind-out-file={folder}/out", program, "--config", path, "--foreground"])
        self.server.wait_line(r"\bready\b", seconds=120)
        self.asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.asker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.asker.settimeout(harness.PATIENCE)
        self.asker.connect(("127.0.0.1", self.port))
        self.parts = 0

    def cookie(self):
        """The option with a cookie that the server has made."""
        self.asker.send(asked("www", 1, NEW_COOKIE))
        reply = self.asker.recv(4096)
        return reply[reply.index(b"\0\x0a\0\x18"):][:28]

    def send(self, packets, window):
        """Sends them over and over until there were enough."""
        for at in range(0, QUERIES, window):
            for number in range(at, at + window):
                self.asker.send(packets[number % len(packets)])
            for _ in range(window):
                self.asker.recv(4096)

    def control(self, *words):
        subprocess.run(
            ["callgrind_control", *words, str(self.server.child.pid)], check=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def counted(self, packets, window):
        """{what: calls a query} of the answering thread, its instructions, and who calls."""
        self.send(packets, window)
        self.control("-z")
        self.send(packets, window)
        self.control("-d")
        self.parts += 1
        for path in glob.glob(f"{self.folder}/out.{self.parts}-*"):
            calls, instructions = read(path)
            # The thread that answers takes queries out of a batch.
            seen = sum(count for (_, callee), count in calls.items() if callee == "martlet_batch_datagram")
            if seen:
                break
        if seen != QUERIES:
            raise RuntimeError(f"{seen} queries were answered, not {QUERIES}")
        found = {"instructions": instructions / QUERIES, "callers": {}}
        for what, pattern in CALLS.items():
            # What one of them calls of its own kind is part of it.
            outer = {pair: count for pair, count in calls.items()
                     if pattern.match(pair[1]) and not pattern.match(pair[0])}
            found[what] = sum(outer.values()) / QUERIES
            found["callers"].update({f"{one} -> {other}": count for (one, other), count in outer.items()})
        return found

    def stop(self):
        self.asker.close()
        self.server.stop()


def read(path):
    """(calls by caller and callee, instructions) of one thread in callgrind's file."""
    names, calls, instructions = {}, collections.Counter(), 0
    caller = callee = None
    def name(text):
        number, _, word = text.partition(" ")
        if word:
            names[number] = word.split("@")[0].split("'")[0]
        return names[number]
    with open(path) as file:
        for line in file:
            if line.startswith("fn="):
                caller = name(line[3:].strip())
            elif line.startswith("cfn="):
                callee = name(line[4:].strip())
            elif line.startswith("calls="):
                calls[caller, callee] += int(line[6:].split()[0])
            elif line.startswith("totals:"):
                instructions = int(line.split()[1])
    return calls, instructions


def measure(programs, options):
    valgrind = programs.installed("valgrind")
    programs.installed("callgrind_control")
    # Valgrind stumbles over what debuggers are told of Swift; the names are enough.
    program = os.path.join(options.work, "martletd-names")
    subprocess.check_call(["strip", "-g", "-o", program, programs.daemon()])
    result = {}
    for words, rules in RULES.items():
        folder = tempfile.mkdtemp(prefix="martlet-retains-")
        try:
            subject = Subject(program, valgrind, folder, rules)
            try:
                subject.control("-i", "on")
                for kind, packets in queries(subject.cookie()).items():
                    for window in WINDOWS:
                        say(f"callgrind counts {words}{kind}, {window} at once")
                        result[f"{words}{kind}; {window}"] = subject.counted(packets, window)
            finally:
                subject.stop()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return result


def report(result):
    rows, callers = [], collections.Counter()
    for key, found in result.items():
        kind, window = key.rsplit("; ", 1)
        rows.append([kind, int(window), round(found["instructions"])] + [found[what] for what in CALLS])
        callers.update(found["callers"])
    text = (f"{QUERIES:,} queries of each kind, met before; all calls of the thread that answers, a query: memory "
            "allocated and freed, references counted, locks taken. Instructions are those outside of the kernel.\n\n")
    text += table(["query", "at once", "instructions"] + list(CALLS), rows)
    if callers:
        text += "\nWho calls:\n\n" + "".join(
            f"- {count:,} × `{pair}`\n" for pair, count in callers.most_common(20))
    worst = {what: max(found[what] for found in result.values()) for what in CALLS}
    return [target("memory allocated or freed a DNS query by UDP, calls, any kind", "0", 0,
                   max(worst["allocated"], worst["freed"])),
            target("references counted a DNS query by UDP, any kind", "0", 0, worst["counted"]),
            target("locks taken a DNS query by UDP, any kind", "0", 0, worst["locked"])], text
