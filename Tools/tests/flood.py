# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Many DNS clients that ask without a pause, each question once: what is lost is counted.

Few questions of each are under way at once, so that no buffer is to overflow: what gets no answer
was lost by the server.
"""
import ipaddress
import random
import selectors
import socket
import struct
import threading
import time

import questions
from harness import PATIENCE

WINDOW = 8


class Client:
    """One socket. `under_way` are questions without an answer: {identifier: (client subnet, since)}."""

    def __init__(self, flood):
        self.flood, self.under_way, self.next, self.asked = flood, {}, random.randrange(65536), 0

    def question(self):
        subnet, wanted = random.choice(self.flood.expected)
        self.next = (self.next + 1) % 65536
        self.under_way[self.next] = wanted, time.monotonic()
        self.asked += 1
        return questions.question(self.next, self.flood.name, "A", subnet)

    def answered(self, packet):
        number, found = questions.reply(packet)
        wanted, since = self.under_way.pop(number, (None, 0))
        if wanted is None:
            self.flood.wrong.append(f"an answer to nothing: {number}")
            return
        self.flood.answers += 1
        self.flood.slowest = max(self.flood.slowest, time.monotonic() - since)
        if found.code != 0 or found.addresses not in wanted:
            self.flood.wrong.append(f"{found}, not one of {wanted}")

    def lost(self, reason):
        self.flood.lost += [reason] * len(self.under_way)
        self.under_way = {}


class Datagrams(Client):
    """A client by UDP."""

    def __init__(self, flood):
        super().__init__(flood)
        self.socket = self.open()

    def open(self):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender.connect(("127.0.0.1", self.flood.port))
        sender.setblocking(False)
        return sender

    def fill(self):
        while len(self.under_way) < WINDOW and not self.flood.ending:
            try:
                self.socket.send(self.question())
            except OSError as error:
                self.lost(f"UDP: {error}")
                return
        # Another port of the client's is another socket of the server's.
        if self.asked > 200 and not self.under_way:
            self.flood.selector.unregister(self.socket)
            self.socket.close()
            self.socket, self.asked = self.open(), 0
            self.flood.selector.register(self.socket, selectors.EVENT_READ, self)

    def receive(self):
        while True:
            try:
                packet = self.socket.recv(65536)
            except BlockingIOError:
                break
            except OSError as error:
                self.lost(f"UDP: {error}")
                break
            self.answered(packet)
        if self.asked <= 200 or not self.under_way:
            self.fill()


class Stream(Client):
    """A client by TCP: it connects, asks some questions at once, reads the answers and closes."""

    def __init__(self, flood):
        super().__init__(flood)
        self.buffer, self.left = b"", 0
        self.socket = self.open()

    def open(self):
        self.buffer, self.left = b"", random.randrange(1, 60)
        try:
            sender = socket.create_connection(("127.0.0.1", self.flood.port), PATIENCE)
        except OSError as error:
            self.flood.lost.append(f"TCP: {error}")
            sender = socket.socket()
        return sender

    def fill(self):
        text = b""
        while len(self.under_way) < WINDOW and self.left > 0 and not self.flood.ending:
            packet = self.question()
            text += struct.pack(">H", len(packet)) + packet
            self.left -= 1
        try:
            if text:
                self.socket.sendall(text)
        except OSError as error:
            self.lost(f"TCP: {error}")
        if not self.under_way and not self.flood.ending:
            self.flood.selector.unregister(self.socket)
            self.socket.close()
            self.socket = self.open()
            self.flood.selector.register(self.socket, selectors.EVENT_READ, self)
            if self.left > 0:
                self.fill()

    def receive(self):
        try:
            data = self.socket.recv(65536)
        except OSError as error:
            self.lost(f"TCP: {error}")
            data = b""
        else:
            if not data:
                self.lost("TCP: closed by the server")
        self.buffer += data
        while len(self.buffer) >= 2 and len(self.buffer) >= 2 + int.from_bytes(self.buffer[:2], "big"):
            size = int.from_bytes(self.buffer[:2], "big")
            self.answered(self.buffer[2:2 + size])
            self.buffer = self.buffer[2 + size:]
        self.fill()


class Flood(threading.Thread):
    """Asks `name` of a port on loopback until it is stopped.

    `expected` are pairs of a client subnet and the lists of addresses that are right for it.
    """

    def __init__(self, port, name, expected, datagrams=12, streams=4):
        super().__init__(daemon=True)
        self.port, self.name = port, name
        self.expected = [(ipaddress.ip_network(subnet), wanted) for subnet, wanted in expected]
        self.answers, self.slowest, self.lost, self.wrong = 0, 0.0, [], []
        self.ending = False
        self.selector = selectors.DefaultSelector()
        self.clients = [Datagrams(self) for _ in range(datagrams)]
        self.clients += [Stream(self) for _ in range(streams)]
        self.failure = None

    def run(self):
        try:
            self._run()
        except Exception as error:  # told by stop, in the main thread
            self.failure = error

    def _run(self):
        for client in self.clients:
            self.selector.register(client.socket, selectors.EVENT_READ, client)
            client.fill()
        end = None
        while True:
            for key, _ in self.selector.select(0.1):
                key.data.receive()
            if self.ending:
                end = end or time.monotonic() + PATIENCE
                if time.monotonic() > end or not any(one.under_way for one in self.clients):
                    break
        for client in self.clients:
            client.lost("no answer")
            client.socket.close()

    def at_least(self, more, seconds=PATIENCE):
        """Waits until so many more questions have been answered."""
        wanted, end = self.answers + more, time.monotonic() + seconds
        while self.answers < wanted:
            if self.failure or time.monotonic() > end:
                raise AssertionError(
                    f"only {self.answers} of {wanted} answers: {self.failure or self.lost[:3]}")
            time.sleep(0.01)

    def stop(self):
        self.ending = True
        self.join(2 * PATIENCE)
        if self.failure:
            raise self.failure
