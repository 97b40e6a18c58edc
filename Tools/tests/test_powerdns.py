# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""PowerDNS with Martlet behind it, by the remote backend's protocol."""
import ipaddress
import json
import os
import random
import re
import socket
import threading
import unittest

from harness import PATIENCE, Answer, Martlet, TestCase, eventually, peer, program, run
from pdns import PowerDNS

CONFIGURATION = """
router: { as: 65000, id: 192.0.2.1 }
listen:
  console: [{ address: "127.0.0.1:$machine", face: machine }]
  socket: $socket
  dns: ["127.0.0.1:$dns"]
powerdns: { socket: $folder/pdns.sock }
dns: { rate-limit: off }
choice: { ties: [order] }
sites:
  near: { as: 64600, addresses: [192.0.2.10, "2001:db8:10::80"] }
  far:  { as: 64601, addresses: [192.0.2.20, "2001:db8:20::80"] }
  mid:  { as: 64602, addresses: [192.0.2.30, "2001:db8:30::80"] }
maps: [pins.routes]
zones:
  example.com:
    soa: { host: ns1.example.com, email: hostmaster@example.com }
    ns: [ns1.example.com, ns2.example.com]
    ttl: 300
    records:
      ns1: { a: 127.0.0.1 }
      ns2: { a: 192.0.2.54 }
      www: { nearest: [near, far, mid], ttl: 60, answers: 1 }
      both: { nearest: [near, far, mid], ttl: 60, answers: 2 }
      "*.steered": { nearest: [near, far, mid], ttl: 60 }
      text: { txt: ['a "quoted" text', 'back\\slash'] }
      alias: { cname: www.example.com }
      deep.below: { a: 192.0.2.55 }
      "*.wild": { txt: [wild] }
      sub: { ns: [ns.sub.example.com] }
      ns.sub: { a: 192.0.2.56 }
  example.net:
    soa: { host: ns1.example.com, email: hostmaster@example.com }
    ns: [ns1.example.com]
    records:
      www: { a: 192.0.2.57 }
"""


