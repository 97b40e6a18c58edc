# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Writes small good inputs for each fuzzer into FOLDER/NAME, to start from.

    seeds.py FOLDER

Taken from the files in Routes, and from recordings of real sessions where MARTLET_DATA (default:
../shared/data) has them; or written out here byte by byte.
"""
import bz2
import glob
import gzip
import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests"))
from mmdb import mmdb  # noqa: E402
from test_zones import INCLUDED, RARE, RARE_WORDS, ZONES  # noqa: E402

ROUTES = os.path.join(HERE, "..", "..", "Routes")
DATA = os.path.abspath(os.environ.get(
    "MARTLET_DATA", os.path.join(HERE, "..", "..", "..", "shared", "data")))


def routes_file(name):
    with open(os.path.join(ROUTES, name), "rb") as file:
        return file.read()


def records(name, count):
    """The first records of a dump, as (subtype, whole record)."""
    found = []
    with gzip.open(os.path.join(ROUTES, name)) as file:
        for _ in range(count):
            head = file.read(12)
            _, _, subtype, size = struct.unpack(">IHHI", head)
            found.append((subtype, head + file.read(size)))
    return found


def attribute_blobs(record, v6):
    """The path attributes of each entry of a RIB record."""
    body = record[12:]
    at = 7 + (body[4] + 7) // 8
    (count,) = struct.unpack_from(">H", body, at - 2)
    for _ in range(count):
        (size,) = struct.unpack_from(">H", body, at + 6)
        yield body[at + 8:at + 8 + size]
        at += 8 + size


def message(kind, body):
    return b"\xff" * 16 + struct.pack(">HB", 19 + len(body), kind) + body


def update(withdrawn, attributes, announced):
    return (struct.pack(">H", len(withdrawn)) + withdrawn + struct.pack(">H", len(attributes))
            + attributes + announced)


def shape(body):
    """Which fields an UPDATE has and which attributes, by their flags and types."""
    (size,) = struct.unpack_from(">H", body)
    at = 2 + size
    (attributes,) = struct.unpack_from(">H", body, at)
    at, end = at + 2, at + 2 + attributes
    found = [size > 0, end < len(body)]
    while at + 3 <= end:
        head = 4 if body[at] & 0x10 else 3
        found.append((body[at], body[at + 1]))
        at += head + int.from_bytes(body[at + 2:at + head], "big")
    return tuple(found)


def recorded():
    """What real routers sent: (four octets an AS number, ADD-PATH, type, body) of messages and whole
    records, each shape of an UPDATE once for each file."""
    messages, records = [], []
    for path in sorted(glob.glob(os.path.join(DATA, "mrt", "updates", "*"))
                       + glob.glob(os.path.join(DATA, "mrt", "small", "bird-mrtdump_bgp"))):
        opened = gzip.open if path.endswith(".gz") else bz2.open if path.endswith(".bz2") else open
        with opened(path, "rb") as file:
            content = file.read()
        at, seen = 0, set()
        while at + 12 <= len(content):
            _, kind, subtype, size = struct.unpack_from(">IHHI", content, at)
            record, at = content[at:at + 12 + size], at + 12 + size
            if kind not in (16, 17):
                continue
            marker = record.find(b"\xff" * 16, 12)
            what = (kind, subtype)
            if marker >= 0:
                type_, body = record[marker + 18], record[marker + 19:]
                what += (type_, shape(body) if type_ == 2 else None)
            if what in seen:
                continue
            seen.add(what)
            records.append(record)
            if marker >= 0:
                messages.append((subtype in (4, 7, 9, 11), subtype in (8, 9, 10, 11), type_, body))
    return messages, records


def opens():
    capabilities = [
        (1, b"\0\1\0\1"), (1, b"\0\2\0\1"), (2, b""), (6, b""), (64, b"\x00\x78\0\1\1\x80"),
        (65, b"\0\0\xfd\xe8"), (69, b"\0\1\1\3"), (70, b""), (71, b"\0\1\1\x80\0\0\x78"),
        (73, b"\4host\0")]
    coded = b"".join(struct.pack(">BB", code, len(value)) + value for code, value in capabilities)
    one = struct.pack(">BB", 2, len(coded)) + coded
    each = b"".join(
        struct.pack(">BBBB", 2, 2 + len(value), code, len(value)) + value
        for code, value in capabilities)
    for options in (b"", one, each):
        yield struct.pack(">BHH4sB", 4, 65000, 90, bytes((192, 0, 2, 7)), len(options)) + options
    # RFC 9072: the length of the optional parameters in two octets.
    yield struct.pack(">BHH4sBBH", 4, 23456, 180, bytes((192, 0, 2, 7)), 255, 255, len(one) + 1) + (
        struct.pack(">BH", 2, len(coded)) + coded)


def sessions():
    """Settings, a seed, and events: see SessionFuzzer.swift."""
    for settings in (b"\0\0", b"\4\0", b"\x44\0", b"\1\x10", b"\x80\x81", b"\x10\4"):
        head = settings + b"\7"
        body = b"".join(struct.pack(">B", len(body)) + body for body in list(opens())[1:2])
        # Dialled, OPEN, KEEPALIVE; a refresh with its borders; the peer calls again; a stop.
        usual = b"\0\4\x20\0\x15" + b"\x1a\1\1\x14\x1a\1\2" + b"\6\x60\0\x55\1"
        yield head + usual
        yield head + b"\0\5\6\x52\x60\0\x55\x54\x4f\x0d\0"
        yield head + b"\0\4\x30" + body + b"\x16\2\6\2\x0c\4\3\x0d"
        # Both dial at once.
        yield head + b"\0\6\4\x60\0\x20\0\x15\x55\7\x0c"


def dns():
    def name(text):
        return b"".join(bytes([len(part)]) + part.encode() for part in text.split(".")) + b"\0"

    def query(what, kind, options=None, flags=0x0100):
        more = b"" if options is None else (
            b"\0" + struct.pack(">HHIH", 41, 1232, 0, len(options)) + options)
        return struct.pack(">HHHHHH", 4660, flags, 1, 0, 0, 0 if options is None else 1) + (
            name(what) + struct.pack(">HH", kind, 1) + more)
    subnet4 = struct.pack(">HHHBB", 8, 7, 1, 24, 0) + bytes((198, 51, 100))
    subnet6 = struct.pack(">HHHBB", 8, 10, 2, 48, 0) + bytes.fromhex("20010db8abcd")
    cookie = struct.pack(">HH", 10, 8) + b"12345678"
    for what in ("www.example.com", "alias.example.com", "no.example.com", "example.net", "x.wild.example.com",
                 "a.sub.example.com", "deep.moved.example.com", "chain.example.com", "big.example.com",
                 "a.made.example.com", "own.example.com", "cdn.example.com", "explain.www.example.com"):
        for kind in (1, 28, 16, 2, 6, 5, 65, 255, 252):
            yield query(what, kind)
            yield query(what, kind, subnet4)
    yield query("www.example.com", 28, subnet6)
    yield query("www.example.com", 1, cookie + subnet4)
    yield query("www.example.com", 1, b"", flags=0x2100)


def proxies():
    """Headers of the PROXY protocol, version 2."""
    def header(command, family, rest):
        return b"\r\n\r\n\0\r\nQUIT\n" + struct.pack(">BBH", command, family, len(rest)) + rest
    ipv4 = bytes((203, 0, 113, 9, 127, 0, 0, 1)) + struct.pack(">HH", 4660, 53)
    ipv6 = bytes.fromhex("20010db8") + bytes(28) + struct.pack(">HH", 4660, 53)
    yield header(0x21, 0x12, ipv4)
    yield header(0x21, 0x21, ipv6 + b"\x04\0\2\0\0")
    yield header(0x21, 0x31, bytes(216))
    yield header(0x20, 0, b"")


def bmp():
    """A router's session: who it is, a peer with ADD-PATH, routes, numbers, the peer's end."""
    def frame(kind, body):
        return struct.pack(">BIB", 3, 6 + len(body), kind) + body

    def peer(flags=0, kind=0):
        return struct.pack(">BBQ", kind, flags, 0) + bytes(12) + bytes((192, 0, 2, 1)) + (
            struct.pack(">II", 64999, 0xc0000201) + bytes(8))

    def opened(mode):
        value = bytes((1, 4, 0, 1, 0, 1, 65, 4, 0, 0, 0xfd, 0xe7, 69, 4, 0, 1, 1, mode))
        return message(1, struct.pack(">BHHI", 4, 64999, 90, 0xc0000201) + bytes(
            (len(value) + 2, 2, len(value))) + value)
    initiation = frame(4, struct.pack(">HH", 2, 4) + b"edge" + struct.pack(">HH", 1, 3) + b"FRR")
    up = frame(3, peer() + bytes(16) + struct.pack(">HH", 179, 40000) + opened(1) + opened(2))
    attributes = b"\x40\1\1\0\x40\2\x06\2\1\0\0\xfd\xe7\x40\3\4\xc0\0\2\7"
    paths = update(b"", attributes, b"\0\0\0\1\x18\xc6\x33\x64")
    plain = update(b"\x18\xcb\0\x71", attributes, b"\x18\xc6\x33\x64")
    six = update(b"", attributes + b"\x80\x0e\x1a\0\2\1\x10" + bytes(16) + b"\0\x20\x20\1\x0d\xb8", b"")
    yield initiation + up + frame(0, peer() + message(2, paths)) + (
        frame(0, peer(0x40) + message(2, paths)) + frame(0, peer(0x10) + message(2, plain))
        + frame(0, peer() + message(2, update(b"", b"", b""))))
    yield initiation + frame(0, peer(0, 3) + message(2, plain)) + frame(0, peer(0, 3) + message(2, six))
    yield up + frame(1, peer() + struct.pack(">IHHIHHQ", 2, 0, 4, 7, 7, 8, 9)) + (
        frame(2, peer() + b"\1" + message(3, b"\6\2")) + frame(2, peer() + b"\2\0\1")
        + frame(6, peer() + struct.pack(">HHH", 1, 2, 1)) + frame(5, struct.pack(">HHH", 1, 2, 0)))


def rtr(version):
    """An RPKI cache's answer, a change to it, and messages that end a session."""
    def pdu(kind, field, body):
        return struct.pack(">BBHI", version, kind, field, 8 + len(body)) + body

    def four(flags, last, asn):
        return pdu(4, 0, bytes((flags, 24, last, 0, 192, 0, 2, 0)) + struct.pack(">I", asn))
    six = pdu(6, 0, bytes((1, 32, 48, 0)) + bytes.fromhex("20010db8" + "00" * 12) + b"\0\0\xfd\xe8")
    intervals = struct.pack(">III", 3600, 600, 7200) if version else b""
    end = pdu(7, 7, struct.pack(">I", 1) + intervals)
    error = pdu(10, 2, struct.pack(">I", 8) + pdu(2, 0, b"")[:8] + struct.pack(">I", 2) + b"no")
    first = pdu(3, 7, b"") + four(1, 24, 64500) + four(1, 26, 0) + six + end
    yield first + b"\x06" + pdu(3, 7, b"") + four(0, 24, 64500) + end + pdu(0, 7, b"\0\0\0\2")
    yield first + b"\x06" + pdu(8, 0, b"") + first + b"\x02\x07\x0f" + error + b"\x09\x03\x0f" + first


