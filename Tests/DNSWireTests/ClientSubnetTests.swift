// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSWire
import Testing

@Suite("Client Subnet")
struct ClientSubnetTests {
    private func read(_ bytes: [UInt8]) throws -> ClientSubnet {
        try ClientSubnet(reading: bytes.span.bytes, in: 0..<bytes.count)
    }

    @Test(
        "reads a prefix of either family",
        arguments: [
            ([0, 1, 24, 0, 192, 0, 2], "192.0.2.0/24"),
            ([0, 1, 32, 0, 192, 0, 2, 1], "192.0.2.1/32"),
            ([0, 1, 20, 0, 192, 0, 0x20], "192.0.32.0/20"),
            ([0, 1, 1, 0, 0x80], "128.0.0.0/1"),
            ([0, 2, 56, 0, 0x20, 1, 0xd, 0xb8, 0, 0, 1], "2001:db8:0:100::/56"),
            ([0, 2, 128, 0] + [UInt8](repeating: 0xff, count: 16), "\(allOnes)/128"),
        ] as [([UInt8], String)])
    func good(bytes: [UInt8], prefix: String) throws {
        let subnet = try read(bytes)
        let expected = try IPPrefix(parsing: prefix)
        #expect(subnet == ClientSubnet(expected))
        #expect(subnet.address == expected.address)
        #expect(subnet.optionByteCount == 4 + bytes.count)
    }

    private static let allOnes = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"

    @Test("lets a source of 0 pass, of no family too", arguments: [0, 1, 2] as [UInt8])
    func withheld(family: UInt8) throws {
        let subnet = try read([0, family, 0, 0])
        #expect(subnet.address == nil)
        #expect(subnet.sourceLength == 0)
        #expect(subnet.family == UInt16(family))
    }

    @Test(
        "refuses what RFC 7871 does",
        arguments: [
            ([], ClientSubnetError.truncated(need: 4, have: 0)),
            ([0, 1, 24], .truncated(need: 4, have: 3)),
            ([0, 3, 24, 0, 1, 2, 3], .unknownFamily(3)),
            ([0, 3, 0, 0], .unknownFamily(3)),
            ([0, 0, 8, 0, 10], .unknownFamily(0)),
            ([1, 1, 24, 0, 1, 2, 3], .unknownFamily(257)),
            ([0, 1, 33, 0, 1, 2, 3, 4, 0], .sourceTooLong(33)),
            ([0, 2, 129, 0] + [UInt8](repeating: 0, count: 17), .sourceTooLong(129)),
            ([0, 1, 24, 24, 192, 0, 2], .scopeInQuery(24)),
            ([0, 1, 24, 0, 192, 0], .wrongAddressLength(need: 3, have: 2)),
            ([0, 1, 24, 0, 192, 0, 2, 0], .wrongAddressLength(need: 3, have: 4)),
            ([0, 1, 0, 0, 0], .wrongAddressLength(need: 0, have: 1)),
            ([0, 0, 0, 0, 0], .wrongAddressLength(need: 0, have: 1)),
            ([0, 1, 20, 0, 192, 0, 0x21], .bitsBeyondSource),
            ([0, 2, 1, 0, 0xc0], .bitsBeyondSource),
        ] as [([UInt8], ClientSubnetError)])
    func bad(bytes: [UInt8], error: ClientSubnetError) {
        #expect(throws: error) { try read(bytes) }
    }
}