def pins(seed, count=400):
    """A route map whose prefixes hold each other, some of them."""
    source = random.Random(seed)
    lines = {"127.0.0.1/32": 64601, "127.0.0.2/32": 64602}
    for _ in range(count):
        base = ipaddress.ip_network(
            (source.choice([0xc6330000, 0xcb007100, 0x0a000000]) | source.getrandbits(16), 32))
        prefix = base.supernet(new_prefix=source.choice([12, 16, 20, 22, 24, 24, 25, 27, 32]))
        lines[str(prefix)] = source.choice([64600, 64601, 64602])
    for _ in range(count // 4):
        base = ipaddress.ip_network((0x20010db8 << 96 | source.getrandbits(16) << 80, 128))
        lines[str(base.supernet(new_prefix=source.choice([36, 40, 44, 48])))] = source.choice(
            [64600, 64601, 64602])
    return "".join(f"{prefix} {site}\n" for prefix, site in lines.items())


def subnets(seed, count):
    """Clients in and beside the prefixes of `pins`."""
    source = random.Random(seed)
    for _ in range(count):
        if source.randrange(5) == 0:
            yield str(ipaddress.ip_network((
                0x20010db8 << 96 | source.getrandbits(16) << 80, 128)).supernet(new_prefix=56))
        else:
            address = source.choice(
                [0xc6330000 | source.getrandbits(16), 0xcb007100 | source.getrandbits(16),
                 0x0a000000 | source.getrandbits(16), source.randrange(1 << 24, 0xe0000000)])
            length = source.choice([24, 24, 24, 32, 20])
            yield str(ipaddress.ip_network((address, 32)).supernet(new_prefix=length))


class PowerDNSTests(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.seed = random.randrange(1 << 32)
        cls.daemon = Martlet(CONFIGURATION, files={"pins.routes": pins(cls.seed)})
        cls.addClassCleanup(cls.daemon.stop)
        cls.pdns = PowerDNS(f"unix:path={cls.daemon.folder}/pdns.sock,timeout=2000")
        cls.addClassCleanup(cls.pdns.stop)

    def both(self, name, kind="A", subnet=None, *options):
        """The same question to PowerDNS and to Martlet itself."""
        return self.pdns.dig(name, kind, subnet, *options), self.daemon.dig(
            name, kind, subnet, *options)

    def test_each_client_gets_its_own_answer_whatever_is_kept_for_others(self):
        """Every client asks twice, among all the others: PowerDNS keeps answers for 60 seconds."""
        clients = list(subnets(self.seed + 1, 60)) * 2
        random.Random(self.seed).shuffle(clients)
        for subnet in clients:
            with self.subTest(subnet=subnet, seed=self.seed):
                kind = "AAAA" if ":" in subnet else "A"
                front, own = self.both("www.example.com", kind, subnet)
                self.assertEqual(front.addresses, own.addresses)
                self.assertEqual(len(front.addresses), 1)
                # Never for everybody; beyond that as wide as our own, whose index may still grow.
                self.assertGreaterEqual(front.scope, 1)
                again = self.daemon.dig("www.example.com", kind, subnet)
                self.assertIn(front.scope, {max(1, own.scope), max(1, again.scope)})

    def test_two_resolvers_without_a_client_subnet_get_their_own(self):
        for _ in range(3):
            for source, address in [("127.0.0.1", "192.0.2.20"), ("127.0.0.2", "192.0.2.30")]:
                answer = self.pdns.dig("www.example.com", "A", None, "-b", source)
                self.assertEqual(answer.addresses, [address], source)

    def test_several_addresses(self):
        front, own = self.both("both.example.com", "A", "127.0.0.2/32")
        self.assertEqual(sorted(front.addresses), sorted(own.addresses))
        self.assertEqual(len(front.addresses), 2)

    def test_fixed_records(self):
        for name, kind in [
                ("example.com", "NS"), ("ns1.example.com", "A"), ("text.example.com", "TXT"),
                ("deep.below.example.com", "A"), ("x.wild.example.com", "TXT"),
                ("www.example.net", "A"), ("example.net", "SOA")]:
            with self.subTest(name=name, kind=kind):
                front, own = self.both(name, kind, "198.51.100.0/24")
                self.assertEqual(front.status, "NOERROR")
                self.assertIn("aa", front.flags)
                self.assertEqual(
                    sorted(record[4:] for record in front.answer),
                    sorted(record[4:] for record in own.answer))
                self.assertEqual([r[1] for r in front.answer], [r[1] for r in own.answer])
                self.assertEqual(front.scope or 0, 0)

    def test_names_that_steered_names_make(self):
        front = self.pdns.dig("a.b.steered.example.com", "A", "127.0.0.2/32")
        self.assertEqual(front.addresses, ["192.0.2.30"])
        self.assertGreaterEqual(front.scope, 1)
        front = self.pdns.dig("alias.example.com", "A", "127.0.0.2/32")
        self.assertEqual([record[3] for record in front.answer], ["CNAME", "A"])
        self.assertEqual(front.addresses, ["192.0.2.30"])
        self.assertGreaterEqual(front.scope, 1)
        front = self.pdns.dig("alias.example.com", "A", "127.0.0.1/32")
        self.assertEqual(front.addresses, ["192.0.2.20"])

    def test_what_is_not_there(self):
        for name, kind, status in [
                ("nothing.example.com", "A", "NXDOMAIN"), ("www.example.com", "TXT", "NOERROR"),
                ("below.example.com", "A", "NOERROR"), ("example.org", "A", "REFUSED")]:
            with self.subTest(name=name):
                front = self.pdns.dig(name, kind)
                self.assertEqual(front.status, status)
                self.assertEqual(front.answer, [])

    def test_a_delegation(self):
        front = self.pdns.dig("host.sub.example.com", "A")
        self.assertEqual(front.status, "NOERROR")
        self.assertNotIn("aa", front.flags)
        self.assertEqual([record[4] for record in front.authority], ["ns.sub.example.com."])
        self.assertIn("192.0.2.56", front.text)

    def test_the_zones_are_known(self):
        zones = self.pdns.util("list-all-zones").split()
        self.assertEqual(
            {zone.rstrip(".") for zone in zones if "." in zone}, {"example.com", "example.net"})

    def test_a_connection_that_speaks_something_else_is_ended(self):
        with socket.socket(socket.AF_UNIX) as opened:
            opened.settimeout(PATIENCE)
            opened.connect(os.path.join(self.daemon.folder, "pdns.sock"))
            opened.sendall(b"GET / HTTP/1.1\r\n\r\n")
            self.assertIn(b'"error"', opened.recv(4096))
            self.assertEqual(opened.recv(4096), b"")
        self.assertEqual(self.pdns.dig("ns1.example.com", "A").addresses, ["127.0.0.1"])

    def test_many_requests_at_once_are_answered_in_order(self):
        with socket.socket(socket.AF_UNIX) as opened:
            opened.settimeout(PATIENCE)
            opened.connect(os.path.join(self.daemon.folder, "pdns.sock"))
            lines = [json.dumps({"method": "lookup", "parameters": {
                "qtype": "A", "qname": f"ns{number % 3}.example.com.", "remote": "192.0.2.9",
                "local": "192.0.2.1", "real-remote": "192.0.2.9/32", "zone-id": -1}})
                for number in range(3000)]

            def send():
                opened.sendall("".join(f"{line}\n" for line in lines).encode())
                opened.shutdown(socket.SHUT_WR)

            # Beside reading: who doesn't read the replies isn't read from.
            sender = threading.Thread(target=send)
            sender.start()
            self.addCleanup(sender.join)
            file = opened.makefile("rb")
            for number in range(3000):
                result = json.loads(file.readline())["result"]
                wanted = [["127.0.0.1"], ["192.0.2.54"]][number % 3 - 1] if number % 3 else []
                self.assertEqual([record["content"] for record in result], wanted)
            self.assertEqual(file.readline(), b"")
            file.close()

    def test_the_socket_is_for_its_group_alone(self):
        mode = os.stat(os.path.join(self.daemon.folder, "pdns.sock")).st_mode
        self.assertEqual(mode & 0o777, 0o660)


class TransferTests(TestCase):
    def test_a_transfer_has_what_is_the_same_for_everybody(self):
        daemon = self.martlet(CONFIGURATION, files={"pins.routes": pins(1)})
        pdns = PowerDNS(
            f"unix:path={daemon.folder}/pdns.sock", "allow-axfr-ips=127.0.0.0/8\n")
        self.addCleanup(pdns.stop)
        text = run(
            peer("dig"), "@127.0.0.1", "-p", str(pdns.port), "example.com", "AXFR").stdout
        self.assertNotIn("failed", text)
        names = {line.split()[0] for line in text.splitlines() if line and line[0] not in ";"}
        self.assertIn("deep.below.example.com.", names)
        self.assertIn("*.wild.example.com.", names)
        self.assertNotIn("www.example.com.", names)


class SigningTests(TestCase):
    def test_powerdns_signs_what_martlet_answers(self):
        """Keys are in a second backend; kdig sees signatures, delv finds them good."""
        daemon = self.martlet(CONFIGURATION, files={"pins.routes": pins(2)})
        pdns = PowerDNS(f"unix:path={daemon.folder}/pdns.sock", signs=["example.com"])
        self.addCleanup(pdns.stop)
        key = pdns.dig("example.com", "DNSKEY").answer
        self.assertEqual(len(key), 1)
        flags, protocol, algorithm, *material = key[0][4:]
        anchor = os.path.join(self.folder(), "anchor")
        with open(anchor, "w") as file:
            file.write(
                f'trust-anchors {{ "example.com." static-key {flags} {protocol} {algorithm} '
                f'"{"".join(material)}"; }};\n')
        for name, kind, kept in [
                ("www.example.com", "A", "192.0.2.20"), ("ns2.example.com", "A", "192.0.2.54"),
                ("a.steered.example.com", "A", "192.0.2.20"),
                ("alias.example.com", "A", "192.0.2.20")]:
            with self.subTest(name=name):
                text = run(
                    peer("delv"), "@127.0.0.1", "-p", str(pdns.port), "-a", anchor,
                    "+root=example.com", name, kind).stdout
                self.assertIn("; fully validated", text)
                self.assertIn(kept, text)
        for name in ["nothing.example.com", "below.example.com"]:
            with self.subTest(name=name):
                done = run(
                    peer("delv"), "@127.0.0.1", "-p", str(pdns.port), "-a", anchor,
                    "+root=example.com", name, "A")
                self.assertIn("; negative response, fully validated", done.stdout)
        # Signed for each client as it is answered to each.
        for subnet, address in [("127.0.0.1/32", "192.0.2.20"), ("127.0.0.2/32", "192.0.2.30")] * 2:
            text = run(
                peer("kdig"), "@127.0.0.1", "-p", str(pdns.port), "www.example.com", "A", "+dnssec",
                f"+subnet={subnet}").stdout
            self.assertRegex(text, rf"IN\s+A\s+{re.escape(address)}\n")
            self.assertRegex(text, r"IN\s+RRSIG\s+A 13 3 60 ")
            self.assertRegex(text, rf"CLIENT-SUBNET: {re.escape(subnet)}/32")


class LifeTests(TestCase):
    """PowerDNS while Martlet comes and goes."""

    def test_through_a_pipe_and_over_a_restart(self):
        daemon = self.martlet(CONFIGURATION, files={"pins.routes": pins(3)})
        path = os.path.join(daemon.folder, "pdns.sock")
        pdns = PowerDNS(
            f"pipe:command={program('martlet')} pdns-pipe {path},timeout=5000",
            "query-cache-ttl=0\ncache-ttl=0\nnegquery-cache-ttl=0\n")
        self.addCleanup(pdns.stop)
        self.assertEqual(
            pdns.dig("www.example.com", "A", "127.0.0.2/32").addresses, ["192.0.2.30"])
        self.assertEqual(
            pdns.dig("www.example.com", "A", "127.0.0.1/32").addresses, ["192.0.2.20"])
        daemon.signal(15)
        self.assertEqual(daemon.wait(), 0)
        self.assertFalse(os.path.exists(path))
        self.assertEqual(pdns.dig("www.example.com", "A").status, "SERVFAIL")
        again = self.martlet(
            CONFIGURATION.replace("$folder/pdns.sock", path), files={"pins.routes": pins(3)})
        self.assertEqual(again.child.poll(), None)
        answer = eventually(
            "PowerDNS to find Martlet again",
            lambda: (found := pdns.dig("www.example.com", "A", "127.0.0.2/32")).addresses and found)
        self.assertEqual(answer.addresses, ["192.0.2.30"])

    def test_before_it_is_ready(self):
        """No answer is better than a wrong one: SERVFAIL sends resolvers to another server."""
        configuration = CONFIGURATION + """
feeds: { late: { site: near, bgp: { peer: 192.0.2.99, as: 65001, connect: passive } } }
ready: { wait: 3600 }
"""
        daemon = self.martlet(configuration, files={"pins.routes": pins(4)}, wait=False)
        daemon.wait_line("listening")
        pdns = PowerDNS(f"unix:path={daemon.folder}/pdns.sock")
        self.addCleanup(pdns.stop)
        self.assertEqual(pdns.dig("www.example.com", "A").status, "SERVFAIL")
        self.assertEqual(pdns.dig("ns1.example.com", "A").status, "SERVFAIL")

    def test_new_zones_after_a_reload(self):
        daemon = self.martlet(CONFIGURATION, files={"pins.routes": pins(5)})
        # It would keep REFUSED too.
        pdns = PowerDNS(
            f"unix:path={daemon.folder}/pdns.sock", "negquery-cache-ttl=0\ncache-ttl=0\n")
        self.addCleanup(pdns.stop)
        self.assertEqual(pdns.dig("www.example.edu", "A").status, "REFUSED")
        daemon.write("martlet.yaml", CONFIGURATION + """
  example.edu:
    ns: [ns1.example.com]
    records: { www: { nearest: [mid] } }
""")
        self.assertEqual(daemon.console("reload").returncode, 0)
        answer = eventually(
            "PowerDNS to learn of the zone",
            lambda: (found := pdns.dig("www.example.edu", "A")).addresses and found)
        self.assertEqual(answer.addresses, ["192.0.2.30"])


if __name__ == "__main__":
    unittest.main()
