# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Zones from master files: read by Martlet, NSD, Knot, BIND and PowerDNS alike, and answered alike."""
import os
import random
import shutil
import tempfile
import unittest

import dnswire
from harness import Process, TestCase, eventually, free_port, peer, program, run

ZONES = {
    "example.test": """
$TTL 1h
@ IN SOA ns1 host\\.master ( 2026112101 ; serial
        2h 15m 2w1d 5m )
@       NS ns1
        NS ns2.example.test.
        NS ns.example.net.
        MX 10 mail
        MX 20 mail.example.net.
        TXT "v=spf1 -all" "second \\"quoted\\" string; no comment"
        CAA 0 issue "ca.example.net; account=1"
ns1 300 A 192.0.2.1
    300 AAAA 2001:db8::1
ns2     A 192.0.2.2
mail    IN 600 A 192.0.2.25
        600 IN AAAA 2001:db8::25
www     A 192.0.2.80
        A 192.0.2.81
        HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.80
\\119ww2 A 192.0.2.82
deep.down.there TXT deep
$INCLUDE more/types.zone types.example.test.
; Knot goes back to the TTL of before by itself, BIND and NSD don't.
$TTL 1h
*.wild  TXT "a wildcard"
        A 192.0.2.90
given.wild A 192.0.2.91
below.given.wild A 192.0.2.92
*.deep.wild2 MX 5 mail
*.calias CNAME www
cname   CNAME www
chain   CNAME cname
towild  CNAME x.wild
dangling CNAME nothing
away    CNAME www.example.net.
tosub   CNAME www.sub
toent   CNAME down.there
tochild CNAME www.child
sub     NS ns.sub
        NS ns1
        DS 60485 5 1 2BB183AF5F22588179A53B0A 98631FAD1A292118
ns.sub  A 192.0.2.53
www.sub A 192.0.2.99
deep.sub NS ns.sub
plain   NS ns.example.net.
old     DNAME new
old     TXT beside
www.new A 192.0.2.100
alias.new CNAME www.old
*.wild.new TXT wild
toold   CNAME www.old
out     DNAME example.org.
long    DNAME %s
_sip._udp SRV 0 5 5060 mail
          SRV 0 6 5060 www.example.net.
child   NS ns1.child
        DS 1 8 2 %s
ns1.child A 192.0.2.110
caseMixed.NAME A 192.0.2.120
; A name that has nothing but another zone below it.
*.box   A 192.0.2.95
kid.ent.box NS ns.kid.ent.box
ns.kid.ent.box A 192.0.2.112
toempty CNAME ent.box
; A zone below a name that is another's, and an alias for a delegated name.
mid     NS ns.mid
ns.mid  A 192.0.2.113
tocut   CNAME sub
; Aliases that lead back.
loop1   CNAME loop2
loop2   CNAME loop1
self    CNAME self
*.star  CNAME foo.star
ring    DNAME ring2
ring2   DNAME ring
back    DNAME forth
a.forth CNAME a.back
""" % (".".join(["l" * 60] * 3), "ab" * 32),
    "child.example.test": """
$ORIGIN example.test.
child 1800 IN SOA ns1.child hostmaster.child 7 3600 600 86400 120
      1800 NS ns1.child
$ORIGIN child.example.test.
ns1   1800 A 192.0.2.110
www   60 A 192.0.2.111
      60 TXT child
""",
    "kid.ent.box.example.test": """
@ 1800 IN SOA ns hostmaster 9 3600 600 86400 120
@ 1800 NS ns
ns 1800 A 192.0.2.112
""",
    "low.mid.example.test": """
@ 1800 IN SOA ns hostmaster 9 3600 600 86400 120
@ 1800 NS ns
ns 1800 A 192.0.2.114
""",
    "2.0.192.in-addr.arpa": """
$TTL 86400
@ SOA ns1.example.test. hostmaster.example.test. 1 2 3 4 5
@ NS ns1.example.test.
$ORIGIN 0.192.in-addr.arpa.
1.2 PTR ns1.example.test.
25.2 PTR mail.example.test.
0/25.2 NS ns1.example.test.
5.2 CNAME 5.0/25.2
""",
}
INCLUDED = """
$TTL 2h
loc LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
hinfo HINFO "PC" "Linux"
naptr NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:info@example.test!" .
sshfp SSHFP 2 1 123456789abcdef67890123456789abcdef67890
tlsa TLSA 3 1 1 d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971
rp RP admin.example.test. info.example.test.
afsdb AFSDB 1 mail.example.test.
uri URI 10 1 "https://www.example.test/"
svcb SVCB 0 mail.example.test.
unknown TYPE731 \\# 6 abcd ef 012345
known TYPE1 \\# 4 c0000205
dnskey DNSKEY 256 3 8 AwEAAQ==
escapes TXT \\000\\255\\;\\" "\\\\ and \\"" ( "in"
  "parentheses" ) ; and a comment
  TXT ""
"""
CONFIGURATION = """
listen:
  socket: $socket
  dns: ["127.0.0.1:$dns"]
dns: { rate-limit: off }
sites:
  near: { as: 64600, addresses: [192.0.2.10] }
zones:
""" + "".join(f"  {name}: {{ file: zones/{name}.zone }}\n" for name in ZONES)


