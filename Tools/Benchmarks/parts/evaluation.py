# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""How far from the best site Martlet's answers are, by rule.

The excess of an answer is the round trip from the client's country to the country of the site that
was answered, less that to the nearest of the sites' countries: the mean over clients, a random
address in each of many prefixes. Round trips are those between countries (latency/), clients'
countries those of geo/, which Martlet has, too, as its locations. So the figures favour locations
by country: they are good for comparing rules, not for their decimals.

The real slice is 9,072 prefixes of route-views2 of 2014 and six of its peers; the simulated table is
simrib's, 200,000 prefixes of it. Rules are names of one martletd, asked by pipelined `nearest`.
"""
import bisect
import csv
import gzip
import ipaddress
import os
import random
import socket
import struct
import sys

from parts.programs import ROOT, Missing, say
from parts.results import table, target

sys.path.insert(0, os.path.join(ROOT, "Tools", "tests"))
import harness  # noqa: E402

TITLE = "How good the answers are"

SLICE = ("mrt", "rib", "route-views2.rib.20140523.0600.first-9072.gz")
# Site, country, how the feed's peer is found.
REAL = [("AU", "peer-as: 1221"), ("JP", "peer-as: 2497"), ("ZA", "peer-as: 3741"),
        ("US", "peer-as: 7018"), ("CH", "peer-as: 13030"), ("CA", "peer: 154.11.98.225")]


def simulated(countries):
    return [(country, f"peer: 10.0.0.{number + 1}") for number, country in enumerate(countries.split())]


# The last is AS 20764, a network between Moscow, Helsinki and Stockholm. The middle of Russia lies in
# Siberia, where its networks are not; so it stands at its end in Finland, and the other way beside it.
SIMULATED = simulated("AU JP ZA US SE US AU FI")
IN_SIBERIA = simulated("AU JP ZA US SE US AU RU")

MOVED = ("One site, AS 20764's, stands in Finland, at one end of that network, both for Martlet and for the round"
         " trips that answers are judged by; the middle of Russia, its country, lies in Siberia, far from its"
         " networks, and the next table has the site there.")

# Each rule: what a name says beyond its list of sites.
RULES = {
    "fewest hops, ties spread by the client's hash": "measure: hops, ties: [weight]",
    "fewest hops, ties by the sites' order": "measure: hops, ties: [order]",
    "fewest hops, ties by kilometres": "measure: hops, ties: [location, order]",
    "kilometres alone": "measure: cost, hop-cost: 0",
    "**cost, as it comes** (kilometres + 250 km a hop)": "",
    "kilometres + 500 km a hop": "measure: cost, hop-cost: 10",
    "fewest hops, ties by measured round trip": "measure: hops, ties: [rtt, location, order]",
    "at most one hop more than the fewest, then measured round trip":
        "measure: hops, slack: 1, ties: [rtt, location, order]",
}
DEFAULT = "**cost, as it comes** (kilometres + 250 km a hop)"
SHARES = [0, 0.1, 1]


class Countries:
    """The country of an address, from Tor's range files."""

    def __init__(self, data):
        self.tables = {}
        for version, name in ((4, "tor-geoip.txt.gz"), (6, "tor-geoip6.txt.gz")):
            ranges = []
            with gzip.open(os.path.join(data, "geo", name), "rt") as file:
                for line in file:
                    if line.startswith("#") or not line.strip():
                        continue
                    first, last, country = line.strip().split(",")
                    if version == 6:
                        first, last = int(ipaddress.ip_address(first)), int(ipaddress.ip_address(last))
                    ranges.append((int(first), int(last), country))
            ranges.sort()
            self.tables[version] = ([one[0] for one in ranges], ranges)

    def __getitem__(self, address):
        starts, ranges = self.tables[address.version]
        at = bisect.bisect_right(starts, int(address)) - 1
        if at < 0 or ranges[at][1] < int(address):
            return None
        return ranges[at][2]


def latencies(data):
    """Mean round trip between two countries, both ways round."""
    found = {}
    with gzip.open(os.path.join(data, "latency", "country_rtt_stat.csv.gz"), "rt") as file:
        for row in csv.DictReader(file):
            value = float(row["rtt_avg"])
            found[row["cty1"], row["cty2"]] = value
            found.setdefault((row["cty2"], row["cty1"]), value)
    return found


