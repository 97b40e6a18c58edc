# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Every node with the same inputs gives the same answers, whatever order the inputs came in, and whether
they came from routers or from the table's file."""
import ipaddress
import os
import random
import signal
import struct
import sys
import unittest

from harness import ROOT, TestCase, eventually
from questions import ask_all

sys.path.insert(0, os.path.join(ROOT, "Tools"))
from trials import routers  # noqa: E402

FEEDS = 3
PREFIXES = 4000
CLIENTS = 1500
CONFIGURATION = """
router: { as: 65000, id: 192.0.2.1 }
listen:
  bgp: ["127.0.0.1:$bgp"]
  console: [{ address: "127.0.0.1:$machine", face: machine }]
  socket: $socket
  dns: ["127.0.0.1:$dns"]
dns: { rate-limit: off }
sites:
  one:   { as: 64600, addresses: [192.0.2.10, 192.0.2.11, 192.0.2.12, "2001:db8:10::80"], weight: 1 }
  two:   { as: 64601, addresses: [192.0.2.20, "2001:db8:20::80", "2001:db8:20::81"], weight: 3 }
  three: { as: 64602, addresses: [192.0.2.30, 192.0.2.31], weight: 2 }
feeds:
  one-router:   { site: one,   stale-time: 600s, bgp: { peer: 127.0.0.31, as: 65000, connect: passive } }
  two-router:   { site: two,   stale-time: 600s, bgp: { peer: 127.0.0.32, as: 65000, connect: passive } }
  three-router: { site: three, stale-time: 600s, bgp: { peer: 127.0.0.33, as: 65000, connect: passive } }
maps: [pins.routes]
ready: { wait: 600s }
checkpoint: { file: table, every: 0s }
zones:
  example.com:
    soa: { host: ns1.example.com, email: hostmaster@example.com }
    ns: [ns1.example.com]
    records:
      ns1: { a: 192.0.2.53 }
      hops: { nearest: [one, two, three], measure: hops, ties: [order] }
      weight: { nearest: [one, two, three], measure: hops, ties: [weight], answers: 2 }
      slack: { nearest: [three, one], measure: hops, slack: 1, ties: [weight, order], answers: 3 }
"""
# As it was before: other sites, in another order, so that all numbers within are others.
BEFORE = CONFIGURATION.replace("sites:\n", """sites:
  zero:  { as: 64610, addresses: [192.0.2.90] }
  three: { as: 64602, addresses: [192.0.2.30, 192.0.2.31], weight: 2 }
""").replace("""  three: { as: 64602, addresses: [192.0.2.30, 192.0.2.31], weight: 2 }
feeds:
""", """feeds:
  zero-router: { site: zero, bgp: { peer: 127.0.0.39, as: 65000, connect: passive } }
""").replace("      hops:", "      before: { nearest: [zero, three] }\n      hops:").replace("600s }\nch", "0s }\nch")
PINS = "198.51.100.0/24 64601 64600\n203.0.113.0/25 64602\n2001:db8:abcd::/48 64601\n"
NAMES = [("hops", "A"), ("weight", "A"), ("weight", "AAAA"), ("slack", "A")]


def network(source):
    """A prefix among few, so that they nest and repeat."""
    if source.random() < 0.8:
        length = source.choice([12, 16, 19, 20, 22, 24, 24])
        return ipaddress.ip_network((source.randrange(40, 60) << 24 | source.getrandbits(24), length), False)
    length = source.choice([32, 40, 48])
    return ipaddress.ip_network((0x20010db8 << 96 | source.getrandbits(24) << 72, length), False)


