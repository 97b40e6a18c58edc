# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""What the bytes of a capture are, by RFC 4271 alone: messages, when they left, and no route."""
import collections

from interoperability import wire
from trials import capture


def messages(stream):
    """(type, body, seconds) of all that was sent on a connection: well-framed, and no UPDATE but
    End-of-RIB. Raises wire.Said."""
    times, upto, when = iter(stream.times), 0, None
    for number, (at, kind, body) in enumerate(wire.messages(bytes(stream.data))):
        where = f"to {stream.peer[0]}, byte {at}"
        if kind not in wire.NAMES or kind == wire.KEEPALIVE and body:
            raise wire.Said(f"{where}: a message of type {kind}, {len(body)} bytes")
        if kind == wire.UPDATE and wire.end_of_rib(body) is None:
            raise wire.Said(f"{where}: an UPDATE that is not End-of-RIB: {body.hex()}")
        if number == 0 and kind not in (wire.OPEN, wire.NOTIFICATION):
            raise wire.Said(f"{where}: {wire.NAMES[kind]} before an OPEN")
        while upto < at + 19 + len(body):
            upto, when = next(times)
        yield kind, body, when


def announced(path):
    """Checks a capture. Returns its numbers of connections and bytes and, by type, of messages."""
    counts, size = collections.Counter(), 0
    found, _ = capture.streams(path)
    for stream in found:
        size += len(stream.data)
        for kind, _, _ in messages(stream):
            counts["End-of-RIB" if kind == wire.UPDATE else wire.NAMES[kind]] += 1
    return len(found), size, dict(counts)


def lateness(path, hold_times):
    """How late KEEPALIVEs were, by peer: [sessions, keepalives, worst, worst by the shortest wait].

    hold_times: seconds by the peer's address; others are left out. A wait is a third of that, or by
    jitter down to three quarters of it (RFC 4271 section 10): a KEEPALIVE is late for sure by what its
    wait has beyond the former, and was certainly not later than by what it has beyond the latter. A
    session that ended, or a capture, counts as if a KEEPALIVE had come at that moment.
    """
    found, last = capture.streams(path)
    late = {}
    for stream in found:
        if stream.peer[0] not in hold_times:
            continue
        third = hold_times[stream.peer[0]] / 3
        times = [when for kind, _, when in messages(stream) if kind == wire.KEEPALIVE]
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
