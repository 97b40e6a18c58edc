# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""How long answers take at half of what can be answered, at rest and while a full table loads and 5,000
UPDATEs a second arrive; and how long after an UPDATE was written the first answer has it."""
import json
import multiprocessing
import os
import random
import socket
import struct
import subprocess
import time

import harness
import questions
from trials import feeder, routers
from trials.report import Failed, say, table

PROBE, LOADER = "127.0.0.98", "127.0.0.99"
PREFIX = "203.0.113.0/24"
SLOWEST = 10.0  # milliseconds, at the 99th percentile
PROBES = 1000
WINDOW = 256
# Who asks stands for other machines: it isn't to have the processor of the thread that answers, the first.
ASKERS = max(os.sched_getaffinity(0))
REACHED = 0.95  # of the UPDATEs a second that are to arrive, at the least


def configuration():
    """A feed that flaps, one that is loaded, and one whose single route comes and goes."""
    text = feeder.configuration(
        1, more="dns: { rate-limit: off, pin-threads: true }\nready: { wait: 0s }\n",
        more_sites="  probe: { as: 64690, addresses: [192.0.2.90] }\n"
                   "  loaded: { as: 64691, addresses: [192.0.2.91] }\n",
        more_feeds=f"  probe: {{ site: probe, bgp: {{ peer: {PROBE}, as: {feeder.AS}, connect: passive }} }}\n"
                   f"  loaded: {{ site: loaded, bgp: {{ peer: {LOADER}, as: {feeder.AS}, connect: passive }} }}\n")
    return text.replace("nearest: [site0, probe]", "nearest: [site0, probe, loaded]")


def announcement():
    attributes = b"\x40\1\1\0" + b"\x40\2\0" + b"\x40\3\4\x0a\0\0\1" + b"\x40\5\4\0\0\0\x64"
    return routers.message(2, bytes(2) + struct.pack(">H", len(attributes)) + attributes + b"\x18\xcb\0\x71")


WITHDRAWAL = routers.message(2, b"\0\4\x18\xcb\0\x71" + bytes(2))
ENDS = routers.message(2, bytes(4)) + routers.message(2, bytes.fromhex("00000006800f03000201"))


def probe(bgp, dns, count, seconds, channel):
    """In a process of its own: milliseconds from each UPDATE to the first answer that has it."""
    try:
        router = routers.Router(routers.Table(ENDS, 0, 0), bgp, PROBE)
        router.start()
        router.sent.wait(harness.PATIENCE)
        asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        asker.connect(("127.0.0.1", dns))
        asker.settimeout(1)
        question = questions.question(1, "www.example.com", "A", PREFIX)
        ours = socket.inet_aton("192.0.2.90")

        lost = 0

        def is_ours():
            nonlocal lost
            while True:
                asker.send(question)
                try:
                    return ours in asker.recv(4096)
                except TimeoutError:
                    lost += 1
                    if lost > 100:
                        raise

        harness.eventually("another site's answer", lambda: not is_ours())
        channel.send("ready")
        channel.recv()
        taken, end = [], time.monotonic() + seconds
        for number in range(count):
            wanted = number % 2 == 0
            begun = time.perf_counter()
            router.send(announcement() if wanted else WITHDRAWAL)
            while is_ours() != wanted:
                if time.perf_counter() - begun > 10:
                    raise RuntimeError("an UPDATE changes no answer")
                time.sleep(0.0002)
            taken.append(1000 * (time.perf_counter() - begun))
            if time.monotonic() > end:
                break
            time.sleep(random.uniform(0.002, 0.02))
        if is_ours():
            router.send(WITHDRAWAL)
        channel.send((taken, lost))
        router.end()
    except Exception as error:  # told in the main process
        channel.send(str(error) or repr(error))


class Probe:
    """Another process's `probe`."""

    def __init__(self, martlet, count, seconds):
        self.channel, other = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("fork").Process(
            target=probe, daemon=True,
            args=(martlet.port("bgp"), martlet.port("dns"), count, seconds, other))
        self.process.start()
        self._receive("ready")
        self.channel.send("go")

    def _receive(self, wanted=None):
        if not self.channel.poll(120):
            raise Failed("the probe doesn't answer")
        found = self.channel.recv()
        if isinstance(found, str) and found != wanted:
            raise Failed(f"the probe: {found}")
        return found

    def result(self):
        taken, lost = self._receive()
        taken.sort()
        self.process.join(30)

        def at(part):
            return taken[min(len(taken) - 1, int(len(taken) * part))]
        return {"count": len(taken), "lost": lost, "p50": at(0.5), "p99": at(0.99), "p999": at(0.999), "longest": taken[-1]}


def ask(program, martlet, rate, seconds):
    return subprocess.Popen(
        [program, str(martlet.port("dns")), "www.example.com", str(rate), str(seconds), str(WINDOW)],
        stdout=subprocess.PIPE, text=True, preexec_fn=lambda: os.sched_setaffinity(0, {ASKERS}))


