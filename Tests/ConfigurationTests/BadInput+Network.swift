// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

extension BadInputTests {
    static let network: [BadInput] = [
        BadInput(
            "an address that is none",
            "sites: { a: { as: 1, addresses: [192.0.2.256] } }\n",
            [
                "1:34: each of addresses must be an IP address, not '192.0.2.256': 256 "
                    + "is more than 255"
            ]),
        BadInput(
            "an address with leading zeros",
            "sites: { a: { as: 1, addresses: [192.0.02.1] } }\n",
            [
                "1:34: each of addresses must be an IP address, not '192.0.02.1': "
                    + "leading zeros are not allowed in an IPv4 address"
            ]),
        BadInput(
            "a prefix for an address",
            "sites: { a: { as: 1, addresses: [192.0.2.0/24] } }\n",
            [
                "1:34: each of addresses must be an IP address, not '192.0.2.0/24': "
                    + "unexpected '/'"
            ]),
        BadInput(
            "an address with a zone",
            "sites: { a: { as: 1, addresses: ['fe80::1%eth0'] } }\n",
            [
                "1:34: each of addresses must be an IP address, not 'fe80::1%eth0': a "
                    + "zone ('%') is not allowed"
            ]),
        BadInput(
            "an address twice",
            """
            sites: { a: { as: 1, addresses: ['2001:db8::1', '2001:DB8:0::1'] } }

            """,
            [
                "1:49: site 'a' has the address 2001:db8::1 twice"
            ]),
        BadInput(
            "AS 0",
            "sites: { a: { as: 0 } }\n",
            [
                "1:19: as must be an AS number from 1 to 4294967295, not 0"
            ]),
        BadInput(
            "an AS number of 33 bits",
            "sites: { a: { as: 4294967296 } }\n",
            [
                "1:19: as must be an AS number from 1 to 4294967295, not 4294967296"
            ]),
        BadInput(
            "an AS number in words",
            "sites: { a: { as: AS64600 } }\n",
            [
                "1:19: as must be an AS number from 1 to 4294967295, not 'AS64600'"
            ]),
        BadInput(
            "an AS number that has another site",
            """
            sites:
              a: { as: 65536 }
              b: { as: 2 }
              c: { as: '1.0' }

            """,
            [
                "4:3: site 'c' has the AS number 65536 of site 'a' on line 2"
            ]),
        BadInput(
            "the unknown router",
            Reading.sites + "router: { as: 65000, id: '::1' }\n",
            [
                "2:26: id must be an IPv4 address, not '::1'"
            ]),
        BadInput(
            "the router 0.0.0.0",
            Reading.sites + "router: { as: 65000, id: 0.0.0.0 }\n",
            [
                "2:26: id must be an IPv4 address other than 0.0.0.0, not '0.0.0.0'"
            ]),
        BadInput(
            "a router with neither",
            Reading.sites + "router: {}\n",
            [
                "2:9: router has no as",
                "2:9: router has no id",
            ]),
        BadInput(
            "a port alone",
            Reading.sites + "listen: { console: 7777 }\n",
            [
                "2:20: each of console must be an address and a port, as "
                    + "\"127.0.0.1:7777\" or \"[::1]:7777\", not 7777"
            ]),
        BadInput(
            "an address without a port",
            Reading.sites + "listen: { dns: [127.0.0.1] }\n",
            [
                "2:17: each of dns must be an address and a port, as \"127.0.0.1:7777\" "
                    + "or \"[::1]:7777\", not '127.0.0.1'"
            ]),
        BadInput(
            "IPv6 without brackets",
            Reading.sites + "listen: { dns: ['::1:53'] }\n",
            [
                "2:17: each of dns must be an address and a port, as \"127.0.0.1:7777\" "
                    + "or \"[::1]:7777\", not '::1:53'"
            ]),
        BadInput(
            "a port that is none",
            Reading.sites + "listen: { dns: ['127.0.0.1:70000'] }\n",
            [
                "2:17: each of dns must be an address and a port, as \"127.0.0.1:7777\" "
                    + "or \"[::1]:7777\", not '127.0.0.1:70000'"
            ]),
        BadInput(
            "the same listener twice",
            Reading.sites + """
                listen:
                  dns: ['127.0.0.1:53']
                  console: ['127.0.0.1:53']

                """,
            [
                "4:13: 127.0.0.1:53 is listened on twice: first on line 3"
            ]),
        BadInput(
            "a face that is none",
            Reading.sites + """
                listen: { console: [{ address: '127.0.0.1:7', face: machines }] }

                """,
            [
                "2:53: face must be people or machine, not 'machines'; did you mean 'machine'?"
            ]),
        BadInput(
            "a socket that is too long",
            Reading.sites + "listen: { socket: "
                + "/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx "
                + "}\n",
            [
                "2:19: socket is too long: a socket's path has at most 107 bytes"
            ]),
        BadInput(
            "a country in small letters",
            "sites: { a: { as: 1, location: no } }\n",
            [
                "1:32: location must be a country's two letters, or { latitude: …, "
                    + "longitude: … }, not 'no'; did you mean 'NO'?"
            ]),
        BadInput(
            "a country that there isn't",
            "sites: { a: { as: 1, location: QQ } }\n",
            [
                "1:32: location must be a country's two letters, or { latitude: …, "
                    + "longitude: … }, not 'QQ'"
            ]),
        BadInput(
            "a latitude beyond the pole",
            """
            sites: { a: { as: 1, location: { latitude: 90.5, longitude: 0 } } }

            """,
            [
                "1:44: latitude must be a number from -90 to 90, not 90.5"
            ]),
        BadInput(
            "half a place",
            "sites: { a: { as: 1, location: { latitude: 9 } } }\n",
            [
                "1:32: location has no longitude"
            ]),
        BadInput(
            "a site's name with a blank",
            "sites: { 'new york': { as: 1 } }\n",
            [
                "1:10: a site's name has letters, digits, '-', '_' and '.', at most 63, "
                    + "and begins with a letter, a digit or '_', not 'new york'"
            ]),
        BadInput(
            "ranking by location without one",
            "sites: { a: { as: 1, without-routes: location } }\n",
            [
                "1:38: site 'a' can't rank by location: it has no location"
            ]),
    ]
}

