# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Zones made at random, within each other, answered by Martlet, NSD, Knot and BIND; and `nearest` names
anywhere in them."""
import collections
import ipaddress
import os
import random
import shutil
import socket
import struct
import tempfile
import unittest

import dnswire
import test_zones
from dns_packets import opt, option, query
from harness import PATIENCE, Martlet, TestCase

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


def zone_text(records):
    return "".join(
        f"{owner}. 300 {kind} {data}\n"
        for owner, sets in records.items() for kind, all_data in sets.items() for data in all_data)


def subnet(network):
    """An EDNS Client Subnet option."""
    family = 1 if network.version == 4 else 2
    address = network.network_address.packed[:(network.prefixlen + 7) // 8]
    return option(8, struct.pack(">HBB", family, network.prefixlen, 0) + address)


class RandomAgreementTests(TestCase):
    def test_martlet_answers_as_one_of_three(self):
        # The same zones each time: some that are rare have three servers with limits of their own, which
        # would be held against a fourth. MARTLET_SEED has others made.
        seed = int(os.environ.get("MARTLET_SEED", "1"))
        source = random.Random(seed)
        folder = tempfile.mkdtemp(prefix="martlet-random-")
        self.addCleanup(shutil.rmtree, folder, True)
        zones = os.path.join(folder, "zones")
        os.mkdir(zones)
        trees = [Tree(f"f{number}.test", source) for number in range(TREES)]
        files = {"example.test": "@ 300 SOA ns h 1 2 3 4 5\n@ 300 NS ns\nns 300 A 192.0.2.1\n"}
        for tree in trees:
            for apex, records in tree.zones.items():
                files[apex] = zone_text(records)
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
                # Whether to go on in another zone is each server's own matter, and how long to follow
                # aliases that grow: until the answer is too long, it may be.
                ends = [data.decode().rstrip(".") for _, its_type, _, data in ours.answer if its_type == 5]
                if ours.truncated or len(ends) > 4 or (
                        ends and tree.zone_of(ends[-1]) != tree.zone_of(name)):
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


NEAREST = """
router: { as: 65000, id: 192.0.2.1 }
listen:
  socket: $socket
  dns: ["127.0.0.1:$dns"]
dns: { rate-limit: off }
choice: { ties: [TIE] }
sites:
  a: { as: 64600, addresses: [192.0.2.10, 192.0.2.11, "2001:db8:10::80"], alias: a.f1.test }
  b: { as: 64601, addresses: [192.0.2.20, "2001:db8:20::80"], alias: b.f1.test }
  c: { as: 64602, addresses: [192.0.2.30], alias: x.example.org }
  d: { as: 64603, addresses: [192.0.2.10, "2001:db8:40::80"], alias: b.f2.test }
