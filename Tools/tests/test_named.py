# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""BIND with a name that it leaves to Martlet, as the documentation has it."""
import os
import random
import re
import socket
import unittest

from harness import ROOT, Answer, Martlet, TestCase
from nameserver import NameServer
from questions import ask_all
from test_unbound import Unbound

PAGE = os.path.join(ROOT, "Sources", "DNSFront", "DNSFront.docc", "OtherServers.md")
# What the page leaves out: where the console is, and who is near to whom.
MORE = """
router: { as: 65000, id: 192.0.2.1 }
maps: [ssrs.routes]
"""
MAP = "198.51.100.0/24 64600\n203.0.113.0/24 64601\n127.0.0.0/8 64600\n"
NAMED = """
options {{
  directory "{folder}"; pid-file none; session-keyfile "{folder}/session.key";
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  recursion yes; dnssec-validation no; empty-zones-enable no; max-cache-size 16M;
}};
controls {{ }};
zone "example.org" {{ type primary; file "example.org.zone"; }};
{more}
"""
ZONE = """$TTL 300
@ IN SOA ns1 hostmaster 1 3600 600 86400 60
@ IN NS ns1
ns1 IN A 127.0.0.1
mail IN A 192.0.2.25
"""


def blocks(page, heading, language=""):
    """The code blocks of a language behind a heading of the documentation, up to the next."""
    with open(page) as file:
        text = file.read().split(f"\n{heading}\n", 1)[1].split("\n## ")[0]
    # Fences come in pairs: text, block, text, and so on.
    found = [part.split("\n", 1) for part in re.split(r"^```", text, flags=re.M)[1::2]]
    return [body for kind, body in found if kind == language]


def own_address():
    """A loopback address of which port 53 is free: a delegation can name no other port."""
    for _ in range(200):
        address = f"127.{random.randrange(1, 255)}.{random.randrange(1, 255)}.{random.randrange(1, 255)}"
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as probe:
                    probe.bind((address, 53))
            return address
        except PermissionError:
            if os.environ.get("CI") == "true":
                raise
            raise unittest.SkipTest("only root can bind port 53") from None
        except OSError:
            pass
    raise AssertionError("no address with a free port 53")


class Named(NameServer):
    def __init__(self, zone, more=""):
        super().__init__("named")
        self.write("named.conf", NAMED.format(folder=self.folder, port=self.port, more=more))
        self.write("example.org.zone", zone)
        self.begin("-g", "-c", self.path("named.conf"), line=r" running$")


class BindTests(TestCase):
    """The page's configuration, with a loopback address for that of the name server."""

    @classmethod
    def setUpClass(cls):
        cls.address = own_address()
        configuration, = blocks(PAGE, "## BIND, and any other", "yaml")
        cls.daemon = Martlet(
            cls.placed(configuration) + MORE,
            files={"ssrs.routes": MAP})
        cls.addClassCleanup(cls.daemon.stop)
        plain = blocks(PAGE, "## BIND, and any other")
        cls.delegation, cls.forwarding = plain[0], plain[1]
        if "IN NS" not in cls.delegation or "forwarders" not in cls.forwarding:
            raise AssertionError("the page's blocks stand in another order")

    @classmethod
    def placed(cls, text):
        text = text.replace("192.0.2.53", cls.address)
        # No socket in the system's own place.
        return text.replace("listen: {", "listen: { socket: $socket,")

    def test_a_resolver_follows_the_delegation_to_each_clients_answer(self):
        named = Named(ZONE + self.placed(self.delegation))
        self.addCleanup(named.stop)
        referral = Answer(named.port, "www.example.org", "A", None, "+norecurse")
        self.assertEqual([record[4] for record in referral.authority], ["ns.example.org."])
        self.assertNotIn("aa", referral.flags)
        unbound = Unbound({"example.org": ("127.0.0.1", named.port)})
        self.addCleanup(unbound.stop)
        clients = {
            "198.51.100.0/24": "192.0.2.1", "203.0.113.0/24": "192.0.2.2",
            # Nothing is known of this one: what was --self.
            "192.0.2.128/25": "192.0.2.2"}
        for _ in range(2):
            found = ask_all(unbound.port, "www.example.org", "A", list(clients))
            self.assertEqual(
                dict(zip(clients, [answer.addresses for answer in found])),
                {client: [address] for client, address in clients.items()})
        mail = Answer(unbound.port, "mail.example.org", "A", None)
        self.assertEqual(mail.addresses, ["192.0.2.25"])

    def test_what_supersparrows_options_said_is_said(self):
        """--soa_host, --soa_email, --ns, --ttl, --ns_ttl, --result_count: see the page's table."""
        def ask(kind):
            done = Answer(53, "www.example.org", kind, None, f"@{self.address}")
            return [(record[1], *record[4:]) for record in done.answer]

        self.assertEqual(ask("A"), [("7", "192.0.2.1")])
        self.assertEqual(ask("NS"), [("60", "ns.example.org.")])
        soa, = ask("SOA")
        self.assertEqual(soa[:3], ("60", "ns.example.org.", "hostmaster.example.org."))
        with open(PAGE) as file:
            page = file.read()
        line = re.search(r'database "ss (.*?)";', page, re.S).group(1)
        rows = "".join(
            row.split("|")[1] for row in page.split("option by option:")[1].splitlines()
            if row.startswith("| `--"))
        for option in re.findall(r"--\w+", line):
            self.assertIn(option, rows)

    def test_a_resolving_bind_can_ask_martlet(self):
        named = Named(ZONE + self.placed(self.delegation), self.placed(self.forwarding))
        self.addCleanup(named.stop)
        answer = Answer(named.port, "www.example.org", "A", None)
        # BIND's own address decides, since BIND sends no Client Subnet.
        self.assertEqual(answer.addresses, ["192.0.2.1"])


if __name__ == "__main__":
    unittest.main()
