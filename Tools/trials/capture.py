# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""What Martlet sends, as the kernel sees it: packets of the loopback device, kept as a pcap file."""
import socket
import struct
import threading

from loopback import Packets

FIN, SYN, RST = 1, 2, 4


def program(port):
    """IPv4 TCP segments from a port that carry data or begin or end a connection."""
    steps = [  # code, jump if true, jump if false (to a label), value
        (0x28, 0, 0, 12), (0x15, 0, "drop", 0x800),      # Ethernet's type
        (0x30, 0, 0, 23), (0x15, 0, "drop", 6),          # IP's protocol
        (0xb1, 0, 0, 14),                                # x = length of IP's header
        (0x48, 0, 0, 14), (0x15, 0, "drop", port),       # the source's port
        (0x50, 0, 0, 27), (0x45, "take", 0, FIN | SYN | RST),
        (0x28, 0, 0, 16), (0x1c, 0, 0, 0), (0x02, 0, 0, 0),  # what is left of the packet
        (0x50, 0, 0, 26), (0x54, 0, 0, 0xf0), (0x74, 0, 0, 2), (0x07, 0, 0, 0),
        (0x60, 0, 0, 0), (0x1c, 0, 0, 0), (0x15, "drop", "take", 0)]
    ends = {"take": len(steps), "drop": len(steps) + 1}
    steps += [(0x06, 0, 0, 0x40000), (0x06, 0, 0, 0)]

    def jump(target, at):
        return ends[target] - at - 1 if isinstance(target, str) else target

    return [
        (code, jump(true, at), jump(false, at), value)
        for at, (code, true, false, value) in enumerate(steps)]


class Capture:
    """Captures what is sent from 127.0.0.1:port until it is stopped. Needs CAP_NET_RAW."""

    def __init__(self, path, port):
        self.path = path
        self.packets = Packets(program(port))
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        with open(self.path, "wb") as file:
            # Nanoseconds, Ethernet.
            file.write(struct.pack("IHHiIII", 0xa1b23c4d, 2, 4, 0, 0, 0x40000, 1))
            while True:
                if not self.packets.is_waiting(0.2):
                    if self.over.is_set():
                        return
                    continue
                seconds, nanoseconds, packet = self.packets.take()
                if packet is None:
                    continue
                file.write(struct.pack("IIII", seconds, nanoseconds, len(packet), len(packet)))
                file.write(packet)

    def stop(self):
        """Ends it; the file is whole then. Raises if the kernel had to drop packets."""
        self.over.set()
        self.thread.join()
        dropped = self.packets.lost()
        self.packets.close()
        if dropped:
            raise RuntimeError(f"{dropped} packets are missing from {self.path}")


class Stream:
    """What was sent on one connection."""

    def __init__(self, peer, start):
        self.peer = peer          # address and port
        self.data = bytearray()
        self.times = []           # (bytes up to here, seconds)
        self.end = None           # when it was closed, or None
        self.waiting = {}         # segments that came before what belongs before them
        self.next = start

    def add(self, sequence, payload, time):
        ahead = (sequence - self.next) & 0xffffffff
        if ahead >= 0x80000000:  # sent again
            payload = payload[0x100000000 - ahead:]
            ahead = 0
        if ahead:
            self.waiting[sequence] = payload, time
            return
        if payload:
            self.data += payload
            self.times.append((len(self.data), time))
            self.next = (self.next + len(payload)) & 0xffffffff
        following = self.waiting.pop(self.next, None)
        if following:
            self.add(self.next, *following)


def packets(path):
    """(seconds, packet) of a pcap file."""
    with open(path, "rb") as file:
        magic = struct.unpack("I", file.read(24)[:4])[0]
        if magic not in (0xa1b23c4d, 0xa1b2c3d4):
            raise ValueError(f"{path}: not a pcap file of this machine's byte order")
        unit = 1e-9 if magic == 0xa1b23c4d else 1e-6
        while len(head := file.read(16)) == 16:
            seconds, fraction, size, _ = struct.unpack("IIII", head)
            yield seconds + fraction * unit, file.read(size)


def streams(path):
    """The connections of a capture, in the order in which they began; and the last moment."""
    found, current, last = [], {}, None
    for time, packet in packets(path):
        last = time
        at = 14 + (packet[14] & 15) * 4
        total = 14 + struct.unpack_from(">H", packet, 16)[0]
        peer = socket.inet_ntoa(packet[30:34]), struct.unpack_from(">H", packet, at + 2)[0]
        sequence, = struct.unpack_from(">I", packet, at + 4)
        payload = packet[at + (packet[at + 12] >> 4) * 4:total]
        flags = packet[at + 13]
        if flags & SYN:
            current[peer] = Stream(peer, (sequence + 1) & 0xffffffff)
            found.append(current[peer])
            continue
        stream = current.get(peer)
        if stream is None:
            if not payload:
                continue
            raise ValueError(f"{path}: the beginning of the connection with {peer} is missing")
        if flags & RST == 0:
            stream.add(sequence, payload, time)
        if flags & (FIN | RST) and stream.end is None:
            stream.end = time
    for stream in found:
        if stream.waiting:
            raise ValueError(f"{path}: a part of the connection with {stream.peer} is missing")
    return found, last
