# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""The table over a restart: a new martletd answers from the checkpoint before its peers are back."""
import os
import re
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
  east-router: { site: east, bgp: { peer: 127.0.0.4, as: 65001, connect: passive }, stale-time: %s }
  west-router: { site: west, bgp: { peer: 127.0.0.5, as: 65002, connect: passive }, stale-time: %s }
ready: { wait: 600s }
checkpoint: { file: %s, every: 0s }
zones:
  example.com:
    soa: { host: ns1.example.com, email: hostmaster@example.com }
    ns: [ns1.example.com]
    records:
      ns1: { a: 192.0.2.53 }
      www: { nearest: [east, west], measure: hops, ties: [order], ttl: 60 }
"""
EAST, WEST = ["192.0.2.10"], ["192.0.2.20"]
NETWORK, NETWORK6, GONE = "198.51.100.0/24", "2001:db8:abcd::/48", "203.0.113.0/24"


class CheckpointTests(TestCase):
    def setUp(self):
        self.file = os.path.join(self.folder(), "table.checkpoint")

    def start(self, stale="600s", wait=True, keep=None, edit=None):
        """A martletd; where `keep` is another one, on its ports. `edit` changes its configuration."""
        words = CONFIGURATION % (stale, stale, self.file)
        if edit is not None:
            words = edit(words)
        if keep is not None:
            for name in ("bgp", "console", "machine", "dns"):
                words = words.replace("$" + name, keep.words[name])
        self.daemon = self.martlet(words, wait=wait)
        if keep is not None:
            self.daemon.words.update({n: keep.words[n] for n in ("bgp", "machine", "dns")})
        return self.daemon

    def routers(self, daemon, east, west):
        birds = [
            self.bird(bird_configuration("127.0.0.4", daemon.port("bgp"), 65001, routes=east)),
            self.bird(bird_configuration("127.0.0.5", daemon.port("bgp"), 65002, routes=west))]
        for bird in birds:
            bird.wait_established("martlet")
        return birds

    def answers(self, answer, subnet, kind="A"):
        eventually(
            f"{subnet} to be sent to {answer}",
            lambda: self.daemon.dig("www.example.com", kind, subnet).addresses == answer)

    def first_life(self):
        """A martletd that has had routes and ends; its routers end with it."""
        first = self.start(wait=False)
        birds = self.routers(
            first, {NETWORK: [64999, 64998], NETWORK6: [], GONE: [64999, 64998]},
            {NETWORK: [], NETWORK6: [64999], GONE: []})
        first.wait_ready()
        self.answers(WEST, NETWORK)
        self.answers(["2001:db8:10::80"], NETWORK6, "AAAA")
        first.signal(signal.SIGTERM)
        self.assertEqual(first.wait(), 0)
        for bird in birds:
            bird.stop()
        self.assertIn("wrote a checkpoint", first.output)
        self.assertGreater(os.path.getsize(self.file), 100)
        self.assertEqual(os.listdir(os.path.dirname(self.file)), ["table.checkpoint"])
        return first

    def feeds(self, console):
        """{feed: {key: value}} of `show feeds`."""
        feeds = {}
        for line in console.ask("show feeds"):
            name, *fields = line.split()
            feeds[name] = dict(field.split("=", 1) for field in fields)
        return feeds

    def test_answers_before_its_peers_are_back(self):
        first = self.first_life()
        # No router runs, and `ready: wait` is ten minutes.
        second = self.start(keep=first)
        self.assertIn("answering from the checkpoint", second.output)
        self.answers(WEST, NETWORK)
        self.answers(["2001:db8:10::80"], NETWORK6, "AAAA")
        console = self.machine(second)
        self.assertEqual(console.ask("ready"), "ready")
        ranked = console.rank("198.51.100.1", "www.example.com")
        self.assertEqual(list(ranked), ["west", "east"])
        self.assertEqual([site["state"] for site in ranked.values()], ["stale", "stale"])
        second.wait_line("restored the checkpoint's routes")
        self.assertEqual({feed["stale"] for feed in self.feeds(console).values()}, {"3"})
        reading, writing = console.ask("show checkpoint")
        self.assertRegex(reading, r"^reading state=restored age=\d+ bytes=\d+ ipv4=2 ipv6=1 routes=6 ")
        self.assertRegex(writing, r"^writing state=none ")

        # The routers come back with other routes: theirs count, and what they lack leaves.
        self.routers(second, {NETWORK: [], NETWORK6: []}, {NETWORK: [64999], NETWORK6: [64999]})
        self.answers(EAST, NETWORK)
        eventually(
            "stale routes to leave",
            lambda: {feed["stale"] + feed["ipv4"] for feed in self.feeds(console).values()} == {"01"})
        ranked = console.rank("203.0.113.1", "www.example.com")
        self.assertEqual([site["distance"] for site in ranked.values()], ["-", "-"])
        self.assertEqual(console.rank("198.51.100.1")["west"]["state"], "up")

    def test_routes_that_nobody_confirms_leave_after_the_stale_time(self):
        first = self.first_life()
        second = self.start(stale="3s", keep=first)
        self.answers(WEST, NETWORK)
        console = self.machine(second)
        eventually(
            "the routes to be lost",
            lambda: {feed["ipv4"] for feed in self.feeds(console).values()} == {"0"})
        self.answers(EAST, NETWORK)
        # Nothing is written over it that is worth less.
        before = open(self.file, "rb").read()
        second.signal(signal.SIGTERM)
        self.assertEqual(second.wait(), 0)
        self.assertEqual(open(self.file, "rb").read(), before)

    def test_routes_come_back_by_the_rules_of_now(self):
        first = self.first_life()
        # West's route is nearer by two hops: it was told to cost five more while nothing ran.
        rule = (
            ", rules: [ { prefix: \"%s\", reject: true }, "
            "{ as-path: \"^65002$\", penalty: 5, tag: far } ] }" % GONE)
        second = self.start(keep=first, edit=lambda words: re.sub(
            r"(west-router: .*) }\n", lambda found: found.group(1) + rule + "\n", words))
        self.assertIn("answering from the checkpoint", second.output)
        second.wait_line("restored the checkpoint's routes")
        self.answers(EAST, NETWORK)
        console = self.machine(second)
        def held():
            """{prefix: its line} of west's routes."""
            return {line.split()[0]: line for line in console.ask("show routes feed west-router")}

        eventually("the rejected route to leave", lambda: set(held()) == {NETWORK, NETWORK6})
        self.assertIn(" penalty=5 ", held()[NETWORK])
        self.assertIn(" tags=far ", held()[NETWORK])
        self.assertEqual({feed["stale"] for feed in self.feeds(console).values()}, {"3", "2"})

    def test_on_demand_and_killed(self):
        first = self.start(wait=False)
        self.routers(first, {NETWORK: []}, {NETWORK: [64999]})
        first.wait_ready()
        # Who may write files is trusted: the socket is.
        self.assertEqual(self.machine(first).ask("checkpoint").code, 401)
        eventually(
            "a checkpoint of both feeds",
            lambda: re.search(
                r"^writing +written +[\d:]+ +\d+ +1 +0 +2 +\d+ +-$",
                first.console("checkpoint").stdout, re.M))
        first.kill()
        second = self.start(keep=first)
        self.answers(EAST, NETWORK)
        second.wait_line("restored the checkpoint's routes.*routes=2")

    def test_a_bad_file_is_refused_and_the_table_begins_empty(self):
        first = self.first_life()
        good = open(self.file, "rb").read()
        middle = len(good) // 2
        for bad, words in (
                (good[:-5], "ends too early"),
                (good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1:], "damaged"),
                (b"GIF89a" + good, "no checkpoint of Martlet's"), (b"", "ends too early")):
            with self.subTest(words):
                with open(self.file, "wb") as file:
                    file.write(bad)
                daemon = self.start(keep=first, wait=False)
                daemon.wait_line("listening")
                self.assertIn("the checkpoint is refused", daemon.output)
                self.assertIn(words, daemon.output)
                console = self.machine(daemon)
                reading = console.ask("show checkpoint")[0]
                self.assertTrue(reading.startswith("reading state=refused "), reading)
                self.assertEqual(console.ask("ready").code, 503)
                self.assertEqual(daemon.dig("www.example.com", "A", NETWORK).status, "SERVFAIL")
                daemon.signal(signal.SIGTERM)
                self.assertEqual(daemon.wait(), 0)
        os.remove(self.file)
        os.mkdir(self.file)
        daemon = self.martlet(CONFIGURATION % ("3s", "3s", self.file), wait=False)
        self.assertNotEqual(daemon.wait(), 0)
        self.assertIn("is not a plain file", daemon.output)

    def test_what_is_configured_no_more_is_left_out(self):
        first = self.first_life()
        words = CONFIGURATION % ("600s", "600s", self.file)
        for name in ("bgp", "console", "machine", "dns"):
            words = words.replace("$" + name, first.words[name])
        kept = [line for line in words.split("\n") if not line.startswith("  west")]
        second = self.martlet("\n".join(kept).replace("[east, west]", "[east]"))
        second.words.update({name: first.words[name] for name in ("bgp", "machine", "dns")})
        self.assertIn("answering from the checkpoint", second.output)
        second.wait_line("restored the checkpoint's routes.*routes=3")
        left_out = second.wait_line("routes of the checkpoint are left out")
        self.assertIn("west-router (3)", left_out)
        self.assertIn("routes=3", left_out)
        console = self.machine(second)
        self.assertIn(" error=3_routes_of_a_feed_were_left_out", console.ask("show checkpoint")[0])
        self.assertEqual(list(console.rank("198.51.100.1")), ["east"])
        self.assertEqual(console.rank("198.51.100.1")["east"]["distance"], "3")

    def test_is_written_by_the_clock(self):
        words = CONFIGURATION.replace("every: 0s", "every: 1s") % ("600s", "600s", self.file)
        first = self.daemon = self.martlet(words, wait=False)
        self.routers(first, {NETWORK: []}, {NETWORK: [64999]})
        first.wait_ready()
        # Nobody asks for it, and it doesn't end by itself.
        first.wait_line("wrote a checkpoint.*routes=2")
        times = len(first.lines)
        first.wait_line("wrote a checkpoint.*routes=2", after=times)
        first.kill()
        second = self.start(keep=first)
        self.answers(EAST, NETWORK)
        second.wait_line("restored the checkpoint's routes.*routes=2")

    # Neighbours of a range, which the configuration doesn't name.

    RANGE = CONFIGURATION.replace(
        "  west-router: { site: west, bgp: { peer: 127.0.0.5, as: 65002, connect: passive }, ",
        "  edge: { site: west, bgp: { peer: 127.0.0.16/29, maximum-peers: PEERS, as: 65002 }, ")

    def start_with_range(self, stale, peers=4, keep=None, east="600s"):
        words = self.RANGE.replace("PEERS", str(peers)) % (east, stale, self.file)
        for name in ("bgp", "console", "machine", "dns") if keep else ():
            words = words.replace("$" + name, keep.words[name])
        self.daemon = self.martlet(words, wait=False)
        if keep:
            self.daemon.words.update({n: keep.words[n] for n in ("bgp", "machine", "dns")})
        return self.daemon

    def neighbour(self, number, routes):
        bird = self.bird(bird_configuration(
            f"127.0.0.{number}", self.daemon.port("bgp"), 65002, routes=routes))
        bird.wait_established("martlet")
        return bird

    def life_with_neighbours(self):
        """As `first_life`, with two neighbours of a range: west is nearer by the one or the other."""
        first = self.start_with_range("600s")
        birds = [self.bird(bird_configuration(
            "127.0.0.4", first.port("bgp"), 65001,
            routes={NETWORK: [64999], GONE: [64999]}))]
        birds += [self.neighbour(17, {NETWORK: []}), self.neighbour(18, {GONE: []})]
        first.wait_ready()
        self.answers(WEST, NETWORK)
        self.answers(WEST, GONE)
        first.signal(signal.SIGTERM)
        self.assertEqual(first.wait(), 0)
        for bird in birds:
            bird.stop()
        return first

    def test_neighbours_of_a_range_come_back(self):
        first = self.life_with_neighbours()
        second = self.start_with_range("600s", keep=first)
        second.wait_ready()
        self.assertIn("answering from the checkpoint", second.output)
        for network in (NETWORK, GONE):
            self.answers(WEST, network)
        second.wait_line("restored the checkpoint's routes.*routes=4")
        self.assertNotIn("are left out", second.output)
        for network in (NETWORK, GONE):
            self.answers(WEST, network)
        console = self.machine(second)
        names = ("edge@127.0.0.17", "edge@127.0.0.18")
        self.assertEqual([self.feeds(console)[name]["stale"] for name in names], ["1", "1"])
        # One is back: it has the same feed, and what it lacks now leaves.
        self.neighbour(17, {NETWORK6: []})
        eventually("its own routes", lambda: {
            key: self.feeds(console)["edge@127.0.0.17"][key]
            for key in ("stale", "ipv4", "ipv6")} == {"stale": "0", "ipv4": "0", "ipv6": "1"})
        self.answers(EAST, NETWORK)
        self.answers(WEST, GONE)
        self.assertEqual(len(self.feeds(console)), 4, "east-router, edge and two neighbours")

    def test_a_neighbour_that_stays_away_goes_after_the_stale_time(self):
        first = self.life_with_neighbours()
        second = self.start_with_range("3s", keep=first)
        second.wait_ready()
        console = self.machine(second)
        eventually(
            "the neighbours to go", lambda: set(self.feeds(console)) == {"east-router", "edge"})
        self.answers(EAST, NETWORK)

    def test_neighbours_beyond_what_the_range_has_room_for_are_left_out(self):
        first = self.life_with_neighbours()
        second = self.start_with_range("600s", peers=1, keep=first)
        left_out = second.wait_line("routes of the checkpoint are left out")
        self.assertRegex(left_out, r"edge@127\.0\.0\.1[78] \(1\)")
        self.assertIn("no room", left_out)
        second.wait_line("restored the checkpoint's routes.*routes=3")
        self.assertEqual(len(self.feeds(self.machine(second))), 3)


if __name__ == "__main__":
    unittest.main()
