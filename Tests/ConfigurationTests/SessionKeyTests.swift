// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPSpeaker
import BGPWire
import Configuration
import Foundation
import RouteTable
import Testing

@Suite("Keys of sessions")
struct SessionKeyTests {
    static func text(_ bgp: String, feed: String = "", more: String = "") -> String {
        Reading.sites + Reading.router + "feeds:\n"
            + "  f: { site: tokyo, \(feed)bgp: { peer: 192.0.2.7, as: 7\(bgp) } }\n" + more
    }

    static func source(_ bgp: String) throws -> Configuration.BGPSource {
        let configuration = try Reading.parse(Self.text(bgp))
        guard case .bgp(let source)? = configuration.feeds.first?.source else {
            throw CancellationError()
        }
        return source
    }

    @Test("what isn't said is as it was")
    func usual() throws {
        let source = try Self.source("")
        #expect(source.reach == .usual)
        #expect(source.options == SessionOptions())
        #expect(source.authentication == nil)
        #expect(try Reading.parse(Self.text("")).feeds[0].limits == nil)
    }

    @Test("all of them")
    func all() throws {
        let source = try Self.source(
            ", multihop: 7, delay-open: 5s, damp-oscillations: false, confederation: true, "
                + "role: rs-client, strict-role: true, long-lived-stale-time: 1d, "
                + "add-path: ipv4, extended-messages: false")
        #expect(source.reach == .multihop(7))
        var options = SessionOptions()
        options.delayOpen = .seconds(5)
        options.dampsOscillations = false
        options.isConfederation = true
        options.role = .routeServerClient
        options.isRoleStrict = true
        options.longLivedStaleTime = .seconds(86400)
        options.addPath = .ipv4
        options.extendedMessages = false
        #expect(source.options == options)
        #expect(try Self.source(", ttl-security: 2").reach == .secured(hops: 2))
        #expect(try !Self.source(", graceful-restart: false").options.helpsRestart)
    }

