# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""What the tests of the whole share: starts martletd on free ports, and talks to it.

Every wait has an end, and says what it waited for when it comes.
"""
import contextlib
import ipaddress
import os
import random
import re
import shutil
import signal
import socket
import string
import subprocess
import tempfile
import threading
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAMS = os.path.join(ROOT, ".build", "release")
DATA = os.path.abspath(os.environ.get("MARTLET_DATA", os.path.join(ROOT, "..", "shared", "data")))
PATIENCE = 30  # seconds: how long anything may take on a busy machine


def program(name):
    return os.path.join(PROGRAMS, name)


def data(*parts):
    """The path of a large data file; skips the test where it is missing."""
    path = os.path.join(DATA, *parts)
    if not os.path.exists(path):
        raise unittest.SkipTest(f"no {path}; MARTLET_DATA names the folder of routing data")
    return path


def peer(name):
    """The path of a program to test against; where it is missing the test is skipped, in CI failed."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        if os.environ.get("CI") == "true":
            raise AssertionError(f"{name} is not installed, and CI tests against it")
        raise unittest.SkipTest(f"{name} is not installed")
    return path


def eventually(what, ask, seconds=PATIENCE):
    """Asks until the answer is true, and returns it."""
    until = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > until:
            raise AssertionError(f"waited {seconds} s in vain for {what}; last answer: {answer!r}")
        time.sleep(0.05)


def free_port():
    """A loopback port that nobody uses, TCP or UDP, from below the kernel's own choices."""
    for _ in range(200):
        port = random.randrange(20000, 32000)
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as probe:
                    probe.bind(("127.0.0.1", port))
            return port
        except OSError:
            pass
    raise AssertionError("no free port")


def free_ports(count):
    """So many, no two the same."""
    ports = set()
    while len(ports) < count:
        ports.add(free_port())
    return list(ports)


def run(*command, seconds=PATIENCE, **options):
    """Runs a command to its end; text in, text out."""
    options.setdefault("stdin", subprocess.DEVNULL if "input" not in options else None)
    if options["stdin"] is None:
        del options["stdin"]
    return subprocess.run(
        command, capture_output=True, text=True, errors="replace", timeout=seconds, **options)


class Process:
    """A program in the foreground whose output is kept and can be waited for."""

    def __init__(self, command, **options):
        self.command = command
        self.lines = []
        self.changed = threading.Condition()
        self.child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", start_new_session=True, **options)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.child.stdout:
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()

    @property
    def output(self):
        with self.changed:
            return "\n".join(self.lines)

    def wait_line(self, pattern, seconds=PATIENCE, after=0):
        """Waits for a line that matches, not before line number `after`, and returns it."""
        until = time.monotonic() + seconds
        with self.changed:
            while True:
                for line in self.lines[after:]:
                    if re.search(pattern, line):
                        return line
                left = until - time.monotonic()
                if left <= 0 or not self.reader.is_alive():
                    tail = "\n".join(self.lines[-30:])
                    raise AssertionError(f"{self.command[0]} never said /{pattern}/:\n{tail}")
                self.changed.wait(min(left, 0.5))

    def wait(self, seconds=PATIENCE):
        """Waits for the end; returns the exit status."""
        try:
            status = self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.command[0]} does not end:\n{self.output}") from None
        self.reader.join(5)
        return status

    def signal(self, number):
        self.child.send_signal(number)

    def stop(self):
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
        self.reader.join(5)
        self.child.stdout.close()

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait(15)


