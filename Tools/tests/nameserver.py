# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Other name servers beside Martlet: each in the foreground, on a port and in a folder of its own."""
import os
import shutil
import tempfile

from harness import Process, free_port, peer


class NameServer(Process):
    """Has its folder and port from the start, and runs from `begin` on. The folder goes with it."""

    def __init__(self, name):
        self.program = peer(name)
        self.child = None
        self.folder = tempfile.mkdtemp(prefix=f"martlet-{name}-")
        self.port = free_port()

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)

    def begin(self, *arguments, line, before=lambda: None, after=lambda: None):
        """Starts it, and waits for a line that matches; `before` and `after` that is done what has
        to be. Where any of it fails nothing is left."""
        try:
            before()
            super().__init__([self.program, *arguments])
            self.wait_line(line)
            after()
        except BaseException:
            self.stop()
            raise

    def stop(self):
        if self.child is not None:
            super().stop()
        shutil.rmtree(self.folder, ignore_errors=True)
