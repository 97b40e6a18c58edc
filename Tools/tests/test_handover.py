# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""One martletd takes another's place, and a running one takes up other listeners: no query is lost."""
import array
import contextlib
import grp
import json
import os
import pwd
import re
import signal
import socket
import subprocess
import threading
import time
import unittest

import questions
from flood import Flood
from harness import (
    PATIENCE, ROOT, Process, TestCase, bird_configuration, eventually, free_port, peer, program, run)
from pdns import PowerDNS

CONFIGURATION = """
router: { as: 65000, id: 192.0.2.1 }
listen:
  bgp: ["127.0.0.1:$bgp"]
  console: [{ address: "127.0.0.1:$machine", face: machine }]
  socket: $socket
  dns: ["127.0.0.1:$dns"]
dns: { rate-limit: off, threads: THREADS }
sites:
  east: { as: 64600, addresses: [192.0.2.10] }
  west: { as: 64601, addresses: [192.0.2.20] }
feeds:
  east-router: { site: east, bgp: { peer: 127.0.0.4, as: 65001, connect: passive } }
  west-router: { site: west, bgp: { peer: 127.0.0.5, as: 65002, connect: passive } }
ready: { wait: 600s }
zones:
  example.com:
    soa: { host: ns1.example.com, email: hostmaster@example.com }
    ns: [ns1.example.com]
    records:
      ns1: { a: 192.0.2.53 }
      www: { nearest: [east, west], measure: hops, ties: [order], ttl: 60 }
""".replace("THREADS", "2")
EAST, WEST = ["192.0.2.10"], ["192.0.2.20"]
NEAR_EAST, NEAR_WEST = "198.51.100.0/24", "203.0.113.0/24"
EXPECTED = [(NEAR_EAST, [EAST]), (NEAR_WEST, [WEST])]


class Follower(Process):
    """A process that a martletd has started by itself, seen by its number."""

    def __init__(self, pid):  # no start of its own
        self.pid = pid

    def stop(self):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
            end = time.monotonic() + 15
            while time.monotonic() < end:
                os.kill(self.pid, 0)
                time.sleep(0.05)
            os.kill(self.pid, signal.SIGKILL)


class HandoverTestCase(TestCase):
    def start(self, configuration=CONFIGURATION, arguments=()):
        """A martletd with two routers' routes."""
        daemon = self.martlet(configuration, arguments=arguments, wait=False)
        for address, number, routes in [
                ("127.0.0.4", 65001, {NEAR_EAST: [], NEAR_WEST: [64999, 64998]}),
                ("127.0.0.5", 65002, {NEAR_EAST: [64999, 64998], NEAR_WEST: []})]:
            self.bird(bird_configuration(address, daemon.port("bgp"), number, routes=routes))
        daemon.wait_ready()
        return daemon

    def replacement(self, daemon, *arguments, **options):
        """Another one that takes its place."""
        started = Process(
            [program("martletd"), "--config", daemon.configuration, "--foreground", "--replace",
             *arguments], **options)
        self.addCleanup(started.stop)
        return started

    def replaced(self, daemon):
        """The process that has taken its place because the console asked for that."""
        done = daemon.console("replace")
        found = re.search(r"process (\d+) has taken over", done.stdout)
        self.assertTrue(found, done.stdout + done.stderr)
        follower = Follower(int(found[1]))
        self.addCleanup(follower.stop)
        return follower

    def flood(self, daemon, **options):
        flood = Flood(daemon.port("dns"), "www.example.com", EXPECTED, **options)
        flood.start()
        self.addCleanup(setattr, flood, "ending", True)
        flood.at_least(1000)
        return flood

    def check(self, flood, answers):
        flood.stop()
        self.assertEqual(flood.wrong[:5], [])
        self.assertEqual(flood.lost[:5], [], f"{len(flood.lost)} of {flood.answers} lost")
        self.assertGreater(flood.answers, answers)

    def sessions(self, daemon):
        """How many sessions are up."""
        with daemon.machine() as console:
            return sum("state=established" in line for line in console.ask("show feeds"))


