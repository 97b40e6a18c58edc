# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Sessions with real routers: who is let in, what bounds them, and what an operator says to them."""
import json
import os
import re
import resource
import socket
import struct
import threading
import time
import unittest

from harness import Frr, Process, Refused, TestCase, eventually, free_port, program, run

HEAD = """
router: { as: 65000, id: 192.0.2.1 }
listen:
  bgp: ["127.0.0.1:$bgp"]
  console: [{ address: "127.0.0.1:$machine", face: machine }]
  socket: $socket
sites:
  east: { as: 64600, addresses: [192.0.2.10] }
  west: { as: 64601, addresses: [192.0.2.20] }
ready: { wait: 0s }
log: { level: debug }
feeds:
"""


def bird(address, port, extra="", routes=(), own=65001, families=(4, 6), own_port=None):
    """A BIRD at `address` that dials Martlet's `port`; or waits on `own_port`, where it has one."""
    lines = ["log stderr all;", f"router id {address};", "protocol device {}"]
    for family in families:
        lines.append(f"protocol static announced{family} {{ ipv{family};")
        lines += [
            f"  route {prefix} blackhole;" for prefix in routes if (":" in prefix) == (family == 6)]
        lines.append("}")
    lines += [
        "protocol bgp martlet {",
        f"  local {address} port {own_port or free_port()} as {own}; strict bind;",
        f"  neighbor 127.0.0.1 port {port} as 65000;",
        "  connect delay time 1; connect retry time 1; error wait time 1, 2;",
        *(["  passive;"] if own_port else []), extra or "  multihop;"]
    for family in families:
        hop = "self" if family == 4 else "address 2001:db8::7"
        lines.append(
            f"  ipv{family} {{ import none; export where source = RTS_STATIC; next hop {hop}; }};")
    return "\n".join(lines + ["}", ""])


class SessionTestCase(TestCase):
    def begin(self, feeds, **options):
        daemon = self.martlet(HEAD + feeds, **options)
        self.ask = self.machine(daemon).ask
        self.daemon = daemon
        return daemon

    def detail(self, feed="core"):
        """`show feed` as JSON."""
        reply = self.ask(f"show feed {feed} --json")
        return json.loads(reply)

    def state(self, feed="core"):
        return self.detail(feed)["session"]["state"]

    def wait_state(self, state, feed="core", seconds=30):
        eventually(f"{feed} to be {state}", lambda: self.state(feed) == state, seconds)

    def routes(self, feed="core"):
        lines = self.ask(f"show routes feed {feed}")
        # A range's neighbour that isn't there is no feed.
        return [] if isinstance(lines, Refused) else sorted(line.split()[0] for line in lines)

    def wait_routes(self, routes, feed="core", seconds=30):
        eventually(
            f"{feed} to have {routes}", lambda: self.routes(feed) == sorted(routes), seconds)

    def reload(self, configuration):
        with open(self.daemon.configuration, "w") as file:
            file.write(self.daemon.fill(HEAD + configuration))
        return self.daemon.console("reload").stdout


