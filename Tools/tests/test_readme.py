# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""The README's session, typed again: a reader sees what is printed there; and all examples checked.

Every session in it is typed, line by line. After a router has been started the next command is tried
until it prints what it should. Within `telnet` what stands after the prompt is typed.
"""
import contextlib
import glob
import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import time
import unittest

from harness import (
    PATIENCE, PROGRAMS, ROOT, Process, TestCase, eventually, free_port, peer, program, run)
from mmdb import mmdb
from transcripts import session, steadied

README = os.path.join(ROOT, "README.md")
DEMO = os.path.join(ROOT, "Routes", "demo.yaml")
ROUTER = os.path.join(ROOT, "Routes", "router.bird.conf")
PROMPT = "martlet> "


class ReadmeTests(TestCase):
    def setUp(self):
        with open(README) as file:
            self.readme = file.read()
        with open(DEMO) as file:
            demo = file.read()
        # The same configuration on free ports; its files stay where they are.
        self.ports = {"7777": free_port(), "7778": free_port(), "5300": free_port(),
                      "1790": free_port(), "1791": free_port()}
        demo = self.moved(demo).replace("listen:\n", "listen:\n  socket: $socket\n")
        routes = os.path.join(ROOT, "Routes")
        demo = re.sub(r"(file: )(route-views)", rf"\1{routes}/\2", demo)
        demo = demo.replace("[pins.routes]", f"[{routes}/pins.routes]")
        self.daemon = self.martlet(demo)
        self.router = os.path.join(self.daemon.folder, "router.ctl")
        self.addCleanup(self.stop_router)

    def stop_router(self):
        if os.path.exists(self.router):
            run(peer("birdc"), "-s", self.router, "down")

    def moved(self, text):
        for printed, port in self.ports.items():
            text = re.sub(rf"\b{printed}\b", str(port), text)
        return text

    def back(self, text):
        for printed, port in self.ports.items():
            text = re.sub(rf"\b{port}\b", printed, text)
        return text.replace(self.daemon.socket_path + " ", "")

    def command(self, line):
        """The command with this test's ports, socket and files."""
        line = re.sub(r"martlet console\b", f"martlet console {self.daemon.socket_path}", line)
        if "router.bird.conf" in line:
            with open(ROUTER) as file:
                moved = self.daemon.write("router.bird.conf", self.moved(file.read()))
            line = line.replace("Routes/router.bird.conf", moved)
        return self.moved(line.replace("/tmp/router.ctl", self.router))

    @property
    def environment(self):
        path = f"{PROGRAMS}:{os.environ['PATH']}:/usr/sbin:/sbin"
        return {**os.environ, "PATH": path, "LC_ALL": "C.UTF-8", "TZ": "UTC"}

    def typed(self, line):
        done = subprocess.run(
            ["bash", "-c", line], cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE)
        return self.back(done.stdout)

    def telnet(self, line, printed):
        """Plays the typist: after each prompt the next line that the README has there."""
        typed = [text[len(PROMPT):] for text in printed.splitlines() if text.startswith(PROMPT)]
        child = subprocess.Popen(
            shlex.split(line), cwd=ROOT, env=self.environment, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0)
        try:
            seen, until = "", time.monotonic() + PATIENCE
            while True:
                readable, _, _ = select.select([child.stdout], [], [], 0.2)
                if readable:
                    data = os.read(child.stdout.fileno(), 65536)
                    if not data:
                        break
                    seen += data.decode().replace("\r\n", "\n").replace("\r", "")
                elif time.monotonic() > until:
                    self.fail(f"telnet does not go on after:\n{seen}")
                if seen.endswith(PROMPT) and typed:
                    words = typed.pop(0)
                    child.stdin.write((words + "\n").encode())
                    seen += words + "\n"  # the terminal's own echo
        finally:
            child.kill()
            child.wait(10)
            child.stdin.close()
            child.stdout.close()
        return self.back(seen)

    def test_the_session(self):
        steps = session(self.readme)
        self.assertGreaterEqual(len(steps), 3, "the README has no session")
        for tool in ("martlet console -c 'explain 1.0.4.1'", "telnet 127.0.0.1 7777",
                     "dig @127.0.0.1 -p 5300 www.example.com +subnet=1.0.4.0/24"):
            self.assertIn(tool, [command for command, _ in steps])
        waits = False
        for command, printed in steps:
            with self.subTest(command=command):
                words = shlex.split(command)
                if words[0] in ("cd", "export"):
                    continue
                if shutil.which(words[0], path=self.environment["PATH"]) is None:
                    self.skipTest(f"{words[0]} is not installed")
                line = self.command(command)
                if words[0] == "telnet":
                    self.assertEqual(steadied(self.telnet(line, printed)), steadied(printed))
                    continue
                if waits:
                    with contextlib.suppress(AssertionError):  # the difference is shown below
                        eventually(
                            "the router's routes",
                            lambda: steadied(self.typed(line)) == steadied(printed))
                self.assertEqual(steadied(self.typed(line)), steadied(printed))
                waits = words[0].endswith("/bird")

    def test_the_files_it_names_are_there(self):
        for path in re.findall(r"`((?:Sources|Tests|Routes|Tools)/[\w./-]*)`", self.readme):
            self.assertTrue(os.path.exists(os.path.join(ROOT, path)), path)

    def test_its_links(self):
        for target in re.findall(r"\]\(([^)#:]+)\)", self.readme):
            self.assertTrue(os.path.exists(os.path.join(ROOT, target)), target)


