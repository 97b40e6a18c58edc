# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""OpenBGPD."""
import json
import os
import pwd
import re

import harness
from interoperability.routers import Cannot, Defaults


class Router(Defaults, harness.Process):
    title = "OpenBGPD"
    relays = True
    REFRESH_TROUBLE = r"route refresh: AID \w+ unicast not negotiated"

    @staticmethod
    def version():
        said = harness.run(harness.peer("bgpd"), "-V")
        return re.search(r"[\d.]+(p\d+)?", said.stderr + said.stdout).group()

    def __init__(self, setup):
        self.setup = setup
        self.control = os.path.join(setup.folder, "bgpd.sock")
        # Its chroot, which only its service makes.
        os.makedirs(pwd.getpwnam("_openbgpd").pw_dir, exist_ok=True)
        path = os.path.join(setup.folder, "bgpd.conf")
        with open(path, "w") as file:
            file.write(self.configuration())
        os.chmod(path, 0o600)
        super().__init__([harness.peer("bgpd"), "-d", "-f", path])
        try:
            self.wait_ready("bgpctl", lambda: "Neighbor" in self.ask("show", "summary"))
        except AssertionError:
            if "can't drop privileges" in self.output:
                raise Cannot("only root can start it: it changes to a user of its own") from None
            raise

    def configuration(self):
        setup = self.setup
        text = [
            f"AS {setup.number}" + (" 23456" if setup.number >= 1 << 16 else ""),
            "router-id 192.0.2.2", f'socket "{self.control}"', "fib-update no", "log updates"]
        text += [f"listen on {own} port {setup.port}"
                 for own in sorted({setup.own4, setup.address})]
        for address, number in setup.sources:
            text += [
                f"neighbor {address} {{", f" remote-as {number}", " passive", " multihop 8",
                " announce IPv4 unicast", " announce IPv6 unicast", " export none", "}"]
        text += [
            f"neighbor {setup.martlet} {{", f" remote-as {setup.martlet_number}",
            f" port {setup.martlet_port}", " multihop 8",
            f" holdtime {setup.hold_time}", " announce IPv4 unicast", " announce IPv6 unicast",
            " announce enhanced refresh yes",
            f" announce restart {'yes' if setup.restart_time else 'no'}"]
        # With a local address its listener gets a neighbour's key only at port 179.
        text += [f" local-address {setup.address}"] if setup.dials else [" passive"]
        text += [f' tcp md5sig password "{setup.password}"'] * bool(setup.password)
        text += [" announce as-4byte no"] * (not setup.four_octets)
        text += [" announce add-path send all"] * setup.add_paths
        text += [" down"] * setup.held
        text += ["}", "allow from any", "allow to any", ""]
        return "\n".join(text)

    def ask(self, *words):
        said = harness.run(harness.peer("bgpctl"), "-s", self.control, *words, seconds=120)
        return said.stdout + said.stderr

    def held_prefixes(self):
        said = self.ask("show", "rib", "memory")
        return sum(map(int, re.findall(r"(\d+) IPv[46] unicast network entries", said)))

    def exported(self):
        found = {}
        said = self.ask("-j", "show", "rib", "neighbor", self.setup.martlet, "out")
        for route in json.loads(said).get("rib", []):
            path = tuple(int(number) for number in route["aspath"].split())
            found.setdefault(route["prefix"], set()).add(path)
        return found

    def neighbour(self, *words):
        return self.ask("neighbor", self.setup.martlet, *words)

    def release(self):
        self.neighbour("up")

    def reset(self):
        self.neighbour("clear")

    def hurry(self):
        # Idle for half a minute, and twice as long each time, it closes what comes.
        self.neighbour("clear")

    def ask_for_routes(self):
        self.neighbour("refresh")

    def shut_down(self, sentence):
        self.neighbour("down", sentence)

    def heard(self):
        return self.output + self.ask("show", "neighbor", self.setup.martlet)
