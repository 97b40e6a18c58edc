# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""DNS over TCP, and behind proxies: many queries at once, slow clients, dnsdist."""
import ipaddress
import re
import select
import socket
import struct
import time
import unittest

from dnswire import Reply, query
from harness import PATIENCE, Martlet, TestCase, eventually, peer, run
from nameserver import NameServer

CONFIGURATION = """
router: { as: 65000, id: 192.0.2.1 }
listen:
  console: [{ address: "127.0.0.1:$machine", face: machine }]
  socket: $socket
  dns: [%s]
dns:
  rate-limit: off
  debug: { allow: [127.0.0.0/8, 198.51.100.0/24, 203.0.113.0/24, "2001:db8::/32", "::1/128"] }
%s
choice: { ties: [order] }
sites:
  near: { as: 64600, addresses: [192.0.2.10, "2001:db8:10::80"] }
  far:  { as: 64601, addresses: [192.0.2.20, "2001:db8:20::80"] }
maps: [pins.routes]
zones:
  example.com:
    ns: [ns1.example.com]
    records:
      ns1: { a: 127.0.0.1 }
      www: { nearest: [near, far], ttl: 60 }
      text: { txt: [%s] }
""" % ("%s", "%s", ", ".join(f'"{str(n) * 200}"' for n in range(1, 6)))
PINS = "198.51.100.0/24 64601\n203.0.113.0/24 64600\n2001:db8:abcd::/48 64601\n127.0.0.0/8 64600\n"


def martlet(listeners='"127.0.0.1:$dns"', options="", files=None):
    return Martlet(
        CONFIGURATION % (listeners, options), files={"pins.routes": PINS, **(files or {})})


def framed(message):
    return struct.pack(">H", len(message)) + message


class Stream:
    """A TCP connection to a name server."""

    def __init__(self, port, address="127.0.0.1"):
        self.socket = socket.create_connection((address, port), timeout=PATIENCE)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def reply(self):
        """The next reply; nothing at the end."""
        while len(self.buffer) < 2 or len(self.buffer) < 2 + struct.unpack(">H", self.buffer[:2])[0]:
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            self.buffer += more
        size = struct.unpack(">H", self.buffer[:2])[0]
        reply, self.buffer = self.buffer[2:2 + size], self.buffer[2 + size:]
        return Reply(reply)


def counter(daemon, kind, what):
    """A counter of `show dns`."""
    with daemon.machine() as machine:
        for line in machine.ask("show dns"):
            if found := re.fullmatch(rf"{kind} what={what} count=(\d+)", line):
                return int(found[1])
    raise AssertionError(f"show dns has no {kind} {what}")


def resident(daemon):
    """Bytes of memory that the daemon has."""
    with open(f"/proc/{daemon.child.pid}/status") as file:
        return int(re.search(r"VmRSS:\s+(\d+) kB", file.read())[1]) << 10


