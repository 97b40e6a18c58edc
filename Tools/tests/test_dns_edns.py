# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""EDNS and what goes with it, as dig and kdig see it; limits, counters and the log."""
import json
import os
import re
import signal
import socket
import struct
import time
import unittest

from dns_packets import BASE, PINS, DNSTestCase, exchange, opt, option, query, response_code
from harness import Martlet, bird_configuration, eventually, peer, run

SECRET = "e5e973e5a6b2a43f48e7dc849e37bfcf"


class BehaviourTests(DNSTestCase):
    """RFC 8906, section 8: the queries as they stand there, and what they must and mustn't show."""

    @classmethod
    def setUpClass(cls):
        cls.daemon = Martlet(BASE, files={"pins.routes": PINS})
        cls.addClassCleanup(cls.daemon.stop)

    SOA = r"(?m)^example\.com\.\s+\d+\s+IN\s+SOA\s"
    AA = r"flags: [a-z ]*\baa\b"
    OPT = r"EDNS: version: 0"

    def check(self, section, arguments, *expected, absent=()):
        text = self.dig(self.daemon, *arguments.split())
        for pattern in expected:
            self.assertRegex(text, pattern, f"{section}: dig {arguments}")
        # What dig itself finds wrong is wrong, but that nobody recurses here.
        for pattern in (*absent, ";; WARNING: (?!recursion requested but not available)", ";; Warning", "malformed"):
            self.assertNotRegex(text, pattern, f"{section}: dig {arguments}")

    def good(self, section, arguments, *expected, absent=()):
        self.check(
            section, arguments + " soa example.com", "status: NOERROR", self.SOA, self.AA, *expected,
            absent=absent)

    def test_8_1_basic_dns(self):
        self.good(
            "8.1.1", "+noedns +noad +norec",
            absent=[r"flags: [a-z ]*\brd\b", r"flags: [a-z ]*\bra\b", r"flags: [a-z ]*\bad\b", "EDNS"])
        self.check(
            "8.1.2", "+noedns +noad +norec type1000 example.com", "status: NOERROR", "ANSWER: 0",
            self.SOA, self.AA, absent=["EDNS", r"flags: [a-z ]*\brd\b"])
        self.good("8.1.3.1", "+noedns +noad +norec +cd", absent=["EDNS", r"flags: [a-z ]*\bra\b"])
        self.good("8.1.3.2", "+noedns +norec +ad", absent=["EDNS", r"flags: [a-z ]*\bad\b"])
        self.good("8.1.3.3", "+noedns +noad +norec +zflag", absent=["MBZ", "EDNS"])
        self.good("8.1.3.4", "+noedns +noad +rec", r"flags: [a-z ]*\brd\b", absent=[r"flags: [a-z ]*\bra\b"])
        self.check(
            "8.1.4", "+noedns +noad +opcode=15 +norec +header-only", "status: NOTIMP",
            "opcode: RESERVED15", "ANSWER: 0", absent=[self.SOA, self.AA, "EDNS"])
        self.good("8.1.5", "+noedns +noad +norec +tcp", absent=["EDNS"])

    def test_8_2_extended_dns(self):
        self.good("8.2.1", "+nocookie +edns=0 +noad +norec", self.OPT)
        badvers = ["status: BADVERS", "ANSWER: 0", self.OPT]
        wrong = [self.SOA, self.AA, "MBZ", "OPT=100"]
        negotiation = "+nocookie +edns=1 +noednsneg +noad +norec"
        self.check("8.2.2", negotiation + " soa example.com", *badvers, absent=wrong)
        self.good("8.2.3", "+nocookie +edns=0 +noad +norec +ednsopt=100", self.OPT, absent=["OPT=100"])
        self.good("8.2.4", "+nocookie +edns=0 +noad +norec +ednsflags=0x40", self.OPT, absent=["MBZ"])
        self.check("8.2.5", negotiation + " +ednsflags=0x40 soa example.com", *badvers, absent=wrong)
        self.check("8.2.6", negotiation + " +ednsopt=100 soa example.com", *badvers, absent=wrong)
        self.check(
            "8.2.7", "+norec +dnssec +bufsize=512 +ignore dnskey example.com", "status: NOERROR",
            self.OPT)
        self.good("8.2.8", "+nocookie +edns=0 +noad +norec +dnssec", self.OPT, r"flags: do;")
        self.check(
            "8.2.9", negotiation + " +dnssec soa example.com", *badvers, r"flags: do;", absent=wrong)
        self.good(
            "8.2.10", "+edns=0 +noad +norec +cookie +nsid +expire +subnet=0.0.0.0/0", self.OPT,
            r"; COOKIE: [0-9a-f]{48} \(good\)", "; NSID: ", r"CLIENT-SUBNET: 0\.0\.0\.0/0/0")

    def test_truncated_answers_lead_to_tcp(self):
        text = self.dig(self.daemon, "+norec", "+bufsize=512", "static.example.com", "TXT")
        self.assertIn("Truncated, retrying in TCP mode", text)
        self.assertIn("ANSWER: 8", text)
        text = self.dig(self.daemon, "+norec", "+bufsize=512", "+ignore", "static.example.com", "TXT")
        self.assertRegex(text, r"flags: qr aa tc;")
        self.assertIn("ANSWER: 0", text)
        # More than the default of 1232 is not given, whatever is offered.
        reply = exchange(
            self.daemon.port("dns"),
            query(b"\6static\7example\3com\0\0\x10\0\1", counts=(1, 0, 0, 1), tail=opt(size=65535)))
        self.assertLessEqual(len(reply), 1232)
        self.assertEqual(reply[2] & 2, 2, "TC")

    def test_kdig(self):
        text = run(
            peer("kdig"), "@127.0.0.1", "-p", str(self.daemon.port("dns")), "www.example.com", "A",
            "+cookie", "+nsid", "+subnet=198.51.100.0/24").stdout
        for pattern in (
                r"COOKIE: [0-9A-F]{48}", "NSID: ", r"CLIENT-SUBNET: 198\.51\.100\.0/24/24",
                r"www\.example\.com\.\s+60\s+IN\s+A\s+192\.0\.2\.20"):
            self.assertRegex(text, pattern)
        self.assertNotIn(";; WARNING", text)

    def test_long_datagrams_are_answered(self):
        for size, code in ((4000, 0), (4096, 1), (20_000, 1), (65_000, 1)):
            packet = query(counts=(1, 0, 0, 1), tail=opt(option(12, bytes(size))))
            reply = exchange(self.daemon.port("dns"), packet)
            self.assertEqual(reply[:2], packet[:2])
            self.assertEqual(response_code(reply), code)

    def test_keepalive(self):
        text = self.dig(self.daemon, "+tcp", "+keepalive", "www.example.com", "A")
        self.assertIn("; TCP KEEPALIVE: 10.0 secs", text)
        text = self.dig(self.daemon, "+keepalive", "www.example.com", "A")
        self.assertNotIn("KEEPALIVE", text, "by UDP it means nothing")
        text = self.dig(self.daemon, "+tcp", "www.example.com", "A")
        self.assertNotIn("KEEPALIVE", text, "nobody asked")