class SignatureTests(SessionTestCase):
    """TCP MD5 (RFC 2385)."""

    FEED = '  core: { site: east, bgp: { peer: 127.0.0.2, as: 65001, password-file: core.key%s } }\n'
    SECRET = "correct horse battery staple"

    def test_a_signed_router_dials(self):
        self.begin(self.FEED % ", connect: passive", files={"core.key": self.SECRET + "\n"})
        port = self.daemon.port("bgp")
        router = self.bird(
            bird("127.0.0.2", port, f'multihop; password "{self.SECRET}";', ["10.1.0.0/16"]))
        self.wait_state("Established")
        self.wait_routes(["10.1.0.0/16"])
        self.assertEqual(self.detail()["connection"]["signed"], "TCP MD5")
        router.stop()

    def test_a_signed_router_is_dialled(self):
        own_port = free_port()
        self.begin(
            self.FEED % f", connect: active, port: {own_port}, connect-retry: 200ms, "
            "maximum-connect-retry: 1s", files={"core.key": self.SECRET + "\n"})
        self.bird(
            bird("127.0.0.2", 1, f'multihop; password "{self.SECRET}";', ["10.1.0.0/16"],
                 own_port=own_port))
        self.wait_state("Established")
        self.wait_routes(["10.1.0.0/16"])

    def refused(self, extra):
        """A router that signs otherwise, or not at all, never reaches OPEN."""
        self.begin(self.FEED % ", connect: passive", files={"core.key": self.SECRET + "\n"})
        router = self.bird(bird("127.0.0.2", self.daemon.port("bgp"), extra, ["10.1.0.0/16"]))
        # Long enough for several of its tries; and the kernel tries the SYN again each second.
        eventually(
            "BIRD to try", lambda: "Connect" in router.ask("show", "protocols", "martlet"))
        time.sleep(4)
        self.assertNotIn("Established", router.ask("show", "protocols", "martlet"))
        messages = {row["type"]: row for row in self.detail()["messages"]}
        self.assertEqual(messages["OPEN"], {"type": "OPEN", "received": 0, "sent": 0})
        eventually(
            "the hint", lambda: any(
                hint.startswith("no connection signed by TCP MD5 has come for ")
                for hint in self.detail()["hints"]))
        # A bare connection is not even answered.
        with socket.socket() as probe:
            probe.bind(("127.0.0.2", 0))
            probe.settimeout(2)
            with self.assertRaises(TimeoutError):
                probe.connect(("127.0.0.1", self.daemon.port("bgp")))
        # Somebody else's connection is: the key is the peer's alone.
        with socket.create_connection(
                ("127.0.0.1", self.daemon.port("bgp")), 5, ("127.0.0.77", 0)) as stranger:
            self.assertEqual(stranger.recv(1), b"")

    def test_an_unsigned_router_never_reaches_open(self):
        self.refused("multihop;")

    def test_a_wrongly_signed_router_never_reaches_open(self):
        self.refused('multihop; password "incorrect horse";')

    def test_a_router_that_is_dialled_must_sign_too(self):
        own_port = free_port()
        self.begin(
            self.FEED % f", connect: active, port: {own_port}, connect-retry: 200ms, "
            "maximum-connect-retry: 1s", files={"core.key": self.SECRET + "\n"})
        self.bird(bird("127.0.0.2", 1, 'multihop; password "incorrect horse";', own_port=own_port))
        time.sleep(3)
        messages = {row["type"]: row for row in self.detail()["messages"]}
        self.assertEqual(messages["OPEN"], {"type": "OPEN", "received": 0, "sent": 0})

    def test_a_key_changes_without_a_reset(self):
        self.begin(
            self.FEED % ", connect: passive, hold-time: 30s",
            files={"core.key": self.SECRET + "\n"})
        port = self.daemon.port("bgp")
        own_port = free_port()

        def configuration(secret):
            text = bird("127.0.0.2", port, f'multihop; password "{secret}";', ["10.1.0.0/16"])
            return re.sub(r"local 127.0.0.2 port \d+", f"local 127.0.0.2 port {own_port}", text)

        router = self.bird(configuration(self.SECRET))
        self.wait_state("Established")
        self.wait_routes(["10.1.0.0/16"])
        self.daemon.write("core.key", "another one\n")
        changes = self.daemon.console("reload").stdout
        self.assertIn("the password has changed", changes)
        self.assertNotIn("reset", changes)
        self.assertEqual(self.state(), "Established")
        # BIRD ends the session for a new password, and comes back with it: so both have it.
        router.configure(configuration("another one"))
        eventually(
            "the session with the new password",
            lambda: self.detail()["counters"]["sessions"] == 2 and self.state() == "Established")
        self.wait_routes(["10.1.0.0/16"])

    def test_a_listener_for_both_families_knows_ipv4_keys(self):
        feeds = self.FEED % ", connect: passive, ttl-security: 1"
        daemon = self.martlet(
            HEAD.replace('"127.0.0.1:$bgp"', '"[::]:$bgp"') + feeds,
            files={"core.key": self.SECRET + "\n"})
        self.daemon, self.ask = daemon, self.machine(daemon).ask
        router = self.bird(
            bird("127.0.0.2", daemon.port("bgp"),
                 f'multihop 1; ttl security on; password "{self.SECRET}";', ["10.1.0.0/16"]))
        self.wait_routes(["10.1.0.0/16"])
        router.stop()
        with socket.socket() as probe:
            probe.bind(("127.0.0.2", 0))
            probe.settimeout(2)
            with self.assertRaises(TimeoutError):
                probe.connect(("127.0.0.1", daemon.port("bgp")))

    def test_ipv6_routers_sign_too(self):
        daemon = self.martlet(
            HEAD.replace('"127.0.0.1:$bgp"', '"[::1]:$bgp"')
            + '  core: { site: east, bgp: { peer: "::1", as: 65001, connect: passive, '
            "password-file: core.key, ttl-security: 1 } }\n",
            files={"core.key": self.SECRET + "\n"})
        self.daemon, self.ask = daemon, self.machine(daemon).ask
        text = bird(
            "192.0.2.2", daemon.port("bgp"),
            f'multihop 1; ttl security on; password "{self.SECRET}";', ["10.1.0.0/16"])
        text = text.replace("local 192.0.2.2 port", "local ::1 port").replace(
            "neighbor 127.0.0.1", "neighbor ::1").replace("next hop self", "next hop address 192.0.2.2")
        router = self.bird(text)
        self.wait_routes(["10.1.0.0/16"])
        router.stop()
        with socket.socket(socket.AF_INET6) as probe:
            probe.settimeout(2)
            with self.assertRaises(TimeoutError):
                probe.connect(("::1", daemon.port("bgp")))

    def test_a_range_has_one_key(self):
        self.begin(
            "  edge: { site: east, bgp: { peer: 127.0.0.0/29, maximum-peers: 2, as: 65001, "
            "password-file: core.key } }\n", files={"core.key": self.SECRET + "\n"})
        port = self.daemon.port("bgp")
        self.bird(bird("127.0.0.2", port, f'multihop; password "{self.SECRET}";', ["10.1.0.0/16"]))
        stranger = self.bird(bird("127.0.0.3", port, "multihop;", ["10.2.0.0/16"]))
        self.wait_routes(["10.1.0.0/16"], "edge@127.0.0.2")
        time.sleep(2)
        self.assertNotIn("Established", stranger.ask("show", "protocols", "martlet"))
        self.assertEqual(self.detail("edge")["range"]["present"], 1)

    @unittest.skipUnless(os.geteuid() == 0, "a network of its own is root's to make")
    def test_a_kernel_without_room_for_the_key_says_so(self):
        folder = self.folder()
        path = os.path.join(folder, "martlet.yaml")
        with open(path, "w") as file:
            file.write(
                "router: { as: 65000, id: 192.0.2.1 }\n"
                f'listen: {{ bgp: ["127.0.0.1:20179"], socket: {folder}/console.sock }}\n'
                "sites: { east: { as: 64600, addresses: [192.0.2.10] } }\n"
                "ready: { wait: 0s }\nfeeds:\n" + self.FEED % ", connect: passive")
        with open(os.path.join(folder, "core.key"), "w") as file:
            file.write(self.SECRET)
        os.chmod(file.name, 0o600)
        script = (
            "ip link set lo up && echo 100 > /proc/sys/net/core/optmem_max && "
            f"exec {program('martletd')} --config {path} --foreground")
        daemon = Process(["unshare", "--net", "sh", "-c", script])
        self.addCleanup(daemon.stop)
        try:
            daemon.wait_line(r"\bready\b")
        except AssertionError:
            raise unittest.SkipTest(f"no network of our own to be had: {daemon.output}") from None
        daemon.wait_line("no room for another TCP MD5 key.*net.core.optmem_max")
        shown = run(program("martlet"), "console", f"{folder}/console.sock", "-c", "show feed core")
        self.assertIn("no room for another TCP MD5 key", shown.stdout)

    def test_the_password_is_shown_nowhere(self):
        self.begin(self.FEED % "", files={"core.key": self.SECRET + "\n"})
        seen = [
            self.daemon.console("show configuration", "show feed core", "show feeds").stdout,
            self.daemon.output, str(self.detail())]
        for text in seen:
            self.assertNotIn(self.SECRET, text)
        path = self.daemon.write("core.key", "new secret of mine\n")
        changes = self.daemon.console("reload").stdout
        self.assertIn("the password has changed", changes)
        self.assertNotIn("new secret", changes)
        # A file that everybody can open is no secret.
        os.chmod(path, 0o644)
        self.assertIn("everybody can open it", self.daemon.console("reload").stdout)

    def test_frr_signs(self):
        self.begin(
            self.FEED % ", connect: passive", files={"core.key": self.SECRET.replace(" ", "-")})
        frr = self.frr(f" neighbor 127.0.0.1 password {self.SECRET.replace(' ', '-')}\n")
        self.wait_state("Established")
        frr.ask("configure terminal", "router bgp 65001", "no neighbor 127.0.0.1 password")
        self.wait_state("Active", seconds=60)
        time.sleep(3)
        self.assertNotEqual(self.state(), "Established")

    def frr(self, lines):
        return start_frr(self, self.daemon.port("bgp"), lines)


