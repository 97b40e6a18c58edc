# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Eight routers with full tables flap at random, 5,000 UPDATEs a second each; sessions are lost and
come back. At the end Martlet has what they have, prefix by prefix and address by address, and no
more memory than at the beginning."""
import ipaddress
import json
import os
import random
import statistics
import time

import harness
import loopback
from trials import capture, feeder, messages
from trials.report import Failed, say, table

FEEDS = 8
ADDRESSES = 10_000

# How much more may be held in the last minutes than in those after the first. The tables are in a steady state
# from the start: as many routes and attributes as flapping for ever would leave. Beside that there are
# parts that come and go, which are told of, but not judged: what was withdrawn within the guard's minute,
# images that are being built, the queue, and the index of classes, which is of twice the size until the next
# image. So the table's other parts may move by little, and the least that was resident, which has the fewest
# of those, by what an allocator keeps in pieces. A leak of eight bytes an UPDATE would be 190 MB in ten minutes.
COMING_AND_GOING = ["withdrawals", "building", "retired", "queue", "classes", "scopes"]
LASTING_GROWTH, RESIDENT_GROWTH = 0.02, 0.05


def measure(options):
    networks = feeder.prefixes(options, options.every)
    places = feeder.written(networks, os.path.join(options.work, "prefixes"))
    path = os.path.join(options.work, "flaps.pcap")
    martlet = harness.Martlet(feeder.configuration(FEEDS) + "ready: { wait: 0s }\n")
    routers = taken = None
    try:
        if loopback.is_allowed():
            taken = capture.Capture(path, martlet.port("bgp"))
        else:
            say("no packets are captured, which needs CAP_NET_RAW: what was sent goes unchecked")
        routers = feeder.Feeder(
            feeder.built(options.work), places, FEEDS, options.seed, martlet.port("bgp"), options.rate,
            options.losses)
        result = run(options, martlet, routers)
    finally:
        if routers:
            routers.stop()
        martlet.stop()
        if taken:
            taken.stop()
    result["prefixes"] = len(networks)
    if taken:
        result["announced"] = messages.announced(path)
    return result


def run(options, martlet, routers):
    console = martlet.machine()
    pid = martlet.child.pid
    say(f"{FEEDS} routers send their tables (seed {options.seed})")
    routers.up()
    feeder.settled(console)
    began, before = time.monotonic(), routers.counts()
    spent = feeder.cpu(pid)
    watched = martlet.machine()
    source = random.Random(options.seed)

    def sample():
        memory = json.loads(watched.ask("show memory --json"))
        counts = routers.counts()
        # Now and then a router is asked for all of its routes again.
        if source.randrange(6) == 0:
            martlet.console(f"clear feed feed{source.randrange(FEEDS)} soft")
        parts = {part["part"]: part["bytes"] for part in memory["memory"]}
        return {
            "at": time.monotonic() - began, "resident": feeder.resident(pid),
            "table": parts["table"] / 2**20, "parts": parts, "routes": memory["routes"],
            "sets": memory["attribute_sets"], "classes": memory["classes"],
            "away": sum(not feed["is_up"] for feed in counts["feeds"])}

    routers.flap()
    say(f"they flap for {options.seconds} s, {options.rate} UPDATEs a second each")
    sampler = feeder.Sampler(sample, 2)
    time.sleep(options.seconds)
    samples = sampler.stop()
    seconds = time.monotonic() - began
    after, spent = routers.counts(), feeder.cpu(pid) - spent
    routers.calm()
    say("calm: comparing")
    # The first connection has been idle for longer than one may be.
    console = martlet.machine()
    memory = feeder.settled(console)
    compared = compare(martlet, routers, console)
    looked_up = look_up(console, compared.pop("tables"), options.seed)
    return {
        "seconds": seconds, "before": before, "after": after, "cpu": spent, "samples": samples,
        "memory": memory, "compared": compared, "looked_up": looked_up, "end": routers.counts(),
        "feeds": console.ask("show feeds")}


def compare(martlet, routers, console):
    """`show routes`, line by line, beside the reference."""
    tables, count = {4: {}, 6: {}}, 0
    console.socket.settimeout(300)
    console.send("show routes")
    first = console.line()
    if not first.startswith("*"):
        raise Failed(f"show routes says {first!r}")
    text, place, key, distances = console.file, None, None, None
    for wanted in routers.lines("reference", martlet.folder):
        shown = text.readline().decode()
        # But for its age, and what rules make of a route: nothing here.
        head, _, rest = shown.partition(" since=")
        said, _, judged = rest.partition(" penalty=0 ")
        if (f"{head} {said.partition(' ')[2]}" != wanted.rstrip("\n")
                or not judged.startswith("set_distance=- ignored=no validation=- tags=-")):
            raise Failed(f"show routes differs from the reference after {count} routes: {shown!r}, not {wanted!r}")
        count += 1
        prefix, site, _, distance, _ = wanted.split(" ", 4)
        if prefix != place:
            place, network = prefix, ipaddress.ip_network(prefix)
            distances = [None] * FEEDS
            tables[network.version][int(network.network_address), network.prefixlen] = distances
        distances[int(site.removeprefix("site=site"))] = int(distance.removeprefix("distance="))
    end = text.readline().decode().strip()
    if end != ".":
        raise Failed(f"show routes has more than the reference: {end!r}")
    return {"routes": count, "tables": tables}


def look_up(console, tables, seed):
    """Random addresses, half of them under announced prefixes: the whole ranking."""
    source = random.Random(seed)
    announced = {version: sorted(table) for version, table in tables.items()}
    addresses = []
    for number in range(ADDRESSES):
        version = 6 if number % 4 == 3 else 4
        width = 32 if version == 4 else 128
        address = source.getrandbits(width) if version == 4 else 0x2 << 124 | source.getrandbits(124)
        if number % 2:
            network, length = source.choice(announced[version])
            address = network | source.getrandbits(width) >> length if length < width else network
        addresses.append((version, address))
    known = 0
    for start in range(0, len(addresses), 100):
        batch = addresses[start:start + 100]
        texts = [
            str(ipaddress.IPv4Address(address) if version == 4 else ipaddress.IPv6Address(address))
            for version, address in batch]
        console.send(*(f"rank {text} for www.example.com" for text in texts))
        for (version, address), text in zip(batch, texts):
            distances = nearest(tables[version], address, 32 if version == 4 else 128)
            known += any(distance is not None for distance in distances)
            # Sites with a route first, then by hops, then as they are listed.
            order = sorted(
                range(FEEDS), key=lambda site: (
                    distances[site] is None, distances[site] or 0, site))
            wanted = [(f"site{site}", str(distances[site] or "-")) for site in order]
            got = [(line.split()[1], line.split()[2].removeprefix("distance="))
                   for line in console.reply()]
            if got != wanted:
                raise Failed(f"rank {text}: {got}, not {wanted} (seed {seed})")
    return {"addresses": len(addresses), "known": known}


def nearest(announced, address, width):
    """Each site's distance, at the longest prefix that the site has."""
    distances = [None] * FEEDS
    for length in range(width, -1, -1):
        found = announced.get((address >> (width - length) << (width - length), length))
        if found:
            distances = [mine if mine is not None else one for mine, one in zip(distances, found)]
    return distances


