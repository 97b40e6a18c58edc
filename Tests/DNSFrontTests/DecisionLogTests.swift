// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import DNSFront
import DNSWire
import Foundation
import RouteTable
import Testing

@Suite("The log of decisions", .timeLimit(.minutes(5)))
struct DecisionLogTests {
    private static let pins = [("192.0.2.0/24", [amsterdam])]

    private struct Line: Decodable, Equatable {
        var time: String
        var name: String
        var type: String
        var transport: String
        var client: String
        var by: String
        var scope: Int
        var site: String?
        var sites: [String]
        var addresses: [String]?
        var answer: [String]?
        var reason: String?
        var allDown: Bool

        enum CodingKeys: String, CodingKey {
            case time, name, type, transport, client, by, scope, site, sites, addresses, answer
            case reason
            case allDown = "all_down"
        }
    }

    private static func lines(of path: String) throws -> [Line] {
        guard let data = FileManager.default.contents(atPath: path) else { return [] }
        return try data.split(separator: 0x0a).map {
            try JSONDecoder().decode(Line.self, from: Data($0))
        }
    }

    /// Waits for so many lines, and gives them.
    private static func lines(of path: String, count: Int) async throws -> [Line] {
        for _ in 0..<600 {
            let lines = try Self.lines(of: path)
            if lines.count >= count { return lines }
            try await Task.sleep(for: .milliseconds(50))
        }
        return try Self.lines(of: path)
    }

    private func withLog(
        zones: [Zone] = [exampleZone()],
        _ change: @escaping @Sendable (inout DecisionLogRules) -> Void,
        _ body: @escaping @Sendable (DNSServer, DNSEndpoint, String) async throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("martlet-log-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("decisions").path
        try await withServer(
            pins: Self.pins, zones: zones,
            change: { settings in
                var rules = DecisionLogRules(file: path)
                rules.sample = 1
                change(&rules)
                settings.rules.decisions = rules
            }
        ) { server, endpoints in
            try await body(server, endpoints[0], path)
        }
    }

    /// Asks over one TCP connection, an answer after the other.
    private func ask(_ queries: [Query], _ endpoint: DNSEndpoint) async throws {
        try await blocking {
            let client = try TCPClient(endpoint)
            for (number, query) in queries.enumerated() {
                client.send(query.framed(identifier: UInt16(number)))
                #expect(client.message() != nil)
            }
        }
    }

    @Test("has a line for each nearest answer, and none for others")
    func lines() async throws {
        try await self.withLog { _ in
        } _: { server, endpoint, path in
            var pinned = Query("WWW.example.com", .a)
            pinned.subnet = "192.0.2.128/25"
            let queries = [
                pinned, Query("static.example.com", .a), Query("nothing.example.com", .a),
                Query("v4.example.com", .aaaa), Query("two.example.com", .aaaa),
            ]
            try await self.ask(queries, endpoint)
            let lines = try await Self.lines(of: path, count: 3)
            #expect(lines.count == 3)
            let now = ISO8601DateFormatter().string(from: Date()).prefix(4)
            #expect(lines.allSatisfy { $0.time.hasPrefix(now) && $0.time.hasSuffix("Z") })
            #expect(lines.allSatisfy { $0.time.count == 24 })
            var first = lines[0]
            first.time = ""
            #expect(
                first
                    == Line(
                        time: "", name: "www.example.com.", type: "A", transport: "tcp",
                        client: "192.0.2.0/24", by: "subnet", scope: 24, site: "amsterdam",
                        sites: ["amsterdam"], addresses: ["193.173.27.8"],
                        answer: ["A 193.173.27.8"], reason: "pinned", allDown: false))
            #expect(lines[1].name == "v4.example.com." && lines[1].site == nil)
            #expect(lines[1].addresses == [] && lines[1].answer == [] && lines[1].sites == [])
            #expect(lines[2].client == "127.0.0.0/24" && lines[2].by == "resolver")
            #expect(lines[2].addresses == ["2001:db8:1::1", "2001:db8:2::1"])
            #expect(lines[2].site == "sydney" && lines[2].sites == ["sydney", "amsterdam"])
        }
    }

    @Test(
        "tells no more of a client than its network, whatever a resolver sends",
        arguments: [
            ("192.0.2.129/32", "192.0.2.0/24"), ("198.51.0.0/16", "198.51.0.0/16"),
            ("0.0.0.0/0", "127.0.0.0/24"), ("2001:db8:1:1ff::1/128", "2001:db8:1:100::/56"),
            ("2001:db8::/32", "2001:db8::/32"),
        ])
    func networks(subnet: String, logged: String) async throws {
        try await self.withLog { _ in
        } _: { server, endpoint, path in
            var query = Query("www.example.com", .a)
            query.subnet = subnet
            try await self.ask([query], endpoint)
            let lines = try await Self.lines(of: path, count: 1)
            #expect(lines.map(\.client) == [logged])
        }
    }

