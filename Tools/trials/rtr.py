# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""An RPKI cache (RFC 8210, version 1) whose payloads change when it is told to."""
import socket
import struct
import threading

SESSION = 4711
(SERIAL_NOTIFY, SERIAL_QUERY, RESET_QUERY, CACHE_RESPONSE, IPV4, _, IPV6, END_OF_DATA,
 CACHE_RESET) = range(9)


def header(kind, session, length):
    return struct.pack(">BBHI", 1, kind, session, length)


def prefix(payload, announced):
    """A payload is an IPv4Network or IPv6Network, the longest length, and the AS number."""
    network, longest, number = payload
    packed = network.network_address.packed
    return (header(IPV4 if len(packed) == 4 else IPV6, 0, 16 + len(packed))
            + struct.pack(">BBBx", announced, network.prefixlen, longest) + packed
            + struct.pack(">I", number))


class Cache:
    """Serves payloads on a port of its own choice. Of changes it keeps the last one."""

    def __init__(self, payloads):
        self.serial = 1
        self.whole = b"".join(prefix(payload, 1) for payload in payloads)
        self.change = b""
        self.connections = []
        self.lock = threading.Lock()
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen()
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with self.lock:
                self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            with connection, connection.makefile("rb") as queries:
                while len(head := queries.read(8)) == 8:
                    _, kind, _, length = struct.unpack(">BBHI", head)
                    body = queries.read(length - 8)
                    connection.sendall(self._answer(kind, body))
        except OSError:
            pass

    def _answer(self, kind, body):
        with self.lock:
            end = header(END_OF_DATA, SESSION, 24) + struct.pack(">IIII", self.serial, 3600, 600, 7200)
            begin = header(CACHE_RESPONSE, SESSION, 8)
            if kind == RESET_QUERY:
                return begin + self.whole + end
            if kind != SERIAL_QUERY:
                return b""
            known, = struct.unpack(">I", body)
            if known == self.serial:
                return begin + end
            if known == self.serial - 1:
                return begin + self.change + end
            return header(CACHE_RESET, 0, 8)

    def publish(self, change, whole=None):
        """Announces and withdraws, by the bytes of `prefix`; `whole` is what there is then, for who
        knows nothing yet; else what there was."""
        with self.lock:
            self.change, self.whole = change, whole or self.whole
            self.serial += 1
            notify = header(SERIAL_NOTIFY, SESSION, 12) + struct.pack(">I", self.serial)
            for connection in self.connections:
                connection.sendall(notify)

    def stop(self):
        self.socket.close()
        with self.lock:
            for connection in self.connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