maps: [pins.routes]
zones:
"""


class RandomNearestTests(TestCase):
    """`nearest` names among aliases, wildcards, delegations and redirections: whatever is answered holds
    for all whom a cache would give it to."""

    def nearest(self, tree, apex, source):
        """Lines of configuration for a zone, with some `nearest` names where there is nothing else."""
        zone = tree.zones[apex]
        redirections = [owner for owner, sets in zone.items() if "DNAME" in sets]
        names = {tree.name(apex) for _ in range(4)} - set(zone)
        names = [name for name in sorted(names) if not any(is_inside(name, owner) for owner in redirections)]
        lines = ["    records:"] if names else []
        for name in names:
            sites = source.sample("abcd", source.randrange(1, 5))
            options = [f"nearest: [{', '.join(sites)}]", "ttl: 60"]
            if source.random() < 0.25:
                options.append("alias: true")
            else:
                options.append(f"answers: {source.randrange(1, 4)}")
                options += source.sample(["rotate: false", 'https: "1 . alpn=h2"'], source.randrange(3))
            if source.random() < 0.15:
                options.append("client-subnet: off")
            lines.append(f'      "{name}.": {{ {", ".join(options)} }}')
        return names, "".join(line + "\n" for line in lines)

    def network(self, source, near):
        """A client's subnet: close to a pinned one, or anywhere."""
        network = source.choice(near)
        width = network.max_prefixlen
        length = source.choice([8, 16, 20, 24, 24, 32] if width == 32 else [32, 48, 56, 64, 128])
        bits = int(network.network_address) | source.getrandbits(width - network.prefixlen)
        if source.random() < 0.3:
            bits = source.getrandbits(width)
        return self.cut(bits, width, length)

    @staticmethod
    def cut(bits, width, length):
        make = ipaddress.IPv4Network if width == 32 else ipaddress.IPv6Network
        return make((bits >> (width - length) << (width - length), length))

    def within(self, network, scope, source, near):
        """An address that a cache takes for one of those to whom the answer holds."""
        if scope == 0:
            return self.network(source, near)
        width = network.max_prefixlen
        bits = int(self.cut(int(network.network_address), width, scope).network_address)
        return self.cut(bits | source.getrandbits(width - scope), width, width)

    def test_answers_hold_for_their_scopes(self):
        seed = random.randrange(1 << 32)
        source = random.Random(seed)
        files, names, text = {}, [], NEAREST.replace("TIE", source.choice(["order", "weight"]))
        for tree in (Tree(f"f{number}.test", source) for number in range(30)):
            for apex, records in tree.zones.items():
                files[apex + ".zone"] = zone_text(records)
                more, lines = self.nearest(tree, apex, source)
                text += f"  {apex}:\n    file: {apex}.zone\n{lines}"
                names += 3 * more + list(records)
        pins = {}
        for width, lengths, first in (
                (32, [1, 4, 8, 12, 16, 20, 24, 28], 0), (128, [1, 3, 32, 40, 48, 56], 0x20010db8 << 96)):
            for _ in range(60):
                bits = first | source.getrandbits(96 if first and source.random() < 0.7 else width)
                pins[self.cut(bits, width, source.choice(lengths))] = source.randrange(64600, 64604)
        files["pins.routes"] = "".join(f"{prefix} {site}\n" for prefix, site in pins.items())
        near = list(pins)
        martlet = Martlet(text, files=files)
        self.addCleanup(martlet.stop)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.connect(("127.0.0.1", martlet.port("dns")))
            sender.settimeout(PATIENCE)

            def ask(name, kind, network):
                sender.send(query(
                    dnswire.encode_name(name) + struct.pack(">HH", dnswire.TYPES[kind], 1),
                    counts=(1, 0, 0, 1), tail=opt(subnet(network))))
                message = sender.recv(65535)
                reply = dnswire.Reply(message)
                found = message.rindex(subnet(network)[:7])
                return reply, message[found + 7]
            scopes = collections.Counter()
            for _ in range(3000):
                name = source.choice(names)
                if source.random() < 0.25:
                    name = source.choice("abcx*") + "." + name
                kind = source.choice(["A", "A", "AAAA", "HTTPS", "MX", "TXT", "ANY", "DS", "CNAME", "NS"])
                network = self.network(source, near)
                first, scope = ask(name, kind, network)
                scopes[scope > 0] += 1
                about = f"{name} {kind} for {network}, scope {scope}, seed {seed}"
                if not first.answer:
                    self.assertEqual(scope, 0, f"{about}: nothing, for some")
                for _ in range(3):
                    other = self.within(network, scope, source, near)
                    second, its = ask(name, kind, other)
                    self.assertEqual(
                        (first.code, first.answer, first.authority),
                        (second.code, second.answer, second.authority), f"{about}, and for {other}")
                    if scope == 0:
                        self.assertEqual(its, 0, f"{about}, and for {other}")
            self.assertGreater(min(scopes[False], scopes[True]), 100)


if __name__ == "__main__":
    unittest.main()
