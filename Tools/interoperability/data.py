# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""A hundred thousand routes of the real Internet, read without any of Martlet's code.

IPv4 comes from RIPE RIS' rrc06 of July 2010, as AS4777 saw it, IPv6 from a table of 2024 with the
AS that each prefix belongs to. Paths with sets or reserved numbers are left out: some routers
refuse those, and what they do with them is not the question.
"""
import gzip
import ipaddress
import itertools
import os

import harness
from test_real_table import ipv4_entries, path_of

IPV4, IPV6 = 90_000, 10_000
DUMP = ("mrt", "rib", "rrc06.bview.20100701.0759.as-tdv2.gz")
PEER = "202.249.2.20"
PREFIXES = ("prefixes", "prefix-origin.derived.txt.gz")


def is_plain(path):
    return all(0 < number < 64000 and number != 23456 or 131072 <= number < 4200000000
               for number in path)


def ipv4():
    for peer, network, length, attributes in ipv4_entries(os.path.join(harness.DATA, *DUMP)):
        if peer == PEER:
            yield f"{ipaddress.ip_address(network)}/{length}", path_of(attributes)


def ipv6():
    with gzip.open(os.path.join(harness.DATA, *PREFIXES), "rt") as file:
        for line in file:
            prefix, origin = line.split()
            if ":" in prefix:
                yield prefix, [(2, [int(origin)])]


def table():
    """{prefix: path}; None where the data are not there."""
    if not all(os.path.exists(os.path.join(harness.DATA, *path)) for path in (DUMP, PREFIXES)):
        return None
    found = {}
    for routes, count in ((ipv4(), IPV4), (ipv6(), IPV6)):
        plain = ((prefix, tuple(segments[0][1])) for prefix, segments in routes
                 if len(segments) == 1 and segments[0][0] == 2 and is_plain(segments[0][1]))
        found.update(itertools.islice(plain, count))
    return found