class Martlet(Process):
    """martletd with a configuration of its own, in a folder of its own.

    In `configuration` and `files` the words $bgp, $console, $machine, $dns and $peer stand for
    free ports, $socket for the console's Unix socket and $folder for the folder. Files whose names
    end in .key are their owner's alone.
    """

    def __init__(
            self, configuration, files=None, arguments=(), wait=True, mode=0o755, process=None):
        self.folder = tempfile.mkdtemp(prefix="martlet-test-")
        os.chmod(self.folder, mode)
        self.words = {
            name: str(port) for name, port in zip(("bgp", "console", "machine", "dns", "peer"), free_ports(5))}
        self.words["folder"] = self.folder
        self.words["socket"] = os.path.join(self.folder, "console.sock")
        for name, text in (files or {}).items():
            self.write(name, text)
        self.configuration = self.write("martlet.yaml", configuration)
        started = False
        try:
            super().__init__(
                [program("martletd"), "--config", self.configuration, "--foreground", *arguments],
                **(process or {}))
            started = True
            if wait:
                self.wait_ready()
        except BaseException:
            if started:
                super().stop()
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def wait_ready(self):
        self.wait_line(r"\bready\b")

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w" if isinstance(text, str) else "wb") as file:
            file.write(self.fill(text) if isinstance(text, str) else text)
        os.chmod(path, 0o600 if name.endswith(".key") else 0o644)
        return path

    def fill(self, text):
        return string.Template(text).safe_substitute(self.words)

    def port(self, name):
        return int(self.words[name])

    @property
    def socket_path(self):
        return self.words["socket"]

    def machine(self):
        return Machine(("127.0.0.1", self.port("machine")))

    def enabled(self):
        """The same over the Unix socket, where one may change something."""
        connection = Machine(self.socket_path)
        connection.send("machine")
        # People's face until that line is read: a banner and a prompt come first.
        while not connection.line().endswith("+ ok"):
            pass
        return connection

    def console(self, *commands, to=None):
        """`martlet console -c COMMAND ...`, over the Unix socket unless `to` says where."""
        options = [word for command in commands for word in ("-c", command)]
        return run(program("martlet"), "console", to or self.socket_path, *options)

    def dig(self, name, kind="A", subnet=None, *options):
        return Answer(self.port("dns"), name, kind, subnet, *options)

    def stop(self):
        super().stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Machine:
    """A connection to the line protocol's face for programs."""

    def __init__(self, address):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(address)
        self.file = self.socket.makefile("rb")

    def send(self, *lines):
        self.socket.sendall("".join(f"{line}\n" for line in lines).encode())

    def line(self):
        return self.file.readline().decode().rstrip("\r\n")

    def reply(self):
        """One reply: the text after `+ `, a list of lines, or a Refused."""
        first = self.line()
        if first.startswith("+"):
            return first[1:].strip()
        if first.startswith("-"):
            return Refused(first[1:].strip())
        if not first.startswith("*"):
            raise AssertionError(f"not a reply: {first!r}")
        lines = []
        while (line := self.line()) != ".":
            if line == "" and self.file.peek(1) == b"":
                raise AssertionError(f"the reply broke off after {lines}")
            lines.append(line[1:] if line.startswith(".") else line)
        return lines

    def ask(self, line):
        self.send(line)
        return self.reply()

    def rank(self, address, name=None):
        """{site: {key: value, ...}} of `rank`, in the order of the ranking."""
        reply = self.ask(f"rank {address}" + (f" for {name}" if name else ""))
        if isinstance(reply, Refused):
            raise AssertionError(f"rank {address}: {reply}")
        ranked = {}
        for line in reply:
            _, site, *fields = line.split()
            ranked[site] = dict(field.split("=", 1) for field in fields)
        return ranked

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Refused(str):
    """An error reply: its code and its sentence."""

    @property
    def code(self):
        return int(self.split()[0])


class Answer:
    """What dig understood of a DNS answer."""

    def __init__(self, port, name, kind, subnet, *options):
        command = [
            peer("dig"), "@127.0.0.1", "-p", str(port), name, kind, "+time=5", "+tries=1",
            "+nocookie", *([f"+subnet={subnet}"] if subnet else []), *options]
        self.text = run(*command).stdout
        found = re.search(r"status: (\w+)", self.text)
        self.status = found.group(1) if found else "no answer"
        found = re.search(r"^;; flags: ([a-z ]*);", self.text, re.M)
        self.flags = found.group(1).split() if found else []
        found = re.search(r"CLIENT-SUBNET: \S+/(\d+)/(\d+)", self.text)
        self.scope = int(found.group(2)) if found else None
        self.answer = self._section("ANSWER")
        self.authority = self._section("AUTHORITY")

    def _section(self, name):
        found = re.search(rf";; {name} SECTION:\n(.*?)\n\n", self.text, re.S)
        return [line.split() for line in found.group(1).splitlines()] if found else []

    @property
    def addresses(self):
        return [record[-1] for record in self.answer if record[3] in ("A", "AAAA")]