def checkpoint():
    """A table's file of two sites and two feeds; the fuzzer puts the checksums right."""
    def text(word):
        return bytes([len(word)]) + word.encode()

    attributes = bytes([0x14, 0, 192, 0, 2, 1, 7, 6, 2, 1, 0, 0, 0xfd, 0xe8])
    blocks = [
        (1, b"\2" + text("site 0") + text("site 1") + b"\2" + text("a") + b"\0\0" + text("b")
         + b"\1\1\0\x78"),
        # From 0 nothing, from 10.0.0.0 distances 2 and 1, from 11.0.0.0 nothing.
        (2, b"\0\0\0\0\0" + b"\x0f\x0a\1\3\2" + b"\x0f\1\0"),
        (3, b"\0\0\0"),
        # 10.0.0.0/8 of both, 10.1.0.0/16 of the second.
        (4, b"\x08\x0a\1\3" + b"\3" + attributes + b"\x80\x01" + b"\4"
         + b"\x10\1\1\2" + b"\0"),
        (5, b"\x20" + b"\x88\x80\x81\x80\2" + b"\1\1\0"),
        (6, b"\4\x08\1\x0a\1\xc4\x13\x80\xe2\xcf\xaa\6"),
        (7, b"\2\1\4\2\4\1\1")]
    coded = b"".join(struct.pack("<IIQ", kind, len(body), 0) + body for kind, body in blocks)
    return b"MARTLET\n" + struct.pack("<IIqQ", 1, 0, 1_700_000_000, 0) + coded