class CookieTests(DNSTestCase):
    def nodes(self, *cookies):
        """Daemons that differ in their cookies' settings."""
        return [
            self.martlet(
                BASE + f"dns: {{ cookies: {text} }}\n",
                files={"pins.routes": PINS, "cookies.key": f"{SECRET}\n"})
            for text in cookies]

    def cookie(self, daemon, *options):
        text = self.dig(daemon, "www.example.com", "A", *options)
        found = re.search(r"; COOKIE: ([0-9a-f]{48}) \(good\)", text)
        self.assertTrue(found, text)
        return found.group(1)

    def test_nodes_with_one_secret_take_each_others_cookies(self):
        first, second, stranger = self.nodes(
            "{ secret-file: cookies.key }", "{ secret-file: cookies.key, required: true }",
            "{ required: true }")
        cookie = self.cookie(first, "+cookie=0102030405060708")
        self.assertTrue(cookie.startswith("010203040506070801000000"))
        text = self.dig(second, "www.example.com", "A", "+nobadcookie", f"+cookie={cookie}")
        self.assertIn("status: NOERROR", text)
        self.assertIn(cookie, text, "a fresh one goes back as it came")
        text = self.dig(stranger, "www.example.com", "A", "+nobadcookie", f"+cookie={cookie}")
        self.assertIn("status: BADCOOKIE", text)
        self.assertIn("ANSWER: 0", text)

    def test_dig_and_kdig_find_their_way_past_badcookie(self):
        daemon, = self.nodes("{ required: true }")
        text = self.dig(daemon, "www.example.com", "A", "+cookie")
        self.assertIn("BADCOOKIE, retrying", text)
        self.assertIn("status: NOERROR", text)
        self.assertIn("192.0.2.10", text)
        text = self.dig(daemon, "www.example.com", "A", "+nocookie")
        self.assertIn("status: NOERROR", text, "who knows nothing of cookies gets its answer")
        text = run(
            peer("kdig"), "@127.0.0.1", "-p", str(daemon.port("dns")), "www.example.com", "A",
            "+cookie").stdout
        self.assertIn("192.0.2.10", text)

    def test_a_secret_is_rolled_by_reloads(self):
        daemon, = self.nodes("{ secret-file: cookies.key, required: true }")
        old = self.cookie(daemon, "+cookie")
        new = SECRET[::-1]
        def taken(cookie):
            return "status: NOERROR" in self.dig(
                daemon, "www.example.com", "A", "+nobadcookie", f"+cookie={cookie}")
        with daemon.machine() as machine:
            for secrets, oldIsGood in ((f"{new}\n{SECRET}\n", True), (f"{new}\n", False)):
                daemon.write("cookies.key", secrets)
                daemon.signal(signal.SIGHUP)
                eventually("the reload", lambda: taken(old) == oldIsGood)
                self.assertTrue(taken(self.cookie(daemon, "+cookie")))
            self.assertEqual(machine.ask("ready"), "ready")


