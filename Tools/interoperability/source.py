# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""A neighbour of the router under test that has routes for it, so that it has some to pass on.

It dials the router until it answers, sends its routes and End-of-RIB, and then every change. Routes
are {prefix: path}, both text and tuples of AS numbers as the router gets them but for the source's
own AS, which is put before them.
"""
import collections
import ipaddress
import select
import socket
import struct
import threading
import time

HOLD_TIME = 90
ATTRIBUTE_FLAGS, EXTENDED = 0x40, 0x50
NEXT_HOP = ipaddress.ip_address("192.0.2.7").packed
NEXT_HOP6 = ipaddress.ip_address("2001:db8::7").packed
NEXT_HOPS = NEXT_HOP, NEXT_HOP6


def message(kind, body=b""):
    return b"\xff" * 16 + struct.pack("!HB", 19 + len(body), kind) + body


KEEPALIVE = message(4)
ENDS = message(2, bytes(4)) + message(2, struct.pack("!HHBBBHB", 0, 6, 0x80, 15, 3, 2, 1))


def packed(prefix):
    address, length = prefix.split("/")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return bytes([int(length)]) + socket.inet_pton(family, address)[:(int(length) + 7) // 8]


def attribute(flags, code, value):
    if len(value) > 255:
        return struct.pack("!BBH", flags | 0x10, code, len(value)) + value
    return struct.pack("!BBB", flags, code, len(value)) + value


def path_attribute(path):
    segments = b"".join(
        struct.pack(f"!BB{len(part)}I", 2, len(part), *part)
        for part in (path[at:at + 255] for at in range(0, len(path), 255)))
    return attribute(ATTRIBUTE_FLAGS, 2, segments)


def chunks(prefixes, room):
    held, size = [], 0
    for prefix in prefixes:
        if size + len(prefix) > room:
            yield b"".join(held)
            held, size = [], 0
        held.append(prefix)
        size += len(prefix)
    if held:
        yield b"".join(held)


def updates(routes, own):
    """UPDATEs that announce: one path after another, IPv4 and IPv6 apart."""
    by_path = {}
    for prefix, path in routes.items():
        by_path.setdefault((path, ":" in prefix), []).append(packed(prefix))
    for (path, is6), prefixes in by_path.items():
        common = attribute(ATTRIBUTE_FLAGS, 1, b"\0") + path_attribute((own, *path))
        for nlri in chunks(prefixes, 3000):
            if is6:
                reach = struct.pack("!HBB", 2, 1, 16) + NEXT_HOP6 + b"\0" + nlri
                attributes = attribute(0x80, 14, reach) + common
                nlri = b""
            else:
                attributes = common + attribute(ATTRIBUTE_FLAGS, 3, NEXT_HOP)
            yield message(2, struct.pack("!HH", 0, len(attributes)) + attributes + nlri)


def withdrawals(prefixes):
    for nlri in chunks([packed(prefix) for prefix in prefixes if ":" not in prefix], 3000):
        yield message(2, struct.pack("!H", len(nlri)) + nlri + b"\0\0")
    for nlri in chunks([packed(prefix) for prefix in prefixes if ":" in prefix], 3000):
        attributes = attribute(0x80, 15, struct.pack("!HB", 2, 1) + nlri)
        yield message(2, struct.pack("!HH", 0, len(attributes)) + attributes)


class Source(threading.Thread):
    def __init__(self, address, number, router, port, routes=None):
        super().__init__(daemon=True)
        self.address, self.number = address, number
        self.router, self.port = router, port
        self.routes = dict(routes or {})
        self.lock = threading.Lock()
        self.queue = collections.deque()
        self.wake, self.bell = socket.socketpair()
        self.running = True
        self.is_established = False
        self.trouble = None
        self.start()

    def announce(self, routes):
        self._change(lambda: self.routes.update(routes), updates(routes, self.number))

    def withdraw(self, prefixes):
        prefixes = list(prefixes)

        def forget():
            for prefix in prefixes:
                self.routes.pop(prefix, None)

        self._change(forget, withdrawals(prefixes))

    def _change(self, change, messages):
        with self.lock:
            change()
            if self.is_established:
                self.queue.extend(messages)
        self.bell.send(b"!")

    def run(self):
        while self.running:
            try:
                with socket.socket() as connection:
                    connection.bind((self.address, 0))
                    connection.settimeout(5)
                    connection.connect((self.router, self.port))
                    self.talk(connection)
            except (OSError, EOFError, struct.error) as error:
                self.trouble = str(error)
            with self.lock:
                self.is_established = False
                self.queue.clear()
            time.sleep(0.1)

    def talk(self, connection):
        capabilities = b"".join(
            struct.pack("!BB", code, len(value)) + value for code, value in [
                (1, struct.pack("!HxB", 1, 1)), (1, struct.pack("!HxB", 2, 1)),
                (2, b""), (64, b"\0\0"), (65, struct.pack("!I", self.number))])
        number = self.number if self.number < 1 << 16 else 23456
        identifier = ipaddress.ip_address(self.address).packed
        connection.sendall(message(
            1, struct.pack("!BHH", 4, number, HOLD_TIME) + identifier
            + struct.pack("!BBB", len(capabilities) + 2, 2, len(capabilities)) + capabilities))
        for wanted in (1, 4):
            kind, body = self.receive(connection)
            if kind == 3:
                raise EOFError(f"the router says NOTIFICATION {body[:2].hex()}")
            if kind != wanted:
                raise EOFError(f"the router says message {kind}, not {wanted}")
            if wanted == 1:
                connection.sendall(KEEPALIVE)
        with self.lock:
            self.queue.extend([*updates(self.routes, self.number), ENDS])
            self.is_established = True
        self.serve(connection)

    def receive(self, connection):
        head = self.exactly(connection, 19)
        length, kind = struct.unpack_from("!HB", head, 16)
        return kind, self.exactly(connection, length - 19)

    @staticmethod
    def exactly(connection, count):
        data = b""
        while len(data) < count:
            part = connection.recv(count - len(data))
            if not part:
                raise EOFError("the router hung up")
            data += part
        return data

    def serve(self, connection):
        """Sends what there is to send, and reads away what the router sends."""
        connection.setblocking(False)
        pending, quiet_since = b"", time.monotonic()
        while self.running:
            with self.lock:
                while self.queue and len(pending) < 1 << 16:
                    pending += self.queue.popleft()
            if not pending and time.monotonic() - quiet_since > HOLD_TIME / 3:
                pending = KEEPALIVE
            reads, writes, _ = select.select(
                [connection, self.wake], [connection] if pending else [], [], 1)
            if connection in reads and not connection.recv(1 << 16):
                raise EOFError("the router hung up")
            if self.wake in reads:
                self.wake.recv(4096)
            if writes:
                pending = pending[connection.send(pending):]
                quiet_since = time.monotonic()

    def close(self):
        self.running = False
        self.bell.send(b"!")
        self.join(10)
        self.wake.close()
        self.bell.close()