class PipeliningTests(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = martlet(options="  idle-timeout: 2s")
        cls.addClassCleanup(cls.daemon.stop)

    def test_a_thousand_queries_in_one_segment(self):
        with Stream(self.daemon.port("dns")) as stream:
            queries = b"".join(
                framed(query("text.example.com" if number % 3 else "www.example.com",
                             "TXT" if number % 3 else "A", identifier=number))
                for number in range(1000))
            stream.socket.sendall(queries)
            seen = [stream.reply() for _ in range(1000)]
        self.assertEqual(sorted(reply.identifier for reply in seen), list(range(1000)))
        self.assertEqual({reply.code for reply in seen}, {0})

    def test_queries_cut_at_each_byte(self):
        with Stream(self.daemon.port("dns")) as stream:
            stream.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for number in range(3):
                for byte in framed(query("www.example.com", "A", identifier=number)):
                    stream.socket.sendall(bytes([byte]))
                self.assertEqual(stream.reply().identifier, number)

    def test_an_open_connection_is_used_again(self):
        """kdig keeps one connection for several questions, and asks how long it may."""
        before = counter(self.daemon, "connections", "accepted")
        text = run(
            peer("kdig"), "@127.0.0.1", "-p", str(self.daemon.port("dns")), "+tcp", "+keepopen",
            "+ednsopt=11", "www.example.com", "A", "text.example.com", "TXT", "example.com",
            "SOA").stdout
        self.assertEqual(text.count("status: NOERROR"), 3, text)
        self.assertNotIn("WARNING", text)
        self.assertEqual(counter(self.daemon, "connections", "accepted"), before + 1)

    def test_the_idle_time_that_is_told_is_the_one_that_holds(self):
        with Stream(self.daemon.port("dns")) as stream:
            asked = time.monotonic()
            option = struct.pack(">HH", 11, 0)
            message = query("www.example.com", "A")[:-2] + struct.pack(">H", len(option)) + option
            stream.socket.sendall(framed(message))
            told = stream.reply().message
            self.assertIn(struct.pack(">HHH", 11, 2, 20), told, "2 s, in tenths")
            self.assertIsNone(stream.reply())
            self.assertGreaterEqual(time.monotonic() - asked, 1.9)

    def test_a_byte_a_moment_keeps_no_connection(self):
        with Stream(self.daemon.port("dns")) as stream:
            began = time.monotonic()
            message = framed(query("www.example.com", "A") + bytes(2000))
            with self.assertRaises(OSError):
                for byte in message:
                    stream.socket.sendall(bytes([byte]))
                    time.sleep(0.1)
                    if time.monotonic() - began > PATIENCE:
                        break
            self.assertGreaterEqual(time.monotonic() - began, 1.9)

    def test_who_reads_nothing_is_closed_and_costs_little(self):
        """Clients that ask and ask and read nothing: what is made for them is bounded."""
        before = resident(self.daemon)
        block = framed(query("text.example.com", "TXT")) * 1000
        waiting = select.poll()
        streams = []
        for _ in range(20):
            stream = Stream(self.daemon.port("dns"))
            self.addCleanup(stream.socket.close)
            streams.append(stream)
            stream.socket.settimeout(0.2)
            # Until nothing more goes in.
            with self.assertRaises(OSError):
                for _ in range(1000):
                    stream.socket.sendall(block)
            waiting.register(stream.socket, 0)
        self.assertLess(resident(self.daemon) - before, 20 << 20)
        self.assertEqual(self.daemon.dig("www.example.com", "A", None, "+tcp").status, "NOERROR")
        # A reset, as their queries are left unread.
        eventually("all of them to be closed", lambda: len(waiting.poll(0)) == len(streams))


class ProxyTests(TestCase):
    """kdig plays the proxy."""

    @classmethod
    def setUpClass(cls):
        cls.daemon = martlet(
            '{ address: "127.0.0.1:$dns", proxy: { from: [127.0.0.1/32] } }')
        cls.addClassCleanup(cls.daemon.stop)
        if "+[no]proxy" not in run(peer("kdig"), "--help").stdout:
            raise unittest.SkipTest("this kdig is no proxy")

    def kdig(self, *arguments):
        return run(
            peer("kdig"), "@127.0.0.1", "-p", str(self.daemon.port("dns")), "+retry=0",
            *arguments).stdout

    def test_the_client_of_the_header_counts(self):
        for transport in ("+notcp", "+tcp"):
            for client, to, address, kind in [
                ("198.51.100.7", "192.0.2.53", "192.0.2.20", "A"),
                ("203.0.113.7", "192.0.2.53", "192.0.2.10", "A"),
                ("2001:db8:abcd::7", "2001:db8::53", "2001:db8:20::80", "AAAA"),
            ]:
                with self.subTest(transport=transport, client=client):
                    proxy = f"+proxy={client}#1234-{to}#53"
                    text = self.kdig(proxy, transport, "www.example.com", kind, "+short")
                    self.assertEqual(text.split(), [address])
                    text = self.kdig(proxy, transport, "whoami.example.com", "TXT", "+short")
                    self.assertIn(f"client={client} ", text)

    def test_a_subnet_still_decides_before_the_client(self):
        text = self.kdig(
            "+proxy=203.0.113.7#1234-192.0.2.53#53", "+subnet=198.51.100.0/24",
            "www.example.com", "A")
        self.assertIn("192.0.2.20", text)
        self.assertRegex(text, r"CLIENT-SUBNET: 198\.51\.100\.0/24/24")

    def test_without_a_header_there_is_no_answer(self):
        before = counter(self.daemon, "proxies", "malformed")
        text = self.kdig("+notcp", "+time=1", "www.example.com", "A")
        self.assertNotIn("status:", text)
        text = self.kdig("+tcp", "+time=1", "www.example.com", "A")
        self.assertNotIn("status:", text)
        self.assertGreaterEqual(counter(self.daemon, "proxies", "malformed"), before + 2)


class StrangerTests(TestCase):
    def test_a_header_from_somebody_else_is_no_header(self):
        daemon = martlet('{ address: "127.0.0.1:$dns", proxy: { from: [127.0.0.9/32] } }')
        self.addCleanup(daemon.stop)
        header = (b"\r\n\r\n\0\r\nQUIT\n\x21\x12" + struct.pack(">H", 12)
                  + ipaddress.ip_address("198.51.100.7").packed + bytes(4)
                  + struct.pack(">HH", 9, 53))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.settimeout(1)
            sender.sendto(header + query("www.example.com", "A"), ("127.0.0.1", daemon.port("dns")))
            try:
                self.assertNotEqual(Reply(sender.recv(65536)).code, 0)
            except TimeoutError:
                pass
            sender.settimeout(PATIENCE)
            sender.sendto(query("www.example.com", "A"), ("127.0.0.1", daemon.port("dns")))
            self.assertEqual(Reply(sender.recv(65536)).code, 0, "and without one it is answered")
        self.assertEqual(counter(daemon, "proxies", "malformed"), 0)


class DNSDist(NameServer):
    """dnsdist before a name server."""

    def __init__(self, port, passing="useProxyProtocol=true", more=""):
        super().__init__("dnsdist")
        self.write(
            "dnsdist.conf",
            f'setLocal("127.0.0.1:{self.port}")\n'
            f'addLocal("[::1]:{self.port}")\n'
            'setACL({"0.0.0.0/0", "::/0"})\n'
            f'newServer{{address="127.0.0.1:{port}", {passing}, '
            f'checkName="example.com.", checkType="SOA", mustResolve=true}}\n{more}')
        self.begin(
            "--supervised", "-C", self.path("dnsdist.conf"), "--disable-syslog",
            line=r"Marking downstream .* as 'up'|Listening on")


class DNSDistTests(TestCase):
    @classmethod
    def setUpClass(cls):
        peer("dnsdist")
        cls.daemon = martlet('{ address: "127.0.0.1:$dns", proxy: { from: [127.0.0.1/32] } }')
        cls.addClassCleanup(cls.daemon.stop)
        cls.dnsdist = DNSDist(cls.daemon.port("dns"))
        cls.addClassCleanup(cls.dnsdist.stop)

    def dig(self, source, *arguments):
        return run(
            peer("dig"), "@::1" if ":" in source else "@127.0.0.1", "-b", source, "-p",
            str(self.dnsdist.port), "+short", "+tries=1", "+time=5", *arguments).stdout.strip()

    def test_martlet_sees_the_client_of_dnsdist(self):
        eventually(
            "dnsdist to find Martlet up, by its health check with a header of its own",
            lambda: self.dig("127.0.0.1", "www.example.com"))
        for transport in ("+notcp", "+tcp"):
            for source in ("127.0.0.55", "127.3.2.1", "::1"):
                with self.subTest(transport=transport, source=source):
                    text = self.dig(source, transport, "whoami.example.com", "TXT")
                    self.assertIn(f"client={source} subnet=- ", text)
        self.assertEqual(counter(self.daemon, "proxies", "malformed"), 0)


class DNSDistSubnetTests(TestCase):
    """dnsdist adds the client's subnet, and takes it out of the answer where the client sent none."""

    @classmethod
    def setUpClass(cls):
        peer("dnsdist")
        cls.daemon = martlet(files={"pins.routes": PINS + "127.3.0.0/16 64601\n"})
        cls.addClassCleanup(cls.daemon.stop)
        cls.dnsdist = DNSDist(cls.daemon.port("dns"), "useClientSubnet=true")
        cls.addClassCleanup(cls.dnsdist.stop)

    def dig(self, source, *arguments):
        return run(
            peer("dig"), "@127.0.0.1", "-b", source, "-p", str(self.dnsdist.port), "+tries=1",
            "+time=5", *arguments).stdout

    def test_each_client_gets_its_sites_answer(self):
        eventually(
            "dnsdist to find Martlet up",
            lambda: "NOERROR" in self.dig("127.0.0.1", "www.example.com"))
        for transport in ("+notcp", "+tcp"):
            for edns in ("+edns=0", "+noedns"):
                for source, address in (("127.0.0.55", "192.0.2.10"), ("127.3.2.1", "192.0.2.20")):
                    with self.subTest(transport=transport, edns=edns, source=source):
                        text = self.dig(source, transport, edns, "www.example.com")
                        self.assertIn("status: NOERROR", text)
                        self.assertRegex(text, rf"IN\s+A\s+{re.escape(address)}\n")
                        self.assertNotIn("CLIENT-SUBNET", text)
                        self.assertEqual("OPT PSEUDOSECTION" in text, edns == "+edns=0", text)
            text = self.dig("127.3.2.1", transport, "whoami.example.com", "TXT", "+short")
            self.assertRegex(text, r"client=127\.0\.0\.1 subnet=127\.3\.2\.")
            # Who sends one is answered for it, and is told how far that holds.
            text = self.dig(
                "127.3.2.1", transport, "+subnet=203.0.113.0/24", "www.example.com")
            self.assertIn("192.0.2.10", text)
            self.assertRegex(text, r"CLIENT-SUBNET: 203\.0\.113\.0/24/[0-9]+")


class DNSDistCacheTests(TestCase):
    """dnsdist keeps answers, those of scope 0 for everybody: of IPv4 and of IPv6."""

    def test_clients_of_both_families_are_kept_apart(self):
        peer("dnsdist")
        daemon = martlet(files={"pins.routes": "0.0.0.0/0 64600\n::/0 64601\n"})
        self.addCleanup(daemon.stop)
        dnsdist = DNSDist(
            daemon.port("dns"), "useClientSubnet=true, disableZeroScope=false",
            'getPool(""):setCache(newPacketCache(1000, {parseECS=true}))\n')
        self.addCleanup(dnsdist.stop)

        def ask(server):
            return run(
                peer("dig"), f"@{server}", "-p", str(dnsdist.port), "+short", "+tries=1", "+time=5",
                "+nocookie", "www.example.com", "A").stdout.split()
        eventually("dnsdist to find Martlet up", lambda: ask("127.0.0.1") == ["192.0.2.10"])
        for _ in range(2):
            self.assertEqual(ask("::1"), ["192.0.2.20"])
            self.assertEqual(ask("127.0.0.1"), ["192.0.2.10"])


if __name__ == "__main__":
    unittest.main()