def write_zones(folder):
    os.makedirs(os.path.join(folder, "more"), exist_ok=True)
    for name, text in ZONES.items():
        with open(os.path.join(folder, name + ".zone"), "w") as file:
            file.write(text)
    with open(os.path.join(folder, "more", "types.zone"), "w") as file:
        file.write(INCLUDED)


def zone_lines(directory, form):
    """A line for each zone that has a file there."""
    names = [name.removesuffix(".zone") for name in sorted(os.listdir(directory)) if name.endswith(".zone")]
    return "\n".join(
        form.format(name=name, path=os.path.join(directory, name + ".zone")) for name in names)


class Server(Process):
    """Another name server with the same files, in the foreground."""

    def __init__(self, folder, configuration, command, name="server.conf"):
        self.port = free_port()
        self.path = os.path.join(folder, name)
        with open(self.path, "w") as file:
            file.write(configuration.replace("PORT", str(self.port)).replace("FOLDER", folder))
        super().__init__([word.replace("CONF", self.path) for word in command])

        def is_up():
            if self.child.poll() is not None:
                raise AssertionError(f"{command[0]} ended:\n{self.output}")
            try:
                return dnswire.ask(self.port, "example.test", "SOA", timeout=0.5, tries=1).answer
            except (AssertionError, OSError):
                return None
        try:
            eventually(f"{command[0]} to answer", is_up)
        except BaseException:
            self.stop()
            raise


def nsd(folder, zones):
    # Its $INCLUDE starts at the directory, not at the including file's.
    return Server(folder, """
server:
  ip-address: 127.0.0.1@PORT
  username: ""
  zonesdir: "ZONES"
  database: ""
  pidfile: "FOLDER/nsd.pid"
  xfrdfile: "FOLDER/xfrd.state"
  zonelistfile: "FOLDER/zone.list"
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
remote-control:
  control-enable: no
""".replace("ZONES", zones) + zone_lines(zones, 'zone:\n  name: "{name}"\n  zonefile: "{path}"'),
        [peer("nsd"), "-d", "-c", "CONF"])


def knot(folder, zones):
    return Server(folder, """
server:
  listen: 127.0.0.1@PORT
  rundir: FOLDER
database:
  storage: FOLDER
log:
  - target: stderr
    any: warning
zone:
""" + zone_lines(zones, '  - domain: "{name}"\n    file: "{path}"\n    zonefile-sync: -1'),
        [peer("knotd"), "-c", "CONF"])


def bind(folder, zones):
    # As NSD's.
    return Server(folder, """
options {
  directory "ZONES";
  listen-on port PORT { 127.0.0.1; };
  listen-on-v6 { none; };
  pid-file "FOLDER/named.pid";
  session-keyfile "FOLDER/session.key";
  lock-file none;
  managed-keys-directory "FOLDER";
  recursion no;
  dnssec-validation no;
  minimal-responses no;
  notify no;
  zero-no-soa-ttl no;
};
controls {};
""".replace("ZONES", zones) + zone_lines(
        zones, 'zone "{name}" {{ type primary; file "{path}"; check-names ignore; }};'),
        [peer("named"), "-g", "-c", "CONF", "-n", "1"])


