# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""A validator (StayRTR) tells who may announce what, and a hijacked more-specific moves nobody."""
import json
import os
import shutil
import signal
import tempfile
import unittest

from harness import (
    Process, Refused, TestCase, bird_configuration, eventually, free_port, peer)

CONFIGURATION = """
router: { as: 65000, id: 192.0.2.1 }
listen:
  bgp: ["127.0.0.1:$bgp"]
  console: [{ address: "127.0.0.1:$machine", face: machine }]
  socket: $socket
  dns: ["127.0.0.1:$dns"]
sites:
  east: { as: 64600, addresses: [192.0.2.10] }
  west: { as: 64601, addresses: [192.0.2.20] }
feeds:
  east-router: { site: east, bgp: { peer: 127.0.0.2, as: 65001, connect: passive } }
  west-router: { site: west, bgp: { peer: 127.0.0.3, as: 65002, connect: passive } }
rpki: { %s }
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
OWN, HIJACKED = "198.51.100.0/24", "198.51.100.0/25"
OWN6 = "2001:db8:abcd::/48"


class Validator(Process):
    """StayRTR with payloads of its own: (prefix, longest length, AS)."""

    def __init__(self, payloads, version=1, port=None):
        self.folder = tempfile.mkdtemp(prefix="martlet-validator-")
        self.port = port or free_port()
        self.path = os.path.join(self.folder, "vrps.json")
        self.set(payloads)
        try:
            super().__init__([
                peer("stayrtr"), "-bind", f"127.0.0.1:{self.port}", "-cache", self.path,
                "-checktime=false", "-refresh", "1", "-protocol", str(version),
                "-metrics.addr", f"127.0.0.1:{free_port()}"])
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def set(self, payloads):
        roas = [
            {"prefix": prefix, "maxLength": longest, "asn": f"AS{number}", "ta": "test"}
            for prefix, longest, number in payloads]
        with open(self.path + ".new", "w") as file:
            json.dump({"metadata": {}, "roas": roas}, file)
        os.rename(self.path + ".new", self.path)

    def stop(self):
        super().stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class RPKITests(TestCase):
    def validator(self, payloads, **options):
        started = Validator(payloads, **options)
        self.addCleanup(started.stop)
        return started

    def start(self, *validators, more="", wait=True):
        caches = ", ".join(
            f"{{ address: 127.0.0.1, port: {getattr(one, 'port', one)} }}" for one in validators)
        self.daemon = self.martlet(CONFIGURATION % f"caches: [{caches}]{more}")
        self.console = self.machine(self.daemon)
        if wait:
            self.wait_cache("state=synchronised")

    def caches(self):
        return self.console.ask("show rpki")

    def wait_cache(self, *words, cache=0):
        eventually(
            f"cache {cache} to be {words}",
            lambda: all(word in self.caches()[cache] for word in words))

    def announce(self):
        """East has the network itself, west a part of it that isn't its own."""
        self.east = self.bird(bird_configuration(
            "127.0.0.2", self.daemon.port("bgp"), 65001, routes={OWN: [64999], OWN6: [64999]}))
        self.west = self.bird(bird_configuration(
            "127.0.0.3", self.daemon.port("bgp"), 65002, routes={HIJACKED: []}))
        for prefix in (OWN, OWN6, HIJACKED):
            eventually(prefix, lambda: self.state(prefix) != "no route")

    def answer(self):
        return self.daemon.dig("www.example.com", "A", HIJACKED).addresses

    def follow(self, answer):
        eventually(f"the answer to be {answer}", lambda: self.answer() == answer)

    def state(self, prefix):
        """The validation of the first route at exactly this prefix."""
        reply = self.console.ask(f"show ip bgp {prefix} --json")
        if isinstance(reply, Refused):
            return "no route"
        return json.loads(reply)["paths"][0]["validation"]

    def wait_state(self, prefix, state):
        eventually(f"{prefix} to be {state}", lambda: self.state(prefix) == state)

    def test_over_a_restart_without_the_cache(self):
        file = os.path.join(self.folder(), "table.checkpoint")
        more = f"checkpoint: {{ file: {file}, every: 0s }}\n"
        validator = self.validator([(OWN, 24, 64999), (OWN6, 48, 64999)])
        words = CONFIGURATION % f"caches: [{{ address: 127.0.0.1, port: {validator.port} }}]" + more

        def start(words):
            self.daemon = self.martlet(words)
            self.console = self.machine(self.daemon)

        def end():
            self.daemon.signal(signal.SIGTERM)
            self.assertEqual(self.daemon.wait(), 0)

        start(words)
        self.wait_cache("state=synchronised")
        self.announce()
        self.wait_state(HIJACKED, "invalid")
        self.follow(EAST)
        end()
        for process in (self.east, self.west, validator):
            process.stop()

        # No cache tells anything: what was known of the routes stands.
        start(words)
        self.daemon.wait_line("restored the checkpoint's routes")
        self.assertEqual(self.state(HIJACKED), "invalid")
        self.assertEqual(self.state(OWN), "valid")
        self.assertEqual(self.answer(), EAST)
        # Nobody is to validate them any more: it is forgotten.
        self.daemon.write("martlet.yaml", "\n".join(
            line for line in words.split("\n") if not line.startswith("rpki:")))
        self.daemon.console("reload")
        self.wait_state(HIJACKED, None)
        self.follow(WEST)
        end()

        # So it is from the start where the configuration has no cache.
        start("\n".join(line for line in words.split("\n") if not line.startswith("rpki:")))
        self.daemon.wait_line("restored the checkpoint's routes")
        self.wait_state(HIJACKED, None)
        self.follow(WEST)

    def test_a_hijacked_more_specific_moves_nobody(self):
        validator = self.validator([(OWN, 24, 64999), (OWN6, 48, 64999)])
        self.start(validator)
        self.announce()
        self.wait_state(HIJACKED, "invalid")
        self.assertEqual(self.state(OWN), "valid")
        self.assertEqual(self.state(OWN6), "valid")
        self.assertEqual(self.answer(), EAST)
        self.assertIn("validation=invalid", "".join(self.console.ask("show routes")))
        text = self.daemon.console(f"show ip bgp {HIJACKED}").stdout
        self.assertIn("invalid", text)

        # The holder lets west announce it: the client moves.
        validator.set([(OWN, 24, 64999), (OWN6, 48, 64999), (OWN, 25, 65002)])
        self.follow(WEST)
        self.assertEqual(self.state(HIJACKED), "valid")
        self.assertEqual(self.state(OWN), "valid")
        self.assertIn(
            "198.51.100.0/24 maximum_length=25 as=65002",
            self.console.ask(f"show rpki {HIJACKED}"))

        # And no more.
        validator.set([(OWN, 24, 64999), (OWN6, 48, 64999)])
        self.follow(EAST)
        self.assertEqual(self.state(HIJACKED), "invalid")

        # Nobody says anything about the network: the route counts again.
        validator.set([(OWN6, 48, 64999)])
        self.follow(WEST)
        self.assertEqual(self.state(HIJACKED), "not-found")
        self.assertEqual(self.state(OWN), "not-found")
        self.assertEqual(self.state(OWN6), "valid")

    def test_payloads_that_come_after_the_routes_judge_them(self):
        port = free_port()
        self.start(port, wait=False)
        self.announce()
        self.follow(WEST)
        self.assertEqual(self.state(HIJACKED), None)
        self.validator([(OWN, 24, 64999)], port=port)
        self.follow(EAST)
        self.assertEqual(self.state(HIJACKED), "invalid")

    def test_invalid_routes_count_where_they_are_accepted(self):
        validator = self.validator([(OWN, 24, 64999)])
        self.start(validator, more=", invalid: accept")
        self.announce()
        self.wait_state(HIJACKED, "invalid")
        self.follow(WEST)
        with open(self.daemon.configuration) as file:
            text = file.read()
        self.daemon.write("martlet.yaml", text.replace("invalid: accept", "invalid: ignore"))
        reply = self.daemon.console("reload").stdout
        self.assertIn("invalid routes: ignore", reply)
        self.follow(EAST)
        self.daemon.write(
            "martlet.yaml", "\n".join(line for line in text.splitlines() if "rpki" not in line))
        self.daemon.console("reload")
        self.follow(WEST)
        self.assertEqual(self.state(HIJACKED), None)
        self.assertIn("no RPKI cache", self.console.ask("show rpki"))

    def test_versions_of_the_protocol(self):
        for version in (0, 1, 2):
            with self.subTest(version=version):
                validator = self.validator([(OWN, 24, 64999)], version=version)
                self.start(validator)
                self.assertIn(f"version={min(version, 1)}", self.caches()[0])
                self.assertIn("ipv4=1 ipv6=0", self.caches()[0])
                validator.set([(OWN, 24, 64999), (OWN6, 48, 64999)])
                self.wait_cache("ipv4=1 ipv6=1")
                self.daemon.stop()
                validator.stop()

    def test_the_next_cache_takes_over_and_the_first_comes_back(self):
        first = self.validator([(OWN, 24, 64999)])
        second = self.validator([(OWN, 24, 64999), (OWN6, 48, 64999)])
        self.start(first, second, more=", retry: 1s")
        self.assertIn("used=no", self.caches()[1])
        self.announce()
        self.follow(EAST)
        first.stop()
        self.wait_cache("used=yes", "state=synchronised", cache=1)
        self.assertEqual(self.answer(), EAST)
        self.assertIn("used=no", self.caches()[0])
        self.wait_state(OWN6, "valid")
        again = self.validator([(OWN, 24, 64999)], port=first.port)
        self.wait_cache("used=yes", "state=synchronised")
        self.wait_cache("state=idle", cache=1)
        self.wait_state(OWN6, "not-found")
        self.assertEqual(self.answer(), EAST)
        del again

    def test_a_restarted_cache_leaves_no_gap(self):
        validator = self.validator([(OWN, 24, 64999)])
        self.start(validator, more=", retry: 1s")
        self.announce()
        self.follow(EAST)
        validator.stop()
        self.wait_cache("state=waiting")
        # What it told counts until it expires.
        self.assertIn("used=yes", self.caches()[0])
        self.assertEqual(self.state(HIJACKED), "invalid")
        self.validator([(OWN, 24, 64999)], port=validator.port)
        self.wait_cache("state=synchronised", "used=yes")
        self.assertEqual(self.state(HIJACKED), "invalid")
        self.assertEqual(self.answer(), EAST)

    def test_payloads_that_nobody_confirms_expire(self):
        validator = self.validator([(OWN, 24, 64999)])
        self.start(validator, more=", refresh: 1s, retry: 1s, expire: 3s")
        self.announce()
        self.follow(EAST)
        validator.stop()
        self.daemon.wait_line("no RPKI cache has payloads that count")
        self.follow(WEST)
        self.assertEqual(self.state(HIJACKED), "not-found")
        self.validator([(OWN, 24, 64999)], port=validator.port)
        self.follow(EAST)


if __name__ == "__main__":
    unittest.main()
