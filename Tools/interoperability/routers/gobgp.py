# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""GoBGP."""
import json
import os
import re

import harness
from interoperability.routers import Defaults

HEAD = """
[global.config]
  as = {number}
  router-id = "192.0.2.2"
  port = {port}
  local-address-list = [{listen}]
"""
NEIGHBOUR = """
[[neighbors]]
  [neighbors.config]
    neighbor-address = "{address}"
    peer-as = {number}
    {config}
  [neighbors.transport.config]
    local-address = "{own}"
    {transport}
  [neighbors.ebgp-multihop.config]
    enabled = true
    multihop-ttl = 8
  [neighbors.timers.config]
    connect-retry = 1
    hold-time = {hold_time}
    keepalive-interval = {keepalive}
    idle-hold-time-after-reset = 1
  [neighbors.graceful-restart.config]
    enabled = {graceful}
    restart-time = {restart_time}
"""
FAMILY = """
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "{family}-unicast"
    [neighbors.afi-safis.mp-graceful-restart.config]
      enabled = {graceful}
    [neighbors.afi-safis.add-paths.config]
      send-max = {paths}
"""


class Router(Defaults, harness.Process):
    title = "GoBGP"
    relays = True

    @staticmethod
    def version():
        said = harness.run(harness.peer("gobgpd"), "--version")
        return re.search(r"version ([\d.]+)", said.stdout).group(1)

    def __init__(self, setup):
        self.setup = setup
        self.api = harness.free_port()
        path = os.path.join(setup.folder, "gobgp.toml")
        with open(path, "w") as file:
            file.write(self.configuration())
        super().__init__(
            [harness.peer("gobgpd"), "-f", path, "--api-hosts", f"127.0.0.1:{self.api}",
             "--pprof-disable"])
        self.wait_ready("GoBGP's API", self.answers)

    def configuration(self):
        setup = self.setup
        listen = ", ".join(f'"{own}"' for own in sorted({setup.own4, setup.address}))
        text = HEAD.format(number=setup.number, port=setup.port, listen=listen)
        for address, number in setup.sources:
            text += self.neighbour(
                address, number, setup.own4, "", "passive-mode = true", 90, 0, 0)
        config = []
        if setup.password:
            config.append(f'auth-password = "{setup.password}"')
        if setup.held:
            config.append("admin-down = true")
        transport = f"remote-port = {setup.martlet_port}"
        if not setup.dials:
            transport += "\n    passive-mode = true"
        return text + self.neighbour(
            setup.martlet, setup.martlet_number, setup.address, "\n    ".join(config), transport,
            setup.hold_time, setup.restart_time, 8 if setup.add_paths else 0)

    def neighbour(
            self, address, number, own, config, transport, hold_time, restart_time, paths):
        graceful = "true" if restart_time else "false"
        return NEIGHBOUR.format(
            address=address, number=number, own=own, config=config, transport=transport,
            hold_time=hold_time, keepalive=hold_time // 3, graceful=graceful,
            restart_time=restart_time) + "".join(
                FAMILY.format(family=family, graceful=graceful, paths=paths)
                for family in ("ipv4", "ipv6"))

    def ask(self, *words):
        said = harness.run(harness.peer("gobgp"), "-p", str(self.api), *words, seconds=120)
        return said.stdout + said.stderr

    def hangs(self):
        # 3.10 does so now and then where a session is reset while both ends dial.
        return not self.answers()

    def answers(self):
        # An error comes as JSON too.
        said = self.ask("global", "-j")
        return "{" in said and '"error"' not in said

    def held_prefixes(self):
        count = 0
        for family in ("ipv4", "ipv6"):
            said = self.ask("global", "rib", "summary", "-a", family)
            count += int(re.search(r"Destination: (\d+)", said).group(1))
        return count

    def exported(self):
        found = {}
        for family in ("ipv4", "ipv6"):
            said = self.ask("neighbor", self.setup.martlet, "adj-out", "-a", family, "-j")
            # GoBGP says so in words where there is none.
            for prefix, routes in (json.loads(said) if said.startswith("{") else {}).items():
                for route in routes:
                    path = ()
                    for attribute in route["attrs"]:
                        if attribute["type"] == 2:
                            path = tuple(
                                number for segment in attribute["as_paths"]
                                for number in segment["asns"])
                    found.setdefault(prefix, set()).add(path)
        return found

    def release(self):
        self.ask("neighbor", self.setup.martlet, "enable")

    def reset(self):
        self.ask("neighbor", self.setup.martlet, "reset")

    def ask_for_routes(self):
        for family in ("ipv4", "ipv6"):
            self.ask("neighbor", self.setup.martlet, "softresetin", "-a", family)

    def shut_down(self, sentence):
        self.ask("neighbor", self.setup.martlet, "shutdown", "--reason", sentence)

    def heard(self):
        return self.output + self.ask("neighbor", self.setup.martlet)
