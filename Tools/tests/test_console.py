# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""The console as people and programs meet it: telnet, sockets, `martlet console`."""
import json
import os
import pty
import random
import re
import select
import signal
import socket
import subprocess
import time
import unittest

from harness import PATIENCE, ROOT, Machine, Refused, TestCase, peer, program, run

CONFIGURATION = """
router: { as: 65000, id: 192.0.2.1 }
listen:
  console: [%s]
  socket: $socket
sites:
  near: { as: 64600, addresses: [192.0.2.10, "2001:db8:10::80"], location: AU }
  far:  { as: 64601, addresses: [192.0.2.20], location: NL }
maps: [pins.routes]
zones:
  example.com:
    soa: { host: ns1.example.com, email: hostmaster@example.com }
    ns: [ns1.example.com]
    records:
      ns1: { a: 192.0.2.53 }
      www: { nearest: [near, far], ttl: 60 }
%s"""
BOTH = '"127.0.0.1:$console", { address: "127.0.0.1:$machine", face: machine }'
PINS = "198.51.100.0/24 64601 64600\n2001:db8:abcd::/48 64600\n"
PROMPT = b"martlet> "


class Terminal:
    """A raw connection to the face for people."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.seen = b""

    def until(self, end):
        """Reads until `end` comes, and returns what came before it, with it."""
        deadline = time.monotonic() + PATIENCE
        while end not in self.seen:
            left = deadline - time.monotonic()
            readable, _, _ = select.select([self.socket], [], [], max(0, left))
            data = self.socket.recv(65536) if readable else b""
            if not data:
                raise AssertionError(f"{end!r} never came; got {self.seen[-500:]!r}")
            self.seen += data
        at = self.seen.index(end) + len(end)
        text, self.seen = self.seen[:at], self.seen[at:]
        return text

    def ask(self, line, end=PROMPT):
        self.socket.sendall(line if isinstance(line, bytes) else line.encode() + b"\r\n")
        return self.until(end)

    def closed(self):
        """Reads to the end of the connection, and returns what came."""
        self.socket.settimeout(PATIENCE)
        try:
            while data := self.socket.recv(65536):
                self.seen += data
        except ConnectionResetError:
            pass
        return self.seen

    def close(self):
        self.socket.close()


class Typist:
    """Somebody at a terminal of their own, at which `martlet` runs."""

    def __init__(self, *arguments):
        environment = dict(os.environ, TERM="dumb", INPUTRC="/dev/null", XDG_STATE_HOME="/nonexistent")
        self.seen = ""
        self.child, self.terminal = pty.fork()
        if self.child == 0:
            os.execve(program("martlet"), ["martlet", *arguments], environment)

    def type(self, keys):
        os.write(self.terminal, keys.encode())

    def until(self, words):
        """What is shown up to the words, which is taken away."""
        end = time.monotonic() + PATIENCE
        while words not in self.seen:
            ready, _, _ = select.select([self.terminal], [], [], max(0, end - time.monotonic()))
            try:
                data = os.read(self.terminal, 4096) if ready else b""
            except OSError:
                data = b""
            if not data:
                raise AssertionError(f"never shown: {words!r}; but {self.seen[-2000:]!r}")
            self.seen += data.decode(errors="replace")
        shown, self.seen = self.seen.split(words, 1)
        return shown + words

    def ask(self, keys, end):
        self.type(keys)
        return self.until(end)

    def wait(self):
        """The exit status; the last words are read, for who writes to a full terminal waits."""
        try:
            while os.read(self.terminal, 4096):
                pass
        except OSError:
            pass
        child, self.child = self.child, 0
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def stop(self):
        if self.child:
            os.kill(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)
            self.child = 0
        os.close(self.terminal)


class ConsoleTestCase(TestCase):
    consoles, extra = BOTH, ""

    def setUp(self):
        self.daemon = self.martlet(
            CONFIGURATION % (self.consoles, self.extra),
            files={"pins.routes": PINS, "login.key": "rook\n", "enable.key": "jackdaw\n"})

    def terminal(self):
        opened = Terminal(self.daemon.port("console"))
        self.addCleanup(opened.close)
        return opened


class PeoplesFaceTests(ConsoleTestCase):
    def test_telnet_itself(self):
        """The real telnet program, as a person would use it."""
        child = subprocess.Popen(
            [peer("telnet"), "127.0.0.1", str(self.daemon.port("console"))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0)
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.kill)
        terminal = Terminal.__new__(Terminal)
        terminal.seen = b""

        class Pipe:
            fileno = child.stdout.fileno

            def recv(self, size):
                return os.read(child.stdout.fileno(), size)

            def sendall(self, data):
                child.stdin.write(data)
        terminal.socket = Pipe()
        terminal.until(PROMPT)
        reply = terminal.ask(b"nearest 198.51.100.1\n").decode()
        self.assertIn("far", reply)
        self.assertIn("192.0.2.20", reply)
        terminal.socket.sendall(b"quit\n")
        self.assertIn(child.wait(PATIENCE), (0, 1), "telnet ends when the console hangs up")
        child.stdin.close()

    def test_a_banner_and_a_prompt_after_every_reply(self):
        terminal = self.terminal()
        self.assertIn(b"Martlet", terminal.until(PROMPT))
        for line in ("help", "", "show sites", "nonsense", "rank 198.51.100.1"):
            self.assertTrue(terminal.ask(line).endswith(PROMPT))

    def test_line_ends(self):
        terminal = self.terminal()
        terminal.until(PROMPT)
        for end in (b"\r\n", b"\n", b"\r\0"):
            self.assertIn(b"far", terminal.ask(b"nearest 198.51.100.1" + end), end)

    def test_telnet_negotiation_never_reaches_the_parser(self):
        terminal = self.terminal()
        terminal.until(PROMPT)
        # WILL NAWS, a window size with an escaped 255, DO ECHO, WONT LINEMODE, NOP: all amid a line.
        noise = b"\xff\xfb\x1f\xff\xfa\x1f\x00\xff\xff\x00\x18\xff\xf0"
        reply = terminal.ask(b"near" + noise + b"est 198.51\xff\xfd\x01.100.1\xff\xfc\x22\xff\xf1\r\n")
        self.assertIn(b"far", reply)

    def test_abbreviations_and_zebras_form(self):
        terminal = self.terminal()
        terminal.until(PROMPT)
        reply = terminal.ask("sh ip bgp 198.51.100.1").decode()
        self.assertIn("BGP routing table entry for 198.51.100.0/24", reply)
        self.assertRegex(reply, r"Paths: \(2 available, best #1, table Default-IP-Routing-Table\)")
        self.assertRegex(reply, r"(?m)^  64601\r?$")
        self.assertIn(b"% Network not in table", terminal.ask("show ip bgp 203.0.113.1"))

    def test_help_by_question_mark(self):
        terminal = self.terminal()
        terminal.until(PROMPT)
        reply = terminal.ask("show ?").decode()
        for word in ("sites", "feeds", "routes", "memory", "version"):
            self.assertIn(word, reply)

    def test_a_line_too_long_is_refused(self):
        terminal = self.terminal()
        terminal.until(PROMPT)
        terminal.socket.sendall(b"nearest " + b"1" * 300_000 + b"\r\n")
        reply = terminal.until(b"\n")
        self.assertIn("more than 1024 octets", reply.decode())
        terminal.until(PROMPT)
        self.assertIn(b"far", terminal.ask("nearest 198.51.100.1"), "and the next one is answered")

    def test_changing_needs_enable(self):
        terminal = self.terminal()
        terminal.until(PROMPT)
        self.assertNotIn(b"reloaded", terminal.ask("reload").lower())

    def test_quit(self):
        terminal = self.terminal()
        terminal.until(PROMPT)
        terminal.socket.sendall(b"quit\r\n")
        terminal.closed()


class PasswordTests(ConsoleTestCase):
    consoles = '"127.0.0.1:$console"'
    extra = """
