# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""unbound with its subnet cache, resolving names whose answers depend on the client."""
import ipaddress
import random
import select
import socket
import threading
import unittest

from harness import Martlet, TestCase, eventually
from nameserver import NameServer
from questions import ask_all, reply

MARTLET = """
router: { as: 65000, id: 192.0.2.1 }
listen:
  socket: $socket
  dns: ["127.0.0.1:$dns"]
dns: { rate-limit: off }
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
      www: { nearest: [near, far], ttl: 3600 }
      static: { a: 192.0.2.99, ttl: 3600 }
"""
UNBOUND = """
server:
  interface: 127.0.0.1
  port: {port}
  do-daemonize: no
  use-syslog: no
  logfile: ""
  verbosity: 1
  log-time-ascii: yes
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: ""
  num-threads: 1
  module-config: "subnetcache iterator"
  send-client-subnet: {upstream}
  client-subnet-always-forward: yes
  max-client-subnet-ipv4: 32
  max-client-subnet-ipv6: 64
  max-ecs-tree-size-ipv4: 10000
  do-not-query-localhost: no
  access-control: 127.0.0.0/8 allow
  cache-max-ttl: 86400
{stubs}
remote-control:
  control-enable: no
"""


class Unbound(NameServer):
    """A resolver that knows where some zones are ({zone: (address, port)}).

    With `tls`, a server's name and a file of authorities, it asks over TLS.
    """

    def __init__(self, stubs, tls=None):
        super().__init__("unbound")
        name = f"#{tls[0]}\n  stub-tls-upstream: yes" if tls else ""
        lines = (f"  tls-cert-bundle: {tls[1]}\n" if tls else "") + "\n".join(
            f"stub-zone:\n  name: {zone}\n  stub-addr: {address}@{port}{name}"
            for zone, (address, port) in stubs.items())
        self.write("unbound.conf", UNBOUND.format(
            port=self.port, folder=self.folder, stubs=lines, upstream="127.0.0.0/8"))
        self.begin("-d", "-c", self.path("unbound.conf"), line="start of service")


class Relay(threading.Thread):
    """Stands before a DNS server, and notes for whom it is asked."""

    def __init__(self, target):
        super().__init__(daemon=True)
        self.target = target
        self.front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.front.bind(("127.0.0.1", 0))
        self.port = self.front.getsockname()[1]
        self.seen = []
        self.ended = threading.Event()

    def run(self):
        while not self.ended.is_set():
            if not select.select([self.front], [], [], 0.1)[0]:
                continue
            packet, client = self.front.recvfrom(4096)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as back:
                back.settimeout(5)
                back.sendto(packet, ("127.0.0.1", self.target))
                try:
                    answer = back.recv(4096)
                except TimeoutError:
                    continue
            self.seen.append(reply(answer)[1])
            self.front.sendto(answer, client)

    def stop(self):
        self.ended.set()
        self.join(5)
        self.front.close()


class SubnetCacheTests(TestCase):
    def setUp(self):
        self.seed = random.randrange(1 << 32)
        source = random.Random(self.seed)
        lines = {}
        for _ in range(60):
            base = ipaddress.ip_network((0xc6330000 | source.getrandbits(16), 32))
            prefix = base.supernet(new_prefix=source.choice([18, 20, 22, 24, 24, 26]))
            lines[str(prefix)] = source.choice([64600, 64601])
        self.martlet = Martlet(MARTLET, files={
            "pins.routes": "".join(f"{prefix} {site}\n" for prefix, site in lines.items())})
        self.addCleanup(self.martlet.stop)
        self.relay = Relay(self.martlet.port("dns"))
        self.relay.start()
        self.addCleanup(self.relay.stop)
        self.unbound = Unbound({"example.com": ("127.0.0.1", self.relay.port)})
        self.addCleanup(self.unbound.stop)
        self.source = source
        # What Martlet says of scopes changes once, when it has found out how wide they are.
        client = "198.51.0.0/24"
        before = None

        def is_settled():
            nonlocal before
            now = [found.scope for found in ask_all(
                self.martlet.port("dns"), "www.example.com", "A", self.everybody())]
            before, same = now, now == before
            return same

        ask_all(self.martlet.port("dns"), "www.example.com", "A", [client])
        eventually("scopes to be what they will be", is_settled)

    @staticmethod
    def everybody():
        return [f"198.51.{number}.0/24" for number in range(256)]

    def ask(self, name, subnet):
        """What unbound says, and how many questions that cost."""
        before = len(self.relay.seen)
        found, = ask_all(self.unbound.port, name, "A", [subnet])
        return found, len(self.relay.seen) - before

    def test_the_cache_keeps_clients_apart_as_the_scopes_say(self):
        # Names on the way are learnt first: what is counted is the name's own questions.
        self.ask("static.example.com", "192.0.2.0/24")
        clients = self.everybody()
        self.source.shuffle(clients)
        truth = dict(zip(clients, ask_all(
            self.martlet.port("dns"), "www.example.com", "A", clients)))
        self.assertEqual(len({found.addresses[0] for found in truth.values()}), 2)
        cached, hits, misses = [], 0, 0
        for client in clients:
            network = ipaddress.ip_network(client)
            is_known = any(network.subnet_of(block) for block in cached)
            found, cost = self.ask("www.example.com", client)
            note = f"{client}, {truth[client]}, seed {self.seed}"
            self.assertEqual(found.addresses, truth[client].addresses, note)
            self.assertEqual(cost == 0, is_known, note)
            hits, misses = hits + is_known, misses + (not is_known)
            # An answer for less than was asked for holds for what was asked.
            scope = min(truth[client].scope, 24)
            cached.append(network.supernet(new_prefix=scope))
        self.assertGreater(hits, 10, note)
        self.assertGreater(misses, 10, note)
        # All are known now.
        for client in clients[:50]:
            found, cost = self.ask("www.example.com", client)
            self.assertEqual((found.addresses, cost), (truth[client].addresses, 0), client)

    def test_what_no_client_changes_is_kept_for_all(self):
        for number, client in enumerate(self.everybody()[:20]):
            found, cost = self.ask("static.example.com", client)
            self.assertEqual(found.addresses, ["192.0.2.99"])
            if number > 0:
                self.assertEqual(cost, 0, client)
        for number, client in enumerate(self.everybody()[:20]):
            found, cost = self.ask("nothing.example.com", client)
            self.assertEqual(found.code, 3)
            if number > 0:
                self.assertEqual(cost, 0, client)


if __name__ == "__main__":
    unittest.main()
