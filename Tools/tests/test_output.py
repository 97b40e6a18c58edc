# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Where `martlet export` and `martlet import` write: what they replace, and what they don't."""
import os
import stat
import threading
import unittest

from harness import PATIENCE, Process, TestCase, eventually, program, run

CONFIGURATION = """
listen: { socket: $socket }
sites:
  near: { as: 64600, addresses: [192.0.2.10] }
  far:  { as: 64601, addresses: [192.0.2.20] }
maps: [pins.routes]
"""
PINS = "198.51.100.0/24 64601\n"


class OutputTests(TestCase):
    def setUp(self):
        self.daemon = self.martlet(CONFIGURATION, files={"pins.routes": PINS})
        self.place = self.folder()

    def export(self, path):
        done = run(program("martlet"), "export", "gdnsd", self.daemon.socket_path, "-o", path)
        self.assertEqual(done.returncode, 0, done.stderr)

    def check(self, text):
        self.assertIn("198.51.100.0/24 => [ far", text)

    def read(self, path):
        with open(path) as file:
            return file.read()

    def test_what_is_no_plain_file_is_written_to(self):
        """A pipe stays one: so does /dev/null, for whoever is root."""
        path, found = os.path.join(self.place, "pipe"), []
        os.mkfifo(path)
        reader = threading.Thread(target=lambda: found.append(self.read(path)), daemon=True)
        reader.start()
        self.export(path)
        self.assertTrue(stat.S_ISFIFO(os.lstat(path).st_mode))
        reader.join(PATIENCE)
        self.check(found[0])
        done = run(program("martlet"), "export", "gdnsd", self.daemon.socket_path, "-o", "/dev/stdout")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.check(done.stdout)
        self.assertEqual(os.listdir(self.place), ["pipe"])

    def test_a_link_stays_and_so_do_rights(self):
        path, link = os.path.join(self.place, "nets"), os.path.join(self.place, "link")
        with open(path, "w") as file:
            file.write("before\n")
        os.chmod(path, 0o640)
        if os.getuid() == 0:
            os.chown(path, -1, 54321)
        before = os.stat(path)
        os.symlink("nets", link)
        self.export(link)
        self.assertTrue(os.path.islink(link))
        self.check(self.read(path))
        after = os.stat(path)
        self.assertNotEqual(after.st_ino, before.st_ino, "the file is replaced whole")
        self.assertEqual(
            (after.st_mode, after.st_uid, after.st_gid), (before.st_mode, before.st_uid, before.st_gid))
        self.assertEqual(sorted(os.listdir(self.place)), ["link", "nets"])

    def test_a_file_that_was_taken_away_is_written_again(self):
        path = os.path.join(self.place, "nets")
        watcher = Process([
            program("martlet"), "export", "gdnsd", self.daemon.socket_path, "-o", path, "--watch", "--every", "0.1"])
        self.addCleanup(watcher.stop)
        for _ in range(2):
            eventually("the file", lambda: os.path.exists(path))
            self.check(self.read(path))
            os.remove(path)


if __name__ == "__main__":
    unittest.main()