    @Test("says what was answered: the alias, all sites, hints; and why the first site")
    func answers() async throws {
        var zone = exampleZone()
        zone.nearest[name("web.example.com")] = NearestRecord(
            policy: 0, timeToLive: 60, answers: 2)
        zone.add(
            name("web.example.com"), timeToLive: 60,
            try RecordData(parsing: "1 . alpn=h2", type: .https, relativeTo: name("example.com")))
        try await self.withLog(zones: [zone]) { _ in
        } _: { server, endpoint, path in
            var queries = ["cdn.example.com", "web.example.com"].map {
                Query($0, .a)
            }
            queries += [Query("web.example.com", .https), Query("cdn.example.com", .aaaa)]
            for index in queries.indices { queries[index].subnet = "192.0.2.0/24" }
            try await self.ask(queries, endpoint)
            let lines = try await Self.lines(of: path, count: 4)
            #expect(lines.count == 4)
            guard lines.count == 4 else { return }
            for line in [lines[0], lines[3]] {
                #expect(line.site == "amsterdam" && line.reason == "pinned")
                #expect(line.addresses == [])
                #expect(line.answer == ["CNAME ams.example.net."])
                #expect(line.sites == ["amsterdam"])
            }
            #expect(lines[1].addresses == ["193.173.27.8", "210.18.215.100"])
            #expect(lines[1].answer == ["A 193.173.27.8", "A 210.18.215.100"])
            #expect(lines[1].sites == ["amsterdam", "sydney"])
            #expect(lines[2].type == "HTTPS" && lines[2].site == "amsterdam")
            #expect(lines[2].addresses == [] && lines[2].answer?.count == 1)
            #expect(
                lines[2].answer?.first?.contains("ipv4hint=193.173.27.8,210.18.215.100") == true)
            #expect(lines[2].sites == ["amsterdam", "sydney"])
            #expect(lines[2].reason == "pinned")
        }
    }

    @Test("is sampled, and no more than so many a second are written")
    func sampled() async throws {
        try await self.withLog { rules in
            rules.sample = 10
            rules.rate = 10_000
        } _: { server, endpoint, path in
            let queries = [Query](repeating: Query("www.example.com", .a), count: 200)
            try await self.ask(queries, endpoint)
            #expect(try await Self.lines(of: path, count: 20).count == 20)
            var rules = AnswerRules()
            rules.decisions = DecisionLogRules(file: path)
            rules.decisions?.sample = 1
            rules.decisions?.rate = 1
            server.apply(rules)
            let start = ContinuousClock.now
            try await self.ask(queries, endpoint)
            let seconds = Int((ContinuousClock.now - start) / .seconds(1)) + 2
            // Whatever else is to come comes within the next round.
            _ = try await Self.lines(of: path, count: 21)
            server.apply(AnswerRules())
            try await self.ask(queries, endpoint)
            let count = try Self.lines(of: path).count
            #expect(count > 20 && count <= 20 + seconds)
        }
    }

    @Test("goes on in a new file where the old one was moved away, and to another by a change")
    func moved() async throws {
        try await self.withLog { _ in
        } _: { server, endpoint, path in
            let query = [Query("www.example.com", .a)]
            try await self.ask(query, endpoint)
            #expect(try await Self.lines(of: path, count: 1).count == 1)
            try FileManager.default.moveItem(atPath: path, toPath: path + ".1")
            try await self.ask(query, endpoint)
            #expect(try await Self.lines(of: path, count: 1).count == 1)
            #expect(try Self.lines(of: path + ".1").count == 1)
            var rules = AnswerRules()
            rules.decisions = DecisionLogRules(file: path + ".2")
            rules.decisions?.sample = 1
            server.apply(rules)
            try await self.ask(query, endpoint)
            #expect(try await Self.lines(of: path + ".2", count: 1).count == 1)
        }
    }

    @Test("a file that can't be written costs lines, and nothing else")
    func unwritable() async throws {
        try await self.withLog {
            $0.file = "/nowhere/decisions"
        } _: { server, endpoint, _ in
            let queries = [Query](repeating: Query("www.example.com", .a), count: 600)
            try await self.ask(queries, endpoint)
            #expect(server.counters().queries[.tcp] == 600)
        }
    }
}