class ReplacementTests(HandoverTestCase):
    def test_no_query_is_lost(self):
        """Three times in a row: old and new processes answer the same, and none forgets a question."""
        daemon = self.start()
        flood = self.flood(daemon)
        old = daemon
        for _ in range(3):
            new = self.replacement(daemon)
            new.wait_line("took over")
            flood.at_least(2000)
            self.assertEqual(old.wait(90), 0)
            self.assertRegex(old.output, r"\bended\b")
            # The routers come to the new one, whose routes are not stale for long.
            eventually("the sessions", lambda: self.sessions(daemon) == 2)
            old = new
        self.check(flood, 7000)
        with daemon.machine() as console:
            self.assertEqual(console.ask("ready"), "ready")
            self.assertTrue(all("stale=0" in line for line in eventually(
                "fresh routes", lambda: [
                    line for line in console.ask("show feeds") if "stale=0" in line])))

    def test_neighbours_of_a_range_are_handed_on(self):
        """The new process has their routes, too, before they have come to it."""
        daemon = self.start(CONFIGURATION.replace(
            "east-router: { site: east, bgp: { peer: 127.0.0.4, as: 65001, connect: passive } }",
            "edge: { site: east, bgp: { peer: 127.0.0.0/29, maximum-peers: 2, as: 65001 } }"))
        # It is ready without them: nobody knows which neighbours a range has.
        with daemon.machine() as console:
            eventually("both routers' routes", lambda: sum(
                "ipv4=2" in line for line in console.ask("show feeds")) == 2)
        flood = self.flood(daemon)
        new = self.replacement(daemon)
        new.wait_line("took over")
        flood.at_least(2000)
        self.assertEqual(daemon.wait(90), 0)
        eventually("the sessions", lambda: self.sessions(daemon) == 2)
        self.check(flood, 3000)
        with daemon.machine() as console:
            self.assertIn("edge@127.0.0.4", "\n".join(console.ask("show feeds")))

    def test_the_console_has_it_done(self):
        daemon = self.start()
        flood = self.flood(daemon)
        for _ in range(2):
            self.replaced(daemon)
            flood.at_least(1000)
        self.assertEqual(daemon.child.wait(90), 0)
        self.check(flood, 3000)
        eventually("the sessions", lambda: self.sessions(daemon) == 2)

    def test_a_new_process_that_fails_leaves_the_old_one_alone(self):
        daemon = self.start()
        flood = self.flood(daemon)
        good = open(daemon.configuration).read()
        # A mistake in the configuration.
        daemon.write("martlet.yaml", good + "nonsense: 1\n")
        new = self.replacement(daemon)
        self.assertEqual(new.wait(), 78)
        self.assertIn("nonsense", new.output)
        done = daemon.console("replace")
        self.assertIn("status 78", done.stdout + done.stderr)
        # A port that another program has.
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            daemon.write("martlet.yaml", good.replace(
                f'dns: ["127.0.0.1:{daemon.port("dns")}"]',
                f'dns: ["127.0.0.1:{daemon.port("dns")}", "127.0.0.1:{port}"]'))
            new = self.replacement(daemon)
            self.assertEqual(new.wait(), 71)
            self.assertIn(f"127.0.0.1:{port}", new.output)
        daemon.wait_line("given up taking over")
        # All is as it was, and a good one is let in.
        self.assertEqual(self.sessions(daemon), 2)
        daemon.write("martlet.yaml", good)
        daemon.signal(signal.SIGHUP)
        daemon.wait_line("reloaded")
        flood.at_least(500)
        self.replacement(daemon).wait_line("took over")
        self.assertEqual(daemon.wait(90), 0)
        self.check(flood, 2000)

    def test_without_a_process_to_replace_it_just_starts(self):
        daemon = self.start()
        daemon.signal(signal.SIGKILL)
        daemon.wait()
        new = self.replacement(daemon)
        new.wait_line("no process to be replaced")
        new.wait_line(r"\bready\b")

    def test_the_pid_file_goes_with_it(self):
        path = os.path.join(self.folder(), "martletd.pid")
        daemon = self.start(arguments=["--pid-file", path])
        new = self.replacement(daemon, "--pid-file", path)
        new.wait_line("took over")
        self.assertEqual(daemon.wait(90), 0)
        self.assertEqual(int(open(path).read()), new.child.pid)
        third = Process([
            program("martletd"), "--config", daemon.configuration, "--foreground",
            "--pid-file", path])
        self.addCleanup(third.stop)
        self.assertEqual(third.wait(), 75)
        self.assertIn(f"another instance runs already as process {new.child.pid}", third.output)
        new.signal(signal.SIGTERM)
        self.assertEqual(new.wait(), 0)
        self.assertFalse(os.path.exists(path), "the pid file stayed behind")

    def test_in_the_background(self):
        """It returns when the new process serves, with its complaint where it doesn't."""
        daemon = self.start()
        path = os.path.join(self.folder(), "martletd.pid")
        command = [program("martletd"), "--config", daemon.configuration, "--replace",
                   "--pid-file", path]
        self.assertEqual(subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=PATIENCE,
            stderr=subprocess.DEVNULL).returncode, 0)
        self.addCleanup(Follower(int(open(path).read())).stop)
        self.assertEqual(daemon.wait(90), 0)
        self.assertEqual(daemon.dig("www.example.com", "A", NEAR_WEST).addresses, WEST)

    def test_systemd_hears_of_the_new_process(self):
        path = os.path.join(self.folder(), "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            manager.settimeout(PATIENCE)
            environment = {**os.environ, "NOTIFY_SOCKET": path}
            daemon = self.martlet(
                CONFIGURATION.replace("600s", "0s"), process={"env": environment})
            told = []

            def wait(line):
                while not (told and line in told[-1]):
                    told.append(manager.recv(4096).decode().split("\n"))
                return told[-1]

            self.assertIn(f"MAINPID={daemon.child.pid}", wait("READY=1"))
            new = self.replacement(daemon, env=environment)
            # The old one, which systemd believes, says who comes after it; then that one speaks.
            wait(f"MAINPID={new.child.pid}")
            wait("READY=1")
            self.assertEqual(daemon.wait(90), 0)
            new.signal(signal.SIGTERM)
            wait("STOPPING=1")
            self.assertEqual(sum("STOPPING=1" in lines for lines in told), 1)

    def test_cookies_stay_good(self):
        """What the old process has given is the new one's, too (RFC 7873), without a secret that is configured."""
        daemon = self.start(CONFIGURATION.replace("threads:", "cookies: { required: true }, threads:"))
        options = ["+nobadcookie", "+tries=1"]

        def ask(cookie):
            return run(
                peer("dig"), "@127.0.0.1", "-p", str(daemon.port("dns")), "www.example.com", *options,
                f"+cookie={cookie}").stdout

        cookie = re.search(r"COOKIE: ([0-9a-f]{48})", ask("0102030405060708"))[1]
        self.assertIn("status: NOERROR", ask(cookie))
        self.replacement(daemon).wait_line("took over")
        self.assertIn("status: NOERROR", ask(cookie))
        self.assertIn("status: BADCOOKIE", ask(cookie[:-1] + ("0" if cookie[-1] != "0" else "1")))

    def test_a_connection_is_served_to_its_end(self):
        daemon = self.start()
        packet = questions.question(7, "www.example.com", "A", NEAR_WEST)
        framed = len(packet).to_bytes(2, "big") + packet
        with socket.create_connection(("127.0.0.1", daemon.port("dns")), PATIENCE) as client:

            def ask():
                client.sendall(framed)
                data = b""
                while len(data) < 2 or len(data) < 2 + int.from_bytes(data[:2], "big"):
                    piece = client.recv(65536)
                    self.assertTrue(piece, "the connection was closed")
                    data += piece
                return questions.reply(data[2:])[1].addresses

            self.assertEqual(ask(), WEST)
            new = self.replacement(daemon)
            new.wait_line("took over")
            # The old process is there for it, and its sessions' end changes no answer.
            for _ in range(20):
                self.assertEqual(ask(), WEST)
                time.sleep(0.05)
            self.assertIsNone(daemon.child.poll())
        self.assertEqual(daemon.wait(90), 0)


class ConnectionTests(HandoverTestCase):
    """The console's `replace` makes the new process a child of the old one, which has connections open."""

    CONFIGURATION = CONFIGURATION.replace(
        "dns: { ", "powerdns: { socket: $folder/pdns.sock }\ndns: { idle-timeout: 5s, ", 1)

    def sockets(self, pid):
        found = set()
        for file in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                found.add(os.readlink(f"/proc/{pid}/fd/{file}"))
        return {name for name in found if name.startswith("socket:")}

    def only(self, pid, count):
        return lambda: len(self.sockets(pid)) == count

    def ended(self, connection):
        """Whether the connection ends, behind what is still said on it."""
        connection.settimeout(70)
        with contextlib.suppress(ConnectionResetError):
            while connection.recv(65536):
                pass
        return True

    def lookup(self, connection):
        with connection.makefile("rwb") as file:
            file.write(json.dumps({"method": "lookup", "parameters": {
                "qtype": "A", "qname": "ns1.example.com.", "remote": "192.0.2.9",
                "local": "192.0.2.1", "real-remote": "192.0.2.9/32", "zone-id": -1}}).encode() + b"\n")
            file.flush()
            return [record["content"] for record in json.loads(file.readline())["result"]]

    def test_they_end_with_their_process(self):
        """Of the old process's none is left in the new one but PowerDNS's: who has one sees its end."""
        daemon = self.start(self.CONFIGURATION)
        process = daemon.child.pid
        # With two sessions, and nobody else.
        usual = len(self.sockets(process))
        # DNS by UDP, twice, and by TCP, BGP, the console by TCP, and PowerDNS's.
        listening = 6
        packet = questions.question(7, "ns1.example.com", "A", NEAR_WEST)
        for _ in range(2):
            with contextlib.ExitStack() as open_ones:
                client = open_ones.enter_context(
                    socket.create_connection(("127.0.0.1", daemon.port("dns")), PATIENCE))
                client.sendall(len(packet).to_bytes(2, "big") + packet)
                self.assertGreater(len(client.recv(4096)), 12)
                front = open_ones.enter_context(socket.socket(socket.AF_UNIX))
                front.settimeout(PATIENCE)
                front.connect(os.path.join(daemon.folder, "pdns.sock"))
                self.assertEqual(self.lookup(front), ["192.0.2.53"])
                console = open_ones.enter_context(daemon.machine())
                self.assertEqual(console.ask("ready"), "ready")
                before = self.sockets(process)
                self.assertGreaterEqual(len(before), usual + 3)
                follower = self.replaced(daemon)
                # It has what it was handed, and nothing else of what the other had open.
                self.assertEqual(len(self.sockets(follower.pid) & before), listening + 1)
                self.assertEqual(self.lookup(front), ["192.0.2.53"])
                begin = time.monotonic()
                for connection in (console.socket, client):
                    self.assertTrue(self.ended(connection))
                # As Operation says; the client's idle time is over long before.
                self.assertLess(time.monotonic() - begin, 60)
                process = follower.pid
            eventually("the sessions", lambda: self.sessions(daemon) == 2)
            # And the connection over which it was handed things.
            eventually("the sockets to be as many as before", self.only(process, usual + 1))
        self.assertEqual(daemon.wait(90), 0)


    def powerdns(self, daemon):
        """PowerDNS that keeps nothing, so that each question is put to Martlet."""
        front = PowerDNS(
            f"unix:path={daemon.folder}/pdns.sock,timeout=2000",
            "query-cache-ttl=0\ncache-ttl=0\nnegquery-cache-ttl=0\n")
        self.addCleanup(front.stop)
        return front

    def test_powerdns_loses_no_question(self):
        """Its connections go on in the new process, twice over, while it is asked without a pause."""
        daemon = self.start(self.CONFIGURATION)
        front = self.powerdns(daemon)
        front.wait_answer("ns1.example.com")
        flood = Flood(front.port, "www.example.com", EXPECTED, datagrams=4, streams=1)
        flood.start()
        self.addCleanup(setattr, flood, "ending", True)
        flood.at_least(1000)
        process = daemon.child.pid
        for _ in range(2):
            before = self.sockets(process)
            follower = self.replaced(daemon)
            process = follower.pid
            # PowerDNS has as many connections as before, and all of them are the same ones.
            self.assertGreaterEqual(len(self.connections(process) & before), 2)
            flood.at_least(1000)
        self.check(flood, 3000)
        self.assertNotIn("Reconnecting", front.output[front.output.index("ready to distribute"):])
        self.assertEqual(daemon.wait(90), 0)

    def connections(self, pid):
        """The process's Unix sockets that are connections, not listening."""
        with open(f"/proc/{pid}/net/unix") as file:
            # Number, references, protocol, flags, type, state, inode: state 3 is connected.
            found = {line.split()[6] for line in file if line.split()[5:6] == ["03"]}
        return {name for name in self.sockets(pid) if name[8:-1] in found}

    def test_one_that_asks_while_it_goes_over(self):
        """A request in pieces, many requests at once, and one who connects meanwhile: all get replies."""
        daemon = self.start(self.CONFIGURATION)
        path = os.path.join(daemon.folder, "pdns.sock")
        line = json.dumps({"method": "lookup", "parameters": {
            "qtype": "A", "qname": "ns1.example.com.", "remote": "192.0.2.9", "local": "192.0.2.1",
            "real-remote": "192.0.2.9/32", "zone-id": -1}}).encode() + b"\n"
        ending, failures, counts = threading.Event(), [], {"whole": 0, "pieces": 0, "anew": 0}

        def ask(kind, pieces):
            try:
                connection = None
                while not ending.is_set():
                    if connection is None or kind == "anew":
                        connection = socket.socket(socket.AF_UNIX)
                        connection.settimeout(PATIENCE)
                        connection.connect(path)
                        file = connection.makefile("rb")
                    for piece in pieces:
                        connection.sendall(piece)
                    for _ in range(b"".join(pieces).count(b"\n")):
                        found = [record["content"] for record in json.loads(file.readline())["result"]]
                        if found != ["192.0.2.53"]:
                            raise AssertionError(f"{kind}: {found}")
                    counts[kind] += 1
                    if kind == "anew":
                        file.close()
                        connection.close()
            except Exception as error:  # told below, in the main thread
                failures.append(f"{kind}: {error!r}")

        askers = [
            threading.Thread(target=ask, args=arguments, daemon=True) for arguments in [
                ("whole", [line * 20]), ("pieces", [line[:7], line[7:60], line[60:]]),
                ("anew", [line])]]
        for asker in askers:
            asker.start()
        eventually("replies", lambda: failures or min(counts.values()) > 20)
        for _ in range(2):
            self.replaced(daemon)
            before = dict(counts)
            eventually("replies", lambda: failures or all(
                counts[kind] > before[kind] + 20 for kind in counts))
        ending.set()
        for asker in askers:
            asker.join(PATIENCE)
        self.assertEqual(failures, [])

    def test_one_that_does_not_read_is_ended(self):
        """Half a request is waited for, but not for ever, and the old process comes to its end."""
        daemon = self.start(self.CONFIGURATION)
        with socket.socket(socket.AF_UNIX) as half:
            half.settimeout(PATIENCE)
            half.connect(os.path.join(daemon.folder, "pdns.sock"))
            self.assertEqual(self.lookup(half), ["192.0.2.53"])
            half.sendall(b'{"method":')
            self.replaced(daemon)
            self.assertEqual(half.recv(100), b"")
        self.assertEqual(daemon.wait(90), 0)

    @unittest.skipUnless(os.getuid() == 0, "only root gives a file to another's group")
    def test_the_socket_keeps_its_group(self):
        """The old process was root when it made the socket; the new one isn't, and needn't be."""
        daemon = self.martlet(
            self.CONFIGURATION.replace(
                "powerdns: { ", "powerdns: { group: daemon, ").replace("600s", "0s"),
            arguments=["--user", "nobody"])
        path = os.path.join(daemon.folder, "pdns.sock")
        nobody = pwd.getpwnam("nobody")
        os.chown(daemon.folder, nobody.pw_uid, -1)
        for needed in (program("martletd"), daemon.configuration):
            if run("test", "-r", needed, user=nobody.pw_uid, extra_groups=[]).returncode != 0:
                self.skipTest(f"the user nobody can't reach {needed}")
        with socket.socket(socket.AF_UNIX) as front:
            front.settimeout(PATIENCE)
            front.connect(path)
            for _ in range(2):
                self.replaced(daemon)
                self.assertEqual(os.stat(path).st_gid, grp.getgrnam("daemon").gr_gid)
                self.assertEqual(self.lookup(front), ["192.0.2.53"])
                with socket.socket(socket.AF_UNIX) as other:
                    other.settimeout(PATIENCE)
                    other.connect(path)
                    self.assertEqual(self.lookup(other), ["192.0.2.53"])

    def test_without_a_socket_in_the_new_process_they_end(self):
        """The new configuration has no socket for PowerDNS: what is connected ends with the old process."""
        daemon = self.start(self.CONFIGURATION)
        path = os.path.join(daemon.folder, "pdns.sock")
        with socket.socket(socket.AF_UNIX) as front:
            front.settimeout(PATIENCE)
            front.connect(path)
            text = open(daemon.configuration).read()
            daemon.write("martlet.yaml", re.sub("(?m)^powerdns: .*$", "", text))
            self.replaced(daemon)
            self.assertTrue(self.ended(front))
        self.assertEqual(daemon.wait(90), 0)
        self.assertFalse(os.path.exists(path))


class ZoneTests(HandoverTestCase):
    """A zone that is served is not lost to a master file that has turned bad."""

    MASTER = """$TTL 300
@ SOA ns1 hostmaster 1 7200 900 1209600 300
@ NS ns1
ns1 A 192.0.2.53
"""

    def start_with_files(self):
        text = CONFIGURATION.replace("600s", "0s") + (
            "  one.test: { file: one.zone }\n  two.test: { file: two.zone }\n")
        return self.martlet(text, files={
            "one.zone": self.MASTER, "two.zone": self.MASTER + "oops A 192.0.2\n"})

    def test_what_a_reload_has_kept_stops_a_replacement(self):
        daemon = self.start_with_files()
        self.assertEqual(daemon.dig("ns1.two.test").status, "SERVFAIL")
        path = daemon.write("one.zone", self.MASTER + "oops A 192.0.2\n")
        self.assertIn("it is served as before", daemon.console("reload").stdout)
        place = rf"zone one\.test\. is served now, and would be lost: {re.escape(path)}:5:8: \S"
        done = daemon.console("replace")
        said = done.stdout + done.stderr
        self.assertIn("status 78", said)
        self.assertIn("Nothing has changed", said)
        self.assertRegex(said, place)
        self.assertNotIn("two.test", said)
        self.assertRegex(daemon.wait_line("the other process gives up taking over"), place)
        # The same from outside.
        new = self.replacement(daemon)
        self.assertEqual(new.wait(), 78)
        self.assertRegex(new.output, "martletd: can't take over: " + place)
        self.assertEqual(daemon.dig("ns1.one.test").addresses, ["192.0.2.53"])
        # What was never good, and what is wanted no more, is no loss.
        text = open(daemon.configuration).read()
        daemon.write("martlet.yaml", text.replace("  one.test: { file: one.zone }\n", ""))
        self.replaced(daemon)
        self.assertEqual(daemon.wait(90), 0)
        self.assertEqual(daemon.dig("ns1.one.test").status, "REFUSED")
        self.assertEqual(daemon.dig("ns1.two.test").status, "SERVFAIL")

    def test_a_mended_one_lets_it_take_over(self):
        daemon = self.start_with_files()
        daemon.write("one.zone", self.MASTER + "oops A 192.0.2\n")
        daemon.console("reload")
        self.assertIn("status 78", "".join(daemon.console("replace").stdout))
        daemon.write("one.zone", self.MASTER + "mended A 192.0.2.54\n")
        self.replaced(daemon)
        self.assertEqual(daemon.dig("mended.one.test").addresses, ["192.0.2.54"])

    def test_the_service_starts_with_a_bad_one(self):
        """The other zones are answered after a reboot: nothing in systemd's unit stands before that."""
        folder = self.folder()
        port = free_port()
        with open(os.path.join(ROOT, "Tools", "packaging", "martletd.service")) as file:
            lines = [line.strip().split("=", 1) for line in file if line.startswith("ExecStart")]
        configuration = os.path.join(folder, "martlet.yaml")
        with open(os.path.join(folder, "bad.zone"), "w") as file:
            file.write(self.MASTER + "oops A 192.0.2\n")
        with open(configuration, "w") as file:
            file.write(f"""
router: {{ as: 65000, id: 192.0.2.1 }}
listen: {{ dns: ["127.0.0.1:{port}"], socket: {folder}/console.sock }}
sites: {{ east: {{ as: 64600, addresses: [192.0.2.10] }} }}
zones:
  bad.test: {{ file: bad.zone }}
  example.com: {{ ns: [ns1.example.com], records: {{ ns1: {{ a: 192.0.2.53 }} }} }}
""")
        for key, command in lines:
            words = command.replace("/etc/martlet/martlet.yaml", configuration).replace(
                "/run/martlet", folder).split()
            words[0] = program(os.path.basename(words[0]))
            if key == "ExecStart":
                started = Process(words)
                self.addCleanup(started.stop)
                started.wait_line(r"\bready\b")
            else:
                self.assertEqual(run(*words).returncode, 0, command)
        self.assertEqual(
            run("dig", "@127.0.0.1", "-p", str(port), "+short", "ns1.example.com").stdout.split(),
            ["192.0.2.53"])


class ProtocolTests(HandoverTestCase):
    """Either side of the handover, played by a program that is none of ours."""

    def connect(self, daemon):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(connection.close)
        connection.settimeout(PATIENCE)
        connection.connect(daemon.socket_path + ".handover")
        return connection

    def receive(self, connection):
        data, control, _, _ = connection.recvmsg(8192, socket.CMSG_SPACE(4))
        files = array.array("i")
        for level, kind, value in control:
            self.assertEqual((level, kind), (socket.SOL_SOCKET, socket.SCM_RIGHTS))
            files.frombytes(value)
        for file in files:
            self.addCleanup(os.close, file)
        return data.decode(), list(files)

    def test_what_is_said_to_a_running_process(self):
        daemon = self.start()
        self.assertEqual(os.stat(daemon.socket_path + ".handover").st_mode & 0o777, 0o600)
        for nonsense in (b"hello", b"replace 2", b"\xff" * 9000, b""):
            with self.subTest(nonsense=nonsense[:10]):
                connection = self.connect(daemon)
                with contextlib.suppress(OSError):
                    connection.send(nonsense)
                with contextlib.suppress(ConnectionResetError):
                    self.assertIn(self.receive(connection)[0][:3], ("no ", ""))
                connection.close()
        connection = self.connect(daemon)
        connection.send(b"replace 1")
        self.assertEqual(self.receive(connection)[0], "ready")
        connection.send(b"sockets")
        given = {}
        while (message := self.receive(connection))[0] != "end":
            given.setdefault(message[0], []).extend(message[1])
        cookies, = [kind for kind in given if kind.startswith("cookies")]
        self.assertEqual(
            {kind: len(files) for kind, files in given.items()},
            {"dns-udp": 2, "dns-tcp": 1, "bgp": 1, "console": 1, cookies: 0, "zones": 1})
        with open(given["zones"][0], closefd=False) as names:
            names.seek(0)
            self.assertEqual(names.read(), "example.com.\n")
        self.assertRegex(cookies, "^cookies [0-9a-f]+ [0-9a-f]+$")
        copy = socket.socket(fileno=os.dup(given["dns-udp"][0]))
        self.addCleanup(copy.close)
        self.assertEqual(copy.getsockname(), ("127.0.0.1", daemon.port("dns")))
        connection.send(b"table")
        words, (table,) = self.receive(connection)
        self.assertEqual(words, "table")
        self.assertGreater(os.fstat(table).st_size, 100)
        # No reload meanwhile; afterwards there is.
        self.assertIn("handover is under way", daemon.console("reload").stdout)
        connection.close()
        daemon.wait_line("given up taking over")
        eventually("a reload", lambda: "nothing has changed" in daemon.console("reload").stdout)
        self.assertEqual(self.sessions(daemon), 2)
        self.assertEqual(daemon.dig("www.example.com", "A", NEAR_EAST).addresses, EAST)

    def test_a_process_that_ends_while_it_is_replaced(self):
        """What has come to its sockets is answered all the same."""
        daemon = self.start()
        Process.stop(daemon)
        port = daemon.port("dns")
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        datagrams.bind(("127.0.0.1", port))
        stream = socket.create_server(("127.0.0.1", port))
        self.addCleanup(datagrams.close)
        self.addCleanup(stream.close)
        path = daemon.socket_path + ".handover"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(server.close)
        server.settimeout(PATIENCE)
        server.bind(path)
        server.listen()
        # Questions that wait before anybody reads them.
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(client.close)
        client.settimeout(PATIENCE)
        client.connect(("127.0.0.1", port))
        for number in range(50):
            client.send(questions.question(number, "ns1.example.com", "A", NEAR_EAST))
        caller = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.addCleanup(caller.close)
        packet = questions.question(99, "ns1.example.com", "A", NEAR_EAST)
        caller.sendall(len(packet).to_bytes(2, "big") + packet)

        text = open(daemon.configuration).read().replace("600s", "0s")
        daemon.write("martlet.yaml", text)
        new = self.replacement(daemon)
        connection, _ = server.accept()
        connection.settimeout(PATIENCE)
        self.assertEqual(connection.recv(100), b"replace 1")
        connection.send(b"ready")
        self.assertEqual(connection.recv(100), b"sockets")
        socket.send_fds(connection, [b"dns-udp"], [datagrams.fileno()])
        socket.send_fds(connection, [b"dns-tcp"], [stream.fileno()])
        socket.send_fds(connection, [b"what-is-to-come"], [stream.fileno()])
        connection.send(b"end")
        self.assertEqual(connection.recv(100), b"table")
        connection.close()
        server.close()
        datagrams.close()
        stream.close()
        new.wait_line("took over")
        numbers = set()
        for _ in range(50):
            number, found = questions.reply(client.recv(4096))
            numbers.add(number)
            self.assertIn(found.code, (0, 2))
        self.assertEqual(numbers, set(range(50)))
        self.assertGreater(len(caller.recv(4096)), 12)
        new.wait_line(r"\bready\b")

    def test_a_process_that_refuses(self):
        daemon = self.start()
        path = daemon.socket_path + ".handover"
        os.unlink(path)
        server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(server.close)
        server.settimeout(PATIENCE)
        server.bind(path)
        server.listen()
        new = self.replacement(daemon)
        connection, _ = server.accept()
        self.addCleanup(connection.close)
        connection.recv(100)
        connection.send(b"no it is Sunday")
        self.assertEqual(new.wait(), 75)
        self.assertIn("the other process refuses: it is Sunday", new.output)


class ListenerTests(HandoverTestCase):
    """A reload changes who listens where, under queries that nobody loses."""

    def reload(self, daemon, old, new):
        text = open(daemon.configuration).read()
        self.assertIn(old, text)
        daemon.write("martlet.yaml", text.replace(old, new))
        done = daemon.console("reload")
        self.assertNotIn("error", done.stdout)
        return done.stdout

    def test_no_query_is_lost(self):
        daemon = self.start()
        flood = self.flood(daemon)
        port, other = daemon.port("dns"), free_port()
        one, two = f'dns: ["127.0.0.1:{port}"]', f'dns: ["127.0.0.1:{other}", "127.0.0.1:{port}"]'
        for old, new in [
                ("threads: 2", "threads: 5"), (one, two), ("threads: 5", "threads: 1"),
                (f'"127.0.0.1:{port}"]\ndns:',
                 f'{{ address: "127.0.0.1:{port}", client-subnet: on }}]\ndns:'),
                ("threads: 1", "threads: 3, maximum-udp-size: 1400"),
                ("ns1: { a: 192.0.2.53 }", "ns1: { a: 192.0.2.54 }"),
                ("dns: [\"127.0.0.1:%d\", {" % other, "dns: [{"),
                ("threads: 3", "threads: 2")]:
            with self.subTest(new=new):
                self.reload(daemon, old, new)
                flood.at_least(500)
            if new == two:
                self.assertEqual(
                    daemon.dig("ns1.example.com").addresses,
                    run("dig", "@127.0.0.1", "-p", str(other), "+short", "ns1.example.com").stdout.split())
        self.check(flood, 5000)
        # What is listened on no more refuses.
        with socket.socket() as client:
            self.assertNotEqual(client.connect_ex(("127.0.0.1", other)), 0)
        eventually("the other port's sockets to close", lambda: self.is_free(other))
        names = eventually("the threads", lambda: self.threads(daemon, 2))
        self.assertEqual(len(names), 2)

    def is_free(self, port):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0 and self.refused(probe)

    def refused(self, probe):
        probe.settimeout(1)
        try:
            probe.send(b"?")
            probe.recv(10)
        except ConnectionRefusedError:
            return True
        except TimeoutError:
            pass
        return False

    def threads(self, daemon, count):
        names = []
        for task in os.listdir(f"/proc/{daemon.child.pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{daemon.child.pid}/task/{task}/comm") as file:
                names.append(file.read().strip())
        found = [name for name in names if name.startswith("dns-udp")]
        return found if len(found) == count else None

    def nices(self, pid):
        """The nice values of threads by the kind of their name, above the process's own."""
        found = {}
        own = os.getpriority(os.PRIO_PROCESS, pid)
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/comm") as file:
                kind = re.sub(r"[-#0-9]*$", "", file.read().strip())
                found.setdefault(kind, []).append(os.getpriority(os.PRIO_PROCESS, int(task)) - own)
        return {kind: sorted(nices) for kind, nices in found.items()}

    def check_nices(self, pid, own, threads):
        self.assertEqual(os.getpriority(os.PRIO_PROCESS, pid), own)
        nices = eventually("the threads", lambda: (
            found := self.nices(pid), len(found.get("dns-udp", [])) == threads)[1] and found)
        self.assertEqual(nices["dns-udp"], [0] * threads)
        for kind in ("table", "scopes"):
            self.assertEqual(nices[kind], [10], kind)
        # Those of BGP, of BMP, of the RPKI and of the console; one answers by TCP.
        self.assertEqual(nices["NIO-ELT"], [0, 10, 10, 10, 10])

    def test_who_answers_goes_before_who_brings_routes(self):
        usual = os.getpriority(os.PRIO_PROCESS, 0)
        # Without privileges this process could not go back.
        for own in {usual, min(usual + 5, 9)} if os.geteuid() == 0 else {usual}:
            with self.subTest(own=own):
                os.setpriority(os.PRIO_PROCESS, 0, own)
                try:
                    daemon = self.start()
                finally:
                    if own != usual:
                        os.setpriority(os.PRIO_PROCESS, 0, usual)
                self.check_nices(daemon.child.pid, own, 2)
                # Threads that come later are started by whoever has the work at hand.
                for old, new in [(2, 7), (7, 1), (1, 8)]:
                    self.reload(daemon, f"threads: {old}", f"threads: {new}")
                    self.check_nices(daemon.child.pid, own, new)
                for _ in range(2):
                    self.check_nices(self.replaced(daemon).pid, own, 8)
                eventually("the first process to end", lambda: daemon.child.poll() is not None)

    def test_a_port_that_cannot_be_had_changes_nothing_else(self):
        daemon = self.start()
        flood = self.flood(daemon)
        port = daemon.port("dns")
        with socket.create_server(("127.0.0.1", 0)) as taken:
            other = taken.getsockname()[1]
            said = self.reload(
                daemon, f'dns: ["127.0.0.1:{port}"]', f'dns: ["127.0.0.1:{port}", "127.0.0.1:{other}"]')
            self.assertIn(f"DNS can't have 127.0.0.1:{other} by TCP: Address already in use", said)
        flood.at_least(500)
        # The next reload tries again.
        eventually("the port", lambda: "can't have" not in daemon.console("reload").stdout)
        self.assertEqual(
            run("dig", "@127.0.0.1", "-p", str(other), "+short", "ns1.example.com").stdout.split(),
            ["192.0.2.53"])
        self.check(flood, 1500)


if __name__ == "__main__":
    unittest.main()
