# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""What the bytes that Martlet sent are, by RFC 4271 alone: messages, when they left, and no route."""
import collections
import struct

from trials import capture

OPEN, UPDATE, NOTIFICATION, KEEPALIVE, ROUTE_REFRESH = range(1, 6)
NAMES = {
    OPEN: "OPEN", UPDATE: "End-of-RIB", NOTIFICATION: "NOTIFICATION", KEEPALIVE: "KEEPALIVE",
    ROUTE_REFRESH: "ROUTE-REFRESH"}
# Lengths (RFC 4271 section 4, RFC 2918 section 3).
LENGTHS = {
    OPEN: (29, 4096), UPDATE: (23, 4096), NOTIFICATION: (21, 4096), KEEPALIVE: (19, 19),
    ROUTE_REFRESH: (23, 23)}


class Malformed(Exception):
    """What was sent that should not be."""


def is_end_of_rib(body):
    """RFC 4724 section 2: nothing at all, or MP_UNREACH_NLRI with a family and nothing else."""
    if body == bytes(4):
        return True
    if len(body) not in (10, 11) or body[:2] != bytes(2):
        return False
    size, flags, kind = struct.unpack_from(">HBB", body, 2)
    head = 4 if flags & 0x10 else 3
    return (size == len(body) - 4 and kind == 15 and flags & 0x80 != 0
            and int.from_bytes(body[6:4 + head], "big") == 3 == len(body) - 4 - head)


def messages(stream):
    """(type, body, seconds) of all that was sent on a connection, each in its bounds."""
    data, at, times = bytes(stream.data), 0, iter(stream.times)
    upto, time = 0, None
    while at < len(data):
        where = f"to {stream.peer[0]}, byte {at}"
        if len(data) - at < 19:
            raise Malformed(f"{where}: {len(data) - at} bytes, which are no message")
        if data[at:at + 16] != b"\xff" * 16:
            raise Malformed(f"{where}: no marker, but {data[at:at + 16].hex()}")
        length, kind = struct.unpack_from(">HB", data, at + 16)
        if kind not in LENGTHS:
            raise Malformed(f"{where}: a message of type {kind}")
        least, most = LENGTHS[kind]
        if not least <= length <= most or length > len(data) - at:
            raise Malformed(f"{where}: {NAMES[kind]} of {length} bytes, {len(data) - at} are there")
        while upto < at + length:
            upto, time = next(times)
        body = data[at + 19:at + length]
        if kind == UPDATE and not is_end_of_rib(body):
            raise Malformed(f"{where}: an UPDATE that is not End-of-RIB: {body.hex()}")
        yield kind, body, time
        at += length


def announced(path):
    """Checks a capture. Returns its numbers of connections and bytes and, by type, of messages."""
    counts, bytes_sent = collections.Counter(), 0
    found, _ = capture.streams(path)
    for stream in found:
        bytes_sent += len(stream.data)
        for number, (kind, _, _) in enumerate(messages(stream)):
            if number == 0 and kind not in (OPEN, NOTIFICATION):
                raise Malformed(f"to {stream.peer[0]}: begins with {NAMES[kind]}")
            counts[NAMES[kind]] += 1
    return len(found), bytes_sent, dict(counts)


def lateness(path, hold_times):
    """How late KEEPALIVEs were, by peer: [sessions, keepalives, worst, worst by the shortest wait].

    hold_times: seconds by the peer's address; others are left out. A wait is a third of that, or by jitter down to three
    quarters of it (RFC 4271 section 10): a KEEPALIVE is late for sure by what its wait has beyond the
    former, and was certainly not later than by what it has beyond the latter. A session that
    ended, or a capture, counts as if a KEEPALIVE had come at that moment.
    """
    found, last = capture.streams(path)
    late = {}
    for stream in found:
        if stream.peer[0] not in hold_times:
            continue
        third = hold_times[stream.peer[0]] / 3
        times = [time for kind, _, time in messages(stream) if kind == KEEPALIVE]
        if not times:
            continue
        one = late.setdefault(stream.peer[0], [0, 0, -third, -third])
        one[0] += 1
        one[1] += len(times)
        if stream.end is None or stream.end > times[-1]:
            times.append(stream.end or last)
        for before, after in zip(times, times[1:]):
            one[2] = max(one[2], after - before - third)
            one[3] = max(one[3], after - before - third * 0.75)
    return late
