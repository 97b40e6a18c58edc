# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Routers that monitor their peers (BMP): FRR and GoBGP tell Martlet what BIRD tells them."""
import json
import os
import re
import shutil
import signal
import socket
import struct
import tempfile
import time
import unittest

from harness import Frr, Process, Refused, TestCase, bird_configuration, eventually, free_port, peer

CONFIGURATION = """
router: { as: 65000, id: 192.0.2.1 }
listen:
  bgp: ["127.0.0.1:$bgp"]
  bmp: ["127.0.0.1:%(port)s", "[::1]:%(port)s"]
  console: [{ address: "127.0.0.1:$machine", face: machine }]
  socket: $socket
sites:
  east: { as: 64600, addresses: [192.0.2.10] }
  west: { as: 64601, addresses: [192.0.2.20] }
feeds:
%(feeds)s
ready: { wait: 0s }
"""
FIRST, SECOND, FIRST6 = "198.51.100.0/24", "203.0.113.0/24", "2001:db8:abcd::/48"

FRR = """
hostname monitored
log stdout
router bgp 65042
 bgp router-id 192.0.2.42
 no bgp ebgp-requires-policy
 no bgp network import-check
 bgp graceful-shutdown
 no bgp graceful-shutdown
%(neighbours)s
 address-family ipv4 unicast
%(activate)s
 exit-address-family
 address-family ipv6 unicast
%(activate)s
 exit-address-family
 bmp targets martlet
  bmp connect %(station)s port %(port)s min-retry 100 max-retry 500
  bmp monitor ipv4 unicast pre-policy
  bmp monitor ipv4 unicast post-policy
  bmp monitor ipv6 unicast pre-policy
  bmp monitor ipv6 unicast post-policy
  bmp stats interval 1000
  bmp mirror
 exit
"""


class MonitoredFrr(Frr):
    """FRR with BMP. Its peers are BIRDs that wait at their addresses."""

    def __init__(self, port, peers, station="127.0.0.1"):
        neighbours = "\n".join(
            f" neighbor {address} remote-as {number}\n neighbor {address} port {peer_port}\n"
            f" neighbor {address} ebgp-multihop 4\n neighbor {address} timers connect 1\n"
            f" neighbor {address} update-source 127.0.0.1"
            for address, number, peer_port in peers)
        activate = "\n".join(
            f"  neighbor {address} activate\n  neighbor {address} soft-reconfiguration inbound"
            for address, _, _ in peers)
        self.extra = ["-M", "bmp"]
        super().__init__(FRR % dict(
            neighbours=neighbours, activate=activate, port=port, station=station))


GOBGP = """
[global.config]
  as = 65043
  router-id = "192.0.2.43"
  port = -1
%s
[[bmp-servers]]
  [bmp-servers.config]
    address = "127.0.0.1"
    port = %d
    route-monitoring-policy = "all"
    statistics-timeout = 15
"""
GOBGP_PEER = """
[[neighbors]]
  [neighbors.config]
    neighbor-address = "%s"
    peer-as = %d
  [neighbors.transport.config]
    remote-port = %d
    local-address = "127.0.0.1"
  [neighbors.ebgp-multihop.config]
    enabled = true
  [neighbors.timers.config]
    connect-retry = 1
    idle-hold-time-after-reset = 1
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv6-unicast"
"""


