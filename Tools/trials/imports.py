# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""`martlet import mrt` of whole tables: what it costs, and that every address gets the order of sites
that bgpdump's reading of the same file gives it."""
import ipaddress
import os
import random
import subprocess
import tempfile
import time

import harness
from trials.report import Failed, Left, say, table

ADDRESSES = 10_000
# Files and the peers in them that are the sites.
REAL = {
    "rrc00.bview.20000111.0032.as-tdv2.gz": [
        "206.251.0.85", "204.152.166.29", "195.211.222.11", "193.0.0.56", "195.211.222.254",
        "195.8.100.22"],
    "rrc06.bview.20100701.0759.as-tdv2.gz": ["202.249.2.20", "202.249.2.169"],
    "route-views2.rib.20140523.0600.first-9072.gz": [
        "203.62.252.186", "202.232.0.3", "168.209.255.23", "12.0.1.63", "213.144.128.203",
        "68.67.63.245", "80.91.255.62", "195.22.216.188"],
    "route-views6.rib.20151101.0600.first-6870.gz": [
        "2001:668:0:4::2", "2c0f:feb0:0:1::8", "2001:1890:111d:1::63"],
}


def hops(path):
    """A set is one hop, what is of a confederation none."""
    count, depth = 0, 0
    for word in path.split():
        if word[0] in "([":
            depth += 1
        elif depth == 0:
            count += 1
        if word[-1] in ")]":
            depth -= 1
    return count


def read(path, peers):
    """{version: {(network, length): [hops at each site]}}, as bgpdump reads the file."""
    numbers = {peer: number for number, peer in enumerate(peers)}
    tables = {4: {}, 6: {}}
    with subprocess.Popen(
            [harness.peer("bgpdump"), "-m", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, bufsize=1 << 20) as dumped:
        place, distances = None, None
        for line in dumped.stdout:
            _, _, _, peer, _, prefix, path_text, _ = line.split("|", 7)
            number = numbers.get(peer)
            if number is None:
                continue
            if prefix != place:
                place, network = prefix, ipaddress.ip_network(prefix)
                distances = tables[network.version].setdefault(
                    (int(network.network_address), network.prefixlen), [None] * len(peers))
            distances[number] = hops(path_text)
    # A default route says that a site has a way out, not that anything is near: it doesn't count.
    for one in tables.values():
        one.pop((0, 0), None)
    return tables


def route_map(path):
    """{version: {(network, length): [AS, ...]}}"""
    tables = {4: {}, 6: {}}
    with open(path) as file:
        for line in file:
            if line.startswith("#") or not line.strip():
                continue
            prefix, *numbers = line.split()
            network = ipaddress.ip_network(prefix)
            tables[network.version][int(network.network_address), network.prefixlen] = numbers
    return tables


def check(tables, made, sites, seed):
    """Random addresses, half of them under announced prefixes. Returns how many have a route."""
    source = random.Random(seed)
    families = [version for version in (4, 6) if tables[version]]
    announced = {version: sorted(tables[version]) for version in families}
    known = 0
    for index in range(ADDRESSES):
        version = families[index // 2 % len(families)]
        width = 32 if version == 4 else 128
        address = source.getrandbits(width) if version == 4 else 0x2 << 124 | source.getrandbits(124)
        if index % 2:
            network, length = source.choice(announced[version])
            address = network | (source.getrandbits(width) >> length if length < width else 0)
        distances, got = [None] * sites, None
        for length in range(width, -1, -1):
            place = address >> (width - length) << (width - length), length
            found = tables[version].get(place)
            if found:
                distances = [mine if mine is not None else one for mine, one in zip(distances, found)]
            if got is None:
                got = made[version].get(place)
        order = sorted(
            (distance, site) for site, distance in enumerate(distances) if distance is not None)
        wanted = [str(64600 + site) for _, site in order]
        if (got or []) != wanted:
            text = ipaddress.IPv4Address(address) if version == 4 else ipaddress.IPv6Address(address)
            raise Failed(f"{text}: {got}, not {wanted} (seed {seed})")
        known += bool(wanted)
    return known


def imported(path, peers, options):
    say(f"importing {os.path.basename(path)}, {len(peers)} sites")
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        out = os.path.join(folder, "nearest.routes")
        sources = [f"site{number}={64600 + number}:{path},{peer}" for number, peer in enumerate(peers)]
        began = time.monotonic()
        child = subprocess.Popen(
            [harness.program("martlet"), "import", "mrt", *sources, "-o", out],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        peak, ended = 0, 0
        while not ended:
            # The kernel's count for children begins with what this process holds.
            peak = max(peak, most_held(child.pid))
            time.sleep(0.01)
            ended, status, usage = os.wait4(child.pid, os.WNOHANG)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - began
        if child.returncode:
            raise Failed(f"martlet import of {path} ends with status {child.returncode}")
        made = route_map(out)
    tables = read(path, peers)
    known = check(tables, made, len(peers), options.seed)
    return {
        "file": os.path.basename(path), "sites": len(peers), "known": known,
        "prefixes": sum(map(len, tables.values())),
        "routes": sum(
            distance is not None for one in tables.values() for distances in one.values()
            for distance in distances),
        "lines": sum(map(len, made.values())), "cpu": usage.ru_utime + usage.ru_stime, "wall": wall,
        "peak": peak / 1024}


def most_held(pid):
    """The most KiB that a process has held; 0 at its very end."""
    with open(f"/proc/{pid}/status") as file:
        return next((int(line.split()[1]) for line in file if line.startswith("VmHWM")), 0)


def measure(options):
    harness.peer("bgpdump")
    simulated = options.dump or os.path.join(options.work, "sim8.mrt")
    files = []
    if os.path.exists(simulated):
        files.append((simulated, [f"10.0.0.{number}" for number in range(1, 9)]))
    else:
        say(f"there is no {simulated} (--dump names it): only real tables are imported")
    folder = os.path.join(harness.DATA, "mrt", "rib")
    files += [
        (os.path.join(folder, name), peers) for name, peers in REAL.items()
        if os.path.exists(os.path.join(folder, name))]
    if not files:
        raise Left("there are no tables; MARTLET_DATA names the folder of routing data")
    return {"files": [imported(path, peers, options) for path, peers in files]}


def report(result, options):
    rows = [
        [one["file"], one["sites"], one["prefixes"], one["routes"], one["lines"], one["cpu"], one["wall"],
         one["peak"], one["known"]] for one in result["files"]]
    return table(
        ["file", "sites", "prefixes", "routes", "lines of the map", "CPU, s", "wall, s", "peak, MiB",
         "addresses with a route"], rows) + (
        f"\nEach address of {ADDRESSES:,} has the order of sites that bgpdump's reading gives it.\n"), []
