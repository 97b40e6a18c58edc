# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Zones made at random, within each other, answered by Martlet, NSD, Knot and BIND."""
import collections
import os
import random
import shutil
import tempfile
import unittest

import dnswire
import test_zones
from harness import Martlet, TestCase

# How many trees of zones, each below a name of its own.
TREES = 60
TYPES = ["A", "AAAA", "TXT", "MX", "NS", "CNAME", "DNAME", "SRV", "DS"]


def is_inside(name, apex):
    return name == apex or name.endswith("." + apex)


class Tree:
    """A zone, perhaps with others below it, with few different labels: names meet often."""

    def __init__(self, top, source):
        self.top, self.source = top, source
        self.apexes = [top]
        while source.random() < 0.4 and len(self.apexes) < 3:
            labels = [source.choice("abc") for _ in range(source.randrange(1, 3))]
            apex = ".".join(labels + [source.choice(self.apexes)])
            if apex not in self.apexes:
                self.apexes.append(apex)
        # {apex: {owner: {type: [data, ...]}}}
        self.zones = {apex: self.make(apex) for apex in self.apexes}
        self.let_nothing_be_below_redirections()

    def name(self, apex, depth=3):
        labels = [self.source.choice("abcab*") for _ in range(self.source.randrange(1, depth + 1))]
        return ".".join(labels + [apex])

    def target(self, apex):
        chance = self.source.random()
        if chance < 0.1:
            return "www.example.net."
        return (apex if chance < 0.15 else self.name(self.top if chance < 0.25 else apex)) + "."

    def data(self, kind, apex):
        number = self.source.randrange(1, 250)
        return {
            "A": f"192.0.2.{number}", "AAAA": f"2001:db8::{number}", "TXT": f"t{number}",
            "DS": f"{number} 8 2 " + "cd" * 32}.get(kind) or {
                "MX": "10 ", "SRV": "0 5 53 "}.get(kind, "") + self.target(apex)

    def make(self, apex):
        records = collections.defaultdict(dict)
        records[apex] = {
            "SOA": [f"ns.{apex}. h.{apex}. 1 3600 600 86400 {self.source.choice([60, 900])}"],
            "NS": [f"ns.{apex}."]}
        records[f"ns.{apex}"] = {"A": ["192.0.2.1"]}
        for below in self.apexes:
            if below != apex and is_inside(below, apex):
                records[below] = {"NS": [f"ns.{below}."]}
                records[f"ns.{below}"] = {"A": ["192.0.2.7"]}
                if self.source.random() < 0.5:
                    records[below]["DS"] = ["1 8 2 " + "ab" * 32]
        for _ in range(self.source.randrange(3, 14)):
            owner, kind = self.name(apex), self.source.choice(TYPES)
            here = records.get(owner, {})
            data = self.data(kind, apex)
            alone = {"CNAME", "DNAME", "NS"}
            if kind in ("NS", "DNAME", "DS") and owner.startswith("*"):
                continue
            # Servers differ in what they make of a name server's alias, and of a name that grows.
            if kind == "NS" and "*" in data or kind == "DNAME" and is_inside(data, owner + "."):
                continue
            if kind == "DS":
                if "NS" not in here:
                    continue
            elif here.keys() & alone or here and kind in alone:
                continue
            records[owner].setdefault(kind, []).append(data)
        aliases = {owner + "." for owner, sets in records.items() if "CNAME" in sets}
        for owner, sets in records.items():
            if "NS" in sets:
                sets["NS"] = [name for name in sets["NS"] if name not in aliases] or [f"ns.{apex}."]
        return records

    def let_nothing_be_below_redirections(self):
        for zone in self.zones.values():
            for owner in [owner for owner, sets in zone.items() if "DNAME" in sets]:
                below = [name for name in [*zone, *self.apexes] if name != owner]
                if any(is_inside(name, owner) for name in below):
                    del zone[owner]

    def zone_of(self, name):
        return max((apex for apex in self.apexes if is_inside(name, apex)), key=len, default=None)

    def questions(self):
        names = {self.name(self.top, 4) for _ in range(6)}
        for zone in self.zones.values():
            for owner in zone:
                labels = owner.split(".")
                names |= {".".join(labels[cut:]) for cut in range(len(labels) - 1)} | {"x." + owner}
        for name in sorted(name for name in names if is_inside(name, self.top)):
            for kind in ["A", "DS", *self.source.sample(TYPES, 3)]:
                yield name, kind


class RandomAgreementTests(TestCase):
    def test_martlet_answers_as_one_of_three(self):
        seed = random.randrange(1 << 32)
        source = random.Random(seed)
        folder = tempfile.mkdtemp(prefix="martlet-random-")
        self.addCleanup(shutil.rmtree, folder, True)
        zones = os.path.join(folder, "zones")
        os.mkdir(zones)
        trees = [Tree(f"f{number}.test", source) for number in range(TREES)]
        files = {"example.test": "@ 300 SOA ns h 1 2 3 4 5\n@ 300 NS ns\nns 300 A 192.0.2.1\n"}
        for tree in trees:
            for apex, records in tree.zones.items():
                files[apex] = "".join(
                    f"{owner}. 300 {kind} {data}\n"
                    for owner, sets in records.items() for kind, list in sets.items() for data in list)
        for apex, text in files.items():
            with open(os.path.join(zones, apex + ".zone"), "w") as file:
                file.write(text)
        martlet = Martlet(
            "listen:\n  socket: $socket\n  dns: [\"127.0.0.1:$dns\"]\ndns: { rate-limit: off }\n"
            "sites:\n  near: { as: 64600, addresses: [192.0.2.10] }\nzones:\n"
            + "".join(f"  {apex}: {{ file: {zones}/{apex}.zone }}\n" for apex in files))
        self.addCleanup(martlet.stop)
        others = {}
        for name in ("NSD", "Knot", "BIND"):
            own = os.path.join(folder, name)
            os.mkdir(own)
            others[name] = test_zones.SERVERS[name](own, zones)
            self.addCleanup(others[name].stop)
        asked, differences = 0, []
        for tree in trees:
            for name, kind in tree.questions():
                ours = dnswire.ask(martlet.port("dns"), name, kind)
                self.assertNotEqual(ours.code, 2, f"{name} {kind}: the zone isn't served, seed {seed}")
                asked += 1
                # Whether to go on in another zone is each server's own matter.
                ends = [data.decode().rstrip(".") for _, type, _, data in ours.answer if type == 5]
                if ends and tree.zone_of(ends[-1]) != tree.zone_of(name):
                    continue
                found = {}
                for server, other in others.items():
                    theirs = dnswire.ask(other.port, name, kind)
                    found[server] = test_zones.difference(ours, theirs, server, files)
                    if found[server] is None:
                        break
                else:
                    differences.append(f"{name} {kind}: {found}\n  Martlet {ours}")
        self.assertGreater(asked, 3000)
        self.assertEqual(
            differences[:3], [], f"{len(differences)} of {asked} are as nobody's, seed {seed}")


if __name__ == "__main__":
    unittest.main()
