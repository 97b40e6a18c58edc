// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

extension BadInputTests {
    static let keys: [BadInput] = [
        BadInput(
            "an unknown key, misspelt",
            Reading.sites + "fedes: {}\n",
            [
                "2:1: unknown key 'fedes' in the file; did you mean 'feeds'?"
            ]),
        BadInput(
            "an unknown key like no other",
            Reading.sites + "colour: blue\n",
            [
                "2:1: unknown key 'colour' in the file (allowed: router, listen, "
                    + "console, sites, feeds, maps, location, round-trips, zones, choice, dns, "
                    + "guard, log, ready, checkpoint, limits, keep, rpki, prefix-lists, rules, "
                    + "feed-options, flip-hold, powerdns)"
            ]),
        BadInput(
            "round trips that can't be",
            Reading.sites + """
                round-trips:
                  weight: 0
                  expire: 5
                  half-life: 1h

                """,
            [
                "3:11: weight must be a number from 0.01 to 1, not 0",
                "4:11: expire must be from 10 s to 365 d, not 5",
                "5:3: unknown key 'half-life' in round-trips (allowed: files, weight, expire)",
            ]),
        BadInput(
            "an unknown key of a site",
            "sites: { a: { as: 1, adresses: [192.0.2.1] } }\n",
            [
                "1:22: unknown key 'adresses' in site 'a'; did you mean 'addresses'?"
            ]),
        BadInput(
            "an unknown key of a session",
            Reading.sites + Reading.router + """
                feeds:
                  f: { site: tokyo, bgp: { peer: 192.0.2.7, as: 7, hold-tiem: 9 } }

                """,
            [
                "4:52: unknown key 'hold-tiem' in bgp; did you mean 'hold-time'?"
            ]),
        BadInput(
            "a key that stands twice",
            Reading.sites + """
                maps: [a]
                log: { level: info }
                maps: [b]

                """,
            [
                "4:1: 'maps' stands twice in the file: first on line 2"
            ]),
        BadInput(
            "a key that stands three times",
            Reading.sites + """
                maps: [a]
                maps: [b]
                maps: [c]

                """,
            [
                "3:1: 'maps' stands twice in the file: first on line 2",
                "4:1: 'maps' stands twice in the file: first on line 2",
            ]),
        BadInput(
            "a site that stands twice",
            """
            sites:
              a: { as: 1 }
              b: { as: 2 }
              a: { as: 3 }

            """,
            [
                "4:3: 'a' stands twice in sites: first on line 2"
            ]),
        BadInput(
            "a key that stands twice, quoted once",
            """
            sites:
              a: { as: 1 }
              "a": { as: 3 }

            """,
            [
                "3:3: 'a' stands twice in sites: first on line 2"
            ]),
        BadInput(
            "a key that isn't text",
            "sites: { [a, b]: { as: 1 } }\n",
            [
                "1:10: a key of sites must be text, not a list"
            ]),
        BadInput(
            "a key that is nothing",
            "sites: { a: { as: 1, : 2 } }\n",
            [
                "1:22: this is not YAML: while parsing a flow node, did not find "
                    + "expected node content"
            ]),
        BadInput(
            "a merge key",
            Reading.sites + "log: { <<: { level: info } }\n",
            [
                "2:8: unknown key '<<' in log (allowed: level)"
            ]),
    ]
}

