# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""What a session sends, recorded by `dump`, read by bgpdump, and played by `martlet replay`."""
import glob
import os
import resource
import signal
import subprocess
import unittest

from harness import Process, TestCase, bird_configuration, eventually, peer, program, run

CONFIGURATION = """
router: { as: 65000, id: 192.0.2.1 }
listen:
  bgp: ["127.0.0.1:$bgp"]
  console: [{ address: "127.0.0.1:$machine", face: machine }]
  socket: $socket
sites:
  near: { as: 64600, addresses: [192.0.2.10] }
  far:  { as: 64601, addresses: [192.0.2.20] }
feeds:
  live:
    site: near
    stale-time: 1h
    bgp: { peer: 127.0.0.2, as: 64511, connect: passive }
    dump: { file: live.%Y%m%d.%H%M%S.mrt OPTIONS }
maps: [pins.routes]
ready: { wait: 1 }
"""
PINS = {"pins.routes": "10.99.0.0/16 64601\n"}
ROUTES = {f"10.{number}.0.0/16": [3000 + number] for number in range(200)} | {
    f"2001:db8:{number:x}::/48": [4000 + number, 7] for number in range(1, 101)}


def configuration(options=""):
    return CONFIGURATION.replace(" OPTIONS", options)


def read(path):
    """The fields of each line of `bgpdump -m`, but for the time."""
    done = subprocess.run(
        [peer("bgpdump"), "-m", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        errors="replace", check=True)
    return [line.split("|")[:1] + line.split("|")[2:] for line in done.stdout.splitlines()]


def table(lines):
    """{prefix: path} after what bgpdump read."""
    routes = {}
    for line in lines:
        if line[1] == "A":
            routes[line[4]] = line[5]
        elif line[1] == "W":
            routes.pop(line[4], None)
    return routes


def records(martlet, ending=".mrt*"):
    return sorted(glob.glob(os.path.join(martlet.folder, "live.*" + ending)))


class RecordTests(TestCase):
    def router(self, martlet, routes):
        return self.bird(
            bird_configuration("127.0.0.2", martlet.port("bgp"), 64511, routes=routes))

    def routes(self, martlet):
        """What Martlet holds of the feed: {prefix: path}."""
        with martlet.machine() as console:
            rows = {
                line.split()[0]: dict(field.split("=", 1) for field in line.split()[1:])
                for line in console.ask("show routes feed live")}
        return {prefix: row["path"].replace(",", " ") for prefix, row in rows.items()}

    def wait_routes(self, martlet, wanted):
        eventually(
            "the routes to have come", lambda: set(self.routes(martlet)) == set(wanted) or None)

    def detail(self, martlet):
        return martlet.console("show feed live").stdout

    def test_a_session_is_recorded_and_played_again(self):
        martlet = self.martlet(configuration(), files=PINS)
        bird = self.router(martlet, ROUTES)
        self.wait_routes(martlet, ROUTES)
        fewer = {prefix: path for prefix, path in ROUTES.items() if not prefix.startswith("10.1")}
        fewer["10.7.0.0/16"] = [9, 9, 9]
        bird.configure(bird_configuration("127.0.0.2", martlet.port("bgp"), 64511, routes=fewer))
        self.wait_routes(martlet, fewer)
        eventually("the new path", lambda: self.routes(martlet)["10.7.0.0/16"] == "64511 9 9 9")
        held = self.routes(martlet)
        ranked = martlet.console("rank 10.7.1.1", "rank 10.99.1.1", "rank 2001:db8:5::1").stdout
        self.assertRegex(self.detail(martlet), r"record.file\s.*live\..*\.mrt\n")
        self.assertEqual(len(records(martlet, ".part")), 1)
        bird.stop()
        eventually("the session's end", lambda: "established" not in self.detail(martlet))
        martlet.signal(signal.SIGTERM)
        martlet.wait()

        # One file, whole, and bgpdump reads in it what Martlet held.
        (path,) = records(martlet)
        self.assertTrue(path.endswith(".mrt"))
        lines = read(path)
        self.assertEqual({line[0] for line in lines}, {"BGP4MP_ET"})
        self.assertEqual({line[2] for line in lines}, {"127.0.0.2"})
        self.assertEqual(table(lines), held)
        states = [line[4:6] for line in lines if line[1] == "STATE"]
        self.assertIn(["5", "6"], states)
        self.assertIn("6", [old for old, _ in states])

        # Played: the same answers, by the same configuration, the session's end included.
        config = martlet.configuration
        played = run(
            program("martlet"), "replay", path, "--config", config, "--speed", "max", "--quiet",
            "-c", "rank 10.7.1.1", "-c", "rank 10.99.1.1", "-c", "rank 2001:db8:5::1")
        self.assertEqual((played.returncode, played.stderr), (0, ""))
        self.assertEqual(
            [line.split()[:3] for line in played.stdout.splitlines()],
            [line.split()[:3] for line in ranked.splitlines()])

        # At a pace, with a console meanwhile, until somebody ends it.
        socket = os.path.join(martlet.folder, "replay.sock")
        replay = Process([
            program("martlet"), "replay", path, "--config", config, "--speed", "50", "--socket",
            socket])
        self.addCleanup(replay.stop)
        replay.wait_line("the console: martlet console")
        replay.wait_line("the table stays as it is")
        reply = run(program("martlet"), "console", socket, "-c", "show ip bgp 10.7.1.1")
        self.assertIn("64511 9 9 9", reply.stdout)
        replay.signal(signal.SIGINT)
        self.assertEqual(replay.wait(), 0)
        self.assertFalse(os.path.exists(socket))

    def test_files_are_rotated_and_few_are_kept(self):
        martlet = self.martlet(
            configuration(", rotate-size: 65536, keep: 3"), files=PINS)
        bird = self.router(martlet, {})
        bird.wait_established("martlet")
        many = {f"10.{n >> 8}.{n & 255}.0/24": [n + 1, n + 2, n + 3] for n in range(8000)}
        bird.configure(bird_configuration("127.0.0.2", martlet.port("bgp"), 64511, routes=many))
        self.wait_routes(martlet, many)
        complete = [path for path in records(martlet) if not path.endswith(".part")]
        self.assertEqual(len(complete), 3)
        for path in complete:
            self.assertLessEqual(os.path.getsize(path), 65536)
            self.assertGreater(len(read(path)), 100)
        self.assertNotIn("dropped", martlet.output)

    def test_a_disk_that_takes_no_more_harms_no_session(self):
        # As a full disk: no file may grow beyond 16 KiB.
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (16384, 16384))

        started = self.martlet(
            configuration(), files=PINS,
            process={"preexec_fn": limit, "restore_signals": False})
        self.router(started, ROUTES)
        self.wait_routes(started, ROUTES)
        started.wait_line("can't be recorded; the session goes on without")
        self.assertRegex(self.detail(started), r"not.recorded\s+[1-9]")
        for path in records(started):
            # What is there is whole.
            self.assertGreater(len(read(path)), 0)
        self.assertEqual(len(self.routes(started)), len(ROUTES))


if __name__ == "__main__":
    unittest.main()
