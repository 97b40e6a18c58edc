# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Under full load, eight full tables that flap, the RPKI changes: one payload that makes a route
invalid, and 100,000 at once. Answers change within a second of the one, within five of the many, and nothing
else waits."""
import ipaddress
import json
import random
import socket
import statistics
import struct
import sys
import threading
import time

import harness
from trials import feeder, routers, rtr
from trials.report import say, table

FEEDS = 8
PAYLOADS, CHANGED = 500_000, 100_000
WITHIN = 1.0           # seconds until answers change after a single payload
WITHIN_MANY = 5.0      # after all of them: about two million routes are judged again, beside 30,000 UPDATEs a second
STEP = 5.0             # milliseconds of processor time in one go
ADDRESS = "127.0.0.99"
OWN, OTHER = ipaddress.ip_network("198.51.100.0/24"), ipaddress.ip_network("203.0.113.0/24")
ORIGIN = 64999


def update(network, path):
    """An UPDATE of an IPv4 prefix to an internal peer; without a path its withdrawal."""
    prefix = bytes([network.prefixlen]) + network.network_address.packed[:3]
    if path is None:
        return routers.message(2, struct.pack(">H", len(prefix)) + prefix + bytes(2))
    segments = bytes([2, len(path)]) + struct.pack(f">{len(path)}I", *path)
    attributes = (
        b"\x40\x01\x01\0" + bytes([0x40, 2, len(segments)]) + segments
        + b"\x40\x03\x04\xc0\0\2\1" + b"\x40\x05\x04\0\0\0\x64")
    return routers.message(2, bytes(2) + struct.pack(">H", len(attributes)) + attributes + prefix)


def waited(ask, seconds=20):
    """Seconds until the answer is true."""
    began = time.monotonic()
    while not ask():
        if time.monotonic() - began > seconds:
            raise AssertionError(f"no change of the answer in {seconds} s")
        time.sleep(0.0005)
    return time.monotonic() - began


class Answers:
    """What the console and DNS say of an address."""

    def __init__(self, martlet, address):
        self.console, self.address = martlet.machine(), address
        self.dns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.dns.settimeout(5)
        self.dns.connect(("127.0.0.1", martlet.port("dns")))
        self.query = (
            b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\3www\7example\3com\0\0\1\0\1"
            b"\0\0\x29\x04\xd0\0\0\0\0\0\x0b\0\x08\0\x07\0\x01\x18\0"
            + ipaddress.ip_address(address).packed[:3])

    def is_near(self):
        """Whether the probe's site is the nearest."""
        return self.console.ask(f"nearest {self.address} for www.example.com").startswith("probe ")

    def is_near_by_dns(self):
        self.dns.send(self.query)
        return socket.inet_aton("192.0.2.250") in self.dns.recv(4096)

    def close(self):
        self.console.close()
        self.dns.close()


class Latency(threading.Thread):
    """Announces and withdraws a prefix, over and over: how long until the answer is another."""

    def __init__(self, probe, martlet):
        super().__init__(daemon=True)
        self.probe, self.answers = probe, Answers(martlet, "203.0.113.1")
        self.times, self.failure = [], None
        self.over = threading.Event()

    def run(self):
        try:
            is_there = False
            while not self.over.wait(0.02):
                is_there = not is_there
                self.probe.send(update(OTHER, [ORIGIN] if is_there else None))
                self.times.append((
                    time.monotonic(), waited(lambda: self.answers.is_near() == is_there)))
        except (AssertionError, OSError) as error:
            self.failure = error

    def between(self, began, ended):
        return [seconds for when, seconds in self.times if began <= when <= ended]

    def stop(self):
        self.over.set()
        self.join()
        self.answers.close()
        if self.failure:
            raise self.failure


def changes(some):
    """The bytes in which a cache says (payload, announced or not)."""
    return b"".join(rtr.prefix(*one) for one in some)


def steps(console):
    """Milliseconds of the longest step of each kind so far."""
    memory = json.loads(console.ask("show memory --json"))
    return {
        key.removeprefix("longest_"): value / 1000 for key, value in memory.items()
        if key.startswith("longest_")}