class LimitTests(DNSTestCase):
    LIMITS = """
dns:
  rate-limit: { answers: 50, negative: 20, errors: 10, slip: 2, exempt: [127.0.9.0/24] }
"""

    def ask(self, sender, count, packet=None):
        """Sends `count` queries and returns what comes back, until nothing more does."""
        replies = []
        for number in range(count):
            sender.send(struct.pack(">H", number) + (packet or query())[2:])
            if number % 64 == 63:
                replies += self.drain(sender, 0.02)
        return replies + self.drain(sender, 0.5)

    @staticmethod
    def drain(sender, seconds):
        replies = []
        sender.settimeout(seconds)
        while True:
            try:
                replies.append(sender.recv(4096))
            except TimeoutError:
                return replies

    def sender(self, daemon, source):
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(opened.close)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        opened.bind((source, 0))
        opened.connect(("127.0.0.1", daemon.port("dns")))
        return opened

    def test_a_flood_from_one_prefix_leaves_others_served(self):
        daemon = self.martlet(BASE + self.LIMITS, files={"pins.routes": PINS})
        flood = [self.sender(daemon, f"127.0.1.{n}") for n in (1, 2, 200)]
        polite = self.sender(daemon, "127.0.2.1")
        whole = cut = sent = served = 0
        began = time.monotonic()
        for number in range(5):
            for sender in flood:
                for reply in self.ask(sender, 300):
                    whole += reply[2] & 2 == 0
                    cut += reply[2] & 2 != 0
                    self.assertLessEqual(len(reply), 200, "nothing is amplified")
                sent += 300
            served += sum(
                reply[2] & 2 == 0 for reply in self.ask(polite, 5))
        seconds = time.monotonic() - began
        # Two seconds' worth to begin with, then 50 a second for all three together.
        self.assertLessEqual(whole, 100 + 50 * (seconds + 1))
        self.assertGreater(whole, 90)
        self.assertGreater(cut, 0.3 * (sent - whole), "half of the rest say: come by TCP")
        self.assertEqual(served, 25)
        text = run(
            peer("dig"), "@127.0.0.1", "-p", str(daemon.port("dns")), "-b", "127.0.1.1",
            "www.example.com", "A", "+tries=5", "+time=2", "+nocookie").stdout
        self.assertIn("192.0.2.10", text, "by TCP if need be")
        with daemon.machine() as machine:
            counters = {
                tuple(line.split()[:2]): int(line.split("count=")[1])
                for line in machine.ask("show dns")}
        self.assertGreater(counters["limited", "what=dropped"], 500)
        self.assertGreater(counters["limited", "what=slipped"], 500)

    def test_cookies_and_listed_prefixes_are_exempt(self):
        daemon = self.martlet(BASE + self.LIMITS, files={"pins.routes": PINS})
        listed = self.sender(daemon, "127.0.9.7")
        self.assertEqual(len(self.ask(listed, 400)), 400)
        sender = self.sender(daemon, "127.0.3.1")
        ask = query(counts=(1, 0, 0, 1), tail=opt(option(10, b"12345678")))
        first, = self.ask(sender, 1, ask)
        cookie = first[first.index(b"\0\x0a\0\x1812345678") + 4:][:24]
        good = query(counts=(1, 0, 0, 1), tail=opt(option(10, cookie)))
        replies = self.ask(sender, 400, good)
        self.assertEqual(len(replies), 400)
        self.assertTrue(all(reply[2] & 2 == 0 for reply in replies))
        # A cookie that isn't good earns a new one.
        bad = query(counts=(1, 0, 0, 1), tail=opt(option(10, b"12345678" + bytes(16))))
        codes = {response_code(reply) for reply in self.ask(sender, 400, bad)}
        self.assertIn(23, codes)

    def test_a_reload_changes_limits(self):
        daemon = self.martlet(BASE + self.LIMITS, files={"pins.routes": PINS})
        sender = self.sender(daemon, "127.0.4.1")
        self.assertLess(len(self.ask(sender, 400)), 350)
        daemon.write("martlet.yaml", BASE + "dns: { rate-limit: off }\n")
        daemon.signal(signal.SIGHUP)
        daemon.wait_line(r"reload: dns: rate-limit off")
        eventually("the new limits", lambda: len(self.ask(sender, 400)) == 400)


