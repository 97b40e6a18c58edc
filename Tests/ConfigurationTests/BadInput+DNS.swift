// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

extension BadInputTests {
    static let dns: [BadInput] = [
        BadInput(
            "an unknown key of dns",
            Reading.sites + "dns: { rate-limits: off }\n",
            ["2:8: unknown key 'rate-limits' in dns; did you mean 'rate-limit'?"]),
        BadInput(
            "a listener with an unknown key",
            Reading.sites + "listen: { dns: [{ address: '127.0.0.1:53', ecs: off }] }\n",
            [
                "2:44: unknown key 'ecs' in a dns listener (allowed: address, "
                    + "client-subnet, proxy, tls)"
            ]),
        BadInput(
            "a listener with proxies that are none",
            Reading.sites + """
                listen:
                  dns:
                    - { address: '127.0.0.1:53', proxy: 192.0.2.1 }
                    - { address: '127.0.0.2:53', proxy: { to: 192.0.2.1 } }
                    - { address: '127.0.0.3:53', proxy: { from: dnsdist } }

                """,
            [
                "4:41: proxy must be a mapping (key: value), not '192.0.2.1'",
                "5:41: proxy has no from", "5:43: unknown key 'to' in proxy (allowed: from)",
                "6:49: each of from must be a prefix, as 192.0.2.0/24, not 'dnsdist': unexpected 'd'",
            ]),
        BadInput(
            "a listener with half a certificate",
            Reading.sites + """
                listen:
                  dns:
                    - { address: '127.0.0.1:853', tls: dot.pem }
                    - { address: '127.0.0.2:853', tls: { certificate: dot.pem } }
                    - { address: '127.0.0.3:853', tls: { key: dot.key, password: x } }

                """,
            [
                "4:40: tls must be a mapping (key: value), not 'dot.pem'",
                "5:40: tls has no key",
                "6:40: tls has no certificate",
                "6:56: unknown key 'password' in tls (allowed: certificate, key)",
            ]),
        BadInput(
            "no connections for anybody",
            Reading.sites + "dns: { connections-per-client: 0 }\n",
            ["2:32: connections-per-client must be a whole number from 1 to 65535, not 0"]),
        BadInput(
            "a listener without an address",
            Reading.sites + "listen: { dns: [{ client-subnet: off }] }\n",
            ["2:17: a dns listener has no address"]),
        BadInput(
            "client-subnet that is neither on nor off",
            Reading.sites + """
                listen: { dns: [{ address: '127.0.0.1:53', client-subnet: no }] }
                dns: { client-subnet: yes }

                """,
            [
                "2:59: client-subnet must be on or off, not 'no'",
                "3:23: client-subnet must be on, off or a mapping with from, not 'yes'",
            ]),
        BadInput(
            "subnets from what is no prefix",
            Reading.sites + "dns: { client-subnet: { from: [192.0.2.1/24] } }\n",
            [
                "2:32: each of from must be a prefix, as 192.0.2.0/24, not '192.0.2.1/24': "
                    + "bits are set beyond the prefix length; did you mean 192.0.2.0/24?"
            ]),
        BadInput(
            "an identity that is too long",
            Reading.sites + "dns: { identity: \(String(repeating: "n", count: 65)) }\n",
            [
                "2:18: identity must be hidden, or at most 64 bytes, not "
                    + "'\(String(repeating: "n", count: 60))…'"
            ]),
        BadInput(
            "cookies",
            Reading.sites + "dns: { cookies: { secret-fil: x, required: on } }\n",
            [
                "2:19: unknown key 'secret-fil' in cookies; did you mean 'secret-file'?",
                "2:44: required must be true or false, not 'on'",
            ]),
        BadInput(
            "cookies in a word",
            Reading.sites + "dns: { cookies: strict }\n",
            ["2:17: cookies must be on, off or a mapping, not 'strict'"]),
        BadInput(
            "rate limits that can't be",
            Reading.sites + """
                dns:
                  rate-limit:
                    answers: -1
                    errors: 1000001
                    slip: 101
                    ipv4-prefix: 33
                    ipv6-prefix: 8
                    table-size: 10
                    exempt: localhost

                """,
            [
                "4:14: answers must be a whole number from 0 to 1000000, not -1",
                "5:13: errors must be a whole number from 0 to 1000000, not 1000001",
                "6:11: slip must be a whole number from 0 to 100, not 101",
                "7:18: ipv4-prefix must be a whole number from 8 to 32, not 33",
                "8:18: ipv6-prefix must be a whole number from 16 to 128, not 8",
                "9:17: table-size must be a whole number from 1024 to 4194304, not 10",
                "10:13: each of exempt must be a prefix, as 192.0.2.0/24, not 'localhost': "
                    + "unexpected 'l'",
            ]),
        BadInput(
            "a rate limit in a word",
            Reading.sites + "dns: { rate-limit: on }\n",
            ["2:20: rate-limit must be off or a mapping, not 'on'"]),
        BadInput(
            "a decision log without a file",
            Reading.sites + "dns: { decision-log: { sample: 0, rate: 10001 } }\n",
            [
                "2:22: decision-log has no file",
                "2:32: sample must be a whole number from 1 to 1000000, not 0",
                "2:41: rate must be a whole number from 1 to 10000, not 10001",
            ]),
        BadInput(
            "debugging names for nobody",
            Reading.sites + "dns: { debug: {} }\n",
            ["2:15: debug has no allow"]),
        BadInput(
            "a static name with client-subnet",
            Reading.sites + """
                zones:
                  example.com:
                    ns: ns.example.org
                    records: { www: { a: 192.0.2.1, client-subnet: off } }

                """,
            ["5:37: client-subnet belongs to a nearest name: record 'www' is none"]),
    ]
}