def measure(options):
    sys.setswitchinterval(0.0005)
    networks = feeder.prefixes(options, options.every)
    places = feeder.written(networks, f"{options.work}/prefixes")
    cache = rtr.Cache([])
    martlet = harness.Martlet(
        feeder.configuration(
            FEEDS, f"rpki: {{ caches: [ {{ address: 127.0.0.1, port: {cache.port} }} ] }}\n"
            "ready: { wait: 0s }\n",
            f"  probe: {{ site: probe, bgp: {{ peer: {ADDRESS}, as: {feeder.AS}, connect: passive }} }}\n",
            "  probe: { as: 64650, addresses: [192.0.2.250] }\n"))
    flapping = probe = latency = None
    try:
        flapping = feeder.Feeder(
            feeder.built(options.work), places, FEEDS, options.seed, martlet.port("bgp"), options.rate, 0)
        say("the routers send their tables, and the cache its payloads")
        flapping.up()
        payloads = []
        for line in flapping.lines("origins", martlet.folder):
            prefix, origin = line.split()
            network = ipaddress.ip_network(prefix)
            payloads.append((network, network.prefixlen, int(origin)))
        random.Random(options.seed).shuffle(payloads)
        payloads = payloads[:PAYLOADS // options.every]
        own = (OWN, 24, ORIGIN)
        everything = changes((one, 1) for one in [*payloads, own])
        cache.publish(everything, everything)
        probe = routers.Router(
            routers.Table(
                update(OWN, [ORIGIN]) + routers.message(2, bytes(4))
                + routers.message(2, bytes.fromhex("00000006800f03000201")), 1, 0),
            martlet.port("bgp"), ADDRESS)
        probe.start()
        routers.wait_sent([probe])
        console = martlet.machine()
        harness.eventually(
            "the payloads", lambda: f"ipv4={sum(one[0].version == 4 for one in payloads) + 1}" in console.ask(
                "show rpki")[0], 120)
        feeder.settled(console)
        flapping.flap(steadily=True)
        latency = Latency(probe, martlet)
        latency.start()
        return run(options, martlet, console, cache, payloads, own, latency, flapping)
    finally:
        if latency:
            latency.over.set()
        if probe:
            probe.end()
        if flapping:
            flapping.stop()
        martlet.stop()
        cache.stop()


def run(options, martlet, console, cache, payloads, own, latency, flapping):
    answers = Answers(martlet, "198.51.100.7")
    waited(answers.is_near)
    time.sleep(10)
    usual_end = time.monotonic()
    at_first = steps(console)

    def change(bytes_of_it):
        """Publishes; seconds until the console's and the DNS' answer follow."""
        wanted = not answers.is_near()
        cache.publish(bytes_of_it)
        by_console = waited(lambda: answers.is_near() == wanted)
        return by_console, by_console + waited(lambda: answers.is_near_by_dns() == wanted)

    wrong = (OWN, 24, ORIGIN + 1)
    single = []
    say("single payloads change")
    for _ in range(10):
        for one in ([(own, 0), (wrong, 1)], [(wrong, 0), (own, 1)]):
            single.append(change(changes(one)))
            time.sleep(0.1)
    after_single, single_end = steps(console), time.monotonic()
    chosen = payloads[:CHANGED // options.every]
    away = [((network, longest, origin), 0) for network, longest, origin in chosen]
    hijacked = [((network, longest, origin + 1), 1) for network, longest, origin in chosen]
    forth = [*away, *hijacked, (own, 0), (wrong, 1)]
    back = changes((one, 1 - announced) for one, announced in forth)
    forth = changes(forth)
    witness = max((one[0] for one in chosen if one[0].version == 6), key=lambda one: one.network_address)
    many, whole, spans, cpu = [], [], [], []
    say(f"{len(chosen)} payloads change at once")
    for _ in range(3):
        for one, state in ((forth, "invalid"), (back, "valid")):
            spent, began = feeder.cpu(martlet.child.pid), time.monotonic()
            many.append(change(one))
            # The last of the changed prefixes, in the order of addresses, has been judged anew.
            waited(lambda: validation(console, witness) in (state, None))
            whole.append(time.monotonic() - began)
            time.sleep(2)
            spans.append((began, time.monotonic()))
            cpu.append(feeder.cpu(martlet.child.pid) - spent)
    at_last = steps(console)
    counts = flapping.counts()
    latency.stop()
    answers.close()
    usual = latency.between(usual_end - 10, usual_end)
    during = [one for span in spans for one in latency.between(*span)]
    return {
        "payloads": len(payloads), "changed": len(chosen), "single": single, "many": many,
        "whole": whole, "usual": usual, "with_single": latency.between(usual_end, single_end),
        "during": during, "cpu": cpu, "at_first": at_first, "after_single": after_single,
        "at_last": at_last, "rate": sum(
            one["updates"] / one["seconds_up"] for one in counts["feeds"] if one["seconds_up"])}


def validation(console, network):
    """The state of the first route at exactly this prefix; None where a flap has taken all."""
    reply = console.ask(f"show ip bgp {network} --json")
    if isinstance(reply, harness.Refused):
        return None
    return json.loads(reply)["paths"][0]["validation"]


def spread(seconds):
    ordered = sorted(1000 * one for one in seconds)
    return [statistics.median(ordered), ordered[int(len(ordered) * 0.99)], ordered[-1], len(ordered)]


def report(result, options):
    faults = []
    rows = []
    for words, found, limit in (
            ("one payload", result["single"], WITHIN),
            (f"{result['changed']:,} payloads", result["many"], WITHIN_MANY)):
        for place, seconds in (
                ("console", [one[0] for one in found]), ("DNS", [one[1] for one in found])):
            rows.append([words, place, *spread(seconds)])
            if max(seconds) > limit:
                faults.append(f"{words}: {max(seconds):.2f} s until the {place}'s answer changed")
    text = (
        f"{FEEDS} feeds flap, {result['rate']:,.0f} UPDATEs a second in all; {result['payloads']:,} payloads. Milliseconds from a "
        "cache's notification until the answer is another:\n\n")
    text += table(["change", "answer of", "median", "p99", "most", "changes"], rows)
    text += (
        f"\nAll routes under {result['changed']:,} payloads were judged again after {max(result['whole']):.2f} s at most, for "
        f"{statistics.median(result['cpu']):.1f} s CPU of martletd, flapping included, until two seconds after.\n\n"
        "Another feed's UPDATE meanwhile, milliseconds until the console's answer is another:\n\n")
    text += table(["", "median", "p99", "most", "UPDATEs"], [
        ["without a change", *spread(result["usual"])],
        ["with single changes", *spread(result["with_single"])],
        [f"with {result['changed']:,} changes", *spread(result["during"])]])
    text += "\nThe writer's longest step so far, milliseconds of its processor time:\n\n"
    kinds = list(result["at_first"])
    text += table(["", *kinds], [
        [words, *(result[key][kind] for kind in kinds)]
        for words, key in (("before", "at_first"), ("after single changes", "after_single"),
                           ("after all", "at_last"))])
    for kind in kinds:
        if result["at_last"][kind] > max(STEP, result["at_first"][kind]):
            faults.append(f"a step of {kind} took {result['at_last'][kind]:.1f} ms")
    return text, faults
