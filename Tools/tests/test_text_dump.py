# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""What a real FRR prints for `show ip bgp` and `show bgp ipv6`, read as a feed.

FRR gets routes from two BIRDs, real ones for IPv4. What Martlet made of FRR's text is held against
what FRR itself says in JSON, route by route.
"""
import ipaddress
import json
import random
import unittest

from harness import Frr, TestCase, bird_configuration, eventually
from test_real_table import SLICE, ipv4_table

CONFIGURATION = """
listen:
  console: [{ address: "127.0.0.1:$machine", face: machine }]
  socket: $folder/console.sock
sites:
  near: { as: 64600, addresses: [192.0.2.10] }
  far:  { as: 64601, addresses: [192.0.2.20] }
feeds:
  best: { site: near, text: { file: table.txt } }
  second: { site: far, text: { file: table.txt, peer-as: 64512 } }
"""

FRR = """
hostname router
log stdout
router bgp 65010
 bgp router-id 192.0.2.99
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 neighbor 127.0.0.2 remote-as 64511
 neighbor 127.0.0.2 passive
 neighbor 127.0.0.2 ebgp-multihop 4
 neighbor 127.0.0.3 remote-as 64512
 neighbor 127.0.0.3 passive
 neighbor 127.0.0.3 ebgp-multihop 4
 address-family ipv4 unicast
  neighbor 127.0.0.2 activate
  neighbor 127.0.0.3 activate
 exit-address-family
 address-family ipv6 unicast
  neighbor 127.0.0.2 activate
  neighbor 127.0.0.3 activate
 exit-address-family
"""


class TextDumpTests(TestCase):
    def test_a_table_of_frr(self):
        source = random.Random(64511)
        real = ipv4_table(SLICE)["202.232.0.3"]
        routes = [{}, {}]
        for (network, length), segments in real.items():
            if len(segments) != 1 or segments[0][0] != 2:
                continue
            prefix = str(ipaddress.ip_network((network, length)))
            path = segments[0][1][1:]
            for table in routes:
                if source.random() < 0.8:
                    table[prefix] = path[:source.randrange(1, len(path) + 1)]
        for number in range(500):
            length = source.choice([32, 36, 44, 48, 56, 64, 96, 128])
            network = 0x2001_0db8 << 96 | number << 64 | source.getrandbits(60)
            prefix = str(ipaddress.ip_network((network >> 128 - length << 128 - length, length)))
            for table in routes:
                if source.random() < 0.8:
                    table[prefix] = [source.randrange(1, 1 << 32) for _ in range(source.randrange(9))]
        frr = Frr(FRR)
        self.addCleanup(frr.stop)
        for number, table in enumerate(routes):
            # FRR takes no next hop on loopback; the second of IPv6 is too long for its column.
            self.bird(bird_configuration(
                f"127.0.0.{2 + number}", frr.port, 64511 + number, martlet_as=65010, routes=table
            ).replace("next hop self", f"next hop address 198.51.100.{7 + number}").replace(
                "2001:db8::7", ["2001:db8::7", "2001:db8:ffff:ffff::7:1"][number]))
        wanted = sum(map(len, routes))

        def tables():
            found = [
                json.loads(frr.ask(f"show bgp ipv{family} unicast json")) for family in (4, 6)]
            paths = {
                prefix: paths for table in found
                for prefix, paths in table.get("routes", {}).items()}
            return paths if sum(map(len, paths.values())) == wanted else None

        def settled():
            """FRR chooses among a prefix's paths some time after they have come."""
            said = tables()
            if said is None or not all(
                    any(path.get("bestpath") for path in paths) for paths in said.values()):
                return None
            text = frr.ask("show ip bgp", "show bgp ipv6")
            return (said, text) if tables() == said else None

        said, text = eventually("all routes to reach FRR, and its choice to be made", settled)
        self.assertIn("/128", text)
        martlet = self.martlet(CONFIGURATION, files={"table.txt": text})
        self.compare(martlet, said)

        # The same by a reload, when the file has changed.
        martlet.write("table.txt", frr.ask("show ip bgp wide", "show bgp ipv6 wide"))
        reply = martlet.console("reload").stdout
        self.assertIn("table.txt is loaded", reply)
        self.compare(martlet, said)

        # And what can't be read changes nothing.
        martlet.write("table.txt", text.replace(" i\n", "\n", 1))
        done = martlet.console("reload")
        self.assertRegex(done.stdout + done.stderr, r"table\.txt:\d+:\d+: .*does not end in i, e")
        self.compare(martlet, said)

    def compare(self, martlet, said):
        """Martlet's routes, and those that FRR says it uses; and those of the second peer."""
        for feed in ("best", "second"):
            reply = json.loads(martlet.console(f"show routes feed {feed} --json").stdout)
            got = {
                route["prefix"]: (route["as_path"], route["next_hop"])
                for route in reply["routes"]}
            wanted = {}
            for prefix, paths in said.items():
                for path in paths:
                    numbers = [int(number) for number in path["path"].split()]
                    chosen = path.get("bestpath") if feed == "best" else numbers[0] == 64512
                    if chosen:
                        hop = next(
                            hop["ip"] for hop in path["nexthops"] if hop.get("used", True))
                        wanted[prefix] = (numbers, hop)
            self.assertGreater(len(wanted), 3000)
            self.assertEqual(got, wanted)


if __name__ == "__main__":
    unittest.main()
