# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""BIRD feeds live sessions, and the DNS answer follows every step."""
import signal
import unittest

from harness import TestCase, bird_configuration, eventually

CONFIGURATION = """
router: { as: 65000, id: 192.0.2.1 }
listen:
  bgp: ["127.0.0.1:$bgp"]
  console: [{ address: "127.0.0.1:$machine", face: machine }]
  socket: $socket
  dns: ["127.0.0.1:$dns"]
sites:
  east: { as: 64600, addresses: [192.0.2.10, "2001:db8:10::80"] }
  west: { as: 64601, addresses: [192.0.2.20, "2001:db8:20::80"] }
feeds:
  east-router: { site: east, bgp: { peer: 127.0.0.2, as: 65001, connect: passive }, stale-time: 3s }
  west-router: { site: west, bgp: { peer: 127.0.0.3, as: 65002, %s }, stale-time: 3s }
ready: { wait: 0s }
zones:
  example.com:
    soa: { host: ns1.example.com, email: hostmaster@example.com }
    ns: [ns1.example.com]
    records:
      ns1: { a: 192.0.2.53 }
      www: { nearest: [east, west], measure: hops, ties: [order], ttl: 60 }
"""
EAST, WEST = ["192.0.2.10"], ["192.0.2.20"]
NETWORK, NETWORK6 = "198.51.100.0/24", "2001:db8:abcd::/48"


class LiveSessionTests(TestCase):
    def start(self, west):
        self.daemon = self.martlet(CONFIGURATION % west)
        self.console = self.machine(self.daemon)

    def east(self, routes):
        return bird_configuration("127.0.0.2", self.daemon.port("bgp"), 65001, routes=routes)

    def follow(self, answer, subnet=NETWORK, kind="A", seconds=30):
        """Waits until DNS answers so, and checks that the console's ranking says the same."""
        eventually(
            f"{subnet} to be sent to {answer}",
            lambda: self.daemon.dig("www.example.com", kind, subnet).addresses == answer, seconds)
        first = next(iter(self.console.rank(subnet.split("/")[0], "www.example.com")))
        self.assertEqual(first, "east" if answer == EAST else "west")

    def steps(self, west_configuration):
        """The life of two routes: `west_configuration(routes)` is what the western BIRD runs."""
        east = self.bird(self.east({NETWORK: [64999]}))
        east.wait_established("martlet")
        # Without any route the order of the sites says the same.
        eventually("the eastern route", lambda: self.rank_distance("east") == "2")
        self.follow(EAST)

        # Appears: a shorter path in the west.
        west = self.bird(west_configuration({NETWORK: []}))
        west.wait_established("martlet")
        self.follow(WEST)
        ranked = self.console.rank("198.51.100.7")
        self.assertEqual([ranked[site]["distance"] for site in ("west", "east")], ["1", "2"])

        # Changes: the western path grows, over the same session.
        since = west.ask("show", "protocols", "martlet")
        west.configure(west_configuration({NETWORK: [64801, 64802, 64803]}))
        self.follow(EAST)
        self.assertEqual(self.console.rank("198.51.100.7")["west"]["distance"], "4")

        self.assertEqual(west.ask("show", "protocols", "martlet"), since, "the session was reset")

        # Withdrawn in the east.
        east.configure(self.east({}))
        self.follow(WEST)
        ranked = self.console.rank("198.51.100.7")
        self.assertEqual(ranked["east"]["distance"], "-")
        self.assertEqual(ranked["east"]["reason"], "no-route")

        # Both have it again, the west nearer; then the western router dies.
        east.configure(self.east({NETWORK: [64999]}))
        west.configure(west_configuration({NETWORK: []}))
        eventually("the eastern route", lambda: self.rank_distance("east") == "2")
        eventually("the short western path", lambda: self.rank_distance("west") == "1")
        self.follow(WEST)
        west.kill()
        eventually(
            "the western site to be stale",
            lambda: self.console.rank("198.51.100.7")["west"]["state"] == "stale")
        self.assertEqual(
            self.daemon.dig("www.example.com", "A", NETWORK).addresses, WEST,
            "stale routes still answer")
        self.assertEqual(self.rank_distance("west"), "1")

        # The stale time is over: the routes leave.
        self.follow(EAST, seconds=15)
        self.assertEqual(self.rank_distance("west"), "-")

        # The router comes back.
        west = self.bird(west_configuration({NETWORK: []}))
        self.follow(WEST)
        self.assertNotEqual(self.console.rank("198.51.100.7")["west"]["state"], "stale")

    def rank_distance(self, site):
        return self.console.rank("198.51.100.7")[site]["distance"]

    def test_a_router_that_dials(self):
        self.start("connect: passive")
        self.steps(lambda routes: bird_configuration(
            "127.0.0.3", self.daemon.port("bgp"), 65002, routes=routes))

    def test_a_router_that_is_dialled(self):
        self.start("connect: active, port: $peer")
        self.steps(lambda routes: bird_configuration(
            "127.0.0.3", self.daemon.port("bgp"), 65002, routes=routes,
            port=self.daemon.port("peer"), dials=False))

    def test_ipv6_routes_over_an_ipv4_session(self):
        self.start("connect: passive")
        east = self.bird(self.east({NETWORK6: [64999]}))
        west = self.bird(bird_configuration(
            "127.0.0.3", self.daemon.port("bgp"), 65002, routes={NETWORK6: []}))
        east.wait_established("martlet")
        west.wait_established("martlet")
        eventually(
            "the western address",
            lambda: self.daemon.dig("www.example.com", "AAAA", NETWORK6).addresses
            == ["2001:db8:20::80"])
        ranked = self.console.rank("2001:db8:abcd::1")
        self.assertEqual([ranked[site]["distance"] for site in ("west", "east")], ["1", "2"])

    def test_a_scope_that_is_true(self):
        """Under the answer's scope every client gets the same site; beside it another may."""
        self.start("connect: passive")
        east = self.bird(self.east({"198.51.0.0/16": [64999]}))
        west = self.bird(bird_configuration(
            "127.0.0.3", self.daemon.port("bgp"), 65002, routes={"198.51.100.128/25": []}))
        east.wait_established("martlet")
        west.wait_established("martlet")
        eventually(
            "the western half",
            lambda: self.daemon.dig("www.example.com", "A", "198.51.100.129/32").addresses == WEST)
        eventually(
            "the eastern half",
            lambda: self.daemon.dig("www.example.com", "A", "198.51.100.1/32").addresses == EAST)
        self.assertGreaterEqual(
            self.daemon.dig("www.example.com", "A", "198.51.100.129/32").scope, 25)
        self.assertEqual(self.daemon.dig("www.example.com", "A", "198.51.100.0/24").scope, 25)
        self.assertLess(self.daemon.dig("www.example.com", "A", "203.0.113.0/24").scope, 24)

    def test_an_end_by_sigterm_is_a_cease(self):
        self.start("connect: passive")
        east = self.bird(self.east({NETWORK: []}))
        east.wait_established("martlet")
        self.follow(EAST)
        self.daemon.signal(signal.SIGTERM)
        self.assertEqual(self.daemon.wait(15), 0, self.daemon.output)
        # BIRD's last error: "Received: Administrative shutdown".
        eventually(
            "BIRD to have seen the Cease",
            lambda: "Administrative shutdown" in east.ask("show", "protocols", "all", "martlet"),
            10)


if __name__ == "__main__":
    unittest.main()
