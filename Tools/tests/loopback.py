# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Packets of the loopback device, as the kernel sees them. Needs CAP_NET_RAW."""
import contextlib
import ctypes
import os
import select
import socket
import struct

ETH_P_ALL, SOL_PACKET, PACKET_STATISTICS, PACKET_OUTGOING = 3, 263, 6, 4
SO_ATTACH_FILTER, SO_RCVBUFFORCE, SO_TIMESTAMPNS = 26, 33, 35


def is_allowed():
    """Whether this process may look at packets, and there are some to look at."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except PermissionError:
        return False
    return os.path.exists("/sys/class/net/lo")


class Packets:
    """A packet socket on `lo` of this network namespace, with a filter in classic BPF: a list of
    (code, jump if true, jump if false, value)."""

    def __init__(self, program):
        # Bound only when it has its filter: nothing else gets in.
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        code = b"".join(struct.pack("HBBI", *step) for step in program)
        kept = ctypes.create_string_buffer(code, len(code))
        self.socket.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER,
            struct.pack("HL", len(program), ctypes.addressof(kept)))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.socket.bind(("lo", ETH_P_ALL))

    def is_waiting(self, seconds=0):
        """Whether a packet is there, or comes within this time."""
        return bool(select.select([self.socket], [], [], seconds)[0])

    def take(self):
        """(seconds, nanoseconds, packet) of the next; the packet is None where it is a second look
        at one: the loopback device shows each as it leaves and as it comes."""
        packet, notes, _, address = self.socket.recvmsg(1 << 18, 64)
        seconds, nanoseconds = struct.unpack("qq", notes[0][2][:16])
        return seconds, nanoseconds, None if address[2] == PACKET_OUTGOING else packet

    def lost(self):
        """Packets that the kernel had to drop since this was asked last."""
        return struct.unpack("II", self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]

    def close(self):
        self.socket.close()
