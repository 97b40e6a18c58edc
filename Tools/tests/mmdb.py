# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""The smallest databases in MaxMind's format, 2.0: https://maxmind.github.io/MaxMind-DB/"""
import struct


def mmdb(left, right, version=4):
    """A MaxMind database of one node: one record for each half of the addresses."""
    def value(item):
        if isinstance(item, dict):
            return bytes([0xe0 | len(item)]) + b"".join(value(k) + value(v) for k, v in item.items())
        if isinstance(item, float):
            return b"\x68" + struct.pack(">d", item)
        if isinstance(item, bytes):
            return item
        return bytes([0x40 | len(item)]) + item.encode()

    first, second = value(left), value(right)
    node = (17).to_bytes(3, "big") + (17 + len(first)).to_bytes(3, "big")
    metadata = value({
        "binary_format_major_version": b"\xa1\2", "binary_format_minor_version": b"\xa0",
        "build_epoch": b"\4\2" + struct.pack(">I", 1400000000), "database_type": "Test",
        "description": {}, "ip_version": bytes([0xa1, version]), "languages": b"\0\4",
        "node_count": b"\xc1\1", "record_size": b"\xa1\x18"})
    return node + bytes(16) + first + second + b"\xab\xcd\xefMaxMind.com" + metadata
