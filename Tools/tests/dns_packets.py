# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""What the tests of DNS share: a configuration, and packets written by hand."""
import socket
import struct

from harness import TestCase, peer, run

ZONE = """
zones:
  example.com:
    soa: { host: ns1.example.com, email: hostmaster@example.com }
    ns: [ns1.example.com, ns2.example.com]
    ttl: 300
    records:
      ns1: { a: 192.0.2.53, aaaa: "2001:db8::53" }
      ns2: { a: 192.0.2.54 }
      www: { nearest: [near, far], ttl: 60 }
      plain: { nearest: [near, far], client-subnet: off }
      static: { a: 192.0.2.99, txt: [%s] }
""" % ", ".join(f'"{str(n) * 200}"' for n in range(1, 9))
BASE = """
router: { as: 65000, id: 192.0.2.1 }
listen:
  console: [{ address: "127.0.0.1:$machine", face: machine }]
  socket: $socket
  dns: ["127.0.0.1:$dns"]
sites:
  near: { as: 64600, addresses: [192.0.2.10, "2001:db8:10::80"] }
  far:  { as: 64601, addresses: [192.0.2.20] }
maps: [pins.routes]
""" + ZONE
PINS = "198.51.100.0/24 64601\n203.0.113.0/24 64600\n127.0.0.0/8 64600\n"
QUESTION = b"\3www\7example\3com\0\0\1\0\1"


def query(question=QUESTION, identifier=0x1234, flags=0x0100, counts=(1, 0, 0, 0), tail=b""):
    return struct.pack(">HH4H", identifier, flags, *counts) + question + tail


def opt(options=b"", size=1232, version=0, flags=0):
    return b"\0" + struct.pack(">HHBBHH", 41, size, 0, version, flags, len(options)) + options


def option(code, data):
    return struct.pack(">HH", code, len(data)) + data


def exchange(port, packet, source="127.0.0.1", seconds=1.0):
    """One datagram there; the reply, or nothing within a moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((source, 0))
        sender.settimeout(seconds)
        sender.sendto(packet, ("127.0.0.1", port))
        try:
            return sender.recv(65536)
        except TimeoutError:
            return b""


class DNSTestCase(TestCase):
    def dig(self, daemon, *arguments):
        """All that dig prints, asked over the daemon's port."""
        return run(
            peer("dig"), "@127.0.0.1", "-p", str(daemon.port("dns")), "+time=5", "+tries=1",
            *arguments).stdout


def response_code(reply):
    """The code with EDNS's upper bits, where there is an OPT record: it stands last."""
    at = reply.rfind(b"\0\0\x29")
    return reply[3] & 15 | (reply[at + 5] << 4 if reply[10:12] != b"\0\0" and at > 12 else 0)
