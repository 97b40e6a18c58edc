// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

extension BadInputTests {
    /// RPKI caches, and routers that monitor their peers.
    static let monitoring: [BadInput] = [
        BadInput(
            "rpki without a cache", Reading.sites + "rpki: { invalid: ignore }\n",
            ["2:7: rpki has no caches"]),
        BadInput(
            "a cache without an address", Reading.sites + "rpki: { caches: [{ port: 323 }] }\n",
            ["2:18: a cache has no address"]),
        BadInput(
            "a cache by name", Reading.sites + "rpki: { caches: [{ address: rtr.example.net }] }\n",
            [
                "2:29: address must be an IP address, not 'rtr.example.net': unexpected 'r'"
            ]),
        BadInput(
            "a cache twice",
            Reading.sites + """
                rpki:
                  caches: [{ address: 192.0.2.1 }, "192.0.2.1:323"]

                """,
            ["3:36: 192.0.2.1:323 stands twice among the caches: first on line 3"]),
        BadInput(
            "what becomes of invalid routes, misspelt",
            Reading.sites + "rpki: { caches: ['192.0.2.1:323'], invalid: ignored }\n",
            ["2:45: invalid must be ignore or accept, not 'ignored'; did you mean 'ignore'?"]),
        BadInput(
            "payloads that expire before they are asked for again",
            Reading.sites + "rpki: { caches: ['192.0.2.1:323'], refresh: 1h, expire: 1h }\n",
            [
                "2:57: expire must be longer than refresh, which is 1 h: payloads would expire "
                    + "between two answers"
            ]),
        BadInput(
            "a feed without paths where origins are validated",
            Reading.sites + Reading.router + """
                rpki: { caches: ['192.0.2.1:323'] }
                feeds:
                  f: { site: tokyo, keep: [length], bgp: { peer: 192.0.2.7, as: 7 } }

                """,
            ["5:27: feed 'f' has to keep the paths: rpki goes by the AS that a route is from"]),
        BadInput(
            "a feed without communities whose rules ask for them and for the validation",
            Reading.sites + Reading.router + """
                rpki: { caches: ['192.0.2.1:323'] }
                rules:
                  soft: [ { validation: invalid, penalty: 5 } ]
                  black: [ { community: "1:1", reject: true } ]
                feeds:
                  f: { site: tokyo, bgp: { peer: 192.0.2.7, as: 7 }, rules: [ soft, black ] }
                  g: { site: tokyo, bgp: { peer: 192.0.2.8, as: 7 }, rules: [ soft ] }

                """,
            [
                "8:61: feed 'f' has to keep the communities (keep: [path, communities]): its rules "
                    + "ask for them and for the validation, and are asked again whenever that "
                    + "changes"
            ]),
        BadInput(
            "a router that is none",
            Reading.sites + "feeds: { f: { site: tokyo, bmp: { policy: post } } }\n",
            ["2:33: bmp has no router"]),
        BadInput(
            "a view that there isn't",
            Reading.sites
                + "feeds: { f: { site: tokyo, bmp: { router: 192.0.2.9, policy: both } } }\n",
            [
                "2:62: policy must be pre, post, loc-rib, out-pre or out-post, not 'both'"
            ]),
        BadInput(
            "a range of routers without a cap",
            Reading.sites + "feeds: { f: { site: tokyo, bmp: { router: 192.0.2.0/24 } } }\n",
            ["2:33: bmp has no maximum-routers"]),
        BadInput(
            "a cap for one router",
            Reading.sites
                + "feeds: { f: { site: tokyo, bmp: { router: 192.0.2.9, maximum-routers: 2 } } }\n",
            ["2:71: maximum-routers is for a range: router: 203.0.113.0/24"]),
        BadInput(
            "a router of two feeds",
            Reading.sites + """
                feeds:
                  f: { site: tokyo, bmp: { router: 192.0.2.9 } }
                  g: { site: tokyo, bmp: { router: 192.0.2.9, policy: post } }

                """,
            ["4:3: feed 'g' has the same router as feed 'f' on line 3"]),
        BadInput(
            "what is for sessions alone",
            Reading.sites + """
                feeds:
                  f: { site: tokyo, bmp: { router: 192.0.2.9 }, guard: off }

                """,
            ["3:56: guard is for feeds by BGP"]),
        BadInput(
            "a listener twice",
            Reading.sites + "listen: { bgp: '[::]:1790', bmp: '[::]:1790' }\n",
            ["2:34: [::]:1790 is listened on twice: first on line 2"]),
    ]
}
