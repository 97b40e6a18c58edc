// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import OriginValidation
import Testing

@Suite("Validated payloads")
struct VRPTableTests {
    @Test(
        "judges by RFC 6811",
        arguments: [
            ("10.1.0.0/16", 64500, ValidationState.valid),
            ("10.1.0.0/16", 64501, .invalid),
            ("10.1.2.0/24", 64500, .valid),
            ("10.1.2.0/25", 64500, .invalid),
            ("10.1.2.0/24", 64502, .valid),
            ("10.0.0.0/15", 64500, .notFound),
            ("10.2.0.0/16", 64500, .notFound),
            ("192.0.2.0/24", 64500, .invalid),
            ("192.0.2.0/24", 0, .invalid),
            ("2001:db8::/32", 64500, .valid),
            ("2001:db8:1::/48", 64500, .valid),
            ("2001:db8:1::/49", 64500, .invalid),
            ("2001:db9::/32", 64500, .notFound),
            ("0.0.0.0/0", 64500, .notFound),
        ] as [(String, UInt32, ValidationState)])
    func states(prefix: String, origin: UInt32, state: ValidationState) throws {
        let table = VRPTable([
            try vrp("10.1.0.0/16", 24, 64500), try vrp("10.1.2.0/24", 64502),
            try vrp("192.0.2.0/24", 0), try vrp("2001:db8::/32", 48, 64500),
        ])
        #expect(table.state(of: try IPPrefix(parsing: prefix), origin: ASNumber(origin)) == state)
    }

    @Test("a route without an origin is never valid")
    func noOrigin() throws {
        let table = VRPTable([try vrp("10.1.0.0/16", 24, 64500)])
        #expect(table.state(of: try IPPrefix(parsing: "10.1.0.0/16"), origin: nil) == .invalid)
        #expect(table.state(of: try IPPrefix(parsing: "10.0.0.0/8"), origin: nil) == .notFound)
    }

    @Test("a table without payloads finds nothing")
    func empty() throws {
        let prefix = try IPPrefix(parsing: "10.1.0.0/16")
        #expect(VRPTable().state(of: prefix, origin: 1) == .notFound)
        #expect(VRPTable().covering(prefix).isEmpty)
    }

    @Test("payloads have a maximum length that fits")
    func maximumLength() throws {
        let prefix = try IPPrefix(parsing: "10.1.0.0/16")
        #expect(VRP(prefix, maximumLength: 15, asNumber: 1) == nil)
        #expect(VRP(prefix, maximumLength: 33, asNumber: 1) == nil)
        #expect(try vrp("10.1.0.0/16", 24, 1).description == "10.1.0.0/16-24 AS1")
        #expect(try vrp("10.1.0.0/16", 1).description == "10.1.0.0/16 AS1")
    }

    @Test("agrees with a linear search", arguments: 1...20 as ClosedRange<UInt64>)
    func linear(seed: UInt64) {
        var random = SeededGenerator(state: seed)
        let payloads = (0..<Int.random(in: 1...900, using: &random)).compactMap { _ in
            random.payload()
        }
        let table = VRPTable(payloads)
        #expect(Array(table) == Set(payloads).sorted())
        for _ in 0..<1000 {
            let prefix = random.prefix()
            let origin = ASNumber(UInt32.random(in: 0...4, using: &random))
            let covering = Set(payloads).filter { $0.prefix.contains(prefix) }
            let isValid = covering.contains {
                $0.asNumber == origin && origin != 0
                    && Int($0.maximumLength) >= prefix.length
            }
            let state: ValidationState =
                covering.isEmpty ? .notFound : isValid ? .valid : .invalid
            #expect(table.state(of: prefix, origin: origin) == state, "seed \(seed) \(prefix)")
            #expect(Set(table.covering(prefix)) == covering, "seed \(seed) \(prefix)")
        }
    }

