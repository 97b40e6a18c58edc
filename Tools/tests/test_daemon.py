# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""The life of the daemon: start, reload, second instance, privileges, end."""
import contextlib
import os
import pwd
import signal
import socket
import subprocess
import time
import unittest

from harness import (
    Machine, Martlet, Process, TestCase, bird_configuration, eventually, program, run)

CONFIGURATION = """
router: { as: 65000, id: 192.0.2.1 }
listen:
  bgp: ["127.0.0.1:$bgp"]
  console: [{ address: "127.0.0.1:$machine", face: machine }]
  socket: $socket
  dns: ["127.0.0.1:$dns"]
sites:
  near: { as: 64600, addresses: [192.0.2.10] }
  far:  { as: 64601, addresses: [192.0.2.20] }
maps: [pins.routes]
zones:
  example.com:
    soa: { host: ns1.example.com, email: hostmaster@example.com }
    ns: [ns1.example.com]
    records:
      ns1: { a: 192.0.2.53 }
      www: { nearest: [near, far], ttl: 60 }
"""
PINS = "198.51.100.0/24 64601 64600\n"
CLIENT = "198.51.100.0/24"


class ReloadTests(TestCase):
    def start(self):
        self.daemon = self.martlet(CONFIGURATION, files={"pins.routes": PINS})
        self.assertEqual(self.answer(), ["192.0.2.20"])

    def answer(self):
        return self.daemon.dig("www.example.com", "A", CLIENT).addresses

    def hang_up(self):
        seen = len(self.daemon.lines)
        self.daemon.signal(signal.SIGHUP)
        return seen

    def test_a_good_file_takes_effect(self):
        self.start()
        self.daemon.write("pins.routes", "198.51.100.0/24 64600 64601\n")
        self.hang_up()
        eventually("the new pin", lambda: self.answer() == ["192.0.2.10"])

    def test_the_command_answers_when_it_has_been_done(self):
        self.start()
        with self.daemon.machine() as console:
            for first, second in [("near", "far"), ("far", "near")] * 2:
                order = {"near": "64600", "far": "64601"}
                self.daemon.write("pins.routes", f"198.51.100.0/24 {order[first]} {order[second]}\n")
                replies = self.daemon.console("reload", "nearest 198.51.100.1").stdout
                self.assertIn(f"\n{first} ", "\n" + replies)
                self.assertEqual(next(iter(console.rank("198.51.100.1"))), first)

    def test_a_new_site_and_a_new_address(self):
        self.start()
        text = self.daemon.fill(CONFIGURATION).replace("192.0.2.20", "192.0.2.21")
        text = text.replace("maps:", "  new: { as: 64602, addresses: [192.0.2.30] }\nmaps:")
        self.daemon.write("martlet.yaml", text)
        self.daemon.write("pins.routes", "198.51.100.0/24 64602\n")
        self.hang_up()
        eventually("the new address", lambda: self.answer() == ["192.0.2.21"])
        with self.daemon.machine() as console:
            self.assertEqual(next(iter(console.rank("198.51.100.1"))), "new")

    def test_a_bad_configuration_changes_nothing(self):
        self.start()
        text = self.daemon.fill(CONFIGURATION)
        text = text.replace("192.0.2.20", "192.0.2.21").replace("nearest:", "nearst:")
        self.daemon.write("martlet.yaml", text)
        seen = self.hang_up()
        self.daemon.wait_line(r"martlet\.yaml:\d+:\d+: .*nearst", after=seen)
        self.assertEqual(self.answer(), ["192.0.2.20"])

    def test_a_bad_route_map_changes_nothing(self):
        self.start()
        self.daemon.write("pins.routes", "198.51.100.0/24 64600\n198.51.100.0/33 64600\n")
        seen = self.hang_up()
        self.daemon.wait_line(r"pins\.routes:2", after=seen)
        self.assertEqual(self.answer(), ["192.0.2.20"])

    def test_a_file_that_is_gone_changes_nothing(self):
        self.start()
        os.unlink(self.daemon.configuration)
        seen = self.hang_up()
        self.daemon.wait_line(r"martlet\.yaml", after=seen)
        self.assertEqual(self.answer(), ["192.0.2.20"])

    def test_the_command_says_what_is_wrong(self):
        self.start()
        self.daemon.write("martlet.yaml", "router: [")
        done = self.daemon.console("reload")
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertRegex(done.stdout + done.stderr, r"martlet\.yaml:\d+")
        self.daemon.write("martlet.yaml", self.daemon.fill(CONFIGURATION))
        done = self.daemon.console("reload")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_signal_during_the_start_is_not_lost(self):
        """What has changed since the file was read is taken up as soon as that can be."""
        pipe = os.path.join(self.folder(), "pipe.routes")
        os.mkfifo(pipe)
        daemon = self.martlet(
            CONFIGURATION.replace("pins.routes", pipe), files={"pins.routes": PINS}, wait=False)
        # Opens when the start has come to the route map; it stays there until something is written.
        with open(pipe, "w") as writer:
            daemon.write("martlet.yaml", CONFIGURATION.replace("192.0.2.20", "192.0.2.21"))
            daemon.signal(signal.SIGHUP)
            writer.write(PINS)
        daemon.wait_line("reloaded")
        self.assertEqual(daemon.dig("www.example.com", "A", CLIENT).addresses, ["192.0.2.21"])

    def test_a_signal_during_a_reload_is_not_lost(self):
        self.start()
        # A route map that is a pipe: the reload reads until the test has written all of it.
        pipe = os.path.join(self.daemon.folder, "pipe.routes")
        os.mkfifo(pipe)
        text = self.daemon.fill(CONFIGURATION)
        self.daemon.write("martlet.yaml", text.replace("pins.routes", "pipe.routes"))
        command = subprocess.Popen(
            [program("martlet"), "console", self.daemon.socket_path, "-c", "reload"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        # Opens when the reload does; both stay as they are until something is written.
        writer = open(pipe, "w")
        self.daemon.write("martlet.yaml", text.replace("192.0.2.20", "192.0.2.21"))
        try:
            seen = self.hang_up()
            self.daemon.wait_line(r"a reload is under way; the next one follows it", after=seen)
            self.assertEqual(self.answer(), ["192.0.2.20"])
            done = self.daemon.console("reload")
            self.assertIn("reload is under way", done.stdout + done.stderr)
        finally:
            writer.write(PINS)
            writer.close()
        output, _ = command.communicate(timeout=60)
        self.assertEqual(command.returncode, 0, output)
        eventually("what the signal asked for", lambda: self.answer() == ["192.0.2.21"])

    def test_a_session_that_did_not_change_stays(self):
        with_feed = CONFIGURATION.replace("maps:", (
            "ready: { wait: 0s }\nfeeds:\n  near-router: { site: near, bgp: { peer: 127.0.0.2, as: 65001,"
            " connect: passive } }\nmaps:"))
        self.daemon = self.martlet(with_feed, files={"pins.routes": PINS})
        bird = self.bird(bird_configuration(
            "127.0.0.2", self.daemon.port("bgp"), 65001, routes={"203.0.113.0/24": []}))
        bird.wait_established("martlet")
        console = self.machine(self.daemon)
        eventually("the route", lambda: console.rank("203.0.113.1")["near"]["distance"] == "1")
        since = bird.ask("show", "protocols", "martlet")
        self.daemon.write("pins.routes", "198.51.100.0/24 64600\n")
        self.hang_up()
        eventually("the new pin", lambda: self.answer() == ["192.0.2.10"])
        self.assertEqual(console.rank("203.0.113.1")["near"]["distance"], "1")
        self.assertEqual(bird.ask("show", "protocols", "martlet"), since, "the session was reset")


class StartAndEndTests(TestCase):
    def test_sigterm_ends_cleanly(self):
        daemon = self.martlet(CONFIGURATION, files={"pins.routes": PINS})
        began = time.monotonic()
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.wait(15), 0, daemon.output)
        self.assertLess(time.monotonic() - began, 10)
        self.assertFalse(os.path.exists(daemon.socket_path), "the console's socket stayed behind")

    def test_control_c_ends_cleanly(self):
        daemon = self.martlet(CONFIGURATION, files={"pins.routes": PINS})
        daemon.signal(signal.SIGINT)
        self.assertEqual(daemon.wait(15), 0, daemon.output)

    def test_a_second_instance_is_refused_by_the_pid_file(self):
        folder = self.folder()
        pid_file = os.path.join(folder, "martlet.pid")
        first = self.martlet(
            CONFIGURATION, files={"pins.routes": PINS}, arguments=["--pid-file", pid_file])
        with open(pid_file) as file:
            self.assertEqual(int(file.read()), first.child.pid)
        second = Martlet(
            CONFIGURATION, files={"pins.routes": PINS}, arguments=["--pid-file", pid_file],
            wait=False)
        self.addCleanup(second.stop)
        self.assertNotEqual(second.wait(15), 0)
        self.assertIn(str(first.child.pid), second.output, "it says who runs already")
        self.assertEqual(
            first.dig("www.example.com", "A", CLIENT).addresses, ["192.0.2.20"],
            "the first one is not disturbed")
        first.signal(signal.SIGTERM)
        self.assertEqual(first.wait(15), 0)
        self.assertFalse(os.path.exists(pid_file), "the pid file stayed behind")

    def test_a_taken_port_is_said(self):
        first = self.martlet(CONFIGURATION, files={"pins.routes": PINS})
        second = os.path.join(self.folder(), "second.yaml")
        with open(second, "w") as file:
            file.write(first.fill(CONFIGURATION)
                       .replace(first.socket_path, second + ".sock")
                       .replace("maps: [pins.routes]", ""))
        done = run(program("martletd"), "--config", second, "--foreground")
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stdout + done.stderr, r"127\.0\.0\.1:\d+")
        self.assertRegex((done.stdout + done.stderr).lower(), "in use")

    @unittest.skipUnless(os.getuid() == 0, "only root can begin a process namespace")
    def test_another_namespaces_proc_is_said(self):
        configuration = os.path.join(self.folder(), "martlet.yaml")
        with open(configuration, "w") as file:
            file.write("listen: { socket: none }\nsites: { here: { as: 64500 } }\n")
        done = run(
            "unshare", "--pid", "--fork", program("martletd"), "--config", configuration,
            "--foreground")
        self.assertEqual(done.returncode, 71, done.stderr)
        self.assertIn("/proc is that of another process namespace", done.stderr)

    def test_a_socket_left_by_a_crash_is_no_obstacle(self):
        first = self.martlet(CONFIGURATION, files={"pins.routes": PINS})
        first.kill()
        self.assertTrue(os.path.exists(first.socket_path))
        again = Process([program("martletd"), "--config", first.configuration, "--foreground"])
        self.addCleanup(again.stop)
        again.wait_line(r"\bready\b")
        done = first.console("show version")
        self.assertEqual(done.returncode, 0, done.stderr)

    @unittest.skipUnless(os.getuid() == 0, "only root can drop privileges")
    def test_privileges_are_dropped(self):
        daemon = self.martlet(
            CONFIGURATION, files={"pins.routes": PINS}, arguments=["--user", "nobody"])
        nobody = pwd.getpwnam("nobody")
        with open(f"/proc/{daemon.child.pid}/status") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        self.assertEqual(status["Uid"].split(), [str(nobody.pw_uid)] * 4)
        self.assertEqual(status["Gid"].split(), [str(nobody.pw_gid)] * 4)
        self.assertNotIn("0", status["Groups"].split(), "root's groups were kept")
        self.assertEqual(int(status["CapEff"], 16), 0)
        self.assertEqual(int(status["CapPrm"], 16), 0)
        for task in os.listdir(f"/proc/{daemon.child.pid}/task"):
            with open(f"/proc/{daemon.child.pid}/task/{task}/status") as file:
                uids = next(line for line in file if line.startswith("Uid:")).split()[1:]
            self.assertEqual(uids, [str(nobody.pw_uid)] * 4, f"thread {task}")
        self.assertEqual(daemon.dig("www.example.com", "A", CLIENT).addresses, ["192.0.2.20"])
        # It still reads its files after that.
        daemon.write("pins.routes", "198.51.100.0/24 64600\n")
        daemon.signal(signal.SIGHUP)
        eventually(
            "the new pin",
            lambda: daemon.dig("www.example.com", "A", CLIENT).addresses == ["192.0.2.10"])

    def test_an_unknown_user_is_refused(self):
        daemon = Martlet(
            CONFIGURATION, files={"pins.routes": PINS},
            arguments=["--user", "no-such-user-here"], wait=False)
        self.addCleanup(daemon.stop)
        self.assertNotEqual(daemon.wait(15), 0)
        self.assertIn("no-such-user-here", daemon.output)

    def test_it_has_a_process_title(self):
        daemon = self.martlet(CONFIGURATION, files={"pins.routes": PINS})
        with open(f"/proc/{daemon.child.pid}/cmdline", "rb") as file:
            self.assertTrue(file.read().startswith(b"martlet"))

    def test_journald_gets_levels_and_no_time(self):
        # The logger finds journald by JOURNAL_STREAM, the device and inode of standard error.
        daemon = self.martlet(CONFIGURATION, files={"pins.routes": PINS})
        daemon.signal(signal.SIGTERM)
        daemon.wait(15)
        log = os.path.join(self.folder(), "journal")
        with open(log, "w") as file:
            found = os.fstat(file.fileno())
            environment = {**os.environ, "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
            child = subprocess.Popen(
                [program("martletd"), "--config", daemon.configuration, "--foreground"],
                stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment)
        self.addCleanup(child.wait, 15)
        self.addCleanup(child.terminate)

        def text():
            with open(log) as file:
                return file.read()
        eventually("it to be ready", lambda: "ready" in text())
        for line in text().splitlines():
            self.assertRegex(line, r"^<[0-7]>\D")

    def told(self, manager):
        """What systemd hears next, as a dictionary."""
        return dict(line.split("=", 1) for line in manager.recv(4096).decode().split("\n"))

    def test_systemd_is_told(self):
        """sd_notify(3): when it is ready, when it reloads, when it ends; to sockets of both kinds."""
        daemon = self.martlet(CONFIGURATION, files={"pins.routes": PINS})
        daemon.signal(signal.SIGTERM)
        daemon.wait(15)
        path = os.path.join(self.folder(), "notify")
        for address in (path, f"\0martlet-test-{os.getpid()}"):
            with self.subTest(address=address), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
                manager.bind(address)
                manager.settimeout(15)
                again = Process(
                    [program("martletd"), "--config", daemon.configuration, "--foreground"],
                    env={**os.environ, "NOTIFY_SOCKET": address.replace("\0", "@")})
                self.addCleanup(again.stop)
                ready = {"READY": "1", "MAINPID": str(again.child.pid), "STATUS": "Ready"}
                self.assertEqual(self.told(manager), ready)
                before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
                again.signal(signal.SIGHUP)
                reloading = self.told(manager)
                self.assertEqual(reloading.pop("RELOADING"), "1")
                self.assertGreaterEqual(int(reloading.pop("MONOTONIC_USEC")), before)
                self.assertEqual(self.told(manager), ready)
                # The console's reload is one, too.
                self.assertIn("nothing has changed", daemon.console("reload").stdout)
                self.assertEqual(self.told(manager)["RELOADING"], "1")
                self.assertEqual(self.told(manager), ready)
                again.signal(signal.SIGTERM)
                self.assertEqual(self.told(manager), {"STOPPING": "1", "STATUS": "Ending"})

    def test_systemd_hears_what_is_waited_for(self):
        """READY comes when the wait is over, and never before: not with a reload either."""
        daemon = self.martlet(
            CONFIGURATION + "ready: { wait: 600s }\nfeeds:\n"
            "  late: { site: near, bgp: { peer: 127.0.0.77, as: 65077, connect: passive } }\n",
            files={"pins.routes": PINS}, wait=False)
        daemon.wait_line("listening")
        daemon.signal(signal.SIGTERM)
        daemon.wait(15)
        path = os.path.join(self.folder(), "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            manager.settimeout(15)
            again = Process(
                [program("martletd"), "--config", daemon.configuration, "--foreground"],
                env={**os.environ, "NOTIFY_SOCKET": path})
            self.addCleanup(again.stop)
            self.assertEqual(self.told(manager), {"STATUS": "Waiting for late"})
            # The wait, and a minute: longer than systemd would wait by itself.
            self.assertEqual(self.told(manager), {"EXTEND_TIMEOUT_USEC": "660000000"})
            again.signal(signal.SIGHUP)
            again.wait_line("reloaded")
            said = daemon.console("ready")
            self.assertIn("ot ready: late", said.stdout + said.stderr)
            again.signal(signal.SIGTERM)
            told = []
            while not told or "STOPPING" not in told[-1]:
                told.append(self.told(manager))
            self.assertFalse([one for one in told if "READY" in one], told)

    def test_systemd_watches(self):
        """WATCHDOG=1 twice in the time that systemd gives, and only where this process is meant."""
        daemon = self.martlet(CONFIGURATION, files={"pins.routes": PINS})
        daemon.signal(signal.SIGTERM)
        daemon.wait(15)
        path = os.path.join(self.folder(), "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            manager.settimeout(15)
            environment = {**os.environ, "NOTIFY_SOCKET": path, "WATCHDOG_USEC": "400000"}
            again = Process(
                [program("martletd"), "--config", daemon.configuration, "--foreground"],
                env=environment)
            self.addCleanup(again.stop)
            heard, began = [], time.monotonic()
            while len(heard) < 6:
                if "WATCHDOG" in self.told(manager):
                    heard.append(time.monotonic())
            # Six half times, on a busy machine.
            self.assertGreater(heard[-1] - began, 0.8)
            again.stop()
            while True:
                manager.settimeout(0.2)
                try:
                    manager.recv(4096)
                except TimeoutError:
                    break
            other = Process(
                [program("martletd"), "--config", daemon.configuration, "--foreground"],
                env={**environment, "WATCHDOG_PID": "1"})
            self.addCleanup(other.stop)
            other.wait_line(r"\bready\b")
            manager.settimeout(1.5)
            heard = []
            with contextlib.suppress(TimeoutError):
                while True:
                    heard.append(self.told(manager))
            self.assertFalse([one for one in heard if "WATCHDOG" in one])

    def test_options_that_make_no_sense(self):
        for arguments in ([], ["--config"], ["--config", "/nonexistent.yaml"], ["--no-such"]):
            with self.subTest(arguments=arguments):
                done = run(program("martletd"), *arguments)
                self.assertNotEqual(done.returncode, 0)
                self.assertTrue(done.stderr.strip(), "nothing was said")


class NotReadyTests(TestCase):
    def test_a_feed_that_is_loading_answers_nothing_wrong(self):
        """From the first second it is asked, DNS gives the right answer or says not ready."""
        daemon = self.martlet(CONFIGURATION, files={"pins.routes": PINS}, wait=False)
        seen = set()
        until = time.monotonic() + 30
        while time.monotonic() < until:
            answer = daemon.dig("www.example.com", "A", CLIENT)
            seen.add((answer.status, tuple(answer.addresses)))
            if answer.addresses:
                break
        self.assertIn(("NOERROR", ("192.0.2.20",)), seen)
        self.assertLessEqual(
            seen, {("NOERROR", ("192.0.2.20",)), ("SERVFAIL", ()), ("no answer", ())})


class UnixSocketTests(TestCase):
    def test_its_mode_and_its_rights(self):
        daemon = self.martlet(CONFIGURATION, files={"pins.routes": PINS})
        self.assertEqual(os.stat(daemon.socket_path).st_mode & 0o777, 0o660)
        connection = Machine(daemon.socket_path)
        self.addCleanup(connection.close)
        connection.send("machine")
        # People's face until the line `machine` is read: a banner and a prompt come first.
        eventually("the machine face", lambda: b"+" in connection.socket.recv(65536))


if __name__ == "__main__":
    unittest.main()
