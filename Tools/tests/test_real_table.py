# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Real tables, read twice: by Martlet, and by a few lines of Python that know nothing of it."""
import bisect
import gzip
import ipaddress
import os
import random
import struct
import unittest

from harness import ROOT, TestCase, bird_configuration, data, eventually

RRC00 = "rrc00.bview.20000111.0032.as-tdv2.gz"
SLICE = os.path.join(ROOT, "Routes", "route-views2.rib.20140523.0600.first-9072.gz")


def path_of(attributes):
    """The AS_PATH of 4-octet path attributes: [(kind, [AS, ...]), ...]."""
    at = 0
    while at < len(attributes):
        flags, code = attributes[at], attributes[at + 1]
        head = 4 if flags & 0x10 else 3
        size = int.from_bytes(attributes[at + 2:at + head], "big")
        value = attributes[at + head:at + head + size]
        at += head + size
        if code == 2:
            segments, start = [], 0
            while start < len(value):
                kind, count = value[start], value[start + 1]
                numbers = struct.unpack_from(f">{count}I", value, start + 2)
                segments.append((kind, list(numbers)))
                start += 2 + 4 * count
            return segments
    return []


def hops(segments):
    """RFC 4271 section 9.1.2.2 (a): a set is one hop, confederation segments are none."""
    return sum(
        len(numbers) if kind == 2 else 1 if kind == 1 else 0 for kind, numbers in segments)


def ipv4_entries(path):
    """(peer address, network, length, attributes) of a TABLE_DUMP_V2 file, one by one."""
    peers = []
    with gzip.open(path, "rb") as file:
        while len(head := file.read(12)) == 12:
            _, kind, subtype, size = struct.unpack(">IHHI", head)
            body = file.read(size)
            if (kind, subtype) == (13, 1):
                at = 8 + struct.unpack_from(">H", body, 4)[0]
                count = struct.unpack_from(">H", body, at - 2)[0]
                for _ in range(count):
                    flags = body[at]
                    wide = 16 if flags & 1 else 4
                    peers.append(str(ipaddress.ip_address(body[at + 5:at + 5 + wide])))
                    at += 5 + wide + (4 if flags & 2 else 2)
            elif (kind, subtype) == (13, 2):
                length = body[4]
                octets = (length + 7) // 8
                network = int.from_bytes(body[5:5 + octets].ljust(4, b"\0"), "big")
                at = 7 + octets
                for _ in range(struct.unpack_from(">H", body, at - 2)[0]):
                    peer, _, size = struct.unpack_from(">HIH", body, at)
                    yield peers[peer], network, length, body[at + 8:at + 8 + size]
                    at += 8 + size


def ipv4_table(path):
    """{peer address: {(network, length): segments}} of a TABLE_DUMP_V2 file."""
    tables = {}
    for address, network, length, attributes in ipv4_entries(path):
        tables.setdefault(address, {})[network, length] = path_of(attributes)
    return tables


def longest(table, address):
    """The longest prefix of `table` that covers the address, length by length."""
    for length in range(32, -1, -1):
        network = address >> (32 - length) << (32 - length)
        if (network, length) in table:
            return network, length
    return None