extension BadInputTests {
    static let feeds: [BadInput] = [
        BadInput(
            "a feed of an unknown site",
            Reading.sites + Reading.router + """
                feeds:
                  f: { site: sidney, bgp: { peer: 192.0.2.7, as: 7 } }

                """,
            [
                "4:14: there is no site 'sidney'; did you mean 'sydney'?"
            ]),
        BadInput(
            "a feed of a site like no other",
            Reading.sites + """
                feeds:
                  f: { site: paris, mrt: { file: x, peer: 192.0.2.7 } }

                """,
            [
                "3:14: there is no site 'paris' (sites: sydney, tokyo)"
            ]),
        BadInput(
            "a feed without a source",
            Reading.sites + """
                feeds:
                  f: { site: tokyo }

                """,
            [
                "3:3: feed 'f' needs bgp, bmp, mrt or text"
            ]),
        BadInput(
            "a feed with two sources",
            Reading.sites + Reading.router + "feeds:\n"
                + "  f: { site: tokyo, bgp: { peer: 192.0.2.7, as: 7 }, mrt: { file: "
                + "x, peer-as: 7 } }\n",
            [
                "4:59: feed 'f' is either bgp or mrt, not both"
            ]),
        BadInput(
            "a feed without a site",
            Reading.sites + """
                feeds:
                  f: { mrt: { file: x, peer-as: 7 } }

                """,
            [
                "3:3: feed 'f' has no site"
            ]),
        BadInput(
            "a session without a router",
            Reading.sites + """
                feeds:
                  f: { site: tokyo, bgp: { peer: 192.0.2.7, as: 7 } }

                """,
            [
                "3:3: feed 'f' speaks BGP: that needs router: { as: …, id: … }"
            ]),
        BadInput(
            "a session without a peer or AS",
            Reading.sites + Reading.router + """
                feeds:
                  f: { site: tokyo, bgp: {} }

                """,
            [
                "4:26: bgp has no as",
                "4:26: bgp has no peer",
            ]),
        BadInput(
            "a hold time of 2 s",
            Reading.sites + Reading.router + """
                feeds:
                  f: { site: tokyo, bgp: { peer: 192.0.2.7, as: 7,
                      hold-time: 2 } }

                """,
            [
                "5:18: hold-time must be 0 or at least 3 seconds, not 2"
            ]),
        BadInput(
            "a hold time of half a second",
            Reading.sites + Reading.router + """
                feeds:
                  f: { site: tokyo, bgp: { peer: 192.0.2.7, as: 7, hold-time: 500ms } }

                """,
            [
                "4:63: hold-time must be 0 or at least 3 seconds, not '500ms'"
            ]),
        BadInput(
            "a hold time that is too long",
            Reading.sites + Reading.router + """
                feeds:
                  f: { site: tokyo, bgp: { peer: 192.0.2.7, as: 7, hold-time: 1d } }

                """,
            [
                "4:63: hold-time must be at most 65535 seconds, not '1d'"
            ]),
        BadInput(
            "a mode of connecting that is none",
            Reading.sites + Reading.router + """
                feeds:
                  f: { site: tokyo, bgp: { peer: 192.0.2.7, as: 7, connect: pasive } }

                """,
            [
                "4:61: connect must be active, passive or both, not 'pasive'; did you "
                    + "mean 'passive'?"
            ]),
        BadInput(
            "a local address of the other family",
            Reading.sites + Reading.router + """
                feeds:
                  f: { site: tokyo, bgp: { peer: 192.0.2.7, as: 7, local-address: '::1' } }

                """,
            [
                "4:67: local-address must be an IPv4 address, not '::1'"
            ]),
        BadInput(
            "families that are none",
            Reading.sites + Reading.router + """
                feeds:
                  f: { site: tokyo, bgp: { peer: 192.0.2.7, as: 7, families: [ipv4, ipv5] } }

                """,
            [
                "4:69: each of families must be ipv4 or ipv6, not 'ipv5'; did you mean 'ipv4'?"
            ]),
        BadInput(
            "a longest wait below the first",
            Reading.sites + Reading.router + "feeds:\n"
                + "  f: { site: tokyo, bgp: { peer: 192.0.2.7, as: 7, connect-retry: "
                + "30, maximum-connect-retry: 10 } }\n",
            [
                "4:94: maximum-connect-retry must be from 30 s to 1 d, not 10"
            ]),
        BadInput(
            "a peer twice",
            Reading.sites + Reading.router + """
                feeds:
                  f: { site: tokyo, bgp: { peer: '2001:db8::7', as: 7 } }
                  g: { site: sydney, bgp: { peer: '2001:db8:0::7', as: 8 } }

                """,
            [
                "5:3: feed 'g' has the same peer as feed 'f' on line 4"
            ]),
        BadInput(
            "a dump's peer twice",
            Reading.sites + """
                feeds:
                  f: { site: tokyo, mrt: { file: x, peer-as: 7 } }
                  g: { site: sydney, mrt: { file: x, peer-as: 7 } }

                """,
            [
                "4:3: feed 'g' has the same peer as feed 'f' on line 3"
            ]),
        BadInput(
            "a dump without a peer",
            Reading.sites + """
                feeds:
                  f: { site: tokyo, mrt: { file: x } }

                """,
            [
                "3:26: mrt needs a peer or a peer-as: a dump holds the routes of several"
            ]),
        BadInput(
            "a dump without a file",
            Reading.sites + """
                feeds:
                  f: { site: tokyo, mrt: { peer-as: 7 } }

                """,
            [
                "3:26: mrt has no file"
            ]),
        BadInput(
            "records that can't be",
            Reading.sites + Reading.router + """
                feeds:
                  a: { site: tokyo, bgp: { peer: 192.0.2.1, as: 7 }, dump: { rotate-size: 1 } }
                  b: { site: tokyo, bgp: { peer: 192.0.2.2, as: 7 }, dump: { file: a.%Y, keep: 0 } }
                  c: { site: tokyo, bgp: { peer: 192.0.2.3, as: 7 }, dump: { file: a.%Y } }
                  d: { site: tokyo, bgp: { peer: 192.0.2.4, as: 7 }, dump: { file: "%Y/a" } }
                  e: { site: tokyo, bgp: { peer: 192.0.2.5, as: 7 }, dump: { file: a.%c } }
                  f: { site: tokyo, mrt: { file: x, peer-as: 7 }, dump: { file: b } }
                  g: { site: tokyo, bgp: { peer: 192.0.2.6, as: 7 }, dump: { file: c, rotate-every: 1500ms } }

                """,
            [
                "4:60: dump has no file",
                "4:75: rotate-size must be from 64K to 1T, as 512M or 2G, not 1",
                "5:80: keep must be a whole number from 1 to 1000000, not 0",
                "6:68: feed 'b' is recorded in the same file",
                "7:68: the time may stand in the file's name, not in that of its folder",
                "8:68: %Y, %m, %d, %H, %M, %S, %j and %s stand for parts of the time, %% for %",
                "9:57: dump is for feeds by BGP: a file has no session to record",
                "10:85: rotate-every must be a whole number of seconds, not '1500ms'",
            ]),
        BadInput(
            "a router's table without a file",
            Reading.sites + """
                feeds:
                  f: { site: tokyo, text: { bad-lines: skip } }

                """,
            [
                "3:27: text has no file"
            ]),
        BadInput(
            "a router's table with a key and a word that are none",
            Reading.sites + """
                feeds:
                  f: { site: tokyo, text: { fiel: x, bad-lines: keep } }

                """,
            [
                "3:27: text has no file",
                "3:29: unknown key 'fiel' in text; did you mean 'file'?",
                "3:49: bad-lines must be refuse or skip, not 'keep'",
            ]),
        BadInput(
            "a router's table twice",
            Reading.sites + """
                feeds:
                  f: { site: tokyo, text: { file: x, peer-as: 7 } }
                  g: { site: sydney, text: { file: x, peer-as: 7, bad-lines: skip } }
                  h: { site: sydney, text: { file: x, peer-as: 8 }, guard: off }

                """,
            [
                "4:3: feed 'g' has the same peer as feed 'f' on line 3",
                "5:60: guard is for feeds by BGP: a dump loses nothing",
            ]),
        BadInput(
            "a reading that is none",
            Reading.sites + """
                feeds:
                  f: { site: tokyo, mrt: { file: x, peer-as: 7 }, read: thru-sites }

                """,
            [
                "3:57: read must be plain or through-sites, not 'thru-sites'; did you "
                    + "mean 'through-sites'?"
            ]),
        BadInput(
            "a stale time that is none",
            Reading.sites + """
                feeds:
                  f: { site: tokyo, mrt: { file: x, peer-as: 7 }, stale-time: forever }

                """,
            [
                "3:63: stale-time must be a time: seconds, or a number with ms, s, m, h "
                    + "or d, not 'forever'"
            ]),
        BadInput(
            "what a feed can't keep",
            Reading.sites + """
                keep: [length, communities]
                feeds:
                  f: { site: tokyo, mrt: { file: x, peer-as: 7 }, keep: [paths] }
                  g: { site: tokyo, mrt: { file: x, peer-as: 8 }, keep: length, read: through-sites }

                """,
            [
                "2:7: keep must be [path], [path, communities] or [length]",
                "4:58: each of keep must be path, communities or length, not 'paths'; did you "
                    + "mean 'path'?",
                "5:57: feed 'g' reads the paths through sites, and so has to keep them",
            ]),
        BadInput(
            "a guard of a dump",
            Reading.sites + """
                feeds:
                  f: { site: tokyo, mrt: { file: x, peer-as: 7 }, guard: off }

                """,
            ["3:58: guard is for feeds by BGP: a dump loses nothing"]),
        BadInput(
            "guards that can't be",
            Reading.router + Reading.sites + """
                guard: { share: 2, window: 1500ms, settel: 5 }
                feeds:
                  f: { site: tokyo, bgp: { peer: 192.0.2.1, as: 7 }, guard: of }

                """,
            [
                "3:17: share must be a number from 0.01 to 1, not 2",
                "3:28: window must be whole seconds, not '1500ms'",
                "3:36: unknown key 'settel' in guard; did you mean 'settle'?",
                "5:61: guard must be off, or a mapping with share, window and settle, not 'of'",
            ]),
        BadInput(
            "holds of flipping prefixes that can't be",
            Reading.router + Reading.sites + """
                flip-hold: { flips: 17, within: 2h, calm: 1500ms, calmer: 1 }

                """,
            [
                "3:21: flips must be a whole number from 1 to 16, not 17",
                "3:33: within must be from 1 s to 1 h, not '2h'",
                "3:43: calm must be whole seconds, not '1500ms'",
                "3:51: unknown key 'calmer' in flip-hold; did you mean 'calm'?",
            ]),
        BadInput(
            "a hold that is neither off nor rules",
            Reading.router + Reading.sites + "flip-hold: 5\n",
            ["3:12: flip-hold must be off, or a mapping with flips, within and calm, not 5"]),
    ]
}
