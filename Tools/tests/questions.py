# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Asks a DNS server for many clients, by Client Subnet, many questions under way at once."""
import ipaddress
import select
import socket
import struct
import time

KINDS = {"A": 1, "AAAA": 28}
WINDOW = 64


class Found:
    """What one client was told: a code, addresses, and the scope they hold for."""

    def __init__(self, code, addresses, scope):
        self.code, self.addresses, self.scope = code, addresses, scope

    def __repr__(self):
        return f"code {self.code}, {self.addresses}, scope {self.scope}"


def question(number, name, kind, subnet):
    subnet = ipaddress.ip_network(subnet)
    size = (subnet.prefixlen + 7) // 8
    option = struct.pack(
        ">HHHBB", 8, 4 + size, 1 if subnet.version == 4 else 2, subnet.prefixlen, 0)
    option += subnet.network_address.packed[:size]
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
    return (struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 1) + labels + b"\0"
            + struct.pack(">HH", KINDS[kind], 1)
            + b"\0" + struct.pack(">HHIH", 41, 1232, 0, len(option)) + option)


def skip_name(packet, at):
    while packet[at] and packet[at] < 0xc0:
        at += 1 + packet[at]
    return at + (2 if packet[at] else 1)


def reply(packet):
    """The number of the question, and what was Found."""
    number, flags, questions, answers, authority, additional = struct.unpack_from(">HHHHHH", packet)
    at, addresses, scope = 12, [], None
    for _ in range(questions):
        at = skip_name(packet, at) + 4
    for _ in range(answers + authority + additional):
        at = skip_name(packet, at)
        kind, _, _, size = struct.unpack_from(">HHIH", packet, at)
        data = packet[at + 10:at + 10 + size]
        if kind in KINDS.values() and answers > 0:
            addresses.append(str(ipaddress.ip_address(data)))
        if kind == 41:
            while data:
                option, length = struct.unpack_from(">HH", data)
                if option == 8:
                    scope = data[7]
                data = data[4 + length:]
        at += 10 + size
        answers -= 1
    return number, Found(flags & 15, addresses, scope)


def ask_all(port, name, kind, subnets, address="127.0.0.1", seconds=60):
    """A Found for each of the subnets, in order; what is lost on the way is asked again."""
    subnets = list(subnets)
    assert len(subnets) < 65536
    found, waiting, under_way = {}, list(range(len(subnets)))[::-1], {}
    until = time.monotonic() + seconds
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.connect((address, port))
        while waiting or under_way:
            now = time.monotonic()
            if now > until:
                raise AssertionError(f"{len(waiting) + len(under_way)} questions without an answer")
            for number in [n for n, sent in under_way.items() if now - sent > 1]:
                del under_way[number]
                waiting.append(number)
            while waiting and len(under_way) < WINDOW:
                number = waiting.pop()
                under_way[number] = now
                asker.send(question(number, name, kind, subnets[number]))
            while select.select([asker], [], [], 0.2 if len(under_way) == WINDOW or not waiting else 0)[0]:
                number, answer = reply(asker.recv(4096))
                if under_way.pop(number, None) is not None:
                    found[number] = answer
                if waiting or not under_way:
                    break
    return [found[number] for number in range(len(subnets))]
