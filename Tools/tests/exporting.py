# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""What the tests of exported tables share: a daemon with a real table, and clients in it."""
import ipaddress
import os

from harness import ROOT, Martlet, program, run

# Six sites that see the Internet as six routers of RouteViews saw it. No hash decides between them.
CONFIGURATION = """
router: { as: 65000, id: 192.0.2.1 }
listen:
  console: [{ address: "127.0.0.1:$machine", face: machine }]
  socket: $socket
  dns: ["127.0.0.1:$dns"]
dns: { rate-limit: off }
choice: { measure: hops, ties: [order] }
sites:
  sydney:       { as: 64600, addresses: [192.0.2.10, "2001:db8:10::80"] }
  tokyo:        { as: 64601, addresses: [192.0.2.20, "2001:db8:20::80"], alias: tokyo.example.net }
  johannesburg: { as: 64602, addresses: [192.0.2.30, "2001:db8:30::80"] }
  newyork:      { as: 64603, addresses: [192.0.2.40, "2001:db8:40::80"] }
  zurich:       { as: 64604, addresses: [192.0.2.50, "2001:db8:50::80"], alias: zurich.example.net }
  montreal:     { as: 64605, addresses: [192.0.2.60, "2001:db8:60::80"], alias: montreal.example.net }
feeds:
  sydney:       { site: sydney, mrt: { file: $v4, peer: 203.62.252.186 } }
  tokyo:        { site: tokyo, mrt: { file: $v4, peer: 202.232.0.3 } }
  johannesburg: { site: johannesburg, mrt: { file: $v4, peer: 168.209.255.23 } }
  newyork:      { site: newyork, mrt: { file: $v4, peer: 12.0.1.63 } }
  zurich:       { site: zurich, mrt: { file: $v4, peer: 213.144.128.203 } }
  montreal:     { site: montreal, mrt: { file: $v4, peer: 68.67.63.245 } }
  tokyo-v6:     { site: tokyo, mrt: { file: $v6, peer: "2001:240:100:ff::2497:2" } }
  newyork-v6:   { site: newyork, mrt: { file: $v6, peer: "2001:1890:111d:1::63" } }
maps: [pins.routes]
zones:
  example.com:
    ns: [ns1.example.com]
    records:
      www: { nearest: [sydney, tokyo, johannesburg, newyork, zurich, montreal], ttl: 60 }
      two: { nearest: [tokyo, zurich, montreal], ttl: 60, answers: 2 }
      cdn: { nearest: [tokyo, zurich, montreal], ttl: 30, alias: true }
      own: { nearest: [tokyo, zurich, montreal], client-subnet: off }
"""
SITES = {
    "sydney": 10, "tokyo": 20, "johannesburg": 30, "newyork": 40, "zurich": 50, "montreal": 60}
# Prefixes that hold each other.
PINS = """198.51.100.0/24 64604
198.51.100.128/25 64605
2001:db8:abcd::/48 64602
203.0.113.0/24 64603
"""


def daemon(pins=PINS):
    folder = os.path.join(ROOT, "Routes")
    text = CONFIGURATION.replace(
        "$v4", os.path.join(folder, "route-views2.rib.20140523.0600.first-9072.gz")).replace(
        "$v6", os.path.join(folder, "route-views6.rib.20151101.0600.first-6870.gz"))
    return Martlet(text, files={"pins.routes": pins})


def clients(source, count):
    """Most within the table's low-numbered prefixes and beside the pins, some anywhere."""
    for number in range(count):
        kind = number % 10
        if kind < 6:
            yield f"{ipaddress.ip_address(source.randrange(1 << 24, 0x05000000))}/32"
        elif kind < 7:
            yield f"{ipaddress.ip_address(source.choice([0xc6336400, 0xcb007100]) + source.randrange(512))}/32"
        elif kind < 8:
            yield f"{ipaddress.ip_address(source.randrange(1 << 24, 0xe0000000))}/32"
        else:
            high = source.choice([0x20010200, 0x20010db8, 0x24000000, 0x2a000000])
            yield f"{ipaddress.ip_address((high + source.randrange(256)) << 96 | source.getrandbits(80))}/128"


def export(martlet, *arguments):
    return run(program("martlet"), "export", arguments[0], martlet.socket_path, *arguments[1:])
