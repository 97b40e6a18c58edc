# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""PowerDNS as a front of Martlet, for tests."""
from harness import Answer, eventually, peer, run
from nameserver import NameServer

# What is answered is kept, negative answers too: as an operator would have it.
CONFIGURATION = """
launch={launch}
remote-connection-string={connection}
edns-subnet-processing=yes
local-address=127.0.0.1
local-port={port}
socket-dir={folder}
daemon=no
guardian=no
disable-syslog=yes
loglevel=5
setuid=
setgid=
cache-ttl=60
query-cache-ttl=60
negquery-cache-ttl=60
zone-cache-refresh-interval=2
distributor-threads=2
{more}
"""
# Keys and DNSSEC's settings in a second backend: the remote one has none.
SIGNING = """
bind-config={folder}/named.conf
bind-dnssec-db={folder}/dnssec.db
"""


class PowerDNS(NameServer):
    """pdns_server over Martlet's socket, or over `martlet pdns-pipe`."""

    def __init__(self, connection, more="", signs=()):
        super().__init__("pdns_server")
        if signs:
            more += SIGNING.format(folder=self.folder)
            self.write("named.conf", "")
        self.write("pdns.conf", CONFIGURATION.format(
            launch="bind,remote" if signs else "remote", connection=connection, port=self.port,
            folder=self.folder, more=more))

        def sign():
            if signs:
                self.util("create-bind-db", self.path("dnssec.db"))
            for zone in signs:
                self.util("secure-zone", zone)
                self.util("set-nsec3", zone, "1 0 0 -", "narrow")

        self.begin(
            f"--config-dir={self.folder}", line="ready to distribute questions", before=sign)

    def util(self, *arguments):
        done = run(peer("pdnsutil"), f"--config-dir={self.folder}", *arguments)
        if done.returncode != 0:
            raise AssertionError(f"pdnsutil {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def dig(self, name, kind="A", subnet=None, *options):
        return Answer(self.port, name, kind, subnet, *options)

    def wait_answer(self, name, kind="A"):
        return eventually(
            f"PowerDNS to answer {name}",
            lambda: (found := self.dig(name, kind)).status == "NOERROR" and found)