def start_frr(test, port, lines="", networks=(), address="127.0.0.2"):
    """An FRR that dials Martlet from `address`."""
    frr = Frr(
        "hostname router\nlog stdout\nrouter bgp 65001\n bgp router-id 192.0.2.99\n"
        " no bgp ebgp-requires-policy\n no bgp network import-check\n"
        " neighbor 127.0.0.1 remote-as 65000\n"
        f" neighbor 127.0.0.1 port {port}\n"
        f" neighbor 127.0.0.1 update-source {address}\n neighbor 127.0.0.1 ebgp-multihop 4\n"
        " neighbor 127.0.0.1 timers connect 1\n" + lines
        + " address-family ipv4 unicast\n"
        + "".join(f"  network {network}\n" for network in networks)
        + "  neighbor 127.0.0.1 soft-reconfiguration inbound\n exit-address-family\n")
    test.addCleanup(frr.stop)
    return frr


class ReachTests(SessionTestCase):
    """TTL security (RFC 5082)."""

    FEED = "  core: { site: east, bgp: { peer: 127.0.0.2, as: 65001, connect: passive, %s } }\n"

    def test_a_neighbour_within_reach(self):
        self.begin(self.FEED % "ttl-security: 1")
        self.bird(
            bird("127.0.0.2", self.daemon.port("bgp"), "multihop 1; ttl security on;",
                 ["10.1.0.0/16"]))
        self.wait_state("Established")
        self.wait_routes(["10.1.0.0/16"])
        self.assertEqual(self.detail()["connection"]["reach"], "ttl-security 1")

    def test_dialling_within_reach(self):
        own_port = free_port()
        self.begin(
            "  core: { site: east, bgp: { peer: 127.0.0.2, as: 65001, connect: active, "
            f"port: {own_port}, connect-retry: 200ms, ttl-security: 1 }} }}\n")
        self.bird(
            bird("127.0.0.2", 1, "multihop 1; ttl security on;", ["10.1.0.0/16"],
                 own_port=own_port))
        self.wait_state("Established")

    def test_a_neighbour_from_afar_is_not_heard(self):
        self.begin(self.FEED % "ttl-security: 1")
        # As far as TTLs tell, it is 192 hops away.
        self.bird(bird("127.0.0.2", self.daemon.port("bgp"), "multihop 64;", ["10.1.0.0/16"]))
        self.daemon.wait_line("farther than ttl-security allows: a TTL of 64 is left")
        self.assertEqual(
            self.detail()["session"]["last_error"],
            "connection refused: it comes from farther than ttl-security allows: a TTL of 64 is left")
        messages = {row["type"]: row for row in self.detail()["messages"]}
        self.assertEqual(messages["OPEN"], {"type": "OPEN", "received": 0, "sent": 0})

    def time_to_live(self, options):
        """Of what Martlet sends to a listener that it dials."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.2", 0))
            listener.listen()
            listener.settimeout(20)
            port = listener.getsockname()[1]
            raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
            self.addCleanup(raw.close)
            raw.settimeout(20)
            self.begin(
                "  core: { site: east, bgp: { peer: 127.0.0.2, connect: active, "
                f"port: {port}, connect-retry: 200ms, {options} }} }}\n")
            while True:
                packet = raw.recv(65535)
                header = (packet[0] & 15) * 4
                if struct.unpack("!H", packet[header + 2:header + 4])[0] == port:
                    return packet[8]

    @unittest.skipUnless(os.geteuid() == 0, "a raw socket is root's")
    def test_how_far_segments_go(self):
        self.assertEqual(self.time_to_live("as: 65001, hold-time: 3s"), 1, "external: one hop")

    @unittest.skipUnless(os.geteuid() == 0, "a raw socket is root's")
    def test_how_far_segments_go_by_multihop(self):
        self.assertEqual(self.time_to_live("as: 65001, multihop: 7, hold-time: 3s"), 7)

    @unittest.skipUnless(os.geteuid() == 0, "a raw socket is root's")
    def test_how_far_segments_go_inside(self):
        self.assertGreater(self.time_to_live("as: 65000, hold-time: 3s"), 1)


class ExplainedRouteTests(SessionTestCase):
    """What `explain` says of the routes of real routers."""

    FEED = "  core: { site: east, %sbgp: { peer: 127.0.0.2, as: 65001, connect: passive%s } }\n"

    def test_a_leaked_route_has_its_reason(self):
        # RFC 9234 §5: what a customer sends is for customers only.
        self.begin(self.FEED % ("", ", role: provider"))
        text = bird("127.0.0.2", self.daemon.port("bgp"), routes=["10.1.0.0/16"], families=[4])
        self.bird(text.replace(
            "export where source = RTS_STATIC;",
            "export filter { if source != RTS_STATIC then reject; bgp_otc = 65010; accept; };"))
        self.wait_routes(["10.1.0.0/16"])
        eventually(
            "its reason", lambda: json.loads(self.ask("explain 10.1.0.1 --json"))["ignored"]
            == ["10.1.0.0/16 by core, leaked: marked for customers only (OTC)"])
        self.assertIn(
            "Ignored: 10.1.0.0/16 by core, leaked: marked for customers only (OTC).\n",
            self.daemon.console("explain 10.1.0.1").stdout)
        self.assertRegex(
            self.daemon.console("show feed core").stdout, r"\n  updates ineligible \(leaked\) +1\n")

    def test_local_pref_is_told_from_a_rule(self):
        self.begin(self.FEED % (
            "local-preference: first, rules: [ { prefix: 10.2.0.0/16, distance: 7 } ], ", ""))
        self.bird(bird(
            "127.0.0.2", self.daemon.port("bgp"), routes=["10.1.0.0/16", "10.2.0.0/16"]))
        self.wait_routes(["10.1.0.0/16", "10.2.0.0/16"])
        for address, words in [
                ("10.1.0.1", "LOCAL_PREF comes first: 1 hop at the level of 100, written 86"),
                ("10.2.0.1", "a rule sets 7 hops in place of the path's 1")]:
            eventually(
                words, lambda: f"east's route: {words}.\n"
                in self.daemon.console(f"explain {address}").stdout)


class AuthenticationOptionTests(SessionTestCase):
    """TCP-AO (RFC 5925) with a neighbour whose socket's options are packed here, by linux/tcp.h."""

    FEED = (
        "  core: { site: east, bgp: { peer: 127.0.0.2, as: 65001, connect: %s, "
        "tcp-ao: { key-file: core.key, send-id: 1, receive-id: 2 } } }\n")
    SECRET = "correct horse battery staple"
    ADD_KEY = 38  # TCP_AO_ADD_KEY

    @staticmethod
    def key(peer, secret, send=2, receive=1, algorithm=b"hmac(sha1)"):
        """struct tcp_ao_add: sockaddr_storage, alg_name[64], ifindex s32, flags u32 (1: set_current,
        2: set_rnext), u16 of padding, prefix, sndid, rcvid, maclen, keyflags, keylen, key[80]."""
        address = struct.pack("=HH4s", socket.AF_INET, 0, socket.inet_aton(peer))
        value = struct.pack(
            "=128s64siIHBBBBBB80s", address, algorithm, 0, 0, 0, 32, send, receive, 0, 0,
            len(secret), secret.encode())
        assert len(value) == 288
        return value

    def setUp(self):
        with socket.socket() as probe:
            try:
                probe.setsockopt(
                    socket.IPPROTO_TCP, self.ADD_KEY, self.key("127.0.0.1", self.SECRET))
            except OSError as error:
                self.skipTest(f"this kernel has no TCP-AO: {error.strerror}")

    def connect(self, secret):
        """A connection from the neighbour's address, signed where a secret is given."""
        connection = socket.socket()
        self.addCleanup(connection.close)
        if secret:
            connection.setsockopt(
                socket.IPPROTO_TCP, self.ADD_KEY, self.key("127.0.0.1", secret))
        connection.bind(("127.0.0.2", 0))
        connection.settimeout(3)
        connection.connect(("127.0.0.1", self.daemon.port("bgp")))
        return connection

    def talk(self, connection):
        """Says OPEN and KEEPALIVE, as who speaks IPv4 alone does."""
        opened = struct.pack("!BHH4sB", 4, 65001, 90, socket.inet_aton("127.0.0.2"), 0)
        for kind, body in ((1, opened), (4, b"")):
            connection.sendall(b"\xff" * 16 + struct.pack("!HB", 19 + len(body), kind) + body)

    def test_who_signs_is_let_in_and_nobody_else(self):
        self.begin(self.FEED % "passive", files={"core.key": self.SECRET + "\n"})
        for secret in (None, "incorrect horse"):
            with self.assertRaises(TimeoutError):
                self.connect(secret)
        messages = {row["type"]: row for row in self.detail()["messages"]}
        self.assertEqual(messages["OPEN"], {"type": "OPEN", "received": 0, "sent": 0})
        self.talk(self.connect(self.SECRET))
        self.wait_state("Established")
        self.assertEqual(
            self.detail()["connection"]["signed"], "TCP-AO hmac-sha-1-96, ids 1 and 2")

    def test_martlet_signs_when_it_dials(self):
        with socket.socket() as listener:
            listener.setsockopt(
                socket.IPPROTO_TCP, self.ADD_KEY, self.key("127.0.0.1", self.SECRET))
            listener.bind(("127.0.0.2", 0))
            listener.listen()
            listener.settimeout(30)
            self.begin(
                self.FEED.replace(
                    "connect: %s", f"connect: active, port: {listener.getsockname()[1]}"),
                files={"core.key": self.SECRET + "\n"})
            connection, _ = listener.accept()
            self.addCleanup(connection.close)
            self.talk(connection)
            self.wait_state("Established")


