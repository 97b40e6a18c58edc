# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Reads what Martlet sent, without any of its code, and says what it may not have said.

Messages have to be framed as RFC 4271 section 4.1 says, in an order that its section 8 allows.
There may be no UPDATE but End-of-RIB (RFC 4724 section 2), once for each family that was agreed on,
and only to a router that announced graceful restart. While a session lives, no two messages are
farther apart than a third of its hold time, and a second.
"""
import bisect
import struct

OPEN, UPDATE, NOTIFICATION, KEEPALIVE, ROUTE_REFRESH = 1, 2, 3, 4, 5
NAMES = {OPEN: "OPEN", UPDATE: "UPDATE", NOTIFICATION: "NOTIFICATION", KEEPALIVE: "KEEPALIVE",
         ROUTE_REFRESH: "ROUTE-REFRESH"}
MULTIPROTOCOL, GRACEFUL_RESTART, FOUR_OCTETS = 1, 64, 65
LATEST = 1.0  # seconds: how late a keepalive may be
IPV4, IPV6 = (1, 1), (2, 1)


class Said(Exception):
    """Martlet sent what it must not send."""


def messages(data, whole=True):
    """[(offset, type, body), ...] of a stream, which ends with a whole message if it is `whole`."""
    found, at = [], 0
    while len(data) - at >= 19:
        if data[at:at + 16] != b"\xff" * 16:
            raise Said(f"no marker at byte {at}: {data[at:at + 19].hex()}")
        length, kind = struct.unpack_from("!HB", data, at + 16)
        if not 19 <= length <= 4096:
            raise Said(f"a message of {length} bytes at byte {at}")
        if at + length > len(data):
            break
        found.append((at, kind, data[at + 19:at + length]))
        at += length
    if whole and at < len(data):
        raise Said(f"{len(data) - at} bytes behind the last message: {data[at:at + 19].hex()}")
    return found


class Open:
    """An OPEN: hold time in seconds, and capabilities (RFC 5492) by code."""

    def __init__(self, body):
        self.version, self.number, self.hold_time, _, length = struct.unpack_from("!BHHIB", body)
        self.capabilities = {}
        at, wide = 10, False
        if length == 255 and body[10:11] == b"\xff":  # RFC 9072
            wide, at = True, 13
        while at < len(body):
            kind, size = struct.unpack_from("!BH" if wide else "!BB", body, at)
            at += 3 if wide else 2
            value, at = body[at:at + size], at + size
            while kind == 2 and value:
                code, size = value[0], value[1]
                self.capabilities.setdefault(code, []).append(value[2:2 + size])
                value = value[2 + size:]

    @property
    def families(self):
        found = {struct.unpack("!HxB", value) for value in self.capabilities.get(MULTIPROTOCOL, [])}
        return found or {IPV4}


def end_of_rib(body):
    """The family of an End-of-RIB; None of any other UPDATE."""
    if body == bytes(4):
        return IPV4
    for head in (b"\0\0\0\6\x80\x0f\x03", b"\0\0\0\7\x90\x0f\0\x03"):
        if body.startswith(head) and len(body) == len(head) + 3:
            return struct.unpack_from("!HB", body, len(head))
    return None


class Account:
    """What Martlet sent in one connection, after it was looked through."""

    def __init__(self, connection, answer, now):
        """`answer` is the router's half of the same connection, where it answered."""
        data, marks = connection.stream()
        ends = [half.ended for half in (connection, answer) if half and half.ended is not None]
        self.connection = connection
        self.size = len(data)
        self.messages = messages(data, whole=connection.ended is not None)
        self.counts = {name: 0 for name in NAMES.values()}
        self.theirs = None
        if answer:
            first = messages(answer.stream()[0], whole=False)
            if first and first[0][1] == OPEN:
                self.theirs = Open(first[0][2])
        offsets = [offset for offset, _ in marks]
        self.times = [
            marks[bisect.bisect_right(offsets, offset) - 1][1] for offset, _, _ in self.messages]
        self.ours = None
        self.late = None  # seconds of the latest message, beyond the interval of keepalives
        self.intervals = 0
        self.check()
        self.measure(min(ends, default=now))

    def check(self):
        markers = set()
        for number, (_, kind, body) in enumerate(self.messages):
            if kind not in NAMES:
                raise Said(f"a message of type {kind}")
            self.counts[NAMES[kind]] += 1
            if (kind == OPEN) != (number == 0) and kind != NOTIFICATION:
                raise Said(f"{NAMES[kind]} as message {number + 1} of {self.connection}")
            if kind == OPEN:
                self.ours = Open(body)
            elif kind == KEEPALIVE and body:
                raise Said(f"a KEEPALIVE with a body: {body.hex()}")
            elif kind == NOTIFICATION and number != len(self.messages) - 1:
                raise Said("a message after NOTIFICATION")
            elif kind == ROUTE_REFRESH and (len(body) != 4 or body[2] != 0):
                raise Said(f"a ROUTE-REFRESH with borders or more: {body.hex()}")
            elif kind == UPDATE:
                self.check_update(body, markers)

    def check_update(self, body, markers):
        family = end_of_rib(body)
        if family is None:
            raise Said(f"AN UPDATE THAT IS NO End-of-RIB: {body.hex()}")
        if self.theirs is None or GRACEFUL_RESTART not in self.theirs.capabilities:
            raise Said("End-of-RIB to a router without graceful restart")
        if family not in self.ours.families & self.theirs.families:
            raise Said(f"End-of-RIB of family {family}, which was not agreed on")
        if family in markers:
            raise Said(f"End-of-RIB of family {family} twice")
        markers.add(family)

    def measure(self, end):
        if self.theirs is None or self.ours is None:
            return
        self.hold_time = min(self.ours.hold_time, self.theirs.hold_time)
        if self.hold_time == 0:
            return
        alive = [when for when, (_, kind, _) in zip(self.times, self.messages) if kind != OPEN]
        if not alive or self.messages[-1][1] == NOTIFICATION and len(alive) == 1:
            return  # never established
        if self.messages[-1][1] != NOTIFICATION:
            alive.append(end)
        for before, after in zip(alive, alive[1:]):
            self.intervals += 1
            late = after - before - self.hold_time / 3
            self.late = late if self.late is None else max(self.late, late)
        if self.late is not None and self.late > LATEST:
            raise Said(
                f"nothing for {self.late + self.hold_time / 3:.1f} s with a hold time of "
                f"{self.hold_time} s")
