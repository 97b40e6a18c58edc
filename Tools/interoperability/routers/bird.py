# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""BIRD 2."""
import re

import harness
from interoperability.routers import Defaults

NEIGHBOUR = """
protocol bgp {name} {{
  local {own} port {port} as {number}; strict bind;
  neighbor {address} {neighbour_port} as {neighbour_number};
  multihop; hold time {hold_time}; connect delay time 1; connect retry time 1; error wait time 1, 2;
  {options}
  ipv4 {{ {channel} }};
  ipv6 {{ {channel} }};
}}
"""


class Router(Defaults, harness.Bird):
    title = "BIRD"
    relays = True

    @staticmethod
    def version():
        said = harness.run(harness.peer("bird"), "--version")
        return re.search(r"[\d.]+", said.stderr + said.stdout).group()

    def __init__(self, setup):
        self.setup = setup
        super().__init__(self.configuration())

    def configuration(self):
        setup = self.setup
        text = "log stderr all;\nrouter id 192.0.2.2;\nprotocol device {}\n"
        for index, (address, number) in enumerate(setup.sources):
            text += NEIGHBOUR.format(
                name=f"source{index}", own=setup.own4, port=setup.port, number=setup.number,
                address=address, neighbour_port="", neighbour_number=number, hold_time=90,
                options="passive;", channel="import all; export none;")
        options = []
        if not setup.dials:
            options.append("passive;")
        if setup.password:
            options.append(f'password "{setup.password}";')
        if not setup.four_octets:
            options.append("enable as4 off;")
        if setup.restart_time:
            options.append(f"graceful restart on; graceful restart time {setup.restart_time};")
        if setup.held:
            options.append("disabled;")
        channel = "import none; export where source = RTS_BGP; next hop keep;"
        if setup.add_paths:
            channel += " add paths tx;"
        return text + NEIGHBOUR.format(
            name="martlet", own=setup.address, port=setup.port, number=setup.number,
            address=setup.martlet, neighbour_port=f"port {setup.martlet_port}",
            neighbour_number=setup.martlet_number, hold_time=setup.hold_time,
            options=" ".join(options), channel=channel)

    def held_prefixes(self):
        """How many prefixes it has, of both families together."""
        return sum(
            int(count) for count in re.findall(
                r"for (\d+) networks in table master", self.ask("show", "route", "count")))

    def exported(self):
        """What it says it sends to Martlet: {prefix: {path, ...}}."""
        found, prefix = {}, None
        text = self.ask("show", "route", "export", "martlet", "all")
        for line in text.splitlines():
            if match := re.match(r"([0-9a-f.:]+/\d+)\s", line):
                prefix = match.group(1)
            elif match := re.match(r"\s+BGP\.as_path:(.*)", line):
                path = (self.setup.number, *map(int, match.group(1).split()))
                found.setdefault(prefix, set()).add(path)
        return found

    def release(self):
        self.ask("enable", "martlet")

    def reset(self):
        self.ask("restart", "martlet")

    def ask_for_routes(self):
        """Sends us ROUTE-REFRESH."""
        said = self.ask("reload", "in", "martlet")
        if "reloading" not in said:
            raise AssertionError(f"BIRD: {said}")

    def shut_down(self, sentence):
        self.ask("disable", "martlet", f'"{sentence}"')

    def heard(self):
        """Where it tells of NOTIFICATIONs that it got."""
        return self.output + self.ask("show", "protocols", "all", "martlet")