class LimitTests(SessionTestCase):
    FEED = (
        "  core: { site: east, limits: { %s }, stale-time: 60s, "
        "bgp: { peer: 127.0.0.2, as: 65001, connect: passive } }\n")
    NETWORKS = [f"10.1.{number}.0/24" for number in range(20)]

    def test_a_session_that_brings_too_much_ends_and_stays_down(self):
        self.begin(self.FEED % "ipv4: 19, warn: 50%")
        router = self.bird(bird("127.0.0.2", self.daemon.port("bgp"), routes=self.NETWORKS[:10]))
        self.wait_state("Established")
        self.daemon.wait_line(r"many prefixes.*limit=19")
        router.configure(bird("127.0.0.2", self.daemon.port("bgp"), routes=self.NETWORKS))
        router.wait_line(r"Maximum number of prefixes reached|Received.*Cease|prefix limit", 30)
        eventually("its end", lambda: "kept_down" in self.detail()["session"])
        self.assertIn(
            "20 IPv4 prefixes, 19 are allowed: until 'clear feed'",
            self.detail()["session"]["kept_down"])
        summary = "\n".join(self.daemon.console("show ip bgp summary").stdout.splitlines())
        self.assertIn("Idle (PfxCt)", summary)
        self.assertIn("Maximum Number of Prefixes Reached", summary)
        time.sleep(3)
        self.assertEqual(self.state(), "Idle", "it stays down")
        router.configure(bird("127.0.0.2", self.daemon.port("bgp"), routes=self.NETWORKS[:5]))
        self.daemon.console("clear feed core")
        self.wait_state("Established")
        self.wait_routes(self.NETWORKS[:5])

    def test_a_session_begins_again_by_itself(self):
        self.begin(self.FEED % "ipv4: 19, action: restart, restart-after: 2s")
        port = self.daemon.port("bgp")
        router = self.bird(bird("127.0.0.2", port, routes=self.NETWORKS))
        eventually("its end", lambda: "kept_down" in self.detail()["session"])
        router.configure(bird("127.0.0.2", port, routes=self.NETWORKS[:3]))
        self.wait_state("Established")
        self.wait_routes(self.NETWORKS[:3])

    def test_a_limit_is_for_one_family(self):
        self.begin(self.FEED % "ipv6: 2")
        routes = self.NETWORKS + ["2001:db8:1::/48", "2001:db8:2::/48"]
        self.bird(bird("127.0.0.2", self.daemon.port("bgp"), routes=routes))
        self.wait_routes(routes)
        self.assertEqual(self.state(), "Established")


