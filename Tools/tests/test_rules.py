# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""BIRD announces routes with all that rules ask for; rules change without a new session."""
import os
import unittest

from harness import ROOT, TestCase, eventually, free_port

CONFIGURATION = """
router: { as: 65000, id: 192.0.2.1 }
listen:
  bgp: ["127.0.0.1:$bgp"]
  console: [{ address: "127.0.0.1:$machine", face: machine }]
  socket: $socket
sites: { east: { as: 64600, addresses: [192.0.2.10] } }
prefix-lists:
  bogons: { file: %(bogons)s }
  customers: ["20.8.0.0/16{20,24}"]
rules:
  satellite: [ { community: ["65000:7"], penalty: 3, tag: satellite } ]
feeds:
  router:
    site: east
    bgp: { peer: 127.0.0.2, as: %(peer_as)s, connect: passive }
    %(options)s
    rules: %(rules)s
ready: { wait: 0s }
"""

RULES = """
      - { community: ["65000:666", "65000:1:666", "rt:65000:666"], reject: true }
      - satellite
      - { prefix: customers, distance: 1, tag: [customer, near] }
      - { as-path: "^%(peer_as)s_64999_(.*_)?64998$", penalty: 10 }
      - { med: ">= 1000", penalty: 20 }
      - { local-preference: "< 50", penalty: 30 }
      - { next-hop: 192.0.2.77, penalty: 40 }
      - { family: ipv6, not: { as-path: { origin: 64997 } }, penalty: 50 }
"""

# What BIRD announces: the statements of a static route, and the distance that comes of them.
ROUTES = {
    "20.0.0.0/16": ("", "1"),
    "20.1.0.0/16": ("bgp_community.add((65000,666));", None),
    "20.2.0.0/16": ("bgp_large_community.add((65000,1,666));", None),
    "20.3.0.0/16": ("bgp_ext_community.add((rt,65000,666));", None),
    "20.4.0.0/16": ("bgp_community.add((65000,7));", "4 satellite"),
    "20.5.0.0/16": ("bgp_community.add((65000,8)); bgp_large_community.add((65000,666,1));", "1"),
    "20.6.0.0/16": ("bgp_path.prepend(64998); bgp_path.prepend(64999);", "13"),
    "20.7.0.0/16": ("bgp_path.prepend(64998); bgp_path.prepend(1); bgp_path.prepend(64999);", "14"),
    "20.8.16.0/20": ("bgp_path.prepend(5); bgp_path.prepend(6);", "1 customer,near"),
    "20.8.0.0/19": ("bgp_path.prepend(5); bgp_path.prepend(6);", "3"),
    "20.9.0.0/16": ("bgp_med = 1000;", "21"),
    "20.10.0.0/16": ("bgp_med = 999;", "1"),
    "20.12.0.0/16": ("bgp_next_hop = 192.0.2.77;", "41"),
    "2400::/32": ("bgp_path.prepend(64997);", "2"),
    "2401::/32": ("", "51"),
    # Bogons, and prefixes that are too long or say nothing.
    "10.1.0.0/16": ("", None),
    "192.168.0.0/24": ("", None),
    "2001:db8:1::/48": ("", None),
    "0.0.0.0/0": ("", None),
    "::/0": ("", None),
    "20.13.0.0/25": ("", None),
}


def router(martlet_port, port, own_as, routes):
    lines = ["log stderr all;", "router id 127.0.0.2;", "protocol device {}"]
    for family in (4, 6):
        lines.append(f"protocol static announced{family} {{ ipv{family};")
        for prefix, statements in routes.items():
            if (":" in prefix) == (family == 6):
                lines.append(f"  route {prefix} blackhole {{ {statements} }};")
        lines.append("}")
    lines += [
        "filter ours {",
        "  if source != RTS_STATIC then reject;",
        "  accept;",
        "}",
        "protocol bgp martlet {",
        f"  local 127.0.0.2 port {port} as {own_as}; strict bind;",
        f"  neighbor 127.0.0.1 port {martlet_port} as 65000; multihop;",
        "  connect delay time 1; connect retry time 1; error wait time 1, 2;",
        "  ipv4 { import none; export filter ours; next hop keep; };",
        "  ipv6 { import none; export filter ours; next hop address 2001:db8::7; };",
        "}", ""]
    return "\n".join(lines)