def nlri(one):
    return bytes([one.prefixlen]) + one.network_address.packed[:(one.prefixlen + 7) // 8]


def update(one, path):
    """An UPDATE that announces a prefix, or withdraws it where there is no path."""
    if path is None:
        if one.version == 4:
            withdrawn = nlri(one)
            return routers.message(2, struct.pack(">H", len(withdrawn)) + withdrawn + bytes(2))
        value = b"\0\2\1" + nlri(one)
        attribute = bytes([0x80, 15, len(value)]) + value
        return routers.message(2, bytes(2) + struct.pack(">H", len(attribute)) + attribute)
    segment = bytes([2, len(path)]) + b"".join(struct.pack(">I", number) for number in path)
    attributes = b"\x40\1\1\0" + bytes([0x40, 2, len(segment)]) + segment + b"\x40\5\4\0\0\0\x64"
    if one.version == 4:
        attributes += b"\x40\3\4\x0a\0\0\1"
        return routers.message(2, bytes(2) + struct.pack(">H", len(attributes)) + attributes + nlri(one))
    value = b"\0\2\1\x10" + ipaddress.ip_address("2001:db8::7").packed + b"\0" + nlri(one)
    attributes += bytes([0x80, 14, len(value)]) + value
    return routers.message(2, bytes(2) + struct.pack(">H", len(attributes)) + attributes)


ENDS = [routers.message(2, bytes(4)), routers.message(2, bytes.fromhex("00000006800f03000201"))]


def table(routes, source, is_winding):
    """Routes as a router may send them: in any order, and in a roundabout way."""
    messages = []
    for one, path in source.sample(sorted(routes.items(), key=str), len(routes)):
        if is_winding and source.random() < 0.3:
            messages.append(update(one, [64990] * source.randrange(1, 6)))
            if source.random() < 0.5:
                messages.append(update(one, None))
        messages.append(update(one, path))
    if is_winding:
        for _ in range(200):
            gone = network(source)
            if gone not in routes:
                at = source.randrange(len(messages))
                messages[at:at] = [update(gone, [64991])]
                messages.append(update(gone, None))
    return routers.Table(b"".join(messages + ENDS), 0, 0)


class SameAnswersTests(TestCase):
    def setUp(self):
        self.seed = random.randrange(1 << 31)
        self.source = random.Random(self.seed)
        every = sorted({network(self.source) for _ in range(PREFIXES)}, key=str)
        self.routes = [
            {one: [64900 + hop for hop in range(self.source.randrange(1, 5))]
             for one in every if self.source.random() < 0.8} for _ in range(FEEDS)]
        self.clients = {
            4: [self.client(4) for _ in range(CLIENTS)], 6: [self.client(6) for _ in range(CLIENTS // 3)]}
        for version, fixed in [(4, "198.51.100.7/32"), (4, "203.0.113.200/32"), (6, "2001:db8:abcd::1/128")]:
            self.clients[version].append(ipaddress.ip_network(fixed))

    def client(self, version):
        while (one := network(self.source)).version != version:
            pass
        address = int(one.network_address) + self.source.getrandbits(
            one.max_prefixlen - one.prefixlen)
        length = self.source.choice([20, 24, 24, 32] if version == 4 else [40, 48, 56, 128])
        return ipaddress.ip_network((address, length), False)

    def node(self, order, is_winding):
        """A martletd, its routers' sessions begun in an order."""
        daemon = self.martlet(CONFIGURATION, files={"pins.routes": PINS}, wait=False)
        self.connect(daemon, order, is_winding)
        daemon.wait_ready()
        return daemon

    def connect(self, daemon, order, is_winding):
        for number in order:
            router = routers.Router(
                table(self.routes[number], self.source, is_winding), daemon.port("bgp"),
                f"127.0.0.{31 + number}")
            self.addCleanup(router.end)
            router.start()
            routers.wait_sent([router])
            self.assertIsNone(router.failure)

    def answers(self, daemon):
        """{(name, type, client): (code, addresses, scope)}."""
        found = {}
        for name, kind in NAMES:
            for clients in self.clients.values():
                told = ask_all(daemon.port("dns"), f"{name}.example.com", kind, clients)
                for client, one in zip(clients, told):
                    found[name, kind, client] = one.code, tuple(one.addresses), one.scope
        return found

    def compare(self, one, other):
        """Answers at once; scopes, which widen behind changes, in a while."""
        mine = self.answers(one)
        self.assertEqual({code for code, _, _ in mine.values()}, {0})
        self.assertGreater(len({addresses for _, addresses, _ in mine.values()}), 8)

        def differences(part):
            theirs, ours = self.answers(other), self.answers(one)
            return [(key, ours[key], theirs[key]) for key in ours
                    if part(ours[key]) != part(theirs[key])]

        self.assertEqual(differences(lambda told: told[:2])[:5], [], f"seed {self.seed}")
        left = []

        def are_same():
            left[:] = differences(lambda told: told)
            return not left

        try:
            eventually("the same scopes", are_same)
        except AssertionError:
            self.fail(f"seed {self.seed}: {len(left)} differ: {left[:5]}")

    def test_whatever_order_the_routes_came_in(self):
        first = self.node([0, 1, 2], is_winding=False)
        second = self.node([2, 0, 1], is_winding=True)
        self.compare(first, second)

    def test_after_another_configuration(self):
        """Reloads leave sites, feeds and names with other numbers than a fresh start gives."""
        self.assertEqual(BEFORE.count("three:"), 1)
        first = self.node([0, 1, 2], is_winding=False)
        second = self.martlet(BEFORE, files={"pins.routes": PINS})
        self.connect(second, [1, 0], is_winding=True)
        second.write("martlet.yaml", CONFIGURATION)
        self.assertIn("zero", second.console("reload").stdout)
        self.connect(second, [2], is_winding=False)
        with second.machine() as console:
            eventually("whole feeds", lambda: all(
                "transfer=complete" in line for line in console.ask("show feeds")))
        self.compare(first, second)

    def test_from_the_file_or_from_the_routers(self):
        first = self.node([1, 2, 0], is_winding=True)
        early = self.node([0, 1, 2], is_winding=False)
        early.signal(signal.SIGTERM)
        self.assertEqual(early.wait(60), 0)
        with open(os.path.join(early.folder, "table"), "rb") as file:
            kept = file.read()
        second = self.martlet(
            CONFIGURATION, files={"pins.routes": PINS, "table": kept}, wait=False)
        second.wait_line("ready, from the checkpoint")
        second.wait_line("restored the checkpoint's routes")
        self.compare(first, second)
        # The routers confirm it.
        self.connect(second, [2, 1, 0], is_winding=False)
        with second.machine() as console:
            eventually("whole feeds", lambda: all(
                "transfer=complete" in line for line in console.ask("show feeds")))
        self.compare(first, second)


if __name__ == "__main__":
    unittest.main()