class NameTests(DNSTestCase):
    def test_what_the_server_says_of_itself(self):
        daemon = self.martlet(
            BASE + "dns: { identity: ams1, version: 'Martlet, of course' }\n",
            files={"pins.routes": PINS})
        for name, text in (
                ("version.bind", '"Martlet, of course"'), ("version.server", '"Martlet, of course"'),
                ("hostname.bind", '"ams1"'), ("id.server", '"ams1"')):
            reply = self.dig(daemon, name, "CH", "TXT", "+short")
            self.assertEqual(reply.strip(), text)
        self.assertRegex(
            self.dig(daemon, "+nsid", "www.example.com"), r'NSID: 61 6d 73 31 \("ams1"\)')
        daemon.write("martlet.yaml", BASE + "dns: { identity: hidden, version: hidden }\n")
        daemon.signal(signal.SIGHUP)
        eventually(
            "the reload",
            lambda: "status: REFUSED" in self.dig(daemon, "version.bind", "CH", "TXT"))
        self.assertIn("EDE: 18 (Prohibited)", self.dig(daemon, "id.server", "CH", "TXT"))
        self.assertNotIn("NSID", self.dig(daemon, "+nsid", "www.example.com"))

    def test_there_are_no_keys(self):
        daemon = self.martlet(BASE, files={"pins.routes": PINS})
        text = self.dig(
            daemon, "www.example.com", "A", "-y", "hmac-sha256:somebody:" + "A" * 43 + "=")
        self.assertIn("status: NOTAUTH", text)
        self.assertRegex(text, r"somebody\.\s.*TSIG\s.*BADKEY")

    def test_by_default_it_says_its_host_and_version(self):
        daemon = self.martlet(BASE, files={"pins.routes": PINS})
        self.assertEqual(
            self.dig(daemon, "id.server", "CH", "TXT", "+short").strip(),
            f'"{socket.gethostname()[:64]}"')
        self.assertRegex(
            self.dig(daemon, "version.bind", "CH", "TXT", "+short"), r'"martlet \d+\.\d+\.\d+"')

    def test_debugging_names(self):
        daemon = self.martlet(
            BASE + "dns: { debug: { allow: [127.0.5.0/24] } }\n", files={"pins.routes": PINS})
        asked = ("-b", "127.0.5.1", "+subnet=198.51.100.0/24")
        text = self.dig(daemon, "whoami.example.com", "TXT", "+short", *asked)
        self.assertEqual(
            text.strip(), '"client=127.0.5.1 subnet=198.51.100.0/24 transport=udp"')
        text = self.dig(daemon, "explain.www.example.com", "TXT", "+short", *asked)
        lines = sorted(text.strip().splitlines())
        self.assertRegex(lines[0], r'^"1 far distance=\S+ cost=\S+ .*reason=pinned"$')
        self.assertRegex(lines[1], r'^"2 near .*reason=\S+"$')
        for line, family in zip(lines[2:], ("A", "AAAA")):
            self.assertRegex(line, rf'^"answer={family} scope=\d+ reason=[a-z-]+"$')
        self.assertRegex(lines[4], r'^"client=198\.51\.100\.0 by=subnet scope=\d+"$')
        text = self.dig(daemon, "explain.www.example.com", "TXT", "-b", "127.0.6.1")
        self.assertIn("status: NXDOMAIN", text, "for others there is no such name")

    def test_client_subnets_by_name_and_listener(self):
        text = BASE.replace(
            '"127.0.0.1:$dns"',
            '"127.0.0.1:$dns", { address: "127.0.0.1:$peer", client-subnet: off }')
        daemon = self.martlet(text, files={"pins.routes": PINS})
        ask = ("A", "198.51.100.0/24")
        self.assertEqual(daemon.dig("www.example.com", *ask).addresses, ["192.0.2.20"])
        plain = daemon.dig("plain.example.com", *ask)
        self.assertEqual((plain.addresses, plain.scope), (["192.0.2.10"], 0))
        reply = run(
            peer("dig"), "@127.0.0.1", "-p", str(daemon.port("peer")), "www.example.com", "A",
            "+subnet=198.51.100.0/24", "+tries=1", "+time=5").stdout
        self.assertIn("192.0.2.10", reply)
        self.assertNotIn("CLIENT-SUBNET", reply)


