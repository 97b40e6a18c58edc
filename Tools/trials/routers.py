# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Routers that send a table that is made already, as fast as it is read, and then keep quiet."""
import glob
import os
import select
import socket
import struct
import threading
import time

import harness
from trials.report import Left, say

MARKER = b"\xff" * 16
CHUNK = 256 << 10


def message(kind, body=b""):
    return MARKER + struct.pack(">HB", 19 + len(body), kind) + body


KEEPALIVE = message(4)


def open_message(number, hold, identifier):
    """An OPEN of AS `number`: both families, 4-octet AS numbers, route refresh."""
    capabilities = b"".join(
        bytes([code, len(value)]) + value
        for code, value in [(1, b"\0\1\0\1"), (1, b"\0\2\0\1"), (2, b""), (65, struct.pack(">I", number))])
    return message(1, struct.pack(
        ">BHH4sBBB", 4, number if number < 65536 else 23456, hold, socket.inet_aton(identifier),
        len(capabilities) + 2, 2, len(capabilities)) + capabilities)


class Table:
    """UPDATEs and their End-of-RIBs: where they end, and what they are."""

    def __init__(self, data, ipv4, ipv6):
        self.data, self.ipv4, self.ipv6 = data, ipv4, ipv6
        self.messages = 0
        # Ends of messages, one every so many bytes: a KEEPALIVE may stand there.
        self.ends = []
        at, begun = 0, 0
        while at < len(data):
            at += struct.unpack_from(">H", data, at + 16)[0]
            self.messages += 1
            if at - begun >= CHUNK or at == len(data):
                self.ends.append(at)
                begun = at

    @classmethod
    def read(cls, path):
        """A file of messages behind 16 bytes: BFD1, and the numbers of messages, IPv4 and IPv6 prefixes."""
        with open(path, "rb") as file:
            magic, _, ipv4, ipv6 = struct.unpack(">4sIII", file.read(16))
            if magic != b"BFD1":
                raise Left(f"{path} is not a file of a feed")
            return cls(file.read(), ipv4, ipv6)


def tables(options, count):
    """Full tables of so many routers: the feeds sim-0.bgp and so on of a folder."""
    paths = sorted(glob.glob(os.path.join(options.feeds or options.work, "sim-*.bgp")))[:count]
    if len(paths) < count:
        raise Left(f"there are no {count} files sim-N.bgp: --feeds names their folder "
                   "(Tools/Benchmarks/run speakers makes them)")
    return [Table.read(path) for path in paths]


class Router(threading.Thread):
    """A session that sends a table. `sent` is set when the kernel has all of it, `failure` says what broke it."""

    def __init__(self, table, port, address, number=65000, hold=90, reads=True):
        super().__init__(daemon=True)
        self.table, self.address, self.hold = table, address, hold
        self.sent, self.over = threading.Event(), threading.Event()
        self.failure, self.notification, self.stalls = None, None, 0
        self.buffer = bytearray()
        self.kinds = set()
        self.reset = False
        self.socket = socket.socket()
        self.socket.bind((address, 0))
        harness.eventually(
            "Martlet to listen", lambda: self.socket.connect_ex(("127.0.0.1", port)) == 0)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(open_message(number, hold, address.replace("127.", "10.")))

    def run(self):
        try:
            while not {1, 4} <= self.kinds:
                self._receive(5)
            self._transfer()
            self.sent.set()
            self._keep()
        except (OSError, RuntimeError) as error:
            self.failure = str(error)
            self.sent.set()
        finally:
            if self.reset:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.socket.close()

    def _receive(self, seconds):
        if not select.select([self.socket], [], [], seconds)[0]:
            return
        data = self.socket.recv(65536)
        if not data:
            raise RuntimeError("Martlet closed the session")
        self.buffer += data
        while len(self.buffer) >= 19:
            length, kind = struct.unpack_from(">HB", self.buffer, 16)
            if len(self.buffer) < length:
                break
            if kind == 1:
                self.socket.sendall(KEEPALIVE)
            if kind == 3:
                raise RuntimeError(f"NOTIFICATION {self.buffer[19]}/{self.buffer[20]}")
            self.kinds.add(kind)
            del self.buffer[:length]

    def _transfer(self):
        view, at = memoryview(self.table.data), 0
        self.socket.setblocking(False)
        for end in self.table.ends:
            while at < end and not self.over.is_set():
                readable, writable, _ = select.select([self.socket], [self.socket], [], 0.5)
                if readable:
                    self._receive(0)
                if writable:
                    at += self.socket.send(view[at:end])
        self.socket.setblocking(True)

    def _keep(self):
        due = 0
        while not self.over.is_set():
            if time.monotonic() >= due:
                self.socket.sendall(KEEPALIVE)
                due = time.monotonic() + self.hold / 3
            self._receive(0.2)

    def send(self, data):
        """What else is to be said, when the table is sent. Whole messages."""
        self.socket.sendall(data)

    def end(self, reset=False):
        self.reset = reset
        self.over.set()
        self.join()


def load(tables, port, addresses, numbers, holds, seconds=600):
    """Starts a router for each table, all at once; returns them when all is sent."""
    started = [
        Router(*one) for one in zip(tables, [port] * len(tables), addresses, numbers, holds)]
    for router in started:
        router.start()
    return started


def wait_sent(routers, seconds=600):
    for router in routers:
        if not router.sent.wait(seconds):
            raise RuntimeError(f"{router.address} could not send its table in {seconds} s")
        if router.failure:
            raise RuntimeError(f"{router.address}: {router.failure}")
    say(f"{len(routers)} tables are sent")
