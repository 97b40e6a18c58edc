// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import OriginValidation
import RouteTable
import Testing

@Suite("Payloads in force")
struct OriginValidatorTests {
    /// A payload for each of so many /24, from an AS.
    private static func table(_ count: Int, from number: ASNumber) -> VRPTable {
        VRPTable(
            (0..<count).compactMap {
                VRP(
                    IPPrefix(masking: IPAddress(ipv4: UInt32($0) << 8), length: 24),
                    maximumLength: 24, asNumber: number)
            })
    }

    @Test("those of before have nothing judged again where nothing has changed")
    func unchanged() {
        let validator = OriginValidator()
        #expect(validator.replaceSnapshot(by: OriginSnapshot()) == nil)
        let first = OriginSnapshot(table: Self.table(10, from: 64_500))
        #expect(validator.replaceSnapshot(by: first) != nil)
        #expect(validator.replaceSnapshot(by: first) == nil)
    }

    @Test(
        "only routes under what has changed are judged again, however much that is",
        arguments: [1, 100_000])
    func changed(count: Int) {
        let validator = OriginValidator()
        validator.snapshot = OriginSnapshot(table: Self.table(count, from: 64_500))
        let revision = validator.replaceSnapshot(
            by: OriginSnapshot(table: Self.table(count, from: 64_501)))
        #expect(revision?.within?.count == count)
        #expect(
            validator.snapshot.state(
                of: IPPrefix(masking: IPAddress(ipv4: 0), length: 24), origin: 64_501) == .valid)
    }

    @Test("all are, where there were no payloads, or invalid routes come to count otherwise")
    func everything() throws {
        let validator = OriginValidator()
        let table = Self.table(10, from: 64_500)
        let first = try #require(validator.replaceSnapshot(by: OriginSnapshot(table: table)))
        #expect(first.within == nil)
        let second = try #require(
            validator.replaceSnapshot(by: OriginSnapshot(table: table, ignoresInvalid: false)))
        #expect(second.within == nil)
    }
}