class MonitoredGobgp(Process):
    """GoBGP with BMP. It dials its peers."""

    def __init__(self, port, peers):
        self.folder = tempfile.mkdtemp(prefix="martlet-gobgp-")
        path = os.path.join(self.folder, "gobgp.toml")
        with open(path, "w") as file:
            file.write(GOBGP % ("".join(GOBGP_PEER % each for each in peers), port))
        super().__init__(
            [peer("gobgpd"), "-f", path, "--api-hosts", f"127.0.0.1:{free_port()}"])

    def stop(self):
        super().stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class BMPTests(TestCase):
    def start(self, feeds):
        self.port = free_port()
        self.daemon = self.martlet(CONFIGURATION % dict(port=self.port, feeds=feeds))
        self.console = self.machine(self.daemon)

    def source(self, address, number, routes, port=None):
        """A BIRD at `address` that waits for a router; (address, AS, port) of it."""
        port = port or free_port()
        text = self.source_text(address, number, routes, port)
        started = self.bird(text)
        started.peer = (address, number, port)
        return started

    def source_text(self, address, number, routes, port):
        text = bird_configuration(
            address, 0, number, martlet_as=self.router_as, routes=routes, port=port, dials=False)
        # FRR takes no next hop on loopback.
        return text.replace("neighbor 127.0.0.1 port 0", "neighbor 127.0.0.1").replace(
            "next hop self", "next hop address 192.0.2.7")

    def frr(self, *sources, station="127.0.0.1"):
        started = MonitoredFrr(self.port, [one.peer for one in sources], station)
        self.addCleanup(started.stop)
        return started

    def gobgp(self, *sources):
        started = MonitoredGobgp(self.port, [one.peer for one in sources])
        self.addCleanup(started.stop)
        return started

    def paths(self, prefix):
        """The AS paths at exactly this prefix, as they count."""
        reply = self.console.ask(f"show ip bgp {prefix} --json")
        return [] if isinstance(reply, Refused) else sorted(
            " ".join(map(str, path["as_path"])) for path in json.loads(reply)["paths"])

    def distance(self, address, site="east"):
        return self.console.rank(address)[site]["distance"]

    def wait_distance(self, address, distance, site="east"):
        eventually(
            f"{address} to be {distance} hops from {site}",
            lambda: self.distance(address, site) == distance)

    def detail(self, feed):
        reply = self.console.ask(f"show feed {feed}")
        self.assertNotIsInstance(reply, Refused)
        return "\n".join(reply)

    def wait_detail(self, feed, *words):
        """Waits for words of `show feed`, blanks as they are for programs."""
        words = [word.replace(" ", "_") if "=" not in word else word for word in words]
        try:
            eventually(
                f"{feed} to say {words}", lambda: all(word in self.detail(feed) for word in words))
        except AssertionError as error:
            raise AssertionError(f"{error}:\n{self.detail(feed)}") from None

    # FRR's own AS stands before the peer's in what it monitors of external peers.

    def test_the_peers_of_frr(self):
        self.router_as = 65042
        self.start("  edge: { site: east, stale-time: 60s, bmp: { router: 127.0.0.1, policy: post, quiet-time: 1s } }")
        near = self.source("127.0.0.2", 64701, {FIRST: [], FIRST6: [64999]})
        far = self.source("127.0.0.3", 64702, {FIRST: [64999, 64998], SECOND: [64999]})
        frr = self.frr(near, far)
        self.wait_distance("198.51.100.1", "2")
        self.wait_distance("203.0.113.1", "3")
        self.wait_distance("2001:db8:abcd::1", "3")
        self.assertEqual(self.paths(FIRST), ["65042 64701", "65042 64702 64999 64998"])
        self.wait_detail(
            "edge", "name=monitored", "policy=post", "peer=127.0.0.2 as=64701",
            "peer=127.0.0.3 as=64702", "statistic peer=127.0.0.2")

        # The near one has it no more: the far one's path counts.
        near.configure(self.source_text(*near.peer[:2], {FIRST6: [64999]}, near.peer[2]))
        self.wait_distance("198.51.100.1", "4")
        near.configure(self.source_text(*near.peer[:2], {FIRST: [], FIRST6: [64999]}, near.peer[2]))
        self.wait_distance("198.51.100.1", "2")

        # A monitored peer goes down: its routes leave, the other's stay.
        near.stop()
        self.wait_distance("198.51.100.1", "4")
        self.wait_distance("2001:db8:abcd::1", "-")
        self.assertEqual(self.distance("203.0.113.1"), "3")
        again = self.source("127.0.0.2", 64701, {FIRST: []}, near.peer[2])
        self.wait_distance("198.51.100.1", "2")

        # The router goes: its routes are stale. It comes back without one of them: no ghost.
        frr.stop()
        eventually(
            "stale routes", lambda: self.console.rank("198.51.100.1")["east"]["state"] == "stale")
        self.assertEqual(self.distance("203.0.113.1"), "3")
        far.configure(self.source_text(*far.peer[:2], {FIRST: [64999, 64998]}, far.peer[2]))
        self.frr(again, far)
        self.wait_distance("203.0.113.1", "-")
        self.wait_distance("198.51.100.1", "2")
        self.assertEqual(self.console.rank("198.51.100.1")["east"]["state"], "up")

    def test_what_gobgp_has_chosen_and_what_it_was_told(self):
        self.router_as = 65043
        for policy, paths in (
                ("loc-rib", ["64701"]), ("pre", ["64701", "64702 64999"]),
                ("post", ["64701", "64702 64999"])):
            with self.subTest(policy=policy):
                self.start(
                    f"  edge: {{ site: east, bmp: {{ router: 127.0.0.1, policy: {policy}, "
                    "quiet-time: 1s } }")
                near = self.source("127.0.0.2", 64701, {FIRST: []})
                far = self.source("127.0.0.3", 64702, {FIRST: [64999], FIRST6: [64999]})
                gobgp = self.gobgp(near, far)
                self.wait_distance("198.51.100.1", "1")
                self.wait_distance("2001:db8:abcd::1", "2")
                eventually(f"{paths}", lambda: self.paths(FIRST) == paths)
                self.wait_detail("edge", "name=GoBGP", f"policy={policy}")
                # The near one goes: what is left counts.
                near.stop()
                self.wait_distance("198.51.100.1", "2")
                for started in (gobgp, far, self.daemon):
                    started.stop()

    def test_two_routers_of_two_sites(self):
        self.start(
            "  one: { site: east, bmp: { router: 127.0.0.1, policy: pre, quiet-time: 1s } }\n"
            '  two: { site: west, bmp: { router: "::1", policy: post, quiet-time: 1s } }')
        self.router_as = 65043
        self.gobgp(self.source("127.0.0.2", 64701, {FIRST: [64999]}))
        self.router_as = 65042
        self.frr(self.source("127.0.0.3", 64702, {FIRST: []}), station="::1")
        self.wait_distance("198.51.100.1", "2", "east")
        self.wait_distance("198.51.100.1", "2", "west")
        self.assertEqual(self.paths(FIRST), ["64701 64999", "65042 64702"])

    def test_a_range_of_routers(self):
        self.start(
            "  edges: { site: east, stale-time: 1s, bmp: { router: 127.0.0.0/24, policy: pre, "
            "maximum-routers: 1, quiet-time: 1s } }")
        self.router_as = 65043
        gobgp = self.gobgp(self.source("127.0.0.2", 64701, {FIRST: [64999]}))
        self.wait_distance("198.51.100.1", "2")
        self.assertIn("edges@127.0.0.1", "\n".join(self.console.ask("show feeds")))
        self.wait_detail("edges@127.0.0.1", "name=GoBGP")
        self.wait_detail("edges", "present=1", "maximum=1")
        # There is no place for another.
        other = self.connect("127.0.0.9")
        self.assertEqual(other.recv(1), b"")
        gobgp.stop()
        self.wait_distance("198.51.100.1", "-")
        eventually(
            "the router to be forgotten",
            lambda: "edges@" not in "\n".join(self.console.ask("show feeds")))

    def test_a_range_of_routers_over_a_restart(self):
        feeds = (
            "  edges: { site: east, bmp: { router: 127.0.0.0/24, policy: pre, maximum-routers: 1, "
            "quiet-time: 1s } }\n"
            f"checkpoint: {{ file: {os.path.join(self.folder(), 'table')}, every: 0s }}")

        def stale():
            lines = [line for line in self.console.ask("show feeds") if "edges@127.0.0.1 " in line]
            return [re.search(r" stale=(\d+)", line)[1] for line in lines]

        self.start(feeds)
        self.router_as = 65043
        source = self.source("127.0.0.2", 64701, {FIRST: [64999]})
        gobgp = self.gobgp(source)
        self.wait_distance("198.51.100.1", "2")
        self.daemon.signal(signal.SIGTERM)
        self.assertEqual(self.daemon.wait(), 0)
        gobgp.stop()
        self.start(feeds)
        self.assertEqual(self.distance("198.51.100.1"), "2")
        self.daemon.wait_line("restored the checkpoint's routes.*routes=1")
        eventually("the router's feed", lambda: stale() == ["1"])
        self.assertEqual(self.distance("198.51.100.1"), "2")
        # The router is back, and is the same feed.
        self.gobgp(source)
        self.wait_detail("edges@127.0.0.1", "name=GoBGP")
        eventually("its routes", lambda: stale() == ["0"])
        self.wait_distance("198.51.100.1", "2")

    # Who can't be trusted.

    INITIATION = struct.pack(">BIB", 3, 6 + 8, 4) + struct.pack(">HH", 2, 4) + b"fake"

    def connect(self, address):
        connection = socket.create_connection(
            ("127.0.0.1", self.port), timeout=20, source_address=(address, 0))
        self.addCleanup(connection.close)
        return connection

    def test_strangers_and_nonsense(self):
        self.router_as = 65043
        self.start(
            "  edge: { site: east, bmp: { router: 127.0.0.1, policy: pre, quiet-time: 1s } }\n"
            "  bad: { site: west, bmp: { router: 127.0.0.9 } }")
        self.gobgp(self.source("127.0.0.2", 64701, {FIRST: [64999]}))
        self.wait_distance("198.51.100.1", "2")

        stranger = self.connect("127.0.0.77")
        self.assertEqual(stranger.recv(1), b"")

        nonsense = [
            (b"GET / HTTP/1.1\r\n\r\n", "BMP version 71"),
            (struct.pack(">BIB", 3, 0xffffffff, 0), "a message of 4294967295 bytes"),
            (struct.pack(">BIB", 3, 6, 5), "Termination before an Initiation"),
            (self.INITIATION + struct.pack(">BIB", 3, 5, 0), "a message of 5 bytes"),
            (self.INITIATION + struct.pack(">BIB", 3, 12, 5) + struct.pack(">HHH", 1, 2, 0),
             "terminated: closed by its operator"),
        ]
        for sent, reason in nonsense:
            with self.subTest(reason=reason):
                connection = self.connect("127.0.0.9")
                connection.sendall(sent)
                self.assertEqual(connection.recv(1), b"")
                self.wait_detail("bad", reason)

        # What is malformed in one message is counted, and the next one is read.
        patient = self.connect("127.0.0.9")
        patient.sendall(self.INITIATION + struct.pack(">BIB", 3, 10, 0) + b"1234" + self.INITIATION)
        self.wait_detail("bad", "connected=yes", "malformed=1")
        # A byte at a time, and never whole: nobody waits for it.
        slow = struct.pack(">BIB", 3, 4000, 0)
        for byte in slow:
            patient.sendall(bytes([byte]))
            time.sleep(0.01)
        # The router itself comes again: the new connection counts.
        second = self.connect("127.0.0.9")
        second.sendall(self.INITIATION)
        self.assertEqual(patient.recv(1), b"")
        self.wait_detail("bad", "connected=yes", "sessions=")
        self.assertEqual(self.distance("198.51.100.1"), "2")
        self.assertIn("connected=yes", self.detail("edge"))

    def test_a_router_that_tells_of_other_views(self):
        self.router_as = 65043
        self.start("  edge: { site: east, bmp: { router: 127.0.0.1, policy: out-post } }")
        self.gobgp(self.source("127.0.0.2", 64701, {FIRST: [64999]}))
        eventually(
            "a hint", lambda: "other views than out-post" in self.daemon.console(
                "show feed edge").stdout)
        self.assertEqual(self.distance("198.51.100.1"), "-")


if __name__ == "__main__":
    unittest.main()