    @Test("limits of a feed")
    func limits() throws {
        let configuration = try Reading.parse(
            Self.text(
                "",
                feed: "limits: { ipv4: 1000, ipv6: 200, warn: 75%, action: restart, "
                    + "restart-after: 5m }, "))
        #expect(
            configuration.feeds[0].limits
                == PrefixLimits(ipv4: 1000, ipv6: 200, warning: 75, restartAfter: .seconds(300)))
        #expect(
            configuration.summary().contains(
                "at most 1000 IPv4 and 200 IPv6 prefixes (warn at 75%, then again after 5 min)"))
        let stopping = try Reading.parse(Self.text("", feed: "limits: { ipv4: 9 }, "))
        #expect(stopping.feeds[0].limits == PrefixLimits(ipv4: 9))
    }

    @Test(
        "that are wrong are complained of where they stand",
        arguments: [
            (", multihop: 0", "multihop must be a whole number from 1 to 255, not 0"),
            (
                ", multihop: 2, ttl-security: 1",
                "give either ttl-security or multihop: both say how far the peer may be"
            ),
            (", ttl-security: 255", "ttl-security must be a whole number from 1 to 254, not 255"),
            (
                ", password-file: a, tcp-ao: { key-file: b, send-id: 1, receive-id: 1 }",
                "a session is signed by password-file or by tcp-ao, not by both"
            ),
            (
                ", role: costumer",
                "role must be provider, rs, rs-client, customer or peer, not 'costumer'; did you "
                    + "mean 'customer'?"
            ),
            (", strict-role: true", "strict-role needs a role of our own"),
            (
                ", graceful-restart: false, long-lived-stale-time: 1h",
                "long-lived-stale-time needs graceful-restart (RFC 9494)"
            ),
            (
                ", families: [ipv6], add-path: [ipv4]",
                "add-path has a family that the session hasn't"
            ),
            (", maximum-peers: 3", "maximum-peers is for a range: peer: 203.0.113.0/24"),
        ])
    func bad(bgp: String, words: String) {
        let complaints = Reading.complaints(Self.text(bgp))
        #expect(complaints.count == 1, "\(complaints)")
        #expect(complaints.first?.hasPrefix("4:") == true)
        #expect(complaints.first?.hasSuffix(words) == true, "\(complaints)")
    }

    @Test(
        "of limits, too",
        arguments: [
            ("{}", "limits need a number of prefixes: ipv4 or ipv6"),
            ("{ ipv4: 5, warn: 0.8 }", "warn must be from 1% to 100%, not 0.8"),
            ("{ ipv4: 5, restart-after: 5m }", "restart-after goes with action: restart"),
            ("{ ipv4: 5, action: halt }", "action must be stop or restart, not 'halt'"),
        ])
    func badLimits(limits: String, words: String) {
        let complaints = Reading.complaints(Self.text("", feed: "limits: \(limits), "))
        #expect(complaints.count == 1 && complaints[0].hasSuffix(words), "\(complaints)")
    }

    // MARK: Ranges

    static func ranges(_ lines: String...) -> String {
        Reading.sites + Reading.router + "feeds:\n" + lines.map { "  \($0)\n" }.joined()
    }

    @Test("a range is taken from the sites' feeds, with numbers for its neighbours")
    func range() throws {
        let configuration = try Reading.parse(
            Self.ranges(
                "a: { site: sydney, bgp: { peer: 203.0.113.0/24, maximum-peers: 8, as: 7 } }",
                "b: { site: tokyo, bgp: { peer: 192.0.2.7, as: 7 } }"))
        let plan = configuration.plan()
        #expect(plan.feeds.map(\.name) == ["b"], "a range is no feed of the table")
        let range = try #require(plan.speaker.ranges.first)
        #expect(range.prefix.description == "203.0.113.0/24")
        #expect(range.template.connect == .passive)
        #expect(range.slots.count == 8)
        let numbers = range.slots + plan.assignment.feeds.values
        #expect(Set(numbers).count == 10, "nobody's number is another's")
        #expect(range.name(of: try IPAddress(parsing: "203.0.113.9")) == "a@203.0.113.9")
        #expect(
            configuration.summary().contains("BGP with 203.0.113.0/24 AS 7, 8 peers at most"))

        // Over a reload they stay, though feeds come before them.
        let later = try Reading.parse(
            Self.ranges(
                "c: { site: tokyo, bgp: { peer: 192.0.2.8, as: 7 } }",
                "a: { site: sydney, bgp: { peer: 203.0.113.0/24, maximum-peers: 4, as: 7 } }"))
        let next = later.plan(after: plan.assignment)
        #expect(next.assignment.slots["a"] == Array(range.slots.prefix(4)))
        let taken = Set(numbers)
        #expect(next.assignment.feeds["c"].map(taken.contains) == false)
    }

    @Test("what can't be with ranges")
    func badRanges() {
        func complaints(_ lines: String...) -> [String] {
            Reading.complaints(
                Reading.sites + Reading.router + "feeds:\n"
                    + lines.map { "  \($0)\n" }.joined())
        }
        #expect(
            complaints("a: { site: sydney, bgp: { peer: 203.0.113.0/24, as: 7 } }").first?
                .contains("maximum-peers") == true)
        #expect(
            complaints(
                "a: { site: sydney, bgp: { peer: 203.0.113.0/24, maximum-peers: 2, as: 7, "
                    + "connect: active } }"
            ).first?.hasSuffix("connect must be passive for a range of peers") == true)
        #expect(
            complaints(
                "a: { site: sydney, bgp: { peer: 203.0.113.0/24, maximum-peers: 200, as: 7 } }",
                "b: { site: sydney, bgp: { peer: 203.0.114.0/24, maximum-peers: 60, as: 7 } }"
            ).first?.contains("feed 'b' is one too many: there can be 256 feeds") == true)
        #expect(
            complaints(
                "a: { site: sydney, bgp: { peer: 203.0.113.0/24, maximum-peers: 2, as: 7, "
                    + "password-file: x } }",
                "b: { site: sydney, bgp: { peer: 203.0.113.9, as: 7 } }"
            ).first?.contains("so has to sign too; the other is on line 4") == true)
    }

    @Test("peers at one address are told apart by the address that they call")
    func sameAddress() {
        func complaints(_ a: String, _ b: String) -> [String] {
            Reading.complaints(
                Reading.sites + Reading.router + "feeds:\n"
                    + "  a: { site: sydney, bgp: { peer: 192.0.2.7, as: 7\(a) } }\n"
                    + "  b: { site: tokyo, bgp: { peer: 192.0.2.7, as: 7\(b) } }\n")
        }
        #expect(complaints("", "").count == 1)
        #expect(complaints(", local-address: 192.0.2.1", ", local-address: 192.0.2.1").count == 1)
        #expect(complaints(", local-address: 192.0.2.1", ", local-address: 192.0.2.2") == [])
        #expect(complaints(", local-address: 192.0.2.1", "") == [])
        let keys = complaints(
            ", local-address: 192.0.2.1, password-file: x",
            ", local-address: 192.0.2.2, password-file: y")
        #expect(keys.count == 1, "one address has one key")
    }

    // MARK: Keys in files

    @Test("a password is read from its file, which is its owner's alone, and never shown")
    func password() throws {
        let folder = try Folder()
        let key = try folder.write("s3cret\nsecond line\n", "core.key")
        chmod(key, 0o640)
        let path = try folder.write(Self.text(", password-file: core.key"), "martlet.yaml")
        let configuration = try Configuration.load(path: path)
        let peer = try #require(configuration.plan().speaker.peers.first)
        #expect(peer.authentication == .md5(Secret("s3cret")))
        #expect(!"\(peer)\(configuration)".contains("s3cret"))
        #expect(!String(reflecting: configuration).contains("s3cret"))
        #expect(configuration.summary().contains("signed by TCP MD5"))
        chmod(key, 0o644)
        #expect(throws: ConfigurationError.self) { try Configuration.load(path: path) }
        chmod(key, 0o600)
        _ = try folder.write(String(repeating: "x", count: 81), "core.key")
        chmod(key, 0o600)
        let error = #expect(throws: ConfigurationError.self) {
            try Configuration.load(path: path)
        }
        #expect(error?.description.contains("has a key of 81 bytes; the kernel takes 80") == true)
    }

    @Test("TCP-AO is refused in a sentence where the kernel hasn't got it")
    func authenticationOption() throws {
        let folder = try Folder()
        chmod(try folder.write("s3cret\n", "core.key"), 0o600)
        let path = try folder.write(
            Self.text(", tcp-ao: { key-file: core.key, send-id: 1, receive-id: 2 }"),
            "martlet.yaml")
        guard !Authentication.hasTCPAO else {
            let peer = try Configuration.load(path: path).plan().speaker.peers.first
            #expect(peer?.authentication?.words == "TCP-AO hmac-sha-1-96, ids 1 and 2")
            return
        }
        let error = #expect(throws: ConfigurationError.self) {
            try Configuration.load(path: path)
        }
        #expect(error?.description.contains("this kernel has no TCP-AO") == true)
    }
}