class ErrorTests(DNSTestCase):
    FEED = BASE.replace('dns: ["127.0.0.1:$dns"]', 'dns: ["127.0.0.1:$dns"]\n  bgp: ["127.0.0.1:$bgp"]') + """
feeds:
  core: { site: near, bgp: { peer: 127.0.0.7, as: 64512, connect: passive }, stale-time: 10m }
ready: { wait: 1h }
"""

    def test_not_ready_then_ready_then_stale(self):
        peer("bird")
        daemon = self.martlet(self.FEED, files={"pins.routes": PINS}, wait=False)
        daemon.wait_line("listening")
        text = self.dig(daemon, "www.example.com", "A")
        self.assertIn("status: SERVFAIL", text)
        self.assertIn("EDE: 14 (Not Ready)", text)
        self.assertIn("status: NOERROR", self.dig(daemon, "id.server", "CH", "TXT"))
        bird = self.bird(
            bird_configuration("127.0.0.7", daemon.port("bgp"), 64512, routes={"10.0.0.0/8": [7]}))
        daemon.wait_ready()
        text = self.dig(daemon, "www.example.com", "A", "+subnet=10.0.0.0/24")
        self.assertIn("status: NOERROR", text)
        self.assertNotIn("EDE", text)
        bird.kill()
        def stale():
            return self.dig(daemon, "www.example.com", "A", "+subnet=10.0.0.0/24")
        text = eventually("stale answers", lambda: "EDE: 3" in stale() and stale())
        self.assertIn("status: NOERROR", text)
        self.assertIn("192.0.2.10", text)
        self.assertRegex(text, r"EDE: 3 \(Stale Answer\): \(.*routes of a session that is gone.*\)")

    def test_refusals(self):
        daemon = self.martlet(BASE, files={"pins.routes": PINS})
        self.assertIn("EDE: 20 (Not Authoritative)", self.dig(daemon, "example.org", "A"))
        for kind in (b"\0\xfb", b"\0\xfc"):
            reply = exchange(daemon.port("dns"), query(
                b"\7example\3com\0" + kind + b"\0\1", counts=(1, 0, 0, 1), tail=opt()))
            self.assertEqual(response_code(reply), 5, "REFUSED")
            self.assertTrue(reply.endswith(option(15, b"\0\x15")), "Not Supported")


