# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""DNS messages as a program of its own reads and writes them, to compare servers by."""
import socket
import struct

TYPES = {
    "A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "HINFO": 13, "MX": 15, "TXT": 16, "AAAA": 28,
    "LOC": 29, "SRV": 33, "NAPTR": 35, "DNAME": 39, "OPT": 41, "DS": 43, "SSHFP": 44, "DNSKEY": 48,
    "TLSA": 52, "SVCB": 64, "HTTPS": 65, "SPF": 99, "ANY": 255, "URI": 256, "CAA": 257,
    "TYPE731": 731}
# Bytes before the names in a type's data, how many names, and bytes behind.
NAMES = {2: (0, 1), 5: (0, 1), 6: (0, 2), 12: (0, 1), 15: (2, 1), 17: (0, 2), 18: (2, 1), 33: (6, 1),
         39: (0, 1)}


def encode_name(name):
    wire = b""
    for label in name.rstrip(".").split("."):
        if label:
            wire += bytes([len(label)]) + label.encode()
    return wire + b"\0"


def query(name, kind, identifier=4242, size=4096, flags=0):
    """A query with EDNS, without recursion desired."""
    head = struct.pack(">HHHHHH", identifier, flags, 1, 0, 0, 1)
    question = encode_name(name) + struct.pack(">HH", TYPES.get(kind, kind), 1)
    return head + question + b"\0" + struct.pack(">HHIH", 41, size, 0, 0)


def decode_name(message, at):
    """The name at a place, in small letters, and where it ends."""
    labels, end, seen = [], None, 0
    while True:
        length = message[at]
        if length >= 0xc0:
            end = end or at + 2
            at = struct.unpack_from(">H", message, at)[0] & 0x3fff
            seen += 1
            if seen > 100:
                raise ValueError("pointers in a circle")
            continue
        if length == 0:
            return b".".join(labels).lower() + b".", end or at + 1
        labels.append(message[at + 1:at + 1 + length])
        at += 1 + length


class Reply:
    """Sections of (owner, type, TTL, data), the names in data whole and in small letters."""

    def __init__(self, message):
        self.message = message
        self.identifier, flags, questions, *counts = struct.unpack_from(">HHHHHH", message)
        self.code = flags & 15
        self.authoritative = bool(flags & 0x0400)
        self.truncated = bool(flags & 0x0200)
        at = 12
        for _ in range(questions):
            _, at = decode_name(message, at)
            at += 4
        self.answer, at = self._section(counts[0], at)
        self.authority, at = self._section(counts[1], at)
        self.additional, at = self._section(counts[2], at)
        self.additional = [record for record in self.additional if record[1] != TYPES["OPT"]]
        if at != len(message):
            raise ValueError(f"{len(message) - at} bytes behind the last record")

    def _section(self, count, at):
        records = []
        for _ in range(count):
            owner, at = decode_name(self.message, at)
            kind, _, ttl, size = struct.unpack_from(">HHIH", self.message, at)
            at += 10
            records.append((owner, kind, ttl, self._data(kind, at, size)))
            at += size
        return records, at

    def _data(self, kind, at, size):
        if kind not in NAMES:
            return self.message[at:at + size]
        before, names = NAMES[kind]
        end = at + size
        data = self.message[at:at + before]
        at += before
        for _ in range(names):
            name, at = decode_name(self.message, at)
            data += name
        return data + self.message[at:end]

    def __repr__(self):
        return (f"code {self.code}{' aa' if self.authoritative else ''}, answer {self.answer}, "
                f"authority {self.authority}, additional {self.additional}")


def ask(port, name, kind, timeout=5, tries=3):
    """What the server on a loopback port answers by UDP."""
    packet = query(name, kind)
    for _ in range(tries):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.settimeout(timeout)
            sender.connect(("127.0.0.1", port))
            sender.send(packet)
            try:
                return Reply(sender.recv(65536))
            except TimeoutError:
                continue
    raise AssertionError(f"no answer from port {port} about {name} {kind}")
