# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""The sessions on the rooms' pages, typed again.

A page with a session shows the files that it needs: blocks that begin with a comment that is the file's
name. The one that ends in .yaml is martletd's configuration; port 5300 is a free one here.
"""
import glob
import os
import re
import shlex
import subprocess
import unittest

from harness import PATIENCE, PROGRAMS, ROOT, TestCase, peer
from transcripts import files, session, steadied


class PageTests(TestCase):
    def test_their_sessions(self):
        played = 0
        for page in sorted(glob.glob(os.path.join(ROOT, "Sources", "*", "*.docc", "*.md"))):
            with open(page) as file:
                text = file.read()
            if session(text):
                played += 1
                self.play(os.path.relpath(page, ROOT), text)
        self.assertGreater(played, 0, "no page has a session")

    def play(self, page, text):
        shown = files(text)
        name, = [name for name in shown if name.endswith(".yaml")]
        configuration = shown.pop(name).replace("listen:\n", "listen:\n  socket: $socket\n")
        daemon = self.martlet(re.sub(r"\b5300\b", "$dns", configuration), files=shown)
        port = str(daemon.port("dns"))
        environment = {
            **os.environ, "PATH": f"{PROGRAMS}:{os.environ['PATH']}:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8",
            "TZ": "UTC"}
        for command, printed in session(text):
            with self.subTest(page, command=command):
                peer(shlex.split(command)[0])
                done = subprocess.run(
                    ["bash", "-c", re.sub(r"\b5300\b", port, command)], env=environment, cwd=daemon.folder,
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                    timeout=PATIENCE)
                self.assertEqual(
                    steadied(re.sub(rf"\b{port}\b", "5300", done.stdout)), steadied(printed))


if __name__ == "__main__":
    unittest.main()