def powerdns(folder, zones):
    # It takes no times such as 2w1d, no origin behind $INCLUDE, and not all that a text may have.
    with open(os.path.join(zones, "example.test.zone")) as file:
        text = file.read().replace("2h 15m 2w1d 5m", "7200 900 1296000 300").replace(
            "$INCLUDE more/types.zone types.example.test.",
            "$ORIGIN types.example.test.\n" + INCLUDED[:INCLUDED.index("unknown ")] + "$ORIGIN example.test.")
    with open(os.path.join(zones, "example.test.zone"), "w") as file:
        file.write(text)
    with open(os.path.join(folder, "named.conf"), "w") as file:
        file.write(zone_lines(zones, 'zone "{name}" {{ type master; file "{path}"; }};'))
    return Server(folder, """
launch=bind
bind-config=FOLDER/named.conf
local-address=127.0.0.1
local-port=PORT
socket-dir=FOLDER
daemon=no
guardian=no
disable-syslog=yes
setuid=
setgid=
dname-processing=yes
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
""", [peer("pdns_server"), f"--config-dir={folder}"], "pdns.conf")


SERVERS = {"NSD": nsd, "Knot": knot, "BIND": bind, "PowerDNS": powerdns}


def names_to_ask(source):
    """Names that the zones have, those above and below them, and others."""
    names = set()
    for apex, text in ZONES.items():
        origin, owner = apex, apex
        names.add(apex)
        for line in text.splitlines():
            words = line.split()
            if line.startswith("$ORIGIN"):
                origin = words[1].rstrip(".")
            elif words and not line[0].isspace() and line[0] not in "$;":
                owner = origin if words[0] == "@" else f"{words[0]}.{origin}"
                if "\\" not in owner:
                    names.add(owner)
    names |= {f"{word.split()[0]}.types.example.test" for word in INCLUDED.splitlines()
              if word and not word[0].isspace() and word[0] != "$"}
    names |= {"www2.example.test", "types.example.test"}
    for name in sorted(names):
        labels = name.split(".")
        names.add("x." + name)
        names.add("a.b." + name)
        names.add("*." + name)
        for cut in range(1, len(labels)):
            if ".".join(labels[cut:]).endswith(("example.test", "in-addr.arpa")):
                names.add(".".join(labels[cut:]))
        names.add(".".join([labels[0] + "z"] + labels[1:]))
    for _ in range(40):
        count = source.randrange(1, 4)
        labels = [source.choice(["www", "a", "wild", "sub", "old", "new", "child", "zz", "*", "given"])
                  for _ in range(count)]
        names.add(".".join(labels + ["example.test"]))
    names |= {"%s.long.example.test" % ("y" * 63), "y.long.example.test", "example.org", "test"}
    return sorted(name for name in names if max(map(len, name.split("."))) < 64 and len(name) < 254)


def address_sets(records):
    """Address records by owner and type."""
    sets = {}
    for owner, kind, ttl, data in records:
        if kind in (1, 28):
            sets.setdefault((owner, kind), set()).add((ttl, data))
    return sets