class BruteForceTests(TestCase):
    """Six full peers as six sites: every distance and the whole ranking."""

    PEERS = [
        "206.251.0.85", "204.152.166.29", "195.211.222.11", "193.0.0.56", "195.211.222.254",
        "195.8.100.22"]

    def test_ten_thousand_addresses(self):
        path = data("mrt", "rib", RRC00)
        sites = [f"site{number}" for number in range(len(self.PEERS))]
        lines = ["router: { as: 65000, id: 192.0.2.1 }", "listen:"]
        lines += ['  console: [{ address: "127.0.0.1:$machine", face: machine }]']
        lines += ["  socket: $socket", '  dns: ["127.0.0.1:$dns"]', "sites:"]
        for number, site in enumerate(sites):
            lines.append(f"  {site}: {{ as: {64600 + number}, addresses: [192.0.2.{number + 1}] }}")
        lines.append("feeds:")
        for site, address in zip(sites, self.PEERS):
            lines.append(f"  {site}-dump: {{ site: {site}, mrt: {{ file: {path}, peer: {address} }} }}")
        lines += [
            "zones:", "  example.com:",
            "    soa: { host: ns1.example.com, email: hostmaster@example.com }",
            "    ns: [ns1.example.com]", "    records:", "      ns1: { a: 192.0.2.53 }",
            f"      www: {{ nearest: [{', '.join(sites)}], measure: hops,"
            " ties: [order], ttl: 60 }", ""]
        martlet = self.martlet("\n".join(lines))
        tables = ipv4_table(path)
        tables = [tables[address] for address in self.PEERS]
        # Half anywhere, half under announced prefixes: most of the space was dark in 2000.
        seed = random.randrange(1 << 32)
        source = random.Random(seed)
        announced = sorted({prefix for table in tables for prefix in table})
        addresses = [source.getrandbits(32) for _ in range(5000)]
        for _ in range(5000):
            network, length = source.choice(announced)
            addresses.append(network | source.getrandbits(32) >> length)
        console = self.machine(martlet)
        for start in range(0, len(addresses), 100):
            batch = addresses[start:start + 100]
            console.send(*(
                f"rank {ipaddress.IPv4Address(address)} for www.example.com" for address in batch))
            for address in batch:
                expected = []
                for number, table in enumerate(tables):
                    prefix = longest(table, address)
                    expected.append((hops(table[prefix]) if prefix else None, number))
                # With routes first, then by hops, then as listed.
                expected.sort(key=lambda one: (one[0] is None, one[0] or 0, one[1]))
                wanted = [
                    (sites[number], "-" if distance is None else str(min(254, distance)))
                    for distance, number in expected]
                got = []
                for line in console.reply():
                    _, site, distance, *_ = line.split()
                    got.append((site, distance.removeprefix("distance=")))
                self.assertEqual(
                    got, wanted, f"{ipaddress.IPv4Address(address)}, seed {seed}")


class RealSliceThroughBirdTests(TestCase):
    """BIRD announces a real table; afterwards Martlet has it, route by route."""

    CONFIGURATION = """
router: { as: 65000, id: 192.0.2.1 }
listen:
  bgp: ["127.0.0.1:$bgp"]
  console: [{ address: "127.0.0.1:$machine", face: machine }]
  socket: $socket
ready: { wait: 0s }
sites:
  tokyo: { as: 64601, addresses: [192.0.2.20] }
feeds:
  tokyo-router: { site: tokyo, bgp: { peer: 127.0.0.2, as: 2497, %s } }
"""

    @classmethod
    def setUpClass(cls):
        # Paths of plain sequences that begin with AS 2497, which BIRD will put there itself.
        cls.routes = {}
        for (network, length), segments in ipv4_table(SLICE)["202.232.0.3"].items():
            if len(segments) == 1 and segments[0][0] == 2 and segments[0][1][0] == 2497:
                prefix = f"{ipaddress.IPv4Address(network)}/{length}"
                cls.routes[prefix] = segments[0][1][1:]

    def check(self, direction, **options):
        martlet = self.martlet(self.CONFIGURATION % direction)
        bird = self.bird(bird_configuration(
            "127.0.0.2", martlet.port("bgp"), 2497, routes=self.routes,
            **{key: martlet.port(port) if port == "peer" else port
               for key, port in options.items()}))
        bird.wait_established("martlet")
        console = self.machine(martlet)
        self.assertGreater(len(self.routes), 8000)
        eventually(
            "all routes to be there",
            lambda: console.rank("12.130.199.1")["tokyo"]["distance"] != "-")
        source = random.Random(2497)
        networks = sorted(
            (int(network.network_address), int(network.broadcast_address), network)
            for network in map(ipaddress.ip_network, self.routes))
        starts = [start for start, _, _ in networks]
        for prefix in source.sample(sorted(self.routes), 500):
            address = ipaddress.ip_network(prefix).network_address
            at = bisect.bisect_right(starts, int(address))
            deciding = max(
                (network for start, end, network in networks[max(0, at - 400):at]
                 if start <= int(address) <= end),
                key=lambda network: network.prefixlen)
            path = [2497, *self.routes[str(deciding)]]
            line = eventually(
                f"the route to {prefix}",
                lambda: [one for one in console.ask(f"explain {address}") if "path=2497" in one])[0]
            fields = dict(word.split("=", 1) for word in line.split()[2:])
            self.assertEqual(fields["prefix"], str(deciding))
            self.assertEqual(fields["path"], ",".join(map(str, path)))
            self.assertEqual(fields["distance"], str(len(path)))
            self.assertEqual(fields["feed"], "tokyo-router")

    def test_bird_dials(self):
        self.check("connect: passive")

    def test_martlet_dials(self):
        self.check("connect: active, port: $peer", port="peer", dials=False)


if __name__ == "__main__":
    unittest.main()