    @Test("changes give what a set gives", arguments: 1...20 as ClosedRange<UInt64>)
    func changes(seed: UInt64) throws {
        var random = SeededGenerator(state: seed)
        var set: Set<VRP> = []
        var table = VRPTable()
        for _ in 0..<20 {
            let before = (set, table)
            var changes: [VRPChange] = []
            for _ in 0..<Int.random(in: 0...60, using: &random) {
                let old = set.randomElement(using: &random)
                if let old, Bool.random(using: &random) {
                    changes.append(VRPChange(old, isAnnounced: false))
                    set.remove(old)
                } else if let new = random.payload(), set.insert(new).inserted {
                    changes.append(VRPChange(new, isAnnounced: true))
                }
            }
            table = try table.applying(changes)
            #expect(Array(table) == set.sorted(), "seed \(seed)")
            let prefixes = try #require(before.1.changedPrefixes(to: table, limit: .max))
            let changed = set.symmetricDifference(before.0)
            #expect(
                changed.allSatisfy { payload in
                    prefixes.contains { $0.contains(payload.prefix) }
                }, "seed \(seed)")
            #expect(
                prefixes.allSatisfy { prefix in
                    changed.contains { $0.prefix == prefix }
                        && !prefixes.contains { $0 != prefix && $0.contains(prefix) }
                }, "seed \(seed)")
        }
    }

    @Test("a record that contradicts the table is refused")
    func conflicts() throws {
        let payload = try vrp("10.1.0.0/16", 24, 64500)
        let other = try vrp("10.1.0.0/16", 24, 64501)
        let table = VRPTable([payload])
        #expect(throws: VRPConflict.duplicate(payload)) {
            try table.applying([VRPChange(payload, isAnnounced: true)])
        }
        #expect(throws: VRPConflict.unknown(other)) {
            try table.applying([VRPChange(other, isAnnounced: false)])
        }
        #expect(throws: VRPConflict.duplicate(other)) {
            try table.applying([
                VRPChange(other, isAnnounced: true), VRPChange(other, isAnnounced: true),
            ])
        }
        let again = try table.applying([
            VRPChange(payload, isAnnounced: false), VRPChange(payload, isAnnounced: true),
        ])
        #expect(again == table)
    }

    @Test("more changed prefixes than asked for are none")
    func limit() throws {
        let table = VRPTable([try vrp("10.1.0.0/16", 1), try vrp("10.2.0.0/16", 1)])
        #expect(VRPTable().changedPrefixes(to: table, limit: 1) == nil)
        #expect(VRPTable().changedPrefixes(to: table, limit: 2)?.count == 2)
        #expect(table.changedPrefixes(to: table, limit: 0) == [])
    }

    @Test("half a million payloads take 17 bytes each")
    func compact() throws {
        let payloads = (0..<500_000 as Range<UInt32>).compactMap {
            VRP(
                IPPrefix(masking: IPAddress(ipv4: $0 << 11), length: 21), maximumLength: 24,
                asNumber: ASNumber($0))
        }
        let table = VRPTable(payloads)
        #expect(table.count(.ipv4) == 500_000)
        #expect(table.bytes <= 500_000 * 19)
    }
}

@Suite("The origin of a route")
struct OriginTests {
    @Test("is the last AS of a closing sequence")
    func sequence() {
        #expect(ASPath([1, 2, 70000]).originAS(local: 9) == 70000)
    }

    @Test("is our own AS where the path is empty or closes within the confederation")
    func local() {
        #expect(ASPath.empty.originAS(local: 9) == 9)
        let confederation = ASPath(segments: [
            .init(kind: .confederationSequence, members: [64512, 64513])
        ])
        #expect(confederation.originAS(local: 9) == 9)
    }

    @Test("is none where the path closes with a set")
    func set() {
        let path = ASPath(segments: [
            .init(kind: .sequence, members: [1, 2]), .init(kind: .set, members: [3]),
        ])
        #expect(path.originAS(local: 9) == nil)
    }
}