class RoomTests(SessionTestCase):
    """What the table refused at its limits is asked for again when there is room."""

    TABLE = HEAD.replace("feeds:", "limits: { prefixes: 30 }\nfeeds:")
    FEED = (
        "  core: { site: east, bgp: { peer: 127.0.0.2, as: 65001, connect: passive } }\n"
        "  edge: { site: west, bgp: { peer: 127.0.0.3, as: 65001, connect: passive } }\n")
    CORE = [f"10.1.{number}.0/24" for number in range(20)]
    EDGE = [f"10.2.{number}.0/24" for number in range(20)]

    def begin_full(self):
        self.daemon = self.martlet(self.TABLE + self.FEED)
        self.ask = self.machine(self.daemon).ask
        self.core = self.bird(bird("127.0.0.2", self.daemon.port("bgp"), routes=self.CORE))
        self.wait_routes(self.CORE)
        eventually("End-of-RIB", lambda: self.complete("core"))

    def complete(self, feed):
        return self.detail(feed)["table"]["transfer"] == "complete"

    def test_a_router_is_asked_again(self):
        self.begin_full()
        self.bird(bird("127.0.0.3", self.daemon.port("bgp"), routes=self.EDGE))
        eventually("End-of-RIB", lambda: self.complete("edge"))
        self.assertEqual(len(self.routes("edge")), 10)
        table = self.detail("edge")["table"]
        self.assertEqual((table["refused"], table["missing"]), (10, 10))
        self.assertIn("10 of its announcements were refused", str(self.detail("edge")))
        self.core.configure(bird("127.0.0.2", self.daemon.port("bgp"), routes=self.CORE[:5]))
        self.wait_routes(self.EDGE, "edge")
        detail = self.detail("edge")
        self.assertEqual((detail["table"]["refused"], detail["table"]["missing"]), (10, 0))
        self.assertIsNotNone(detail["session"]["asked_again_at"])
        self.assertNotIn("were refused", str(detail))
        self.daemon.wait_line(
            r"there is room for routes that were refused: they are asked for again.*edge")
        self.assertEqual(self.state("edge"), "Established")

    def test_who_can_not_be_asked_is_named(self):
        self.begin_full()
        # OpenBGPD ends the session when it is asked: this router just doesn't offer to be.
        mute = bird("127.0.0.3", self.daemon.port("bgp"), "multihop; enable route refresh off;",
                    routes=self.EDGE)
        self.bird(mute)
        eventually("End-of-RIB", lambda: self.complete("edge"))
        self.core.configure(bird("127.0.0.2", self.daemon.port("bgp"), routes=self.CORE[:5]))
        self.daemon.wait_line(
            r"there is room for routes that were refused, but they can't be asked for.*edge")
        self.assertIn("else 'clear feed' brings them", str(self.detail("edge")))
        self.assertEqual(self.detail("edge")["table"]["missing"], 10)
        self.daemon.console("clear feed edge")
        self.wait_routes(self.EDGE, "edge")
        self.assertEqual(self.detail("edge")["table"]["missing"], 0)


