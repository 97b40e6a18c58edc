# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""DNSViz's opinion of a zone that Martlet serves."""
import json
import unittest

from harness import Martlet, TestCase, peer, run

CONFIGURATION = """
router: { as: 65000, id: 192.0.2.1 }
listen:
  socket: $socket
  dns: ["127.0.0.1:$dns"]
sites:
  near: { as: 64600, addresses: [192.0.2.10, "2001:db8:10::80"] }
  far:  { as: 64601, addresses: [192.0.2.20, "2001:db8:20::80"] }
maps: [pins.routes]
zones:
  example.com:
    soa: { host: ns1.example.com, email: hostmaster@example.com }
    ns: [ns1.example.com]
    ttl: 300
    records:
      ns1: { a: 127.0.0.1 }
      www: { nearest: [near, far], ttl: 60 }
      text: { txt: hello }
      alias: { cname: www.example.com }
      deep.below: { a: 192.0.2.55 }
      "*.wild": { a: 192.0.2.56 }
"""


class DNSVizTests(TestCase):
    """Asked with and without EDNS, with odd flags, versions and options, over UDP and TCP."""

    @classmethod
    def setUpClass(cls):
        cls.daemon = Martlet(CONFIGURATION, files={"pins.routes": "198.51.100.0/24 64601\n"})
        cls.addClassCleanup(cls.daemon.stop)

    def probe(self, *names):
        done = run(
            peer("dnsviz"), "probe", "-4", "-A", "-x",
            f"example.com+:ns1.example.com=127.0.0.1:{self.daemon.port('dns')}", *names,
            seconds=180)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_a_zone_is_clean(self):
        names = [
            "example.com", "www.example.com", "alias.example.com", "x.wild.example.com",
            "below.example.com", "nothing.example.com"]
        probed = self.probe(*names)
        found = json.loads(run(peer("dnsviz"), "grok", input=probed).stdout)
        self.assertEqual(
            {name: found[f"{name}."]["status"] for name in names},
            {name: "NXDOMAIN" if name.startswith("nothing") else "NOERROR" for name in names})
        # It did ask: every address of the name that is steered was seen.
        text = json.dumps(found["www.example.com."])
        self.assertIn("192.0.2.", text)
        complaints = run(peer("dnsviz"), "grok", "-l", "warning", input=probed).stdout
        self.assertEqual(complaints.strip() or "{}", "{}")


if __name__ == "__main__":
    unittest.main()
