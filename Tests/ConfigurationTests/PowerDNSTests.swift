// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Configuration
import DNSFront
import Testing

@Suite("PowerDNS in a configuration")
struct PowerDNSTests {
    @Test("has a socket, whose group and bound have their defaults")
    func plan() throws {
        #expect(try Reading.parse(Reading.sites).plan().powerDNS == nil)
        let usual = try Reading.parse(
            Reading.sites + "powerdns: { socket: /run/martlet/pdns.sock }\n")
        #expect(
            usual.plan().powerDNS
                == RemoteBackendSettings(
                    socketPath: "/run/martlet/pdns.sock", socketGroup: nil, maximumConnections: 64))
        let other = try Reading.parse(
            Reading.sites
                + "powerdns: { socket: pdns.sock, group: root, maximum-connections: 7 }\n")
        #expect(other.plan().powerDNS?.socketGroup == 0)
        #expect(other.plan().powerDNS?.maximumConnections == 7)
        #expect(
            other.summary().contains(
                "listen powerdns: pdns.sock, group root, at most 7 connections\n"))
        #expect(
            other.summary().contains("note: no zones, so that there is nothing to tell PowerDNS"))
    }

    @Test("changes at the next start")
    func differences() throws {
        let without = try Reading.parse(Reading.sites)
        let with = try Reading.parse(Reading.sites + "powerdns: { socket: /run/pdns.sock }\n")
        #expect(
            with.differences(from: without)
                == ["powerdns: none -> /run/pdns.sock, from the next start on"])
        #expect(
            without.differences(from: with)
                == ["powerdns: /run/pdns.sock -> none, from the next start on"])
    }

    @Test(
        "needs a path that a socket can have",
        arguments: [
            ("powerdns: { group: pdns }\n", "2:11: powerdns has no socket"),
            (
                "powerdns: /run/pdns.sock\n",
                "2:11: powerdns must be a mapping (key: value), not "
                    + "'/run/pdns.sock'"
            ),
            (
                "powerdns: { socket: /\(String(repeating: "x", count: 107)) }\n",
                "2:21: socket is too long: a socket's path has at most 107 bytes"
            ),
            (
                "listen: { socket: /run/a.sock }\npowerdns: { socket: /run/a.sock }\n",
                "3:21: /run/a.sock is the console's socket"
            ),
            (
                "powerdns: { socket: a, maximum-connections: 0 }\n",
                "2:45: maximum-connections must be a whole number from 1 to 4096, not 0"
            ),
            (
                "powerdns: { socket: a, groop: b }\n",
                "2:24: unknown key 'groop' in powerdns; did you mean 'group'?"
            ),
        ])
    func complaints(text: String, complaint: String) {
        #expect(Reading.complaints(Reading.sites + text) == [complaint])
    }
}