console: { password-file: login.key, enable-password-file: enable.key }
"""

    def test_a_password_that_everybody_can_read_is_refused(self):
        path = self.daemon.write("login.key", "rook\n")
        os.chmod(path, 0o644)
        done = run(program("martletd"), "--config", self.daemon.configuration, "--foreground")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("login.key", done.stderr)

    def test_a_password_is_asked_without_echo(self):
        terminal = self.terminal()
        greeting = terminal.until(b"assword: ")
        self.assertIn(b"\xff\xfb\x01", greeting + terminal.seen, "IAC WILL ECHO: no local echo")
        reply = terminal.ask("rook")
        self.assertNotIn(b"rook", reply)
        self.assertIn(b"far", terminal.ask("nearest 198.51.100.1"))

    def test_wrong_passwords_end_it(self):
        terminal = self.terminal()
        terminal.until(b"assword: ")
        for _ in range(10):
            try:
                terminal.socket.sendall(b"crow\r\n")
            except OSError:
                break
        self.assertNotIn(PROMPT, terminal.closed())

    def test_enable_has_its_own(self):
        terminal = self.terminal()
        terminal.until(b"assword: ")
        terminal.ask("rook")
        self.daemon.write("pins.routes", "198.51.100.0/24 64600\n")
        terminal.ask("reload")
        self.assertIn(b"far", terminal.ask("nearest 198.51.100.1"), "reload without enable")
        terminal.ask("enable", end=b"assword: ")
        terminal.ask("jackdaw", end=b"martlet")
        terminal.until(b" ")
        terminal.ask("reload", end=b"martlet")
        terminal.until(b" ")
        self.assertIn(b"near", terminal.ask("nearest 198.51.100.1", end=b"martlet"))


class ProgramsFaceTests(ConsoleTestCase):
    def test_pipelined_replies_come_in_order(self):
        console = self.machine(self.daemon)
        addresses = [f"198.51.{100 + number % 2}.{number % 250}" for number in range(10_000)]
        console.send(*(f"nearest {address}" for address in addresses))
        for address in addresses:
            site = console.reply().split()[0]
            if address.startswith("198.51.100."):
                self.assertEqual(site, "far")

    def test_the_fields_and_their_order(self):
        console = self.machine(self.daemon)
        self.assertRegex(
            console.ask("nearest 198.51.100.1"),
            r"^far 192\.0\.2\.20 distance=- cost=\S+ scope=24 reason=pinned$")
        reply = console.ask("rank 198.51.100.1")
        self.assertEqual(len(reply), 2)
        self.assertRegex(
            reply[0], r"^1 far distance=- cost=\S+ km=\S+ rtt=- state=up reason=pinned( \S+=\S+)*$")
        self.assertRegex(
            console.ask("explain 198.51.100.1")[0],
            r"^1 far distance=- cost=\S+ km=\S+ rtt=- state=up reason=pinned"
            r" prefix=\S+ feed=\S+ since=\S+ path=\S+( \S+=\S+)*$")

    def test_errors_have_codes(self):
        console = self.machine(self.daemon)
        for line, code in [
            ("nearest", 400), ("nearest 1.2.3", 400), ("nonsense", 400), ("nearest 1.2.3.4 for", 400),
            ("nearest 198.51.100.1 for nowhere.example.net", 404), ("reload", 401),
            ("show routes feed nowhere", 404),
        ]:
            with self.subTest(line=line):
                reply = console.ask(line)
                self.assertIsInstance(reply, Refused)
                self.assertEqual(reply.code, code, reply)

    def test_a_name_has_its_own_sites(self):
        console = self.machine(self.daemon)
        self.assertEqual(
            list(console.rank("198.51.100.1", "www.example.com")), ["far", "near"])

    def test_json(self):
        console = self.machine(self.daemon)
        answer = json.loads(console.ask("explain 198.51.100.1 for www.example.com --json"))
        for key in ("address", "client", "scope", "name", "sites"):
            self.assertIn(key, answer)
        self.assertEqual(answer["sites"][0]["site"], "far")
        for key in ("addresses", "distance", "cost", "km", "rtt", "state", "reason", "prefix",
                    "feed", "since", "as_path"):
            self.assertIn(key, answer["sites"][0])
        self.assertIsNone(answer["sites"][0]["rtt"])
        for command in ("show sites", "show feeds", "show memory", "show version",
                        "show ip bgp summary", "show routes", "show ip bgp 198.51.100.1", "help"):
            with self.subTest(command=command):
                self.assertIsInstance(json.loads(console.ask(f"{command} --json")), (dict, list))

    def test_garbage_ends_nothing(self):
        """Bytes without sense, on both faces; the daemon answers on."""
        seed = random.randrange(1 << 32)
        source = random.Random(seed)
        for port in (self.daemon.port("machine"), self.daemon.port("console")):
            for _ in range(20):
                with socket.create_connection(("127.0.0.1", port), PATIENCE) as opened:
                    try:
                        opened.sendall(source.randbytes(source.randrange(1, 20_000)))
                    except OSError:
                        pass
        with self.daemon.machine() as console:
            self.assertIn("far", console.ask("nearest 198.51.100.1"), f"seed {seed}")


class ClientTests(ConsoleTestCase):
    """`martlet console`."""

    def test_commands_by_option(self):
        done = self.daemon.console("nearest 198.51.100.1", "nearest 2001:db8:abcd::1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("192.0.2.20", done.stdout)
        self.assertIn("near", done.stdout)
        self.assertNotIn("martlet>", done.stdout)
        self.assertNotIn("\x1b", done.stdout, "colours are for terminals only")

    def test_over_tcp(self):
        done = self.daemon.console(
            "nearest 198.51.100.1", to=f"127.0.0.1:{self.daemon.port('console')}")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("192.0.2.20", done.stdout)

    def test_commands_by_standard_input(self):
        done = run(
            program("martlet"), "console", self.daemon.socket_path,
            input="nearest 198.51.100.1\nshow sites\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("192.0.2.20", done.stdout)

    def test_its_exit_status(self):
        done = self.daemon.console("nearest 1.2.3")
        self.assertNotEqual(done.returncode, 0, done.stdout)
        done = self.daemon.console("show version", to="/nonexistent/console.sock")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("/nonexistent/console.sock", done.stderr)

    def test_what_a_control_c_ends(self):
        """The line that is typed, a long list, somebody who watches, a password: not the program."""
        table = os.path.join(ROOT, "Routes", "route-views2.rib.20140523.0600.first-9072.gz")
        daemon = self.martlet(
            'router: { as: 65000, id: 192.0.2.1 }\n'
            'listen: { bgp: ["127.0.0.1:$bgp"], console: ["127.0.0.1:$console"], '
            'socket: $folder/console.sock }\n'
            'sites: { east: { as: 64600, addresses: [192.0.2.10] } }\n'
            'console: { enable-password-file: enable.key }\nready: { wait: 0s }\n'
            'feeds:\n  core: { site: east, bgp: { peer: 127.0.0.2, as: 65001, connect: passive } }\n'
            f'  table: {{ site: east, mrt: {{ file: "{table}", peer: 203.62.252.186 }} }}\n',
            files={"enable.key": "jackdaw\n"})
        # The table is read.
        daemon.wait_ready()
        typist = Typist("console", daemon.socket_path)
        self.addCleanup(typist.stop)
        typist.until("martlet# ")
        typist.type("show no such thin\x03")
        typist.until("martlet# ")
        self.assertIn("ready", typist.ask("ready\r", "martlet# "))
        typist.type("show routes\r")
        typist.until("1.0.4.0/24")
        typist.type("\x03")
        self.assertRegex(typist.until("martlet# "), r"interrupted after \d+ routes")
        typist.type("debug feed core\r")
        typist.until("debug feed core\r\n")
        typist.type("\x03")
        typist.until("martlet# ")
        seen = typist.ask("ready\r", "martlet# ")
        self.assertIn("ready", seen)
        self.assertNotIn("nknown command", seen)
        typist.type("quit\r")
        self.assertEqual(typist.wait(), 0)

        typist = Typist("console", f"127.0.0.1:{daemon.port('console')}")
        self.addCleanup(typist.stop)
        typist.until("martlet> ")
        typist.ask("enable\r", "Password: ")
        typist.type("\x03")
        typist.until("martlet> ")
        self.assertIn("needs 'enable'", typist.ask("reload\r", "martlet> "))
        typist.type("quit\r")
        self.assertEqual(typist.wait(), 0)

    def test_completion_comes_from_the_server(self):
        """What Tab does with `nea`."""
        typist = Typist("console", self.daemon.socket_path)
        self.addCleanup(typist.stop)
        typist.until("martlet# ")
        typist.ask("nea\t", "nearest ")
        typist.ask("198.51.100.1\r", "192.0.2.20")
        typist.type("quit\r")
        self.assertEqual(typist.wait(), 0)


class LimitTests(TestCase):
    def test_idle_connections_end(self):
        daemon = self.martlet(
            CONFIGURATION % (BOTH, "console: { idle-timeout: 1 }\n"), files={"pins.routes": PINS})
        terminal = Terminal(daemon.port("console"))
        self.addCleanup(terminal.close)
        terminal.until(PROMPT)
        terminal.closed()

    def test_connections_are_bounded(self):
        daemon = self.martlet(
            CONFIGURATION % (BOTH, "console: { maximum-connections: 3 }\n"),
            files={"pins.routes": PINS})
        opened = [Machine(("127.0.0.1", daemon.port("machine"))) for _ in range(3)]
        for connection in opened:
            self.addCleanup(connection.close)
            connection.ask("nearest 198.51.100.1")
        extra = Terminal(daemon.port("console"))
        self.addCleanup(extra.close)
        self.assertNotIn(PROMPT, extra.closed())


if __name__ == "__main__":
    unittest.main()