def difference(ours, theirs, server, zones):
    """What differs, by the rules that are stated in the documentation of DNSFront."""
    if ours.code != theirs.code:
        return f"code {ours.code}, not {theirs.code}"
    if ours.authoritative != theirs.authoritative:
        return f"AA {ours.authoritative}, not {theirs.authoritative}"
    if ours.truncated or theirs.truncated:
        return "truncated"
    if set(ours.answer) != set(theirs.answer):
        return "answers differ"
    if len(ours.answer) != len(set(ours.answer)):
        return "a record stands there twice"
    # Beside a positive answer, the zone's name servers are left out. PowerDNS gives the SOA beside
    # aliases that a wildcard or a DNAME has made.
    soa = {record for record in theirs.authority if record[1] == 6}
    if server == "PowerDNS" and not ours.authority and ours.answer:
        if all(record[1] in (5, 39) for record in ours.answer):
            soa = set()
    servers = {record for record in theirs.authority if record[1] == 2}
    apexes = {apex.encode() + b"." for apex in zones}
    wanted = soa | {record for record in servers if record[0] not in apexes}
    if set(ours.authority) != wanted:
        return "authority differs"
    # Addresses go along in whole sets, and for delegations as many as others give, or more: BIND
    # leaves out those that aren't below the delegation.
    given, others = address_sets(ours.additional), address_sets(theirs.additional)
    for key, records in given.items():
        if key in others and others[key] != records:
            return f"addresses of {key} differ"
    if wanted - soa and not ours.answer and not set(others) <= set(given):
        return f"glue is missing: {sorted(given)}, not {sorted(others)}"
    return None


class AgreementTests(TestCase):
    def start(self, name):
        folder = tempfile.mkdtemp(prefix="martlet-zones-")
        self.addCleanup(shutil.rmtree, folder, True)
        zones = os.path.join(folder, "zones")
        os.mkdir(zones)
        write_zones(zones)
        server = SERVERS[name](folder, zones)
        self.addCleanup(server.stop)
        return server

    def martlet_with_zones(self):
        folder = tempfile.mkdtemp(prefix="martlet-zones-")
        self.addCleanup(shutil.rmtree, folder, True)
        write_zones(folder)
        text = CONFIGURATION.replace("zones/", folder + "/")
        return self.martlet(text)

    def check(self, server_name, exceptions):
        seed = random.randrange(1 << 32)
        names = names_to_ask(random.Random(seed))
        kinds = ["A", "TXT", "NS", "SOA", "CNAME", "DNAME", "MX", "DS", "AAAA", "SRV", "PTR", "CAA",
                 "HTTPS", "TYPE731"]
        source = random.Random(seed + 1)
        martlet = self.martlet_with_zones()
        server = self.start(server_name)
        asked, differences = 0, []
        for name in names:
            # All types at names that the zones have, some at others.
            few = len(name.split(".")) > 5
            for kind in source.sample(kinds, 4) if few else kinds:
                if any(holds(name, kind) for holds in exceptions):
                    continue
                ours = dnswire.ask(martlet.port("dns"), name, kind)
                theirs = dnswire.ask(server.port, name, kind)
                asked += 1
                found = difference(ours, theirs, server_name, ZONES)
                if found:
                    differences.append(
                        f"{name} {kind}: {found}\n  Martlet {ours}\n  {server_name} {theirs}")
        self.assertGreater(asked, 500)
        self.assertEqual(
            differences[:5], [], f"{len(differences)} of {asked} differ, seed {seed}")

    @staticmethod
    def leads_to_another_zone(name, _):
        """Where an alias leads to another zone here, NSD goes on there, Knot sends on there by the upper
        zone's NS records, and BIND and Martlet leave it at the alias."""
        return name == "tochild.example.test"

    @staticmethod
    def is_too_long(name, _):
        """Knot 3.2 gives NXDOMAIN where RFC 6672 section 2.2 wants YXDOMAIN."""
        return name == "y" * 63 + ".long.example.test"

    @staticmethod
    def leads_back(name, _):
        """Where aliases lead back, BIND and PowerDNS say SERVFAIL, beside what they found."""
        labels = set(name.split("."))
        return bool(labels & {"loop1", "loop2", "self", "star", "ring", "ring2", "back", "forth"})

    @staticmethod
    def is_left_out(name, _):
        """What PowerDNS can't read."""
        return bool(set(name.split(".")) & {"unknown", "known", "dnskey", "escapes"})

    @staticmethod
    def is_below_two_delegations(name, _):
        """PowerDNS sends on to the lower of two delegations, which the upper one's servers have."""
        return name.endswith("deep.sub.example.test")

    def test_nsd(self):
        self.check("NSD", [self.leads_to_another_zone])

    def test_knot(self):
        self.check("Knot", [self.leads_to_another_zone, self.is_too_long])

    def test_bind(self):
        self.check("BIND", [self.leads_back])

    def test_powerdns(self):
        self.check("PowerDNS", [
            self.leads_to_another_zone, self.leads_back, self.is_below_two_delegations,
            self.is_left_out])