extension BadInputTests {
    static let types: [BadInput] = [
        BadInput(
            "a checkpoint without a file, at odd times, with a key too many",
            Reading.sites + "checkpoint: { every: sometimes, fiel: x }\n",
            [
                "2:13: checkpoint has no file",
                "2:22: every must be a time: seconds, or a number with ms, s, m, h or d, "
                    + "not 'sometimes'",
                "2:33: unknown key 'fiel' in checkpoint; did you mean 'file'?",
            ]),
        BadInput(
            "a checkpoint that is written too seldom",
            Reading.sites + "checkpoint: { file: x, every: 30d }\n",
            [
                "2:31: every must be from 0 s to 7 d, not '30d'"
            ]),
        BadInput(
            "a text for a mapping",
            "sites: sydney\n",
            [
                "1:8: sites must be a mapping (key: value), not 'sydney'"
            ]),
        BadInput(
            "a list for a mapping",
            "sites: [sydney]\n",
            [
                "1:8: sites must be a mapping (key: value), not a list"
            ]),
        BadInput(
            "nothing for a mapping",
            "sites:\n",
            [
                "1:7: sites has nothing in it"
            ]),
        BadInput(
            "an empty mapping",
            "sites: {}\n",
            [
                "1:8: sites has nothing in it"
            ]),
        BadInput(
            "no sites",
            Reading.router,
            [
                "1:1: the file has no sites"
            ]),
        BadInput(
            "a list as a file",
            "- sites\n",
            [
                "1:1: the file must be a mapping (key: value), not a list"
            ]),
        BadInput(
            "a text as a file",
            "sites\n",
            [
                "1:1: the file must be a mapping (key: value), not 'sites'"
            ]),
        BadInput(
            "a site without anything",
            "sites: { a: }\n",
            [
                "1:10: site 'a' has no as"
            ]),
        BadInput(
            "a site that is a number",
            "sites: { a: 5 }\n",
            [
                "1:13: site 'a' must be a mapping (key: value), not 5"
            ]),
        BadInput(
            "a mapping for an AS number",
            "sites: { a: { as: {} } }\n",
            [
                "1:19: as must be an AS number from 1 to 4294967295, not a mapping"
            ]),
        BadInput(
            "a list for an address",
            "sites: { a: { as: 1, addresses: [[192.0.2.1]] } }\n",
            [
                "1:34: each of addresses must be an IP address, not a list"
            ]),
        BadInput(
            "nothing for an AS number",
            "sites: { a: { as: } }\n",
            [
                "1:19: as must be an AS number from 1 to 4294967295, not nothing"
            ]),
        BadInput(
            "a text for a whole number",
            "sites: { a: { as: 1, weight: heavy } }\n",
            [
                "1:30: weight must be a whole number from 0 to 1000000, not 'heavy'"
            ]),
        BadInput(
            "a quoted text for a whole number",
            "sites: { a: { as: 1, weight: 'heavy' } }\n",
            [
                "1:30: weight must be a whole number from 0 to 1000000, not 'heavy'"
            ]),
        BadInput(
            "a fraction for a whole number",
            "sites: { a: { as: 1, weight: 1.5 } }\n",
            [
                "1:30: weight must be a whole number from 0 to 1000000, not 1.5"
            ]),
        BadInput(
            "a negative number",
            "sites: { a: { as: 1, weight: -1 } }\n",
            [
                "1:30: weight must be a whole number from 0 to 1000000, not -1"
            ]),
        BadInput(
            "a number that is out of every range",
            "sites: { a: { as: 1, weight: 99999999999999999999 } }\n",
            [
                "1:30: weight must be a whole number from 0 to 1000000, not 99999999999999999999"
            ]),
        BadInput(
            "not a number for a number",
            Reading.sites + "choice: { hop-cost: .nan }\n",
            [
                "2:21: hop-cost must be a number from 0 to 10000, not '.nan'"
            ]),
        BadInput(
            "no choice, misspelt",
            Reading.sites + "choice: { measure: costs }\n",
            [
                "2:20: measure must be cost or hops, not 'costs'; did you mean 'cost'?"
            ]),
        BadInput(
            "no choice, like no other",
            Reading.sites + "choice: { all-down: perhaps }\n",
            [
                "2:21: all-down must be all, last or none, not 'perhaps'"
            ]),
        BadInput(
            "a tie twice",
            Reading.sites + "choice: { ties: [rtt, weight, rtt] }\n",
            [
                "2:31: 'rtt' stands twice in ties"
            ]),
        BadInput(
            "an empty list",
            Reading.sites + "choice: { ties: [] }\n",
            [
                "2:17: ties has nothing in it"
            ]),
        BadInput(
            "YAML 1.1's yes for a boolean",
            Reading.sites + "dns: { pin-threads: yes }\n",
            [
                "2:21: pin-threads must be true or false, not 'yes'"
            ]),
        BadInput(
            "a time without a unit that is one",
            Reading.sites + "dns: { idle-timeout: 5 parsecs }\n",
            [
                "2:22: idle-timeout must be a time: seconds, or a number with ms, s, m, "
                    + "h or d, not '5 parsecs'"
            ]),
        BadInput(
            "a time that is out of range",
            Reading.sites + "dns: { idle-timeout: 2h }\n",
            [
                "2:22: idle-timeout must be from 1 s to 1 h, not '2h'"
            ]),
        BadInput(
            "a time that overflows",
            Reading.sites + "dns: { idle-timeout: 9223372036854775807d }\n",
            [
                "2:22: idle-timeout must be a time: seconds, or a number with ms, s, m, "
                    + "h or d, not '9223372036854775807d'"
            ]),
        BadInput(
            "a long text",
            "sites: { a: { as: "
                + "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx "
                + "} }\n",
            [
                "1:19: as must be an AS number from 1 to 4294967295, not "
                    + "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…'"
            ]),
        BadInput(
            "a text of several lines",
            "sites: { a: { as: \"one\\ntwo\" } }\n",
            [
                "1:19: as must be an AS number from 1 to 4294967295, not 'one\\ntwo'"
            ]),
    ]
}