def lasting(sample):
    """MiB of the table's parts that are there all the time."""
    return sample["table"] - sum(sample["parts"].get(part, 0) for part in COMING_AND_GOING) / 2**20


def report(result, options):
    """The page's text, and what is wrong."""
    seconds, faults = result["seconds"], []
    rows, total, up_total = [], 0, 0
    for number, (before, after, end) in enumerate(zip(
            result["before"]["feeds"], result["after"]["feeds"], result["end"]["feeds"])):
        updates = after["updates"] - before["updates"]
        up = after["seconds_up"] - before["seconds_up"]
        total, up_total = total + updates, up_total + up
        lost = ", ".join(f"{count} {how}" for how, count in after["losses"].items() if count)
        rows.append([
            f"feed{number}", updates, updates / up if up else 0, after["missed"], lost or "none",
            after["refreshes"], end["received"]["ends_of_rib"], end["received"]["keepalives"]])
        if end["failure"] or end["received"]["other_updates"]:
            faults.append(f"feed{number}: {end['failure'] or 'an UPDATE came'}")
        if up and updates / up < options.rate * 0.95:
            faults.append(f"feed{number}: {updates / up:.0f} UPDATEs a second, not {options.rate}")
    if result["memory"]["refused"]:
        faults.append(f"{result['memory']['refused']} announcements were refused")
    ours = result["after"]["cpu"] - result["before"]["cpu"]
    transferred = sum(
        after["transferred"] - before["transferred"]
        for before, after in zip(result["before"]["feeds"], result["after"]["feeds"]))
    text = (
        f"{result['prefixes']:,} real prefixes of both families, {seconds:.0f} s: {total:,} UPDATEs of flapping, "
        f"{total / seconds:,.0f} a second over all, {total / up_total if up_total else 0:,.0f} a feed and second that it is up, "
        f"and {transferred:,} in tables sent anew. CPU: martletd {result['cpu']:.1f} s "
        f"({100 * result['cpu'] / seconds:.0f} % of a processor), the routers {ours:.1f} s.\n\n")
    text += table(
        ["feed", "UPDATEs", "a second", "left out", "sessions lost", "refreshes", "End-of-RIBs we sent",
         "KEEPALIVEs"], rows)
    text += (
        f"\nEqual to the reference at the end: {result['compared']['routes']:,} routes of `show routes` with all "
        f"their attributes, the whole ranking of {result['looked_up']['addresses']:,} random addresses "
        f"({result['looked_up']['known']:,} with a route).\n\n")
    span = min(120, seconds / 4)
    early = [one for one in result["samples"] if span / 2 <= one["at"] < 1.5 * span]
    late = [one for one in result["samples"] if one["at"] >= seconds - span]
    rows = []
    for words, value, fold, growth in [
            ("resident, MiB, the least", lambda one: one["resident"], min, RESIDENT_GROWTH),
            ("the table's lasting parts, MiB", lasting, statistics.median, LASTING_GROWTH),
            ("what comes and goes, MiB", lambda one: one["table"] - lasting(one), statistics.median, None),
            ("routes", lambda one: one["routes"], statistics.median, None),
            ("attribute sets", lambda one: one["sets"], statistics.median, None),
            ("classes", lambda one: one["classes"], statistics.median, None)]:
        first, last = fold(map(value, early)), fold(map(value, late))
        rows.append([
            words, first, last, f"{100 * (last / first - 1):+.1f} %", f"{100 * growth:.0f} %" if growth else "",
            max(map(value, result["samples"]))])
        # Sooner the guard's minute isn't full.
        if growth and seconds >= 300 and last > first * (1 + growth):
            faults.append(f"{words}: {first:.1f} in the first minutes, {last:.1f} in the last")
    text += (f"From second {span / 2:.0f} to {1.5 * span:.0f} ({len(early)} samples), and in the last "
             f"{span:.0f} s ({len(late)}); medians where nothing else is said:\n\n")
    text += table(["", "early", "late", "growth", "at most", "most ever"], rows)
    if "announced" in result:
        connections, size, counts = result["announced"]
        text += (f"\nThe capture: {connections} connections, {size:,} bytes from us, all of them messages: "
                 + ", ".join(f"{count:,} {name}" for name, count in counts.items()) + ".\n")
    return text, faults