# What few have, in the forms of their RFCs: Knot reads none of these, NSD some.
RARE = {
    "wks": (11, "192.0.2.1 TCP ( smtp ftp 80 )"),
    "wks2": (11, "192.0.2.1 udp domain"),
    "nsap": (22, "0x47.0005.80.005a00.0000.0001.e133.ffffff000161.00"),
    "nsap-ptr": (23, "foo.bar"),
    "eid": (31, "1289 ab"),
    "nimloc": (32, "1289ab"),
    "sink": (40, "8 0 2 AQID"),
    "hip": (55, "( 2 200100107B1A74DF365639CC39F1D578\n AwEAAbdxyhNuSutc5EMzxTs9LBPCIkOFH8cIvM4p "
                "rvs1.example.test. rvs2 )"),
    "hip2": (55, "2 200100107B1A74DF365639CC39F1D578 AQID"),
    "rkey": (57, "0 255 5 AQID"),
    "talink": (58, ". next"),
    "dsync": (66, "CDS NOTIFY 5359 cds-scanner.example.net."),
    "dsync2": (66, "TYPE731 200 53 @"),
    "hhit": (67, "AQ ID"),
    "brid": (68, "AQID"),
    "amt": (260, "10 0 1 203.0.113.15"),
    "amt2": (260, "10 1 2 2001:db8::15"),
    "amt3": (260, "128 1 3 amtrelays"),
    "amt4": (260, "10 0 0 ."),
    "resinfo": (261, "qnamemin exterr=15-17 infourl=https://resolver.example.test/"),
    "wallet": (262, '"BTC" abc'),
    "ta": (32768, "60485 5 1 2BB183AF5F22588179A53B0A 98631FAD1A292118"),
    "dlv": (32769, "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118"),
}
RARE_WORDS = {
    11: "WKS", 22: "NSAP", 23: "NSAP-PTR", 31: "EID", 32: "NIMLOC", 40: "SINK", 55: "HIP",
    57: "RKEY", 58: "TALINK", 66: "DSYNC", 67: "HHIT", 68: "BRID", 260: "AMTRELAY", 261: "RESINFO",
    262: "WALLET", 32768: "TA", 32769: "DLV"}


class RareTypeTests(TestCase):
    """Types that few have are the same bytes as from BIND, which reads the same file."""

    def test_bind(self):
        folder = self.folder()
        zones = os.path.join(folder, "zones")
        os.mkdir(zones)
        for name in ZONES:
            text = "$TTL 300\n@ SOA ns1 host 1 2 3 4 5\n@ NS ns1\nns1 A 192.0.2.1\n"
            if name == "example.test":
                text += "".join(
                    f"{owner} {RARE_WORDS[kind]} {data}\n" for owner, (kind, data) in RARE.items())
            with open(os.path.join(zones, name + ".zone"), "w") as file:
                file.write(text)
        server = bind(folder, zones)
        self.addCleanup(server.stop)
        martlet = self.martlet(CONFIGURATION.replace("zones/", zones + "/"))
        for owner, (kind, data) in RARE.items():
            with self.subTest(owner):
                ours = dnswire.ask(martlet.port("dns"), f"{owner}.example.test", kind)
                theirs = dnswire.ask(server.port, f"{owner}.example.test", kind)
                self.assertEqual(ours.code, 0)
                self.assertEqual(len(ours.answer), 1)
                self.assertEqual(ours.answer, theirs.answer)