class ExampleTests(TestCase):
    """Every YAML block of the README and of the rooms' pages is good, as `martlet check` sees it.

    A block may leave out sites and the router. The files that it names are made.
    """
    # What stands in a file, by the end of its name.
    CONTENTS = [
        (r"cookies\.key$", b"0123456789abcdef" * 2 + b"\n"),
        (r"\.(key|password)$", b"secret\n"),
        (r"\.prefixes$", b"10.0.0.0/8+\n"),
        (r"\.routes$", b"198.51.100.0/24 64600\n"),
        (r"\.csv$", b"198.51.100.0/24,sydney,12.5\n"),
        (r"/geoip$", b"16777216,16777471,AU\n"),
        (r"/geoip6$", b"2001:200::,2001:200:ffff:ffff:ffff:ffff:ffff:ffff,JP\n"),
        (r"\.mmdb$", mmdb({"country": {"iso_code": "AU"}}, {"country": {"iso_code": "JP"}})),
        (r"\.zone$", b"@ 300 SOA ns1 hostmaster 1 1h 10m 1d 60\n@ 300 NS ns1\n"
                     b"ns1 300 A 192.0.2.53\n"),
        (r"\.txt$", b"   Network          Next Hop            Metric LocPrf Weight Path\n"
                    b"*> 198.51.100.0/24  192.0.2.1                0             0 65001 i\n"),
    ]
    SITES = "sites: { sydney: { as: 64600, addresses: [192.0.2.1] } }\n"
    ROUTER = "router: { as: 65000, id: 192.0.2.9 }\n"

    def examples(self):
        """(page, line, text) of every block."""
        pages = glob.glob(os.path.join(ROOT, "Sources", "*", "*.docc", "*.md"))
        for page in [README] + sorted(pages):
            with open(page) as file:
                text = file.read()
            for block in re.finditer(r"^```yaml\n(.*?)^```$", text, re.M | re.S):
                line = text[:block.start()].count("\n") + 2
                yield os.path.relpath(page, ROOT), line, block[1]

    def completed(self, text, folder):
        """The example with what it leaves out; its paths in the folder, its groups known here."""
        text = re.sub(r"(?<![\w./:])/(?=(?:etc|usr|var|run)/)", folder + "/", text)
        text = re.sub(r"(group: )[a-z]\w*", rf"\g<1>{os.getgid()}", text)
        keys = re.findall(r"^([a-z-]+):", text, re.M)
        return (text + (self.SITES if "sites" not in keys else "")
                + (self.ROUTER if "router" not in keys else ""))

    def make_files(self, text, folder):
        for word in re.findall(r"[\w./%-]+", text):
            path = os.path.join(folder, word)
            contents = next((what for end, what in self.CONTENTS if re.search(end, path)), None)
            if contents is None and not word.startswith(folder) and not word.endswith(".bz2"):
                continue
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if word.endswith(".bz2"):  # a dump is told by its first bytes, not by its name
                shutil.copy(glob.glob(os.path.join(ROOT, "Routes", "route-views2.rib.*"))[0], path)
            elif contents is not None:
                with open(path, "wb") as file:
                    file.write(contents)
                os.chmod(path, 0o600)

    def test_martlet_check_takes_them(self):
        examples = list(self.examples())
        self.assertGreater(len(examples), 10)
        for page, line, text in examples:
            with self.subTest(example=f"{page}:{line}"):
                folder = self.folder()
                text = self.completed(text, folder)
                self.make_files(text, folder)
                path = os.path.join(folder, "martlet.yaml")
                with open(path, "w") as file:
                    file.write(text)
                done = run(program("martlet"), "check", path)
                self.assertEqual((done.returncode, done.stderr), (0, ""), f"{page}:{line}\n{text}")


class RunTests(TestCase):
    """The two commands themselves."""

    def test_their_help(self):
        for name in ("run", "test", "check", "fuzz"):
            done = subprocess.run(
                [os.path.join(ROOT, "Tools", name), "--help"], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(f"usage: Tools/{name}", done.stdout)
            done = subprocess.run(
                [os.path.join(ROOT, "Tools", name), "--no-such-option"],
                capture_output=True, text=True)
            self.assertNotEqual(done.returncode, 0)

    def test_run_with_another_configuration(self):
        """What Tools/run starts ends with it: one process, in the foreground."""
        folder = self.folder()
        path = os.path.join(folder, "small.yaml")
        with open(path, "w") as file:
            file.write(
                f"listen: {{ socket: {folder}/console.sock }}\n"
                "sites: { near: { as: 64600, addresses: [192.0.2.1] } }\n")
        started = Process(
            [os.path.join(ROOT, "Tools", "run"), "--no-install", "--no-build", path,
             "--pid-file", os.path.join(folder, "pid")])
        self.addCleanup(started.stop)
        started.wait_line(r"\bready\b")
        with open(os.path.join(folder, "pid")) as file:
            self.assertEqual(int(file.read()), started.child.pid)
        started.signal(signal.SIGTERM)
        self.assertEqual(started.wait(15), 0, started.output)

    def test_run_with_a_configuration_that_is_not_there(self):
        done = subprocess.run(
            [os.path.join(ROOT, "Tools", "run"), "--no-install", "--no-build", "/nonexistent.yaml"],
            capture_output=True, text=True, timeout=PATIENCE)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("/nonexistent.yaml", done.stderr)


if __name__ == "__main__":
    unittest.main()