class OperatorTests(SessionTestCase):
    FEED = (
        "  core: { site: east, stale-time: 60s, bgp: { peer: 127.0.0.2, as: 65001, "
        "connect: passive%s } }\n")

    def test_shutdown_with_a_message_and_back(self):
        self.begin(self.FEED % "")
        port = self.daemon.port("bgp")
        router = self.bird(bird("127.0.0.2", port, routes=["10.1.0.0/16"]))
        self.wait_routes(["10.1.0.0/16"])
        self.daemon.console("shutdown feed core moving to the new cabinet")
        router.wait_line(r"[Aa]dministrative shutdown.*moving to the new cabinet")
        self.wait_routes([])
        self.assertEqual(self.detail()["session"]["kept_down"],
                         "shut down here: moving to the new cabinet")
        # Over a reload too.
        self.reload(self.FEED % ", hold-time: 60s")
        time.sleep(3)
        self.assertEqual(self.state(), "Idle")
        self.assertIn("Idle (Admin)", self.daemon.console("show ip bgp summary").stdout)
        self.daemon.console("no shutdown feed core")
        self.wait_state("Established")
        self.wait_routes(["10.1.0.0/16"])

    def test_routes_are_asked_for_again_without_a_reset(self):
        self.begin(self.FEED % "")
        frr = start_frr(self, self.daemon.port("bgp"), networks=["10.1.0.0/16", "10.2.0.0/16"])
        self.wait_routes(["10.1.0.0/16", "10.2.0.0/16"])
        before = self.detail()
        self.daemon.console("clear feed core soft")
        eventually(
            "the routes again", lambda: self.detail()["counters"]["announced"]
            >= before["counters"]["announced"] + 2)
        after = self.detail()
        self.assertEqual(after["counters"]["sessions"], 1)
        messages = {row["type"]: row for row in after["messages"]}
        self.assertEqual(messages["ROUTE-REFRESH"]["sent"], 1, "FRR agreed to IPv4 alone")
        self.assertIn("Established", frr.ask("show bgp neighbors"))
        self.assertEqual(self.routes(), ["10.1.0.0/16", "10.2.0.0/16"])

    def test_a_refresh_with_borders_by_bird(self):
        self.begin(self.FEED % "")
        port = self.daemon.port("bgp")
        self.bird(bird("127.0.0.2", port, routes=["10.1.0.0/16", "2001:db8:1::/48"]))
        self.wait_routes(["10.1.0.0/16", "2001:db8:1::/48"])
        self.daemon.console("clear feed core soft")

        def refreshes():
            return {row["type"]: row for row in self.detail()["messages"]}["ROUTE-REFRESH"]

        # BoRR and EoRR of two families (RFC 7313).
        eventually("the borders", lambda: refreshes()["received"] == 4)
        self.assertEqual(refreshes()["sent"], 2)
        self.wait_routes(["10.1.0.0/16", "2001:db8:1::/48"])
        self.assertEqual(self.detail()["counters"]["sessions"], 1)

    def test_what_a_router_says_when_it_ends_a_session(self):
        self.begin(self.FEED % "")
        frr = start_frr(self, self.daemon.port("bgp"), networks=["10.1.0.0/16"])
        self.wait_routes(["10.1.0.0/16"])
        # The router's identifier behind its address, as Zebra has it.
        self.assertIn("from 127.0.0.2 (192.0.2.99)", self.daemon.console("show ip bgp 10.1.0.1").stdout)
        frr.ask(
            "configure terminal", "router bgp 65001",
            "neighbor 127.0.0.1 shutdown message new line cards")
        eventually(
            "FRR's sentence",
            lambda: "new line cards" in (self.detail()["session"]["last_end"] or ""))
        self.assertIn("Administrative Shutdown", self.detail()["session"]["last_end"])
        changes = self.detail()["change"]
        self.assertIn("new line cards", changes[0]["reason"] or changes[1]["reason"])

    def test_up_and_down_is_since_the_last_session(self):
        # Nobody listens there: it is tried again and again.
        self.begin(
            f"  core: {{ site: east, bgp: {{ peer: 127.0.0.2, as: 65001, port: {free_port()}, "
            "connect: active, connect-retry: 200ms, maximum-connect-retry: 400ms } }\n")
        eventually("attempts alike", lambda: any(
            "times alike" in (row["reason"] or "") for row in self.detail()["change"]))
        self.assertIsNone(self.detail()["session"]["last_end"])
        self.assertRegex(self.daemon.console("show ip bgp summary").stdout, r"(?m)^127\.0\.0\.2 .* never ")

    def test_messages_are_shown_to_who_watches(self):
        self.begin(self.FEED % "")
        port = self.daemon.port("bgp")
        connection = socket.socket(socket.AF_UNIX)
        self.addCleanup(connection.close)
        connection.settimeout(30)
        connection.connect(self.daemon.socket_path)
        file = connection.makefile("rb")
        connection.sendall(b"machine\ndebug feed core\n")
        seen = []

        def wait(pattern):
            while not (seen and re.search(pattern, seen[-1])):
                line = file.readline()
                self.assertTrue(line, f"never saw {pattern}: {seen}")
                seen.append(line.decode().rstrip())

        wait(r"^\* -")
        self.bird(bird("127.0.0.2", port, routes=["10.1.0.0/16", "2001:db8:1::/48"]))
        wait(r"< OPEN AS 65001")
        wait(r"Established")
        wait(r"announced, next hop \S+: 10.1.0.0/16")
        wait(r"announced, next hop 2001:db8::7: 2001:db8:1::/48")
        connection.sendall(b"\nready\n")
        wait(r"^\.$")
        wait(r"^\+ ready")

    def test_a_killed_router_comes_back(self):
        self.begin(self.FEED % "")
        text = bird(
            "127.0.0.2", self.daemon.port("bgp"),
            "multihop; graceful restart on; graceful restart time 20;",
            ["10.1.0.0/16", "10.2.0.0/16"])
        router = self.bird(text)
        self.wait_routes(["10.1.0.0/16", "10.2.0.0/16"])
        router.kill()
        eventually(
            "stale routes",
            lambda: all("stale=yes" in line for line in self.ask("show routes feed core")))
        timers = {row["timer"]: row["seconds"] for row in self.detail()["timer"]}
        self.assertTrue(0 < timers["stale routes"] <= 20, timers)
        self.bird(text.replace("  route 10.2.0.0/16 blackhole;\n", ""))
        self.wait_routes(["10.1.0.0/16"])
        self.assertIn("stale=no", self.ask("show routes feed core")[0])

    def test_what_long_outlives_its_router_is_marked(self):
        self.begin(self.FEED % ", long-lived-stale-time: 1h")
        router = self.bird(bird(
            "127.0.0.2", self.daemon.port("bgp"),
            "multihop; graceful restart on; graceful restart time 1; "
            "long lived graceful restart on; long lived stale time 600;", ["10.1.0.0/16"]))
        self.wait_routes(["10.1.0.0/16"])
        eventually("answers from them", lambda: "stale=no" in self.ask("explain 10.1.2.3")[0])
        router.kill()
        eventually(
            "routes that are stale for long",
            lambda: "long_lived_stale=yes" in self.ask("show routes feed core")[0])
        seen = self.daemon.console("show ip bgp 10.1.2.3", "explain 10.1.2.3").stdout
        self.assertIn("valid, external, long-lived stale, best", seen)
        self.assertRegex(seen, r"east has been stale for \S+: none of its feeds has a session")
        first = dict(
            field.split("=", 1) for field in self.ask("explain 10.1.2.3")[0].split()[2:])
        self.assertEqual((first["state"], first["stale"]), ("stale", "yes"))
        self.assertLess(int(first["stale_since"]), 60)
        self.assertGreater(
            {row["timer"]: row["seconds"] for row in self.detail()["timer"]}["stale routes"], 500)

    def test_all_paths_of_a_router_are_shown(self):
        self.begin(self.FEED % ", add-path: [ipv4]")
        text = bird("127.0.0.2", self.daemon.port("bgp"), routes=["10.1.0.0/16"])
        text = text.replace("ipv4 { import none;", "ipv4 { add paths tx; import none;")
        self.bird(
            text + "protocol static second { ipv4; "
            "route 10.1.0.0/16 blackhole { bgp_path.prepend(64999); }; }\n")
        eventually("both paths", lambda: len(self.ask("show routes feed core")) == 2)
        lines = self.ask("show routes feed core")
        numbers = {re.search(r" path_id=(\S+)", line)[1] for line in lines}
        self.assertEqual(len(numbers - {"-"}), 2, lines)
        entry = self.daemon.console("show ip bgp 10.1.0.0/16").stdout
        self.assertEqual(
            set(re.findall(r"^      AddPath ID: RX (\d+)$", entry, re.M)), numbers, entry)
        self.assertIn("distance=1 ", self.ask("explain 10.1.2.3")[0], "the shortest one decides")
        rows = {row["capability"]: row for row in self.detail()["capability"]}
        self.assertEqual(
            (rows["ADD-PATH"]["ours"], rows["ADD-PATH"]["theirs"]),
            ("IPv4 unicast receive", "IPv4 unicast send"))
        self.assertEqual(rows["4-octet AS"]["theirs"], "65001")


