# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""DNS over TLS: kdig, openssl, unbound and dnsdist ask; certificates that change, end and are bad."""
import os
import re
import shutil
import socket
import ssl
import struct
import tempfile
import time
import unittest

from dnswire import query
from harness import PATIENCE, TestCase, eventually, peer, program, run
from test_dns_tcp import DNSDist, Stream, counter, framed, martlet
from test_unbound import Unbound

NAME = "ns1.example.com"


class Authority:
    """A certificate authority in a folder."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="martlet-ca-")
        self.path = os.path.join(self.folder, "ca.pem")
        self._openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", self.file("ca.key"), "-out", self.path, "-days", "30", "-subj", "/CN=Test",
            "-addext", "basicConstraints=critical,CA:TRUE")

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def file(self, name):
        return os.path.join(self.folder, name)

    def _openssl(self, *arguments):
        done = run(peer("openssl"), *arguments)
        if done.returncode != 0:
            raise AssertionError(f"openssl {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def issue(self, serial, days=90, kind="ec"):
        """A certificate and a key, as texts."""
        key, request, result = (self.file(f"{serial}.{end}") for end in ("key", "csr", "pem"))
        made = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec" else [kind]
        self._openssl(
            "req", "-new", "-newkey", *made, "-nodes", "-keyout", key, "-out", request, "-subj",
            f"/CN={NAME}")
        with open(self.file("extensions"), "w") as file:
            file.write(f"subjectAltName=DNS:{NAME},IP:127.0.0.1\n")
        self._openssl(
            "x509", "-req", "-in", request, "-CA", self.path, "-CAkey", self.file("ca.key"),
            "-set_serial", str(serial), "-days", str(days), "-extfile", self.file("extensions"),
            "-out", result)
        with open(result) as certificate, open(key) as secret:
            return certificate.read(), secret.read()


LISTENERS = (
    '"127.0.0.1:$dns", '
    '{ address: "127.0.0.1:$peer", tls: { certificate: dot.pem, key: dot.key }%s }')


class TLSTestCase(TestCase):
    """A server with a certificate, at the port $peer."""

    options = "  idle-timeout: 2s"
    proxies = ""

    @classmethod
    def setUpClass(cls):
        cls.authority = Authority()
        cls.addClassCleanup(cls.authority.remove)
        certificate, key = cls.authority.issue(1)
        cls.daemon = martlet(
            LISTENERS % cls.proxies, cls.options, {"dot.pem": certificate, "dot.key": key})
        cls.addClassCleanup(cls.daemon.stop)

    def kdig(self, *arguments, name="www.example.com", kind="A"):
        return run(
            peer("kdig"), "@127.0.0.1", "-p", str(self.daemon.port("peer")), "+retry=0",
            f"+tls-ca={self.authority.path}", f"+tls-hostname={NAME}", *arguments, name, kind).stdout

    def client(self, *arguments):
        """What `openssl s_client` says of the server."""
        done = run(
            peer("openssl"), "s_client", "-connect", f"127.0.0.1:{self.daemon.port('peer')}",
            "-CAfile", self.authority.path, "-verify_hostname", NAME, *arguments, input="")
        return done.stdout + done.stderr

    def serial(self):
        context = ssl.create_default_context(cafile=self.authority.path)
        with self.connect(context) as stream:
            return int(stream.socket.getpeercert()["serialNumber"], 16)

    def connect(self, context=None, before=b""):
        stream = Stream(self.daemon.port("peer"))
        if before:
            stream.socket.sendall(before)
        context = context or ssl.create_default_context(cafile=self.authority.path)
        stream.socket = context.wrap_socket(stream.socket, server_hostname=NAME)
        return stream


class ClientTests(TLSTestCase):
    def test_kdig_checks_the_name_and_is_answered(self):
        text = self.kdig("+subnet=198.51.100.0/24")
        self.assertRegex(text, r";; TLS session \(TLS1\.3\)")
        self.assertIn("status: NOERROR", text)
        self.assertIn("192.0.2.20", text)
        self.assertRegex(text, r"CLIENT-SUBNET: 198\.51\.100\.0/24/24")
        self.assertNotIn("WARNING", text)
        text = self.kdig("+tls-hostname=ns2.example.com")
        self.assertNotIn("status:", text)

    def test_answers_are_counted_and_known_as_such(self):
        before = counter(self.daemon, "queries", "tls")
        self.assertIn("transport=tls", self.kdig(name="whoami.example.com", kind="TXT"))
        self.assertEqual(counter(self.daemon, "queries", "tls"), before + 1)

    def test_answers_are_padded_for_those_who_pad(self):
        """RFC 8467 section 4.1: blocks of 468 bytes; RFC 7830 section 6: not in the clear."""
        for name, kind, size in [
            ("www.example.com", "A", 468), ("nothing.example.com", "A", 468),
            ("text.example.com", "TXT", 1404), ("example.org", "A", 468),
        ]:
            with self.subTest(name=name):
                text = self.kdig("+padding", name=name, kind=kind)
                self.assertIn("PADDING", text)
                self.assertRegex(text, rf";; Received {size} B")
        text = self.kdig("+nopadding")
        self.assertNotIn("PADDING", text)
        text = run(
            peer("kdig"), "@127.0.0.1", "-p", str(self.daemon.port("dns")), "+tcp", "+padding=64",
            "www.example.com", "A").stdout
        self.assertIn("status: NOERROR", text)
        self.assertNotIn("PADDING", text)

    def test_protocol_versions_and_alpn(self):
        for version, good in [("-tls1_3", True), ("-tls1_2", True), ("-tls1_1", False)]:
            text = self.client(version, "-alpn", "dot", "-cipher", "DEFAULT:@SECLEVEL=0")
            with self.subTest(version=version):
                if good:
                    self.assertIn("Verify return code: 0 (ok)", text)
                    self.assertIn("ALPN protocol: dot", text)
                else:
                    self.assertIn("Cipher is (NONE)", text)
        self.assertIn("No ALPN negotiated", self.client("-alpn", "h2"))

    def test_sessions_are_resumed(self):
        context = ssl.create_default_context(cafile=self.authority.path)
        message = framed(query("www.example.com", "A"))
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context.maximum_version = version
            with self.connect(context) as stream:
                stream.socket.sendall(message)
                self.assertEqual(stream.reply().code, 0)
                self.assertFalse(stream.socket.session_reused)
                session = stream.socket.session
            again = Stream(self.daemon.port("peer"))
            with context.wrap_socket(
                    again.socket, server_hostname=NAME, session=session) as resumed:
                self.assertTrue(resumed.session_reused, version)
                again.socket = resumed
                resumed.sendall(message)
                self.assertEqual(again.reply().code, 0)

    def test_many_queries_in_one_record_and_one_in_many(self):
        with self.connect() as stream:
            stream.socket.sendall(
                b"".join(framed(query("text.example.com", "TXT", identifier=number))
                         for number in range(200)))
            self.assertEqual([stream.reply().identifier for _ in range(200)], list(range(200)))
            for byte in framed(query("www.example.com", "A", identifier=7)):
                stream.socket.sendall(bytes([byte]))
            self.assertEqual(stream.reply().identifier, 7)
            # The end of TLS comes with the end of TCP.
            self.assertIsNone(stream.reply())

    def test_plain_queries_and_silence_end(self):
        for sent in (b"", framed(query("www.example.com", "A")), b"\x16\x03\x01\x00"):
            with self.subTest(sent=sent), Stream(self.daemon.port("peer")) as stream:
                stream.socket.sendall(sent)
                began = time.monotonic()
                # A TLS alert may come before the end.
                with self.subTest():
                    try:
                        while stream.socket.recv(1000):
                            pass
                    except ConnectionResetError:
                        pass
                self.assertLess(time.monotonic() - began, PATIENCE / 2)
        # And nothing listens by UDP.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.settimeout(PATIENCE)
            sender.connect(("127.0.0.1", self.daemon.port("peer")))
            sender.send(query("www.example.com", "A"))
            self.assertRaises(ConnectionRefusedError, sender.recv, 1000)

    def test_who_idles_is_closed(self):
        with self.connect() as stream:
            stream.socket.sendall(framed(query("www.example.com", "A")))
            self.assertEqual(stream.reply().code, 0)
            began = time.monotonic()
            self.assertIsNone(stream.reply())
            self.assertGreaterEqual(time.monotonic() - began, 1.8)


class ResolverTests(TLSTestCase):
    def test_unbound_asks_over_tls(self):
        unbound = Unbound(
            {"example.com": ("127.0.0.1", self.daemon.port("peer"))},
            tls=(NAME, self.authority.path))
        self.addCleanup(unbound.stop)
        before = counter(self.daemon, "queries", "tls")

        def ask(kind):
            return run(
                peer("dig"), "@127.0.0.1", "-p", str(unbound.port), "+short", "www.example.com",
                kind, "+tries=1", "+time=10").stdout.split()
        self.assertEqual(ask("A"), ["192.0.2.10"])
        self.assertEqual(ask("AAAA"), ["2001:db8:10::80"])
        self.assertGreaterEqual(counter(self.daemon, "queries", "tls"), before + 2)
        self.assertEqual(counter(self.daemon, "queries", "udp"), 0)


class CertificateTests(TLSTestCase):
    options = "  idle-timeout: 60s"

    def setUp(self):
        self.seen = len(self.daemon.lines)

    def put(self, certificate, key):
        self.daemon.write("dot.key", key)
        self.daemon.write("dot.pem", certificate)

    def reload(self):
        return "\n".join(
            self.daemon.console("reload").stdout.splitlines())

    def test_a_new_certificate_is_taken_in_and_a_bad_one_is_not(self):
        with self.connect() as old:
            self.put(*self.authority.issue(2, kind="rsa:2048"))
            # By itself, after a while.
            eventually("the new certificate", lambda: self.serial() == 2, seconds=60)
            self.daemon.wait_line(r"certificate in .*dot\.pem is in use", after=self.seen)
            old.socket.sendall(framed(query("www.example.com", "A")))
            self.assertEqual(old.reply().code, 0, "the old connection goes on")

            good, key = self.authority.issue(3)
            other, _ = self.authority.issue(4)
            self.put(other, key)
            reason = r"the key in \S*dot\.key doesn't belong to the first certificate in \S*dot\.pem"
            self.daemon.wait_line(
                reason + ".*the certificate of before stays", after=self.seen, seconds=60)
            self.assertEqual(self.serial(), 2)
            self.assertRegex(self.daemon.console("show dns listeners").stdout, reason)
            self.assertRegex(self.reload(), reason)
            # At once, when it is asked for.
            self.put(good, key)
            self.assertIn("is in use", self.reload())
            self.assertEqual(self.serial(), 3)
            self.assertNotIn("belong", self.daemon.console("show dns listeners").stdout)

    def test_one_that_soon_expires_is_told_of(self):
        certificate, key = self.authority.issue(5, days=3)
        self.put(certificate, key)
        self.reload()
        self.daemon.wait_line(r"dot\.pem expires on .* in [23] days", after=self.seen)
        text = self.daemon.console("show dns listeners").stdout
        self.assertRegex(text, r"\d{4}-\d\d-\d\d \d\d:\d\d UTC")


class CheckTests(TestCase):
    """What `martlet check` says of certificates."""

    def check(self, certificate, key, mode=0o600):
        with tempfile.TemporaryDirectory() as folder:
            for name, text, bits in (("dot.pem", certificate, 0o644), ("dot.key", key, mode)):
                if text is not None:
                    path = os.path.join(folder, name)
                    with open(path, "w") as file:
                        file.write(text)
                    os.chmod(path, bits)
            path = os.path.join(folder, "martlet.yaml")
            with open(path, "w") as file:
                file.write(
                    'listen:\n  dns:\n    - address: "127.0.0.1:853"\n'
                    "      tls: { certificate: dot.pem, key: dot.key }\n"
                    "sites: { here: { as: 64600, addresses: [192.0.2.1] } }\n"
                    "zones: { example.com: { ns: [ns.example.com] } }\n")
            done = run(program("martlet"), "check", path)
            return done.returncode, (done.stdout + done.stderr).replace(folder + "/", "")

    def test_files_that_cannot_be_used(self):
        authority = Authority()
        self.addCleanup(authority.remove)
        certificate, key = authority.issue(1)
        _, other = authority.issue(2)
        encrypted = run(
            peer("openssl"), "pkcs8", "-topk8", "-passout", "pass:x", input=key).stdout
        for arguments, where, reason in [
            ((None, key), "4:27", "dot.pem: No such file or directory"),
            ((certificate, None), "4:41", "dot.key: No such file or directory"),
            ((key, key), "4:27", "dot.pem has no good certificate in PEM"),
            ((certificate, certificate), "4:41", "dot.key has no good private key in PEM"),
            ((certificate, encrypted), "4:41",
             "dot.key has a key with a passphrase, which nobody is there to type"),
            ((certificate, other), "4:41",
             "the key in dot.key doesn't belong to the first certificate in dot.pem"),
            ((certificate, key, 0o644), "4:41",
             "dot.key holds a key and everybody can open it: chmod o-rwx"),
        ]:
            with self.subTest(reason=reason):
                status, text = self.check(*arguments)
                self.assertNotEqual(status, 0)
                self.assertIn(f"martlet.yaml:{where}: {reason}", text)
        status, text = self.check(certificate, key)
        self.assertEqual(status, 0, text)
        self.assertIn("127.0.0.1:853 (tls by dot.pem)", text)
        self.assertNotIn("expires", text)

    def test_one_that_ends_is_good_but_told_of(self):
        authority = Authority()
        self.addCleanup(authority.remove)
        status, text = self.check(*authority.issue(1, days=2))
        self.assertEqual(status, 0, text)
        self.assertRegex(text, r"the certificate in dot\.pem expires on \S+ \S+ UTC, in [12] day")


class ProxyTests(TLSTestCase):
    proxies = ", proxy: { from: [127.0.0.1/32] }"
    HEADER = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack(">H", 12) + bytes((198, 51, 100, 7))
              + bytes((192, 0, 2, 53)) + struct.pack(">HH", 4660, 853))

    def whoami(self, stream, before=b""):
        stream.socket.sendall(before + framed(query("whoami.example.com", "TXT")))
        reply = stream.reply()
        return reply and reply.answer[0][3][1:].decode()

    def test_a_header_before_or_inside_tls(self):
        who = "client=198.51.100.7 subnet=- transport=tls"
        with self.connect(before=self.HEADER) as stream:
            self.assertEqual(self.whoami(stream), who)
            self.assertEqual(self.whoami(stream), who)
        with self.connect() as stream:
            self.assertEqual(self.whoami(stream, self.HEADER), who)

    def test_without_a_header_there_is_no_answer(self):
        before = counter(self.daemon, "proxies", "malformed")
        with self.connect() as stream:
            self.assertIsNone(self.whoami(stream))
        with Stream(self.daemon.port("peer")) as stream:
            stream.socket.sendall(self.HEADER[:12] + b"\x31")
            self.assertIsNone(stream.reply())
        self.assertEqual(counter(self.daemon, "proxies", "malformed"), before + 2)

    def test_dnsdist_asks_over_tls(self):
        dnsdist = DNSDist(
            self.daemon.port("peer"),
            f'useProxyProtocol=true, tls="openssl", caStore="{self.authority.path}", subjectName="{NAME}"')
        self.addCleanup(dnsdist.stop)

        def ask():
            return run(
                peer("dig"), "@127.0.0.1", "-b", "127.0.0.77", "-p", str(dnsdist.port), "+short",
                "+tries=1", "+time=5", "whoami.example.com", "TXT").stdout.strip()
        eventually("an answer through dnsdist", lambda: "client=" in ask())
        self.assertEqual(ask(), '"client=127.0.0.77 subnet=- transport=tls"')


if __name__ == "__main__":
    unittest.main()
