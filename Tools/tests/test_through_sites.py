# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Supersparrow's reading: one router whose paths pass through the other sites."""
import json

from harness import TestCase, bird_configuration, eventually

CONFIGURATION = """
router: { as: 65000, id: 192.0.2.1 }
listen:
  bgp: ["127.0.0.1:$bgp"]
  console: [{ address: "127.0.0.1:$machine", face: machine }]
  socket: $socket
sites:
  home:  { as: 64600, addresses: [192.0.2.10] }
  west:  { as: 64601, addresses: [192.0.2.20], without-routes: down }
feeds:
  core:
    site: home
    read: through-sites
    stale-time: 1s
    bgp: { peer: 127.0.0.9, as: 65009, connect: passive }
ready: { wait: 1s }
choice: { measure: hops }
"""


class ThroughSitesTests(TestCase):
    def setUp(self):
        self.daemon = self.martlet(CONFIGURATION)
        self.router = self.bird(bird_configuration("127.0.0.9", self.daemon.port("bgp"), 65009, routes={
            "198.51.100.0/24": [64601, 7],        # two hops beyond this router, one beyond west
            "203.0.113.0/24": [5, 6, 64600, 7],   # past home's own number: that counts for nothing
        }))
        self.console = self.machine(self.daemon)
        eventually("the routes", lambda: self.console.rank("203.0.113.1")["home"]["distance"] == "5")

    def states(self):
        reply = self.daemon.console("show sites --json").stdout
        return {site["site"]: site["state"] for site in json.loads(reply)["sites"]}

    def test_the_hops_after_a_site_are_its_own(self):
        ranking = self.console.rank("198.51.100.1")
        self.assertEqual(list(ranking), ["west", "home"])
        self.assertEqual(ranking["west"]["distance"], "1")
        self.assertEqual(ranking["home"]["distance"], "3")
        self.assertEqual(self.console.rank("203.0.113.1")["west"]["reason"], "no-route")

    def test_a_lost_feed_is_lost_to_every_site_read_through_it(self):
        eventually("west to be up", lambda: self.states()["west"] == "up")
        self.router.kill()
        eventually("west to be down", lambda: self.states() == {"home": "stale", "west": "down"})
