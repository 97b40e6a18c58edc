# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Records from the loopback interface every byte that Martlet sends to a router.

A packet socket, and no relay between the two: so what is seen is what was on the wire, with TCP MD5
too. In each laboratory Martlet's addresses end in 0101 (hexadecimal) and the router's in 0102, by
which the kernel picks what comes through; of the router no more is kept than its first segment,
which holds its OPEN, and what it says in NOTIFICATION and ROUTE-REFRESH.
"""
import ipaddress
import re
import socket
import struct
import threading
import time

from loopback import Packets

FIN, SYN, RST, ACK = 1, 2, 4, 16
LARGEST_FIRST_SEGMENT = 600  # an OPEN alone, with headers
NOTABLE = re.compile(rb"\xff{16}(..)([\x03\x05])", re.S)

# Classic BPF: IPv4 or IPv6, TCP; from Martlet, or from a router and small.
LOAD_HALF, LOAD_BYTE, LOAD_LENGTH, RETURN = 0x28, 0x30, 0x80, 0x06
EQUAL, GREATER = 0x15, 0x25
MARTLET, ROUTER = 0x0101, 0x0102
FILTER = [
    (LOAD_HALF, 0, 0, 12),
    (EQUAL, 0, 4, 0x0800),
    (LOAD_BYTE, 0, 0, 23),
    (EQUAL, 0, 9, socket.IPPROTO_TCP),
    (LOAD_HALF, 0, 0, 28),
    (EQUAL, 3, 4, MARTLET),
    (EQUAL, 0, 6, 0x86DD),
    (LOAD_HALF, 0, 0, 36),
    (EQUAL, 0, 1, MARTLET),
    (RETURN, 0, 0, 1 << 18),
    (EQUAL, 0, 2, ROUTER),
    (LOAD_LENGTH, 0, 0, 0),
    (GREATER, 0, 1, LARGEST_FIRST_SEGMENT),
    (RETURN, 0, 0, 0),
    (RETURN, 0, 0, 1 << 18),
]


class Connection:
    """What one end sent in one TCP connection."""

    def __init__(self, source, destination, began):
        self.source, self.destination = source, destination  # (address, port)
        self.began = began
        self.first = None        # the sequence number of its first byte
        self.segments = {}       # offset: (when, bytes)
        self.ended = None        # when it sent FIN or RST
        self.noted = []          # of a router: (type, body) of its NOTIFICATIONs and refreshes

    def add(self, sequence, flags, when, payload):
        if flags & SYN:
            self.first = (sequence + 1) & 0xFFFFFFFF
        elif self.first is None:
            self.first = sequence  # recording began amid a connection
        if flags & (FIN | RST) and self.ended is None:
            self.ended = when
        if payload and not flags & SYN:
            offset = (sequence - self.first) & 0xFFFFFFFF
            kept = self.segments.get(offset)
            # A segment that was sent again counts by its first time.
            if kept is None or len(kept[1]) < len(payload):
                self.segments[offset] = (kept[0] if kept else when, payload)

    def stream(self):
        """The bytes without gaps from the first on, and [(offset, when)] of the segments."""
        data, marks = bytearray(), []
        for offset in sorted(self.segments):
            when, payload = self.segments[offset]
            if offset > len(data):
                raise AssertionError(
                    f"the record of {self} has a gap at byte {len(data)}: it says nothing")
            if offset + len(payload) > len(data):
                marks.append((len(data), when))
                data += payload[len(data) - offset:]
        return bytes(data), marks

    def __str__(self):
        return f"{self.source[0]}.{self.source[1]} to {self.destination[0]}.{self.destination[1]}"


class Recorder(threading.Thread):
    """Listens on `lo` of this network namespace until it is closed."""

    def __init__(self):
        super().__init__(daemon=True)
        self.lock = threading.Lock()
        self.connections = []
        self.open = {}
        self.lost = 0
        self.latest = 0.0
        self.packets = Packets(FILTER)
        self.running = True
        self.start()

    def run(self):
        while self.running:
            if not self.packets.is_waiting(0.2):
                self.lost += self.packets.lost()
                continue
            with self.lock:
                seconds, nanoseconds, packet = self.packets.take()
                self.latest = seconds + nanoseconds / 1e9
                if packet is not None:
                    self.take(packet, self.latest)

    def settle(self):
        """Waits until all that was sent before is recorded: it is in the socket by then."""
        now = time.time()
        while self.latest < now:
            if not self.packets.is_waiting():
                with self.lock:
                    return
            time.sleep(0.01)

    def take(self, packet, when):
        if packet[12] == 0x08:
            at = 14 + (packet[14] & 15) * 4
            end = 14 + struct.unpack_from("!H", packet, 16)[0]
            ends = packet[26:30], packet[30:34]
        else:
            if packet[20] != socket.IPPROTO_TCP:
                return
            at = 54
            end = 54 + struct.unpack_from("!H", packet, 18)[0]
            ends = packet[22:38], packet[38:54]
        # A packet longer than 64 KiB says a length of nothing.
        end = end if end > at else len(packet)
        from_port, to_port, sequence, _, header, flags = struct.unpack_from("!HHIIBB", packet, at)
        payload = packet[at + (header >> 4) * 4:end]
        key = ends[0], from_port, ends[1], to_port
        connection = self.open.get(key)
        if connection and flags & SYN and connection.first != (sequence + 1) & 0xFFFFFFFF:
            # The ports of an earlier connection: both halves are others from here on, whatever was
            # sent in it. A SYN that is sent again has the same number.
            connection = None
            if not flags & ACK:
                self.open.pop((ends[1], to_port, ends[0], from_port), None)
        if connection is None:
            source, destination = (str(ipaddress.ip_address(end)) for end in ends)
            connection = Connection((source, from_port), (destination, to_port), when)
            self.open[key] = connection
            self.connections.append(connection)
        if int.from_bytes(ends[0][-2:], "big") == ROUTER:
            connection.noted += [
                (found.group(2)[0], payload[found.end():found.start() + int.from_bytes(
                    found.group(1), "big")]) for found in NOTABLE.finditer(payload)]
            payload = b"" if connection.segments else payload
        connection.add(sequence, flags, when, payload)

    def between(self, source, destination):
        """The connections from one address to another, in the order of their beginnings."""
        with self.lock:
            return [
                one for one in self.connections
                if one.source[0] == source and one.destination[0] == destination]

    def close(self):
        self.running = False
        self.join()
        self.lost += self.packets.lost()
        self.packets.close()
