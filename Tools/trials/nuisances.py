# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Neighbours that behave badly while others go on: what each of them does, over and over."""
import os
import socket
import struct
import threading

from trials import feeder, routers

FIRST = 81


def address(number):
    return f"127.0.0.{FIRST + number}"


def burst(number):
    """2,000 UPDATEs, each of another prefix."""
    attributes = (
        b"\x40\x01\x01\0" + b"\x40\x02\x06\x02\x01" + struct.pack(">I", 4000 + number % 1000)
        + b"\x40\x03\x04\xc0\0\2\1" + b"\x40\x05\x04\0\0\0\x64")
    head = bytes(2) + struct.pack(">H", len(attributes)) + attributes
    return b"".join(
        routers.message(2, head + bytes([24, 11, (number + index) >> 8 & 255, (number + index) & 255]))
        for index in range(2000))


def endless(connection, over):
    """Sends UPDATEs as fast as they are read, and reads nothing."""
    greet(connection)
    bursts = [burst(2000 * number) for number in range(32)]
    number = 0
    while not over.is_set():
        connection.sendall(bursts[number % len(bursts)])
        number += 1


def slow(connection, over):
    """Sends a byte a second."""
    for byte in routers.open_message(feeder.AS, 90, "10.9.9.9") + routers.KEEPALIVE + burst(0):
        if over.wait(1):
            return
        connection.sendall(bytes([byte]))


def garbage(connection, over):
    """Sends what is no BGP, and comes again at once."""
    connection.sendall(os.urandom(4096))
    connection.recv(4096)


def silent(connection, over):
    """Says nothing and reads nothing."""
    over.wait(60)


def stranger(connection, over):
    """Nobody knows it."""
    connection.recv(1)
    over.wait(0.01)


def greet(connection):
    connection.sendall(routers.open_message(feeder.AS, 90, "10.9.9.9") + routers.KEEPALIVE)


KINDS = [endless, slow, garbage, silent, stranger]


def feeds():
    """Lines of the configuration: all but the stranger are feeds of the first site."""
    return "".join(
        f"  {kind.__name__}: {{ site: site0, bgp: {{ peer: {address(number)}, as: {feeder.AS}, "
        "connect: passive } }\n" for number, kind in enumerate(KINDS[:-1]))


class Nuisance(threading.Thread):
    def __init__(self, number, port):
        super().__init__(daemon=True)
        self.number, self.port = number, port
        self.connections = 0
        self.over = threading.Event()

    def run(self):
        while not self.over.is_set():
            try:
                with socket.create_connection(
                        ("127.0.0.1", self.port), 5, (address(self.number), 0)) as connection:
                    self.connections += 1
                    KINDS[self.number](connection, self.over)
            except OSError:
                self.over.wait(0.05)

    def stop(self):
        self.over.set()
        self.join()


def start(port):
    started = [Nuisance(number, port) for number in range(len(KINDS))]
    for one in started:
        one.start()
    return started