class RuleTests(TestCase):
    options = "{}"

    def text(self, rules=RULES, options="bogons: bogons\n    prefix-lengths: { ipv4: 8-24 }\n    default-route: ignore",
             peer_as=65001):
        rules = rules % {"peer_as": peer_as} if "%" in rules else rules
        return CONFIGURATION % {
            "bogons": os.path.join(ROOT, "Routes", "bogons.prefixes"), "peer_as": peer_as,
            "options": options, "rules": rules}

    def start(self, text, routes, peer_as=65001):
        self.daemon = self.martlet(text)
        self.console = self.machine(self.daemon)
        self.router = self.bird(
            router(self.daemon.port("bgp"), free_port(), peer_as, routes))
        self.router.wait_established("martlet")

    def routes(self):
        """{prefix: "distance tags"} of `show routes`."""
        held = {}
        for line in self.console.ask("show routes"):
            prefix, *fields = line.split(" ")
            fields = dict(field.split("=", 1) for field in fields if "=" in field)
            tags = fields.get("tags", "-")
            held[prefix] = fields["distance"] + ("" if tags == "-" else f" {tags}")
        return held

    def matches(self):
        """The counts of `show feed router rules`: of each rule, and of what was ignored."""
        *rules, last = self.console.ask("show feed router rules")
        counts = [int(line.split("matches=")[1].split(" ")[0]) for line in rules]
        return counts, dict(field.split("=", 1) for field in last.split(" ")[1:])

    def test_each_kind_of_rule_and_a_change_without_a_new_session(self):
        self.start(self.text(), {prefix: route[0] for prefix, route in ROUTES.items()})
        wanted = {prefix: route[1] for prefix, route in ROUTES.items() if route[1]}
        eventually("the routes by the rules", lambda: self.routes() == wanted)
        counts, ignored = self.matches()
        self.assertEqual(counts, [3, 1, 1, 2, 1, 0, 1, 1])
        self.assertEqual(
            (ignored["default_routes"], ignored["lengths"], ignored["bogons"], ignored["others"]),
            ("2", "1", "3", "5"))

        # Other rules: the session stays, its routes are asked for again.
        since = self.router.ask("show", "protocols", "martlet")
        self.daemon.write("martlet.yaml", self.text(
            rules="[ { community: \"65000:7\", reject: true }, { community: \"65000:666\", tag: black } ]",
            options="bogons: none"))
        said = self.daemon.console("reload").stdout
        self.assertIn("routes are asked for again", said)
        self.assertIn("rules: ", said)
        wanted = {prefix: "1" for prefix in ROUTES if prefix != "20.4.0.0/16"}
        wanted.update({
            "20.1.0.0/16": "1 black", "20.6.0.0/16": "3", "20.7.0.0/16": "4",
            "20.8.16.0/20": "3", "20.8.0.0/19": "3", "2400::/32": "2"})
        eventually("the routes by the new rules", lambda: self.routes() == wanted)
        self.assertEqual(
            self.router.ask("show", "protocols", "martlet"), since, "the session was reset")
        counts, _ = self.matches()
        self.assertEqual(counts, [1, 1])

        # A reload that changes nothing lets the counts stand.
        self.daemon.console("reload")
        self.assertEqual(self.matches()[0], [1, 1])

        # A bad rule changes nothing.
        self.daemon.write("martlet.yaml", self.text(rules="[ { as-path: \"^(1\", reject: true } ]"))
        said = self.daemon.console("reload")
        self.assertIn("there is no ')' for this '('", said.stdout + said.stderr)
        self.assertEqual(self.routes(), wanted)

    def test_local_preference_and_prepends(self):
        routes = {
            "20.0.0.0/16": "bgp_local_pref = 200; bgp_path.prepend(3); bgp_path.prepend(3);"
                           " bgp_path.prepend(4);",
            "20.1.0.0/16": "bgp_local_pref = 100; bgp_path.prepend(3);",
            "20.2.0.0/16": "bgp_local_pref = 50;",
        }
        options = "prepends: once\n    local-preference: first"
        rules = "[ { local-preference: \"<= 50\", tag: backup } ]"
        self.start(self.text(rules, options, 65000), routes, peer_as=65000)
        eventually("levels of LOCAL_PREF", lambda: self.routes() == {
            "20.0.0.0/16": "2", "20.1.0.0/16": "86", "20.2.0.0/16": "170 backup"})


if __name__ == "__main__":
    unittest.main()