def seeds():
    yield "checkpoint", [checkpoint()]
    yield "addresses", [
        text.encode() for text in (
            "192.0.2.1", "::", "2001:db8::1", "::ffff:192.0.2.1", "fe80::1", "0.0.0.0/0",
            "2001:db8::/32", "198.51.100.0/24", "198.51.100.7/24", "65000", "1.10", "4294967295")]
    yield "routemap", [
        routes_file("pins.routes"), b"198.51.100.0/24 64600 64601\r\n2001:db8::/32 64600",
        b"# nothing\n\n\n", b"0.0.0.0/0\t64600\n0.0.0.0/0 64601 # again\n"]
    heading = b"   Network          Next Hop            Metric LocPrf Weight Path\n"
    wide = b"     Network          Next Hop            Metric LocPrf Weight Path\n"
    yield "textdump", [
        b"r1#show ip bgp\nBGP table version is 6\n\n" + heading
        + b"*  3.0.0.0          192.0.2.1              165    200      0 65000 {1,2} (3 4) ?\n"
        + b"*>                  192.0.2.2                              0 65001 1.10 e\n"
        + b"*> 192.168.100.128/25\n"
        + b"                    0.0.0.0                  0         32768 i\n"
        + b"\nDisplayed  2 routes and 3 total paths\nr1#exit\n",
        heading + b"*>i2001:db8:a000:b000::/64\n"
        + b"                    2001:db8:1:1::ca28:a193\n"
        + b"                                         0    100      0 64502 64503 i\n"
        + b"*                   fe80::1                                0 64504 [5,6] i\n",
        wide + b"V*>i  10.11.0.0/16     192.0.2.9                0    100      0 64500 i\r\n"
        + b" --More-- " + b"\x08" * 10 + b" *b a 10.1.2.0/24      192.0.2.9      4294967295 100 0 1 i"]
    four = records("route-views2.rib.20140523.0600.first-9072.gz", 4)
    six = records("route-views6.rib.20151101.0600.first-6870.gz", 3)
    session = struct.pack(">IIHH4s4s", 64999, 65000, 0, 1, bytes((203, 0, 113, 1)),
                          bytes((203, 0, 113, 2)))
    plain = list(attribute_blobs(four[2][1], False))
    updates = [
        update(b"", blob, b"\x18\xc6\x33\x64\x10\xc6\x33") for blob in plain[:8]]
    updates += [update(b"\x18\xc6\x33\x64", b"", b""), update(b"", b"", b"")]
    for blob in list(attribute_blobs(six[1][1], True))[:4]:
        # Whole MP_REACH_NLRI, as a session would send it, and MP_UNREACH_NLRI.
        reach = b"\0\2\1\x10" + bytes.fromhex("20010db8" + "00" * 11 + "07") + b"\0"
        reach += b"\x20\x20\x01\x0d\xb8"
        kept, at = b"", 0
        while at < len(blob):
            head = 4 if blob[at] & 0x10 else 3
            size = int.from_bytes(blob[at + 2:at + head], "big")
            if blob[at + 1] != 14:
                kept += blob[at:at + head + size]
            at += head + size
        updates.append(update(b"", kept + struct.pack(">BBB", 0x80, 14, len(reach)) + reach, b""))
    updates.append(update(b"", b"\x80\x0f\x08\0\2\1\x20\x20\x01\x0d\xb8", b""))
    stream = [
        struct.pack(">IHHI", 1400824800, 16, 4, len(session) + 19 + len(body)) + session
        + message(2, body) for body in updates[:4]]
    whole = b"".join(record for _, record in four)
    messages, odd = recorded()
    small = [open(path, "rb").read() for path in glob.glob(os.path.join(DATA, "mrt", "small", "*"))]
    yield "mrt", odd + [b"".join(odd[:20])] + small + [
        whole, b"".join(record for _, record in six), gzip.compress(whole), b"".join(stream),
        four[0][1], four[0][1] + four[1][1]]
    yield "locations", [
        b"16777216,16777471,AU\n16777472,16778239,CN\n", b"# comment\n1.0.0.0,1.0.0.255,AU\n",
        b"2001:db8::,2001:db8:ffff:ffff:ffff:ffff:ffff:ffff,DE\n", b"15726992,15726999,??\r\n"]
    yield "roundtrips", [
        b"prefix,site,milliseconds\n192.0.2.0/24,near,12.5\n192.0.2.0/24,far,200\r\n",
        b"2001:db8::/32 , far , 0.0005 # slow\n"]
    yield "locationdatabase", [
        mmdb({"country": {"iso_code": "AU"}}, {"country": "NL", "latitude": "52.4", "lng": "4.9"}),
        mmdb({"location": {"latitude": -33.9, "longitude": 151.2}}, {"asn": "AS64500"}, 6)]
    # The first two octets choose the context that the rest is read in.
    contexts = (b"\0\0", b"\1\0", b"\3\1", b"\7\2", b"\x31\x14", b"\xff\xff", b"\1\4", b"\1\x18")
    marked = update(b"", b"\xc0\x23\4\0\0\xfd\xe9" + plain[0], b"\x18\xc6\x33\x64")
    updates.append(marked)
    def context(four, paths):
        return bytes((four | (0x30 if paths else 0), 0))
    real = [context(four, paths) + body for four, paths, kind, body in messages if kind == 2]
    yield "bgp", real + [context + body for body in updates for context in contexts]
    yield "attributes", [
        context + blob for blob in plain[:8] for context in (b"\0\0", b"\1\0", b"\x40\x20", b"\x80\1")]
    met = [body for _, _, kind, body in messages if kind == 1]
    told = [body for _, _, kind, body in messages if kind == 3]
    yield "open", met + told + list(opens())
    # Dialled; the OPEN that came, and a KEEPALIVE; the NOTIFICATION that came.
    yield "session", list(sessions()) + [
        b"\0\0\7\0\4\x30" + struct.pack(">B", len(body)) + body + b"\x15" + b"".join(
            b"\x16" + struct.pack(">B", len(last)) + last for last in told[:1])
        for body in met if len(body) < 256]
    yield "powerdns", list(powerdns())
    yield "dns", [bytes([over]) + packet for packet in dns() for over in (0, 1)]
    headers = list(proxies())
    yield "proxy", headers + [header + b"\0\0" for header in headers]
    framed = b"".join(struct.pack(">H", len(packet)) + packet for packet in list(dns())[:6])
    # Straight and through a proxy, cut to pieces of so many bytes.
    yield "streams", [
        bytes([pieces << 1 | proxied]) + (headers[0] if proxied else b"") + framed
        for proxied in (0, 1) for pieces in (0, 6, 40)]
    # Whole files, each entry alone, and zones that are good with little in them.
    texts = [text.lstrip("\n") for text in [*ZONES.values(), INCLUDED]]
    yield "zones", [
        text.encode() for text in texts + texts[-1].splitlines(keepends=True)
        + ["$INCLUDE half sub\n$ORIGIN a.\n$TTL 1h30m\n@ IN 5 SOA a b (1 2 3 4 5)\n"]
        + ["@ 5 SOA ns a 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n" + few for few in [
            "*.w TXT wild\na.b.w A 192.0.2.2\n", "s NS ns.s\nns.s A 192.0.2.2\ns DS 1 8 9 ab\n",
            "d DNAME e\nx.e A 192.0.2.2\nc CNAME x.d\n", "a CNAME b\nb CNAME a\n* CNAME x.y\n",
            "m MX 1 ns\n_s._t SRV 1 2 3 ns\nh HTTPS 1 . port=1\n",
            *(f"r {RARE_WORDS[kind]} {data}\n" for kind, data in RARE.values())]]]
    yield "console", [
        b"nearest 1.0.4.1\r\nrank 1.0.4.1 for www.example.com\nmachine\nshow ip bgp 1.0.4.1\n",
        b"\xff\xfb\x1f\xff\xfa\x1f\x00\x50\xff\xff\x18\xff\xf0sh si\r\0?\nshow routes limit 5\n",
        b"explain 2001:db8::1 --json\nhelp\nquit\n", b"show routes longer-than 10.0.0.0/8\n",
        b"observe 192.0.2.0/24 sydney 12.5\nshow round-trips 192.0.2.0/24 limit 3\n"]
    yield "bmp", list(bmp())
    yield "rtr", list(rtr(0)) + list(rtr(1))
    path = b"\x02\x03\x00\x00\xfd\xe8\x00\x00\x00\xae\x00\x00\x05\x13\x01\x02\x00\x00\x00\x01\x00\x00\x00\x02"
    communities = b"\xc0\x08\x08\xfd\xe8\x02\x9a\xff\xff\xff\x01\xc0\x10\x08\x00\x02\xfd\xe8\x00\x00\x00\x64"
    yield "rules", [
        text + b"\n" + rest for rest in (path, communities)
        for text in (
            b"^65000_.*_1299$", b"^(65000_)+[0-9]+_{1,2}$", b"_(174|3356)?_", b"[^{}]*\\(1|$",
            b"10.0.0.0/8{16,24}", b"2001:db8::/32 ge 40 le 48", b"0.0.0.0/0-", b">= 100",
            b"64512-65534", b"65000:666", b"rt:*:100-199", b"65000:1:*", b"no-export",
            b"0x0002fde800000064", b"# date: 2026-11-21\n10.0.0.0/8+\n::/3+")]
    yield "configuration", [
        routes_file("demo.yaml"), b"router: { as: 65000, id: 192.0.2.1 }\nsites: {}\n",
        b"listen:\n  bgp: [\"[::]:179\"]\n"]


