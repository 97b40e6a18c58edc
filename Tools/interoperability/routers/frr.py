# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""FRR's bgpd, without zebra."""
import json
import re

import harness
from interoperability.routers import Defaults


class Router(Defaults, harness.Frr):
    title = "FRR"
    relays = True

    @staticmethod
    def version():
        said = harness.run(harness.Frr.program(), "--version")
        return re.search(r"version ([\d.]+)", said.stdout).group(1)

    def __init__(self, setup):
        self.setup = setup
        super().__init__(
            self.configuration(), listen=sorted({setup.own4, setup.address}), port=setup.port)

    def configuration(self):
        setup, text = self.setup, []
        martlet = f" neighbor {setup.martlet}"
        text += [
            "hostname router", "log stdout", f"router bgp {setup.number}",
            " bgp router-id 192.0.2.2", " no bgp ebgp-requires-policy",
            " no bgp default ipv4-unicast", " bgp log-neighbor-changes"]
        if setup.restart_time:
            text += [
                " bgp graceful-restart", f" bgp graceful-restart restart-time {setup.restart_time}"]
        for address, number in setup.sources:
            neighbour = f" neighbor {address}"
            text += [f"{neighbour} remote-as {number}", f"{neighbour} passive",
                     f"{neighbour} ebgp-multihop 4"]
        text += [
            f"{martlet} remote-as {setup.martlet_number}", f"{martlet} port {setup.martlet_port}",
            f"{martlet} update-source {setup.address}", f"{martlet} ebgp-multihop 4",
            f"{martlet} timers {setup.hold_time // 3} {setup.hold_time}",
            f"{martlet} timers connect 1", f"{martlet} advertisement-interval 0"]
        text += [f"{martlet} passive"] * (not setup.dials)
        text += [f"{martlet} password {setup.password}"] * bool(setup.password)
        text += [f"{martlet} dont-capability-negotiate"] * (not setup.four_octets)
        text += [f"{martlet} shutdown"] * setup.held
        for family in ("ipv4", "ipv6"):
            text.append(f" address-family {family} unicast")
            text += [f"  neighbor {address} activate" for address, _ in setup.sources]
            text += [f" {martlet} activate", f" {martlet} attribute-unchanged next-hop"]
            text += [f" {martlet} addpath-tx-all-paths"] * setup.add_paths
            text.append(" exit-address-family")
        return "\n".join([*text, ""])

    def configure(self, *lines):
        self.ask("configure terminal", f"router bgp {self.setup.number}", *lines)

    def held_prefixes(self):
        count = 0
        for family in ("ipv4", "ipv6"):
            said = self.ask(f"show bgp {family} unicast statistics json")
            found = json.loads(said)
            rows = found.get(f"{family}Unicast", found.get(f"{family} Unicast", [{}]))
            count += rows[0].get("totalPrefixes", 0)
        return count

    def exported(self):
        found = {}
        for family in ("ipv4", "ipv6"):
            said = json.loads(self.ask(
                f"show bgp {family} unicast neighbors {self.setup.martlet} advertised-routes json"))
            for prefix, route in said.get("advertisedRoutes", {}).items():
                found[prefix] = {(self.setup.number, *map(int, route["path"].split()))}
        return found

    def release(self):
        self.configure(f"no neighbor {self.setup.martlet} shutdown")

    def reset(self):
        self.ask(f"clear bgp {self.setup.martlet}")

    def ask_for_routes(self):
        for family in ("ipv4", "ipv6"):
            self.ask(f"clear bgp {family} unicast {self.setup.martlet} in")

    def shut_down(self, sentence):
        self.configure(f"neighbor {self.setup.martlet} shutdown message {sentence}")

    def heard(self):
        return self.output + self.ask(f"show bgp neighbors {self.setup.martlet}")