class RangeTests(SessionTestCase):
    FEED = (
        "  edge: { site: east, stale-time: 2s, bgp: { peer: 127.0.0.0/29, maximum-peers: 2, "
        "as: 65001 } }\n")

    def test_neighbours_of_a_range_are_feeds_of_their_own(self):
        self.begin(self.FEED)
        port = self.daemon.port("bgp")
        first = self.bird(bird("127.0.0.2", port, routes=["10.1.0.0/16"]))
        self.bird(bird("127.0.0.3", port, routes=["10.1.0.0/16", "10.2.0.0/16"]))
        self.wait_routes(["10.1.0.0/16"], "edge@127.0.0.2")
        self.wait_routes(["10.1.0.0/16", "10.2.0.0/16"], "edge@127.0.0.3")
        self.assertEqual(self.ask("rank 10.2.0.1")[0].split()[1], "east")
        self.assertEqual(self.detail("edge")["range"]["present"], 2)

        # There is no room for a third.
        third = self.bird(bird("127.0.0.4", port, routes=["10.3.0.0/16"]))
        self.daemon.wait_line(r"stranger.*edge has its 2 peers already")
        self.assertNotIn("Established", third.ask("show", "protocols", "martlet"))
        self.assertIn("strangers closed", self.daemon.console("show ip bgp summary").stdout)

        # One goes; beyond its stale time its place is another's.
        first.kill()
        self.wait_routes(["10.3.0.0/16"], "edge@127.0.0.4")
        self.assertNotIn("edge@127.0.0.2", "\n".join(self.ask("show feeds")))
        self.assertEqual(self.detail("edge")["range"]["present"], 2)

        # Taken out of the configuration, all are gone.
        self.reload("  edge: { site: east, bgp: { peer: 127.0.0.9, as: 65001 } }\n")
        eventually("no more routes", lambda: self.ask("show routes") == [])