GOOD = """$TTL 300
@ SOA ns.example.org. hostmaster.example.org. 1 2h 15m 2w 5m
@ NS ns.example.org.
@ NS ns.example.com.
"""
# What is wrong with a zone, and the line and column that Martlet names.
BAD = {
    "an address that is none": ("a A 192.0.2", 5, 5),
    "an IPv6 address in an A record": ("a A 2001:db8::1", 5, 5),
    "a type that there isn't": ("a BOGUS 1", 5, 3),
    "too few fields": ("a MX 10", 5, 8),
    "too many fields": ("a A 192.0.2.1 192.0.2.2", 5, 15),
    "a number too large": ("a MX 65536 b", 5, 6),
    "an empty label": ("a..b A 192.0.2.1", 5, 1),
    "a label too long": ("x" * 64 + " A 192.0.2.1", 5, 1),
    "a parenthesis that is never closed": ("a TXT ( b", 5, 7),
    "a quote that is never closed": ('a TXT "b', 5, 7),
    "a wrong escape": ("a TXT \\300", 5, 7),
    "a CNAME beside others": ("a CNAME b\na A 192.0.2.1", 5, 1),
    "two CNAMEs": ("a CNAME b\na CNAME c", 5, 1),
    "an included file that isn't there": ("$INCLUDE nowhere.zone", 5, 1),
    "a file that includes itself": ("$INCLUDE bad.zone", 5, 1),
    "a second SOA": ("@ SOA a b 1 2 3 4 5", 5, 1),
    "odd hexadecimal digits": ("a TYPE731 \\# 2 abc", 5, 11),
    "fewer bytes than said": ("a TYPE731 \\# 3 abcd", 5, 11),
    "base64 that is none": ("a DNSKEY 256 3 8 A", 5, 18),
    "a digest that is too short": ("a DS 1 8 2 abcd", 5, 12),
    "a directive that there isn't": ("$FOO bar", 5, 1),
    "a TTL that is none": ("a 5q A 192.0.2.1", 5, 3),
    "data below a DNAME": ("d DNAME e\nx.d A 192.0.2.1", 6, 1),
}
# What these versions of the judges let pass, or never come to an end with.
LENIENT = {
    "BIND": {"data below a DNAME"},
    "Knot": {"a second SOA", "a file that includes itself"},
    "NSD": {
        "a number too large", "a parenthesis that is never closed", "a wrong escape",
        "fewer bytes than said", "a digest that is too short", "a file that includes itself"},
}
JUDGES = {
    "BIND": ("named-checkzone", ["-i", "none", "ORIGIN", "FILE"]),
    "Knot": ("kzonecheck", ["-o", "ORIGIN", "FILE"]),
    "NSD": ("nsd-checkzone", ["ORIGIN", "FILE"]),
}


class JudgementTests(TestCase):
    """What Martlet refuses, others refuse, and what it takes they take."""

    def judge(self, name, folder, file, origin="example.net"):
        command, arguments = JUDGES[name]
        words = [{"ORIGIN": origin, "FILE": file}.get(word, word) for word in arguments]
        done = run(peer(command), *words, cwd=folder)
        said = done.stdout + done.stderr
        # Some say what is wrong with a file and end with 0.
        return done.returncode == 0 and "error" not in said.lower(), said

    def check(self, folder, file, origin="example.net"):
        path = os.path.join(folder, "martlet.yaml")
        with open(path, "w") as opened:
            opened.write(
                "sites: { near: { as: 64600, addresses: [192.0.2.10] } }\n"
                f"zones: {{ {origin}: {{ file: {file} }} }}\n")
        done = run(program("martlet"), "check", path)
        return done.returncode == 0, done.stdout + done.stderr

    def test_good_files(self):
        folder = self.folder()
        write_zones(folder)
        for origin in ZONES:
            good, said = self.check(folder, origin + ".zone", origin)
            self.assertTrue(good, said)
            for name in JUDGES:
                good, said = self.judge(name, folder, origin + ".zone", origin)
                self.assertTrue(good, f"{name} about {origin}: {said}")

    def test_bad_files(self):
        folder = self.folder()
        for what, (text, line, column) in BAD.items():
            with open(os.path.join(folder, "bad.zone"), "w") as file:
                file.write(GOOD + text + "\n")
            with self.subTest(what):
                good, said = self.check(folder, "bad.zone")
                self.assertFalse(good, f"{what}: accepted")
                self.assertIn(f"bad.zone:{line}:{column}: ", said)
                for name in JUDGES:
                    if what in LENIENT[name]:
                        continue
                    good, said = self.judge(name, folder, "bad.zone")
                    self.assertFalse(good, f"{name} takes {what}: {said}")


