// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import Configuration
import DNSFront
import DNSWire
import RouteTable
import Testing

@Suite("Numbers of names over reloads")
struct AssignmentTests {
    /// A configuration with these sites, a feed of the same name for each, and a `nearest` name
    /// for each of the lists.
    static func configuration(_ sites: [String], nearest: [[String]] = []) throws -> Configuration {
        var text = "sites:\n"
        for (index, site) in sites.enumerated() {
            text += "  \(site): { as: \(index + 1), addresses: [192.0.2.1] }\n"
        }
        text += "feeds:\n"
        for (index, site) in sites.enumerated() {
            text += "  \(site): { site: \(site), mrt: { file: x, peer-as: \(index + 1) } }\n"
        }
        if !nearest.isEmpty {
            text += "zones:\n  example.com:\n    ns: ns.example.org\n    records:\n"
            for (index, list) in nearest.enumerated() {
                text += "      n\(index): { nearest: [\(list.joined(separator: ", "))] }\n"
            }
        }
        return try Reading.parse(text)
    }

    @Test(
        "stay with the name, and go to another only after a reload without it",
        arguments: [
            [("a b c", [0, 1, 2]), ("c b a", [2, 1, 0])],
            [("a b c", [0, 1, 2]), ("b", [1]), ("b d", [1, 0])],
            // Number 0 has just become free: it may still be in use.
            [("a b", [0, 1]), ("c b", [2, 1]), ("c b d", [2, 1, 0])],
            [("a", [0]), ("b", [1]), ("a", [0]), ("b", [1])],
            [("a b", [0, 1]), ("x a b y", [2, 0, 1, 3]), ("y", [3]), ("a y", [0, 3])],
        ] as [[(String, [Int])]])
    func steps(steps: [(String, [Int])]) throws {
        var assignment = Assignment()
        for (names, numbers) in steps {
            let sites = names.split(separator: " ").map(String.init)
            assignment = assignment.next(for: try Self.configuration(sites))
            #expect(sites.map { assignment.sites[$0].map { Int($0.rawValue) } } == numbers)
            #expect(sites.map { assignment.feeds[$0].map { Int($0.rawValue) } } == numbers)
            #expect(assignment.sites.count == sites.count)
            #expect(assignment.feeds.count == sites.count)
        }
    }

    @Test("go to another at once where there are no others left")
    func full() throws {
        let names = (0..<SiteID.limit).map { "s\($0)" }
        let before = Assignment().next(for: try Self.configuration(names))
        let after = before.next(for: try Self.configuration(["new"] + names.dropFirst()))
        #expect(after.sites.count == SiteID.limit)
        #expect(after.sites["new"] == before.sites["s0"])
        // Feeds have more numbers than that.
        #expect(after.feeds["new"] == FeedID(rawValue: UInt16(SiteID.limit)))
    }

    @Test("of a plan are those of the plan before")
    func plans() throws {
        let first = try Self.configuration(["a", "b"]).plan()
        let second = try Self.configuration(["b", "c"]).plan(after: first.assignment)
        #expect(second.sites.map(\.id.rawValue) == [1, 2])
        #expect(second.feeds.map(\.id.rawValue) == [1, 2])
        #expect(second.feeds.map(\.site.rawValue) == [1, 2])
        #expect(second.feeds.map(\.order) == [0, 1 << 32])
        #expect(second.dumps.flatMap(\.feeds).map(\.feed.rawValue) == [1, 2])
        #expect(second.policies[0].sites.map(\.rawValue) == [1, 2])
    }

    @Test("keep to their rules over any sequence of reloads", arguments: 0..<12 as Range<UInt64>)
    func model(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let pool = (0..<80).map { "s\($0)" }
        var assignment = Assignment()
        // The numbers that the last configuration gave to its names' policies.
        var policiesInUse: [Int: Policy] = [:]
        for _ in 0..<20 {
            let most = seed % 3 == 0 ? SiteID.limit : 8
            let count = Int.random(in: 1...most, using: &random)
            let sites = Array(
                (most == 8 ? Array(pool.prefix(12)) : pool).shuffled(using: &random).prefix(count))
            let nearest = (0..<Int.random(in: 0...6, using: &random)).map { _ in
                Array(
                    sites.shuffled(using: &random)
                        .prefix(Int.random(in: 1...min(3, count), using: &random)))
            }
            let configuration = try Self.configuration(sites, nearest: nearest)
            let plan = configuration.plan(after: assignment)
            let next = plan.assignment

            #expect(Set(next.sites.keys) == Set(sites))
            #expect(Set(next.sites.values).count == sites.count)
            #expect(next.sites.values.allSatisfy { $0.rawValue < SiteID.limit })
            for (name, number) in assignment.sites where next.sites[name] != nil {
                #expect(next.sites[name] == number)
            }
            // What has just become free is given away only in need.
            let before = Set(assignment.sites.values)
            let reused = next.sites.filter { assignment.sites[$0.key] == nil }
                .filter { before.contains($0.value) }
            if before.union(next.sites.values).count < SiteID.limit {
                #expect(reused.isEmpty)
            }

            #expect(plan.policies[0].sites == sites.map { next.sites[$0] })
            for (number, policy) in policiesInUse { #expect(plan.policies[number] == policy) }
            policiesInUse = [:]
            for (index, list) in nearest.enumerated() {
                let number = try #require(plan.policy(named: "n\(index).example.com"))
                #expect(number > 0)
                #expect(plan.policies[number].sites == list.map { next.sites[$0] })
                #expect(policiesInUse[number].map { $0 == plan.policies[number] } ?? true)
                policiesInUse[number] = plan.policies[number]
                let owner = try DomainName(parsing: "n\(index).example.com")
                #expect(plan.zones[0].nearest[owner]?.policy == number)
            }
            // Names share policies, and those that are done with are used again.
            #expect(policiesInUse.count == Set(nearest).count)
            #expect(plan.policies.count <= 13)
            assignment = next
        }
    }
}
