# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""What is told of names whose sites are down, and of addresses that aren't the machine's."""
import os
import unittest

from harness import PATIENCE, Process, TestCase, bird_configuration, eventually, program, run

CONFIGURATION = """
router: { as: 65000, id: 192.0.2.1 }
listen:
  bgp: ["127.0.0.1:$bgp"]
  console: [{ address: "127.0.0.1:$machine", face: machine }]
  socket: $socket
  dns: ["127.0.0.1:$dns"]
sites:
  east: { as: 64600, addresses: [192.0.2.10], without-routes: down }
  west: { as: 64601, addresses: [192.0.2.20] }
feeds:
  core: { site: east, stale-time: 1s, bgp: { peer: 127.0.0.9, as: 65009, connect: passive } }
zones:
  example.com:
    ns: [ns.example.net]
    records:
      www: { nearest: [east, west] }
      cdn: { nearest: [east] }
      app: { nearest: [east] }
"""
DOWN, UP = "all sites of names are down", "names have a site that is up again"


class OutageTests(TestCase):
    def test_the_log_tells_of_names_whose_sites_are_down(self):
        daemon = self.martlet(CONFIGURATION, wait=False)
        configuration = bird_configuration(
            "127.0.0.9", daemon.port("bgp"), 65009, routes={"198.51.100.0/24": [7]})
        router = self.bird(configuration)
        daemon.wait_ready()
        self.assertNotIn(DOWN, daemon.output, "before the feeds have come nobody misses a site")
        self.assertEqual(daemon.dig("cdn.example.com").addresses, ["192.0.2.10"])
        router.stop()
        line = daemon.wait_line(DOWN)
        self.assertIn("app.example.com. cdn.example.com.", line)
        self.assertNotIn("www", line)
        self.assertNotIn(UP, daemon.output)
        self.bird(configuration)
        line = daemon.wait_line(UP, seconds=3 * PATIENCE)
        self.assertIn("app.example.com. cdn.example.com.", line)
        self.assertEqual(daemon.output.count(DOWN), 1)


class AwayTests(TestCase):
    @unittest.skipUnless(os.geteuid() == 0, "a network of its own is root's to make")
    def test_an_address_may_come_after_the_start(self):
        folder = self.folder()
        path = os.path.join(folder, "martlet.yaml")
        away = {"192.0.2.53": "192.0.2.53:5300"}
        if os.path.exists("/proc/net/if_inet6"):
            away["2001:db8::53"] = "[2001:db8::53]:5300"
        endpoints = ", ".join(f'"{endpoint}"' for endpoint in ["127.0.0.9:5300", *away.values()])
        with open(path, "w") as file:
            file.write(
                "router: { as: 65000, id: 192.0.2.1 }\n"
                f"listen: {{ socket: {folder}/console.sock, dns: [{endpoints}] }}\n"
                "sites: { east: { as: 64600, addresses: [192.0.2.10] } }\n"
                "zones: { example.com: { ns: [ns.example.net], records: { www: { nearest: [east] } } } }\n")
        daemon = Process([
            "unshare", "--net", "sh", "-c",
            f"ip link set lo up && exec {program('martletd')} --config {path} --foreground"])
        self.addCleanup(daemon.stop)
        try:
            daemon.wait_line(r"\bready\b")
        except AssertionError:
            raise unittest.SkipTest(f"no network of our own to be had: {daemon.output}") from None
        told = [line for line in daemon.output.splitlines() if "isn't this machine's" in line]
        self.assertEqual(len(told), len(away), told)

        def inside(*command):
            return run("nsenter", "--net", "-t", str(daemon.child.pid), *command).stdout

        def ask(address, transport):
            return inside(
                "dig", f"@{address}", "-p", "5300", transport, "+short", "+tries=1", "+time=2",
                "www.example.com").split()
        self.assertEqual(ask("127.0.0.9", "+notcp"), ["192.0.2.10"])
        for address, endpoint in away.items():
            with self.subTest(address=address):
                self.assertTrue(any(endpoint in line for line in told), told)
                self.assertNotEqual(ask(address, "+notcp"), ["192.0.2.10"])
                inside("ip", "addr", "add", address, "dev", "lo")
                eventually("an answer", lambda: ask(address, "+notcp") == ["192.0.2.10"])
                self.assertEqual(ask(address, "+tcp"), ["192.0.2.10"])


if __name__ == "__main__":
    unittest.main()