def slice_prefixes(path):
    with gzip.open(path, "rb") as file:
        data = file.read()
    at = 0
    while at + 12 <= len(data):
        _, kind, subtype, length = struct.unpack_from(">IHHI", data, at)
        at += 12
        if kind == 13 and subtype == 2:
            bits = data[at + 4]
            octets = data[at + 5:at + 5 + (bits + 7) // 8].ljust(4, b"\0")
            yield ipaddress.ip_network((octets, bits))
        at += length


def table_prefixes(data):
    with gzip.open(os.path.join(data, "prefixes", "prefix-origin.derived.txt.gz"), "rt") as file:
        for line in file:
            yield ipaddress.ip_network(line.split()[0])


class Case:
    """Clients whose round trips to all sites are known, and a table."""

    def __init__(self, title, places, path, prefixes, countries, rtt):
        self.title, self.places, self.path = title, places, path
        self.clients, self.truth = [], []
        source = random.Random(20)
        for prefix in prefixes:
            address = prefix[source.randrange(prefix.num_addresses)]
            country = countries[address]
            trips = [rtt.get((country, place)) for place, _ in places]
            if None not in trips:
                self.clients.append((prefix, address))
                self.truth.append(trips)

    def random_site(self):
        """The mean excess of a random site."""
        return sum(sum(trips) / len(trips) - min(trips) for trips in self.truth) / len(self.truth)

    def round_trips(self, share):
        """Lines of a file of round trips, of every so many prefixes."""
        source = random.Random(21)
        for (prefix, _), trips in zip(self.clients, self.truth):
            if source.random() < share:
                for number, trip in enumerate(trips):
                    yield f"{prefix},site{number},{trip:.3f}\n"

    def configuration(self, data, share):
        sites, feeds, names = "", "", []
        for number, (place, peer) in enumerate(self.places):
            names.append(f"site{number}")
            sites += (f"  site{number}: {{ as: {64600 + number}, location: {place},"
                      f" addresses: [192.0.2.{number + 1}, '2001:db8::{number + 1}'] }}\n")
            feeds += f"  feed{number}: {{ site: site{number}, mrt: {{ file: {self.path}, {peer} }} }}\n"
        records = ""
        for number, words in enumerate(RULES.values()):
            rest = f", {words}" if words else ""
            records += f"      rule{number}: {{ nearest: [{', '.join(names)}]{rest} }}\n"
        ranges = [os.path.join(data, "geo", name) for name in ("tor-geoip.txt.gz", "tor-geoip6.txt.gz")]
        return (
            "router: { as: 65000, id: 10.255.0.1 }\n"
            'listen: { console: [{ address: "127.0.0.1:$machine", face: machine }], socket: $socket }\n'
            f"location: {{ ranges: [{', '.join(ranges)}] }}\n"
            + ("round-trips: { files: [$folder/trips.csv] }\n" if share else "")
            + f"sites:\n{sites}feeds:\n{feeds}"
            "zones:\n  example.com:\n    soa: { host: ns.example.com, email: host@example.com }\n"
            f"    ns: [ns.example.com]\n    records:\n      ns: {{ a: 192.0.2.53 }}\n{records}")

    def run(self, data, share):
        """The mean excess of each rule."""
        files = {"trips.csv": "".join(self.round_trips(share))} if share else None
        martlet = harness.Martlet(self.configuration(data, share), files=files, wait=False)
        try:
            martlet.wait_line(r"\bready\b", seconds=600)
            with socket.create_connection(("127.0.0.1", martlet.port("machine"))) as connection:
                connection.settimeout(harness.PATIENCE)
                return {rule: self.excess(connection, f"rule{number}.example.com")
                        for number, rule in enumerate(RULES)}
        finally:
            martlet.stop()

    def excess(self, connection, name):
        total, replies = 0.0, connection.makefile("rb")
        for begin in range(0, len(self.clients), 512):
            clients = self.clients[begin:begin + 512]
            connection.sendall(
                "".join(f"nearest {address} for {name}\n" for _, address in clients).encode())
            for trips in self.truth[begin:begin + 512]:
                words = replies.readline().split()
                if words[:1] != [b"+"] or not words[1].startswith(b"site"):
                    raise RuntimeError(f"not an answer: {words}")
                total += trips[int(words[1][4:])] - min(trips)
        return total / len(self.clients)


def cases(programs, options):
    data = options.data
    path = os.path.join(data, *SLICE)
    if not os.path.exists(path):
        raise Missing(f"there is no {path}")
    countries, rtt = Countries(data), latencies(data)
    yield Case("real slice", REAL, path, slice_prefixes(path), countries, rtt)
    prefixes = random.Random(22).sample(
        list(table_prefixes(data)), 20_000 if options.quick else 200_000)
    yield Case("simulated", SIMULATED, programs.dump(), prefixes, countries, rtt)
    yield Case("simulated, a site in the middle of Russia", IN_SIBERIA, programs.dump(), prefixes,
               countries, rtt)


def measure(programs, options):
    programs.daemon()
    result = []
    for case in cases(programs, options):
        rows = {"a random site": {"0": case.random_site()}}
        for share in SHARES:
            say(f"answers over the {case.title}, {share:.0%} of the round trips observed")
            for rule, excess in case.run(options.data, share).items():
                rows.setdefault(rule, {})[str(share)] = excess
        result.append({"title": case.title, "clients": len(case.clients), "rows": rows})
    return result


def report(result):
    text = ("Milliseconds of round trip above the best site, mean over clients. Round trips are those between"
            " countries, and Martlet is given the clients' countries: compare rules, not decimals.\n\n")
    targets = []
    heads = ["none", "a tenth", "all"]
    for case, limit in zip(result, (27, 12.5, None)):
        text += f"### {case['title'].capitalize()}: {case['clients']:,} clients\n\n"
        if case["title"] == "simulated":
            text += MOVED + "\n\n"
        rows = []
        for rule, excess in case["rows"].items():
            rows.append([rule, *(f"{excess[str(share)]:.1f}" if str(share) in excess else ""
                                 for share in SHARES)])
        text += table(["rule, by share of prefixes whose round trips were observed", *heads], rows) + "\n"
        if limit is None:
            continue
        default = case["rows"][DEFAULT]
        targets.append(target(
            f"mean excess round trip, {case['title']}, `cost` as it comes", f"≤ {limit} ms", limit, default["0"]))
        targets.append(target(
            f"the same with a tenth of the round trips observed, {case['title']}", "less",
            default["0"] * 0.9999, default["0.1"]))
    return targets, text