class CounterTests(DNSTestCase):
    def test_show_dns(self):
        daemon = self.martlet(BASE, files={"pins.routes": PINS})
        daemon.dig("www.example.com", "A", "198.51.100.0/24")
        daemon.dig("www.example.com", "A", "203.0.113.0/24")
        daemon.dig("www.example.com", "A", None, "+tcp")
        daemon.dig("static.example.com", "TXT")
        daemon.dig("nothing.example.com", "A")
        daemon.dig("example.net", "A")
        with daemon.machine() as machine:
            counters = {
                tuple(line.split()[:2]): int(line.split("count=")[1])
                for line in machine.ask("show dns")}
            for what, count in {
                    ("queries", "what=udp"): 5, ("queries", "what=tcp"): 2,
                    ("edns", "what=queries"): 7, ("edns", "what=subnets"): 2,
                    ("codes", "what=NOERROR"): 5, ("codes", "what=NXDOMAIN"): 1,
                    ("codes", "what=REFUSED"): 1, ("types", "what=TXT"): 2,
                    ("sites", "what=far"): 1, ("sites", "what=near"): 2,
                    ("answers", "what=truncated"): 1}.items():
                self.assertEqual(counters.get(what), count, f"{what} in {counters}")
            self.assertEqual(
                sum(count for (kind, _), count in counters.items() if kind == "scopes"), 2)
            self.assertEqual(
                machine.ask("show dns zones"), ["example.com. queries=6 missing=1 with_subnet=2"])
            self.assertEqual(
                machine.ask("show dns names zone example.com limit 1"),
                ["www.example.com. zone=example.com. queries=3 sites=near:2,far:1"])
            reply = json.loads(machine.ask("show dns --json"))
        self.assertIn({"kind": "queries", "what": "udp", "count": 5}, reply["counters"])
        text = daemon.console("show dns").stdout
        self.assertRegex(text, r"(?m)^codes\s+NXDOMAIN\s+1$")

    def test_the_decision_log(self):
        daemon = self.martlet(
            BASE + "dns: { decision-log: { file: decisions.json, sample: 1 } }\n",
            files={"pins.routes": PINS})
        path = os.path.join(daemon.folder, "decisions.json")

        def lines():
            with open(path) as file:
                return [json.loads(line) for line in file]

        daemon.dig("www.example.com", "A", "198.51.100.0/24")
        daemon.dig("WWW.example.com", "AAAA", None, "+tcp")
        daemon.dig("static.example.com", "A")
        eventually("two decisions", lambda: os.path.exists(path) and len(lines()) == 2)
        first, second = lines()
        self.assertRegex(first.pop("time"), r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ$")
        self.assertIsInstance(first.pop("class"), int)
        self.assertIn(first.pop("scope"), (24, 23, 22))
        self.assertEqual(first, {
            "name": "www.example.com.", "type": "A", "transport": "udp",
            "client": "198.51.100.0/24", "by": "subnet", "site": "far", "sites": ["far"],
            "addresses": ["192.0.2.20"], "answer": ["A 192.0.2.20"], "reason": "pinned", "all_down": False})
        self.assertEqual(
            (second["client"], second["by"], second["transport"], second["site"]),
            ("127.0.0.0/24", "resolver", "tcp", "near"))
        self.assertEqual(second["addresses"], ["2001:db8:10::80"])
        # Moved away, as logrotate does.
        os.rename(path, path + ".1")
        daemon.dig("www.example.com", "A")
        eventually("a new file", lambda: os.path.exists(path) and len(lines()) == 1)


if __name__ == "__main__":
    unittest.main()
