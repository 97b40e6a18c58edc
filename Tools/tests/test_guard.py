# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""A router that loses most of its routes over a session that lives is not believed at once."""
from harness import Refused, TestCase, bird_configuration, eventually

CONFIGURATION = """
router: { as: 65000, id: 192.0.2.1 }
listen:
  bgp: ["127.0.0.1:$bgp"]
  console: [{ address: "127.0.0.1:$machine", face: machine }]
  socket: $socket
sites:
  east: { as: 64600, addresses: [192.0.2.10] }
feeds:
  router: { site: east, bgp: { peer: 127.0.0.2, as: 65001, connect: passive, quiet-time: 1s }%s }
ready: { wait: 0s }
"""


class GuardTests(TestCase):
    def start(self, guard=""):
        self.daemon = self.martlet(CONFIGURATION % guard)
        self.console = self.machine(self.daemon)
        self.router = self.bird(self.routes(range(200)))
        eventually("the routes", lambda: self.feed("ipv4") == "200")
        eventually("the whole transfer", lambda: self.feed("guard") in ("watching", "off"))

    def routes(self, numbers):
        return bird_configuration(
            "127.0.0.2", self.daemon.port("bgp"), 65001,
            routes={f"10.0.{number}.0/24": [64999] for number in numbers})

    def feed(self, key):
        (line,) = self.console.ask("show feeds")
        return dict(field.split("=", 1) for field in line.split()[1:])[key]

    def test_routes_that_go_at_once_are_held_until_they_are_released(self):
        self.start()
        self.router.configure(self.routes(range(50)))
        eventually("the guard to hold", lambda: self.feed("guard") == "holding")
        eventually("150 routes to be stale", lambda: self.feed("stale") == "150")
        self.assertEqual(self.feed("ipv4"), "200")
        self.daemon.wait_line(
            "lost too many prefixes at once.*feed=router.*guard release router")
        self.assertEqual(self.console.rank("10.0.99.1")["east"]["distance"], "2")

        self.assertEqual(self.console.ask("guard release router").code, 401)
        said = self.daemon.console("show feeds", "guard release router")
        self.assertIn("150 of its prefixes are held as stale", said.stdout)
        eventually("the held routes to leave", lambda: self.feed("ipv4") == "50")
        self.assertEqual(self.feed("guard"), "watching")
        self.assertIsInstance(self.console.rank("10.0.99.1")["east"]["distance"], str)
        self.assertEqual(self.console.rank("10.0.99.1")["east"]["distance"], "-")
        self.assertNotEqual(self.daemon.console("guard release router").returncode, 0)
        self.assertNotEqual(self.daemon.console("guard release nobody").returncode, 0)
        self.assertIsInstance(self.console.ask("guard release"), Refused)

    def test_a_feed_settles_by_itself(self):
        self.start(", guard: { window: 1s, settle: 2s }")
        self.router.configure(self.routes(range(50)))
        eventually("the guard to hold", lambda: self.feed("guard") == "holding")
        eventually("the held routes to leave", lambda: self.feed("ipv4") == "50")
        self.daemon.wait_line("the feed has settled.*feed=router")

    def test_routes_that_come_back(self):
        self.start()
        self.router.configure(self.routes(range(50)))
        eventually("the guard to hold", lambda: self.feed("guard") == "holding")
        self.router.configure(self.routes(range(200)))
        eventually("the feed to recover", lambda: self.feed("guard") == "watching")
        self.assertEqual((self.feed("ipv4"), self.feed("stale")), ("200", "0"))

    def test_without_a_guard_they_go(self):
        self.start(", guard: off")
        self.router.configure(self.routes(range(50)))
        eventually("the routes to go", lambda: self.feed("ipv4") == "50")
        self.assertEqual(self.feed("guard"), "off")
