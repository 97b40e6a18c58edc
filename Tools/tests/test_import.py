# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Real tables made into a route map by `martlet import`, and asked of martletd, which knows nothing
else: the order of the sites is that of a few lines of Python that look at every table."""
import ipaddress
import os
import pty
import random
import re
import select
import subprocess
import time
import unittest

from harness import PATIENCE, TestCase, program, run
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


class ProgressTests(TestCase):
    """The bar of `martlet import mrt`, on a terminal and elsewhere."""

    BAR = re.compile(r"\r\[(#*)(\.*)\] (\d+)% ([^\r\x1b]*)\x1b\[K")
    CLEARED = "\r\x1b[K"

    def command(self, *options):
        return [
            program("martlet"), "import", "mrt", f"site0=64600:{SLICE},{PEERS[0]}",
            f"site1=64601:{SLICE},{PEERS[1]}", "-o", os.path.join(self.folder(), "map.routes"),
            *options]

    def on_terminal(self, *options):
        """What a terminal on standard error gets; standard output is none."""
        terminal, end = pty.openpty()
        self.addCleanup(os.close, terminal)
        with subprocess.Popen(
                self.command(*options), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=end) as child:
            os.close(end)
            shown = b""
            until = time.monotonic() + 4 * PATIENCE
            while True:
                ready, _, _ = select.select([terminal], [], [], until - time.monotonic())
                if not ready:
                    child.kill()
                    self.fail(f"no end of it: {shown!r}")
                try:
                    some = os.read(terminal, 65536)
                except OSError:  # Nobody has the other end any more.
                    break
                if not some:
                    break
                shown += some
            written = child.stdout.read()
            self.assertEqual(child.wait(PATIENCE), 0, shown)
        self.assertNotIn(b"\x1b", written)
        return shown.decode()

    def test_a_bar_grows_and_is_taken_away(self):
        shown = self.on_terminal()
        bars = self.BAR.findall(shown)
        self.assertTrue(bars, shown)
        for filled, rest, percent, words in bars:
            self.assertEqual(len(filled) + len(rest), 30)
            share = int(percent)
            self.assertIn(len(filled), range(share * 30 // 100, (share + 1) * 30 // 100 + 1))
            self.assertTrue(words.strip())
        shares = [int(percent) for _, _, percent, _ in bars]
        self.assertEqual(shares, sorted(shares), "it never goes back")
        self.assertLessEqual(shares[-1], 100)
        self.assertGreater(shares[-1], shares[0])
        # What is left on the screen is the summary: the bar's line was taken away before it.
        last = shown.rindex(self.CLEARED)
        ends = [found.end() for found in self.BAR.finditer(shown)]
        self.assertGreaterEqual(last, ends[-1], "cleared after the last bar")
        self.assertNotIn("#", shown[last:])
        self.assertTrue(shown[last + len(self.CLEARED):].strip(), "the summary follows")

    def test_no_bar_where_it_is_not_wanted(self):
        self.assertNotIn("\x1b", self.on_terminal("--quiet"))
        done = run(*self.command(), seconds=4 * PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("\x1b", done.stderr + done.stdout, "no terminal, no bar")


if __name__ == "__main__":
    unittest.main()