def asked(child):
    text, _ = child.communicate()
    if child.returncode:
        raise Failed(f"the asker ends with {child.returncode}")
    found = json.loads(text)
    for key in ("p50", "p99", "p999", "longest"):
        found[key] /= 1000
    return found


def measure(options):
    program = feeder.built(options.work, "asker")
    full, = routers.tables(options, 1)
    networks = feeder.prefixes(options, options.every)
    places = feeder.written(networks, os.path.join(options.work, "prefixes"))
    martlet = harness.Martlet(configuration())
    sender = loader = None
    try:
        console = martlet.machine()
        sender = feeder.Feeder(
            feeder.built(options.work), places, 1, options.seed, martlet.port("bgp"), options.rate, 0)
        say("a router sends its table")
        sender.up()
        feeder.settled(console)
        say("the most that can be answered")
        peaks = [asked(ask(program, martlet, 0, 3))["rate"] for _ in range(3)]
        half = sorted(peaks)[1] / 2
        result = {"peak": 2 * half, "prefixes": len(networks), "loaded": full.ipv4 + full.ipv6}
        say(f"{half:,.0f} questions a second, at rest")
        result["rest"] = asked(ask(program, martlet, half, options.seconds))
        say("UPDATEs of one prefix, at rest")
        result["update at rest"] = Probe(martlet, PROBES, options.seconds).result()
        say(f"UPDATEs of one prefix, among {options.rate} a second")
        sender.flap(steadily=True)
        time.sleep(2)
        begun, before = time.monotonic(), sender.counts()["feeds"][0]["updates"]
        result["update among others"] = Probe(martlet, PROBES, options.seconds).result()
        result["others"] = (sender.counts()["feeds"][0]["updates"] - before) / (time.monotonic() - begun)
        say(f"{half:,.0f} questions a second, while a table loads and UPDATEs arrive")
        before = sender.counts()["feeds"][0]["updates"]
        begun, spent = time.monotonic(), feeder.cpu(martlet.child.pid)
        questioner = ask(program, martlet, half, options.seconds)
        follower = Probe(martlet, PROBES, options.seconds)
        loads = 0
        while time.monotonic() - begun < options.seconds - 3:
            loader = routers.Router(full, martlet.port("bgp"), LOADER)
            loader.start()
            routers.wait_sent([loader])
            harness.eventually("the whole table", lambda: any(
                line.startswith("loaded ") and "transfer=complete" in line
                for line in console.ask("show feeds")), 120)
            loads += 1
            loader.end()
            loader = None
        result["questions under all"] = asked(questioner)
        result["update under all"] = follower.result()
        seconds = time.monotonic() - begun
        result["loads"] = loads
        result["cpu"] = (feeder.cpu(martlet.child.pid) - spent) / seconds
        result["updates"] = (sender.counts()["feeds"][0]["updates"] - before) / seconds
        sender.calm()
    finally:
        if loader:
            loader.end()
        if sender:
            sender.stop()
        martlet.stop()
    return result


def report(result, options):
    faults, rows = [], []
    names = {
        "rest": ("an answer, at rest", SLOWEST), "questions under all": ("an answer, while a table loads, and UPDATEs", SLOWEST),
        "update at rest": ("from an UPDATE to the first answer, at rest", SLOWEST),
        "update among others": ("the same, among UPDATEs", SLOWEST),
        "update under all": ("the same, with questions and a table that loads, too", None)}
    for key, (words, limit) in names.items():
        one = result[key]
        rows.append([
            words, f"{one.get('answered', one.get('count')):,}", *(
                f"{one[part]:.2f}" for part in ("p50", "p99", "p999", "longest")), one.get("lost", "")])
        if limit is not None and one["p99"] > limit:
            faults.append(f"{words}: {one['p99']:.1f} ms at the 99th percentile")
        if one.get("lost", 0) > 0:
            faults.append(f"{words}: {one['lost']} questions without an answer")
    for key, words in (("others", "alone"), ("updates", "while a table loads")):
        if result[key] < REACHED * options.rate:
            faults.append(f"{result[key]:,.0f} UPDATEs a second arrive {words}, not {options.rate:,}")
    if result["loads"] == 0:
        faults.append("no table was loaded meanwhile")
    text = (
        f"At most {result['peak']:,.0f} answers a second by one thread, and half of that is asked. A table of {result['prefixes']:,} prefixes "
        f"flaps by {result['updates']:,.0f} UPDATEs a second ({result['others']:,.0f} before), one of {result['loaded']:,} routes is loaded {result['loads']} times meanwhile; "
        f"martletd has {result['cpu']:.2f} processors then, of {os.cpu_count()} that all share. Milliseconds:\n\n")
    return text + table(["what", "how many", "p50", "p99", "p99.9", "longest", "lost"], rows), faults
