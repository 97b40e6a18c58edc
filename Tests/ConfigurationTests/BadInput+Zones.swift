// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

extension BadInputTests {
    static let zones: [BadInput] = [
        BadInput(
            "a zone without name servers",
            Reading.sites + """
                zones:
                  example.com: {}

                """,
            [
                "3:3: zone 'example.com' has no ns"
            ]),
        BadInput(
            "a zone's name that is none",
            Reading.sites + """
                zones:
                  example..com: { ns: ns1.example.com }

                """,
            [
                "3:3: a zone's name must be a domain name, not 'example..com': a name "
                    + "has no empty label"
            ]),
        BadInput(
            "a zone that stands twice",
            Reading.sites + """
                zones:
                  example.com: { ns: ns1.example.org }
                  EXAMPLE.com.: { ns: ns1.example.org }

                """,
            [
                "4:3: zone 'EXAMPLE.com.' stands twice: first on line 3"
            ]),
        BadInput(
            "a nearest name of an unknown site",
            Reading.sites + "zones:\n"
                + "  example.com: { ns: ns1.example.org, records: { www: { nearest: "
                + "[sydney, tokio] } } }\n",
            [
                "3:75: there is no site 'tokio'; did you mean 'tokyo'?"
            ]),
        BadInput(
            "a nearest name with a site twice",
            Reading.sites + "zones:\n"
                + "  example.com: { ns: ns1.example.org, records: { www: { nearest: "
                + "[sydney, sydney] } } }\n",
            [
                "3:75: site 'sydney' stands twice in nearest"
            ]),
        BadInput(
            "a nearest name without sites",
            Reading.sites + """
                zones:
                  example.com: { ns: ns1.example.org, records: { www: { nearest: [] } } }

                """,
            [
                "3:66: nearest has nothing in it"
            ]),
        BadInput(
            "sites without addresses",
            """
            sites: { a: { as: 1 } }
            zones:
              example.com: { ns: ns1.example.org, records: { www: { nearest: a } } }

            """,
            [
                "3:66: none of these sites has an address to answer with"
            ]),
        BadInput(
            "an address beside nearest",
            Reading.sites + "zones:\n"
                + "  example.com: { ns: ns1.example.org, records: { www: { nearest: "
                + "tokyo, a: 192.0.2.1 } } }\n",
            [
                "3:73: record 'www' is a nearest name: its addresses are those of the sites"
            ]),
        BadInput(
            "a nearest name's key elsewhere",
            Reading.sites + "zones:\n"
                + "  example.com: { ns: ns1.example.org, records: { www: { a: "
                + "192.0.2.1, measure: hops } } }\n",
            [
                "3:71: measure belongs to a nearest name: record 'www' is none"
            ]),
        BadInput(
            "IPv6 in an A record",
            Reading.sites + """
                zones:
                  example.com: { ns: ns1.example.org, records: { www: { a: '::1' } } }

                """,
            [
                "3:60: a must be an IPv4 address, not '::1'"
            ]),
        BadInput(
            "an alias beside others",
            Reading.sites + "zones:\n"
                + "  example.com: { ns: ns1.example.org, records: { www: { cname: "
                + "example.org, txt: x } } }\n",
            [
                "3:77: record 'www' has a cname, and so nothing else but a ttl"
            ]),
        BadInput(
            "an alias of the zone",
            Reading.sites + """
                zones:
                  example.com: { ns: ns1.example.org, records: { '@': { cname: example.org } } }

                """,
            [
                "3:64: the zone's own name can't be an alias"
            ]),
        BadInput(
            "two aliases",
            Reading.sites + "zones:\n"
                + "  example.com: { ns: ns1.example.org, records: { www: { cname: "
                + "[a.example, b.example] } } }\n",
            [
                "3:64: cname must be one name, not a list"
            ]),
        BadInput(
            "a record outside",
            Reading.sites + "zones:\n"
                + "  example.com: { ns: ns1.example.org, records: { www.example.org.: "
                + "{ a: 192.0.2.1 } } }\n",
            [
                "3:50: 'www.example.org.' is outside the zone 'example.com'"
            ]),
        BadInput(
            "a record's name with the zone",
            Reading.sites + "zones:\n"
                + "  example.com: { ns: ns1.example.org, records: { www.example.com: { "
                + "a: 192.0.2.1 } } }\n",
            [
                "3:50: 'www.example.com' would be 'www.example.com.example.com.': names "
                    + "are relative to the zone, or end with a dot"
            ]),
        BadInput(
            "a record twice",
            Reading.sites + "zones:\n"
                + "  example.com: { ns: ns1.example.org, records: { www: { a: "
                + "192.0.2.1 }, WWW: { a: 192.0.2.1 } } }\n",
            [
                "3:73: 'WWW' is the same name as the one on line 3"
            ]),
        BadInput(
            "an empty record",
            Reading.sites + """
                zones:
                  example.com: { ns: ns1.example.org, records: { www: { ttl: 5 } } }

                """,
            [
                "3:50: record 'www' has nothing in it"
            ]),
        BadInput(
            "a TTL that is none",
            Reading.sites + """
                zones:
                  example.com: { ns: ns1.example.org, ttl: 3000000000 }

                """,
            [
                "3:44: ttl must be from 0 s to 2147483647 s, not 3000000000"
            ]),
        BadInput(
            "a TTL of half a second",
            Reading.sites + """
                zones:
                  example.com: { ns: ns1.example.org, ttl: 500ms }

                """,
            [
                "3:44: ttl must be whole seconds, not '500ms'"
            ]),
        BadInput(
            "an address of the administrator",
            Reading.sites + """
                zones:
                  example.com: { ns: ns1.example.org, soa: { email: '@' } }

                """,
            [
                "3:53: email must be an address, as hostmaster@example.com, not '@'"
            ]),
        BadInput(
            "an administrator who is a bare word",
            Reading.sites + """
                zones:
                  example.com: { ns: ns1.example.org, soa: { email: nobody } }

                """,
            [
                "3:53: email must be an address, as hostmaster@example.com, not 'nobody'"
            ]),
        BadInput(
            "answers that are none",
            Reading.sites + "zones:\n"
                + "  example.com: { ns: ns1.example.org, records: { www: { nearest: "
                + "tokyo, answers: 0 } } }\n",
            [
                "3:82: answers must be a whole number from 1 to 64, not 0"
            ]),
    ]
}

extension BadInputTests {
    static let later: [BadInput] = [
        BadInput(
            "a location database that is many",
            Reading.sites + "location: { database: [a.mmdb, b.mmdb] }\n",
            [
                "2:23: database must be a file's path, not a list"
            ]),
        BadInput(
            "limits",
            Reading.sites + "limits: { prefixes: 0, memory: 512 MB, prefixs-per-feed: 5 }\n",
            [
                "2:21: prefixes must be a whole number from 1 to 16777216, not 0",
                "2:32: memory must be from 16M to 1T, as 512M or 2G, not '512 MB'",
                "2:40: unknown key 'prefixs-per-feed' in limits; did you mean 'prefixes-per-feed'?",
            ]),
    ]
}