class ReloadTests(TestCase):
    CONFIGURATION = """
listen:
  console: [{ address: "127.0.0.1:$machine", face: machine }]
  socket: $socket
  dns: ["127.0.0.1:$dns"]
dns: { rate-limit: off }
sites:
  near: { as: 64600, addresses: [192.0.2.10] }
zones:
  one.test: { file: one.zone, records: { www: { nearest: near } } }
  two.test: { file: two.zone }
"""

    def started(self, one, two):
        return self.martlet(
            self.CONFIGURATION, files={"one.zone": GOOD + one, "two.zone": GOOD + two})

    def enabled(self, daemon):
        connection = daemon.enabled()
        self.addCleanup(connection.close)
        return connection

    def texts(self, daemon, name):
        return [record[-1] for record in daemon.dig(name, "TXT").answer]

    def test_a_bad_zone_keeps_the_old_one(self):
        daemon = self.started("a TXT before\n", "a TXT before\n")
        machine = self.enabled(daemon)
        daemon.write("one.zone", GOOD + "a TXT after\nb A 192.0.2\n")
        daemon.write("two.zone", GOOD + "a TXT after\n")
        said = "\n".join(machine.ask("reload"))
        self.assertRegex(
            said, r"zone one\.test\.: its file is bad, it is served as before: \S+one\.zone:6:5: ")
        self.assertIn("zone two.test.: changed; its serial is still 1", said)
        self.assertRegex(daemon.output, r"one\.zone:6:5: here must be an address")
        self.assertEqual(self.texts(daemon, "a.one.test"), ['"before"'])
        self.assertEqual(daemon.dig("www.one.test", "A").addresses, ["192.0.2.10"])
        self.assertEqual(self.texts(daemon, "a.two.test"), ['"after"'])
        daemon.write("one.zone", GOOD.replace(" 1 2h", " 2 2h") + "a TXT mended\n")
        self.assertIn("zone one.test.: changed", "\n".join(machine.ask("reload")))
        self.assertEqual(self.texts(daemon, "a.one.test"), ['"mended"'])
        self.assertEqual(daemon.dig("one.test", "SOA").answer[0][6], "2")

    def test_a_zone_that_was_never_good(self):
        daemon = self.started("b A 192.0.2\n", "a TXT fine\n")
        answer = daemon.dig("a.one.test", "TXT")
        self.assertEqual(answer.status, "SERVFAIL")
        self.assertIn("EDE: 24 (Invalid Data)", answer.text)
        self.assertEqual(daemon.dig("www.one.test", "A").status, "SERVFAIL")
        self.assertEqual(self.texts(daemon, "a.two.test"), ['"fine"'])
        daemon.write("one.zone", GOOD + "a TXT mended\n")
        self.enabled(daemon).ask("reload")
        self.assertEqual(self.texts(daemon, "a.one.test"), ['"mended"'])
        self.assertEqual(daemon.dig("www.one.test", "A").addresses, ["192.0.2.10"])

    def test_no_query_is_lost(self):
        daemon = self.started("a TXT 0\n", "a TXT 0\n")
        machine = self.enabled(daemon)
        for number in range(1, 6):
            daemon.write("one.zone", GOOD + f"a TXT {number}\n")
            machine.send("reload")
            # Answers come while the zone is read, from one of the two.
            for _ in range(100):
                reply = dnswire.ask(daemon.port("dns"), "a.one.test", "TXT", tries=1)
                self.assertEqual(reply.code, 0)
                self.assertIn(reply.answer[0][3][1:], [b"%d" % (number - 1), b"%d" % number])
            machine.reply()
            reply = dnswire.ask(daemon.port("dns"), "a.one.test", "TXT", tries=1)
            self.assertEqual(reply.answer[0][3][1:], b"%d" % number)


if __name__ == "__main__":
    unittest.main()
