# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Real tables made into a route map by `martlet import`, and asked of martletd, which knows nothing
else: the order of the sites is that of a few lines of Python that look at every table."""
import ipaddress
import os
import random
import unittest

from harness import TestCase, program, run
from test_real_table import SLICE, hops, ipv4_table, longest

PEERS = [
    "203.62.252.186", "202.232.0.3", "168.209.255.23", "12.0.1.63", "213.144.128.203",
    "68.67.63.245"]


class ImportTests(TestCase):
    def test_a_map_of_real_tables(self):
        folder = self.folder()
        path = os.path.join(folder, "nearest.routes")
        sources = [f"site{n}={64600 + n}:{SLICE},{peer}" for n, peer in enumerate(PEERS)]
        done = run(program("martlet"), "import", "mrt", *sources, "-o", path, seconds=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(path) as file:
            text = file.read()
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        tables = ipv4_table(SLICE)
        tables = [tables[peer] for peer in PEERS]
        # Fewer lines than one table has prefixes, although six tables are in them.
        self.assertLess(len(lines), min(map(len, tables)))

        configuration = ["listen:"]
        configuration += ['  console: [{ address: "127.0.0.1:$machine", face: machine }]']
        configuration += ["  socket: $socket", "sites:"]
        for number in range(len(PEERS)):
            configuration.append(
                f"  site{number}: {{ as: {64600 + number}, addresses: [192.0.2.{number + 1}] }}")
        configuration += ["maps: [nearest.routes]", ""]
        martlet = self.martlet("\n".join(configuration), files={"nearest.routes": text})
        seed = random.randrange(1 << 32)
        source = random.Random(seed)
        announced = sorted({prefix for table in tables for prefix in table})
        addresses = [source.getrandbits(32) for _ in range(1000)]
        for _ in range(4000):
            network, length = source.choice(announced)
            addresses.append(network | source.getrandbits(32) >> length)
        console = self.machine(martlet)
        for start in range(0, len(addresses), 100):
            batch = addresses[start:start + 100]
            console.send(*(f"rank {ipaddress.IPv4Address(address)}" for address in batch))
            for address in batch:
                got = [line.split()[1] for line in console.reply() if "reason=pinned" in line]
                near = []
                for number, table in enumerate(tables):
                    prefix = longest(table, address)
                    if prefix is not None:
                        near.append((hops(table[prefix]), number))
                wanted = [f"site{number}" for _, number in sorted(near)]
                self.assertEqual(got, wanted, f"{ipaddress.IPv4Address(address)}, seed {seed}")


if __name__ == "__main__":
    unittest.main()