class Bird(Process):
    """BIRD in the foreground. In its configuration $port_NAME and such are filled in already."""

    def __init__(self, configuration):
        self.folder = tempfile.mkdtemp(prefix="martlet-bird-")
        self.path = os.path.join(self.folder, "bird.conf")
        self.control = os.path.join(self.folder, "bird.ctl")
        self._write(configuration)
        try:
            super().__init__([peer("bird"), "-f", "-c", self.path, "-s", self.control])
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        eventually("BIRD's control socket", lambda: os.path.exists(self.control))

    def _write(self, configuration):
        with open(self.path, "w") as file:
            file.write(configuration)

    def ask(self, *command):
        return run(peer("birdc"), "-s", self.control, *command).stdout

    def configure(self, configuration):
        """Takes up a new configuration, softly: sessions stay, routes change."""
        self._write(configuration)
        reply = self.ask("configure")
        if "Reconfigured" not in reply and "in progress" not in reply:
            raise AssertionError(f"BIRD refuses its configuration: {reply}")

    def wait_established(self, protocol, seconds=PATIENCE):
        eventually(
            f"BIRD's {protocol} to be established",
            lambda: "Established" in self.ask("show", "protocols", protocol), seconds)

    def stop(self):
        super().stop()
        shutil.rmtree(self.folder, ignore_errors=True)


BIRD_PORTS = {}


def bird_configuration(
        address, martlet_port, local_as, martlet_as=65000, routes=None, port=None, dials=True):
    """A BIRD that announces `routes` ({prefix: [AS, ...]}, the path after its own AS) to Martlet.

    With `dials` it connects to 127.0.0.1, `martlet_port`; else it waits for Martlet on `port`.
    """
    lines = ["log stderr all;", f"router id {address};", "protocol device {}"]
    for family in (4, 6):
        lines.append(f"protocol static announced{family} {{ ipv{family};")
        for prefix, path in (routes or {}).items():
            if ipaddress.ip_network(prefix).version != family:
                continue
            prepends = "".join(f" bgp_path.prepend({number});" for number in reversed(path))
            lines.append(f"  route {prefix} blackhole {{{prepends} }};")
        lines.append("}")
    # A port of its own: BIRD's default needs root, and only one BIRD could have it. It stays the
    # same for a router, or its session would begin anew with each configuration.
    port = port or BIRD_PORTS.setdefault((address, martlet_port), free_port())
    lines += [
        "protocol bgp martlet {",
        f"  local {address} port {port} as {local_as}; strict bind;",
        f"  neighbor 127.0.0.1 port {martlet_port} as {martlet_as};",
        "  multihop; connect delay time 1; connect retry time 1; error wait time 1, 2;",
        *([] if dials else ["  passive;"]),
        "  ipv4 { import none; export where source = RTS_STATIC; next hop self; };",
        "  ipv6 { import none; export where source = RTS_STATIC; next hop address 2001:db8::7; };",
        "}", ""]
    return "\n".join(lines)


class Frr(Process):
    """FRR's bgpd by itself, listening on a loopback port."""

    def __init__(self, configuration, listen=("127.0.0.1",), port=None):
        self.folder = tempfile.mkdtemp(prefix="martlet-frr-")
        os.chmod(self.folder, 0o755)
        self.port = port or free_port()
        path = os.path.join(self.folder, "bgpd.conf")
        with open(path, "w") as file:
            file.write(configuration)
        super().__init__([
            self.program(), "--no_kernel", "--no_zebra", "-S", "-P", "0",
            *(word for address in listen for word in ("-l", address)), "-p",
            str(self.port), "-i", os.path.join(self.folder, "pid"), "--vty_socket", self.folder,
            "-f", path, *getattr(self, "extra", [])])
        eventually(
            "bgpd's socket", lambda: os.path.exists(os.path.join(self.folder, "bgpd.vty")))

    @staticmethod
    def program():
        """OpenBGPD's has the same name, in another folder."""
        return shutil.which("bgpd", path="/usr/lib/frr") or peer("bgpd")

    def ask(self, *commands):
        options = [word for command in commands for word in ("-c", command)]
        done = run(peer("vtysh"), "--vty_socket", self.folder, *options, seconds=120)
        if done.returncode != 0:
            raise AssertionError(f"vtysh: {done.stderr}")
        return done.stdout

    def stop(self):
        super().stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class TestCase(unittest.TestCase):
    """Tests that start programs: everything started ends with the test."""

    maxDiff = 8000

    def martlet(self, configuration, **options):
        started = Martlet(configuration, **options)
        self.addCleanup(started.stop)
        return started

    def bird(self, configuration):
        started = Bird(configuration)
        self.addCleanup(started.stop)
        return started

    def machine(self, martlet):
        connection = martlet.machine()
        self.addCleanup(connection.close)
        return connection

    def folder(self):
        path = tempfile.mkdtemp(prefix="martlet-test-")
        self.addCleanup(shutil.rmtree, path, True)
        return path