def message(kind, body=b""):
    return b"\xff" * 16 + struct.pack("!HB", 19 + len(body), kind) + body


OPEN = message(1, struct.pack("!BHHIB", 4, 65001, 90, 0x7f000002, 0))
KEEPALIVE = message(4)


def update(number):
    prefix = bytes([24, 20, number >> 8 & 255, number & 255])
    attributes = (
        b"\x40\x01\x01\x00" + b"\x40\x02\x04\x02\x01" + struct.pack("!H", 65001)
        + b"\x40\x03\x04\x7f\x00\x00\x02")
    return message(2, struct.pack("!HH", 0, len(attributes)) + attributes + prefix)


class BadNeighbourTests(SessionTestCase):
    """Whatever one peer does, another's session and routes are as if it weren't there."""

    FEEDS = (
        "  good: { site: west, bgp: { peer: 127.0.0.3, as: 65002, connect: passive, "
        "hold-time: 6s } }\n"
        "  core: { site: east, bgp: { peer: 127.0.0.2, as: 65001, connect: passive } }\n")

    def beside(self, misbehave):
        self.begin(self.FEEDS)
        port = self.daemon.port("bgp")
        router = self.bird(bird("127.0.0.3", port, routes=["10.9.0.0/16"], own=65002))
        self.wait_routes(["10.9.0.0/16"], "good")
        over = threading.Event()

        def run_it():
            while not over.is_set():
                try:
                    with socket.create_connection(
                            ("127.0.0.1", port), 5, ("127.0.0.2", 0)) as connection:
                        misbehave(connection, over)
                except OSError:
                    over.wait(0.05)

        thread = threading.Thread(target=run_it, daemon=True)
        thread.start()
        self.addCleanup(lambda: (over.set(), thread.join(10)))
        until = time.monotonic() + 14
        step = 0
        while time.monotonic() < until:
            step += 1
            routes = ["10.9.0.0/16"] + ([f"10.{step % 8}.0.0/16"] if step % 2 else [])
            router.configure(self.same(router, routes))
            before = time.monotonic()
            self.wait_routes(routes, "good", 5)
            self.assertLess(time.monotonic() - before, 5)
        detail = self.detail("good")
        self.assertEqual(detail["session"]["state"], "Established")
        self.assertEqual(detail["counters"]["sessions"], 1, "its session was lost")
        over.set()

    def same(self, router, routes):
        """The router's configuration with other routes."""
        with open(router.path) as file:
            text = file.read()
        lines = [line for line in text.splitlines() if not line.startswith("  route ")]
        place = next(i for i, line in enumerate(lines) if "static announced4" in line) + 1
        lines[place:place] = [f"  route {prefix} blackhole;" for prefix in routes]
        return "\n".join(lines) + "\n"

    def test_one_that_sends_without_end(self):
        def endless(connection, over):
            connection.sendall(OPEN + KEEPALIVE)
            number = 0
            while not over.is_set():
                burst = b"".join(update(number + index) for index in range(2000))
                number += 2000
                connection.sendall(burst)

        self.beside(endless)

    def test_one_that_sends_a_byte_a_second(self):
        def slow(connection, over):
            for byte in OPEN + KEEPALIVE + update(1):
                if over.wait(1):
                    return
                connection.sendall(bytes([byte]))

        self.beside(slow)

    def test_one_that_sends_garbage(self):
        def garbage(connection, over):
            connection.sendall(os.urandom(4096))
            connection.recv(4096)

        self.beside(garbage)

    def test_one_that_says_nothing_and_reads_nothing(self):
        def silent(connection, over):
            over.wait(20)

        self.beside(silent)

    def test_one_that_opens_again_and_again(self):
        def restless(connection, over):
            connection.sendall(OPEN)
            connection.recv(100)

        self.beside(restless)

    def descriptors(self):
        return {int(name) for name in os.listdir(f"/proc/{self.daemon.child.pid}/fd")}

    def call(self):
        connection = socket.create_connection(
            ("127.0.0.1", self.daemon.port("bgp")), 5, ("127.0.0.2", 0))
        self.addCleanup(connection.close)
        connection.settimeout(20)
        return connection

    def test_one_that_calls_again_and_again_takes_few_sockets(self):
        self.begin(self.FEEDS)
        before = len(self.descriptors())
        # Each takes the place of the one before; none of them goes by itself.
        calls = [self.call() for _ in range(60)]
        self.assertEqual(calls[-1].recv(1), b"\xff", "an OPEN: it is the one that counts")
        self.assertLess(len(self.descriptors()) - before, 16)

    def test_a_connection_that_cannot_be_accepted_is_told_and_waits(self):
        self.begin(self.FEEDS)
        process = self.daemon.child.pid
        usual = resource.prlimit(process, resource.RLIMIT_NOFILE)
        taken = self.descriptors()
        free = next(number for number in range(len(taken) + 1) if number not in taken)
        resource.prlimit(process, resource.RLIMIT_NOFILE, (free, usual[1]))
        try:
            connection = self.call()
            self.daemon.wait_line(r"a connection can't be accepted.*Too many open files")
        finally:
            resource.prlimit(process, resource.RLIMIT_NOFILE, usual)
        self.assertEqual(connection.recv(1), b"\xff", "it was accepted after all")


if __name__ == "__main__":
    unittest.main()