def powerdns():
    """PowerDNS's requests to a remote backend, a line each."""
    lookup = (
        '{"method": "lookup", "parameters": {"qtype": "%s", "qname": "%s.example.com.", '
        '"remote": "192.0.2.24", "local": "192.0.2.1", "real-remote": "%s", "zone-id": %d}}')
    yield b'{"method": "initialize", "parameters": {"path": "/run/x.sock", "timeout": "2000"}}'
    for kind, name, client, zone in [
            ("ANY", "www", "192.0.2.0/24", -1), ("A", "WWW", "2001:db8::/56", 1),
            ("SOA", "below", "0.0.0.0/0", -1), ("TXT", "deep.below", "fe80::1%eth0/128", 7)]:
        yield (lookup % (kind, name, client, zone)).encode()
    for method, parameters in [
            ("getAllDomains", '{"include_disabled": true}'),
            ("getDomainInfo", '{"name": "example.com."}'),
            ("getDomainMetadata", '{"name": "example.com.", "kind": "PRESIGNED"}'),
            ("list", '{"zonename": "example.com.", "domain_id": -1, "include_disabled": false}'),
            ("startTransaction", '{"domain": "example.com.", "domain_id": 1, "trxid": 1.5e9}')]:
        yield f'{{"method": "{method}", "parameters": {parameters}}}'.encode()


def main():
    for name, inputs in seeds():
        folder = os.path.join(sys.argv[1], name)
        os.makedirs(folder, exist_ok=True)
        for number, content in enumerate(inputs):
            with open(os.path.join(folder, f"{number:03}"), "wb") as file:
                file.write(content)


main()
