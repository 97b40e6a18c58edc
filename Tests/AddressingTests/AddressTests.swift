// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Testing

@Suite("Addresses as values")
struct AddressTests {
    @Test("keep their bytes in network order")
    func bytes() throws {
        let four = try IPAddress(parsing: "192.0.2.1")
        #expect(four.bytes == [192, 0, 2, 1])
        #expect(four.ipv4Value == 0xc000_0201)
        #expect(four.high == 0xc000_0201_0000_0000 && four.low == 0)
        #expect(IPAddress(bytes: four.bytes) == four)
        let six = try IPAddress(parsing: "102:304:506:708:90a:b0c:d0e:f10")
        #expect(six.bytes == Array(1...16))
        #expect(IPAddress(bytes: six.bytes) == six)
        for count in 0...20 where count != 4 && count != 16 {
            #expect(IPAddress(bytes: [UInt8](repeating: 1, count: count)) == nil)
        }
    }

    @Test("of IPv4 drop what lies beyond their width")
    func width() {
        let address = IPAddress(family: .ipv4, leftAligned: .max)
        #expect(address.description == "255.255.255.255")
        #expect(address == IPAddress(ipv4: .max))
    }

    @Test("are small")
    func size() {
        #expect(MemoryLayout<IPAddress>.size == 17)
        #expect(MemoryLayout<IPPrefix>.size == 18)
        #expect(MemoryLayout<IPPrefix>.stride == 24)
    }

    @Test(
        "of IPv4 come out of IPv4-mapped ones",
        arguments: [
            ("::ffff:192.0.2.1", "192.0.2.1"), ("::192.0.2.1", "::192.0.2.1"),
            ("::fffe:192.0.2.1", "::fffe:192.0.2.1"), ("1::ffff:192.0.2.1", "1::ffff:192.0.2.1"),
            ("192.0.2.1", "192.0.2.1"), ("::", "::"),
        ])
    func unmapped(text: String, expected: String) throws {
        #expect(try IPAddress(parsing: text).unmapped == IPAddress(parsing: expected))
    }

    @Test("stand in order: IPv4 before IPv6, then by value")
    func order() throws {
        let sorted = try [
            "0.0.0.0", "0.0.0.1", "9.255.255.255", "10.0.0.0", "255.255.255.255", "::", "::1",
            "1::", "8000::", "ffff::", "ffff::1",
        ].map { try IPAddress(parsing: $0) }
        #expect(sorted.shuffled().sorted() == sorted)
    }

    @Test("mask to every length, bit by bit", arguments: AddressFamily.allCases)
    func masking(family: AddressFamily) {
        var random = SeededGenerator(seed: 7)
        for length in 0...family.width {
            let bits = UInt128(random.next()) << 64 | UInt128(random.next())
            var expected: UInt128 = 0
            for bit in 0..<length { expected |= bits & (1 << UInt128(127 - bit)) }
            let address = IPAddress(family: family, leftAligned: bits)
            #expect(address.masked(toLength: length).leftAligned == expected)
        }
    }

    @Test("share as many leading bits as a count says", arguments: AddressFamily.allCases)
    func commonPrefix(family: AddressFamily) {
        var random = SeededGenerator(seed: 8)
        for length in 0..<family.width {
            let bits = UInt128(random.next()) << 64 | UInt128(random.next())
            let a = IPAddress(family: family, leftAligned: bits)
            let b = IPAddress(family: family, leftAligned: bits ^ (1 << UInt128(127 - length)))
            #expect(a.commonPrefixLength(with: b) == length)
            #expect(b.commonPrefixLength(with: a) == length)
            #expect(a.commonPrefixLength(with: a) == family.width)
        }
    }
}
