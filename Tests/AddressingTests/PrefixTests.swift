// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Testing

@Suite("Prefixes")
struct PrefixTests {
    @Test(
        "come back as they were written",
        arguments: [
            "0.0.0.0/0", "10.0.0.0/8", "192.0.2.1/32", "::/0", "2001:db8::/32", "::1/128",
            "128.0.0.0/1",
        ])
    func text(text: String) throws {
        #expect(try IPPrefix(parsing: text).description == text)
        let (prefix, wasMasked) = try IPPrefix.lenient(parsing: Array(text.utf8).span)
        #expect(prefix.description == text)
        #expect(!wasMasked)
    }

    @Test(
        "say what is wrong and where",
        arguments: [
            ("10.0.0.0", .missingLength, 8), ("10.0.0.0/", .missingLength, 9),
            ("10.0.0.0/33", .lengthOutOfRange(maximum: 32), 9),
            ("::/129", .lengthOutOfRange(maximum: 128), 3),
            ("::/99999999999999999999999", .lengthOutOfRange(maximum: 128), 3),
            ("10.0.0.0/8 ", .unexpectedCharacter(32), 10),
            ("10.0.0.0/-1", .unexpectedCharacter(45), 9),
            ("10.0.0.0/8/8", .unexpectedCharacter(47), 10), ("10.0.0/8", .incomplete, 6),
            ("/8", .empty, 0), ("", .empty, 0), ("10.0.0.0/+8", .unexpectedCharacter(43), 9),
            ("10.0.0.0/255.0.0.0", .lengthOutOfRange(maximum: 32), 9),
        ] as [(String, AddressSyntaxError.Reason, Int)])
    func errors(text: String, reason: AddressSyntaxError.Reason, offset: Int) {
        #expect(throws: AddressSyntaxError(reason, offset: offset)) {
            try IPPrefix(parsing: text)
        }
        #expect(throws: AddressSyntaxError(reason, offset: offset)) {
            try IPPrefix.lenient(parsing: Array(text.utf8).span)
        }
    }

    @Test(
        "with bits beyond the length are refused with the canonical form, or masked on request",
        arguments: [
            ("10.1.2.3/8", "10.0.0.0/8"), ("255.255.255.255/0", "0.0.0.0/0"),
            ("2001:db8::1/64", "2001:db8::/64"), ("8000::/0", "::/0"),
        ])
    func hostBits(text: String, canonical: String) throws {
        let expected = try IPPrefix(parsing: canonical)
        let error = #expect(throws: AddressSyntaxError.self) { try IPPrefix(parsing: text) }
        #expect(error?.reason == .hostBitsSet(canonical: expected))
        #expect(error?.description.contains("did you mean \(canonical)?") == true)
        let (prefix, wasMasked) = try IPPrefix.lenient(parsing: Array(text.utf8).span)
        #expect(prefix == expected)
        #expect(wasMasked)
    }

    @Test("of every length hold what their bits say", arguments: AddressFamily.allCases)
    func contains(family: AddressFamily) {
        var random = SeededGenerator(seed: 9)
        for length in 0...family.width {
            let bits = UInt128(random.next()) << 64 | UInt128(random.next())
            let address = IPAddress(family: family, leftAligned: bits)
            let prefix = IPPrefix(masking: address, length: length)
            #expect(prefix.contains(address))
            #expect(prefix.contains(prefix.address) && prefix.contains(prefix.last))
            #expect(prefix.address.commonPrefixLength(with: prefix.last) >= length)
            #expect(IPPrefix(exactly: prefix.address, length: length) == prefix)
            #expect(
                (IPPrefix(exactly: address, length: length) == nil) == (address != prefix.address))
            let size = prefix.last.leftAligned - prefix.address.leftAligned
            let shift = UInt128(128 - family.width)
            let hostMask = UInt128.max >> UInt128(128 - family.width + length)
            #expect(size >> shift == hostMask)
            for bit in 0..<family.width {
                let other = IPAddress(family: family, leftAligned: bits ^ (1 << UInt128(127 - bit)))
                #expect(prefix.contains(other) == (bit >= length))
            }
            #expect(prefix.contains(IPPrefix(host: address)))
            if let parent = prefix.parent {
                #expect(parent.contains(prefix) && !prefix.contains(parent))
                #expect(parent.length == length - 1)
            } else {
                #expect(prefix == .all(family))
            }
        }
        let other = IPAddress(family: family == .ipv4 ? .ipv6 : .ipv4, leftAligned: 0)
        #expect(!IPPrefix.all(family).contains(other))
        #expect(!IPPrefix.all(family).contains(IPPrefix(host: other)))
        #expect(IPPrefix(exactly: other, length: -1) == nil)
        #expect(IPPrefix(exactly: other, length: other.family.width + 1) == nil)
    }

    @Test("stand in tree order: a block just before all that it holds")
    func treeOrder() {
        // Every prefix of the upper four bits of both families, in the order of a walk.
        func walk(_ prefix: IPPrefix) -> [IPPrefix] {
            guard prefix.length < 4 else { return [prefix] }
            let length = prefix.length + 1
            let upper = prefix.address.leftAligned | 1 << UInt128(128 - length)
            return [prefix] + walk(IPPrefix(masking: prefix.address, length: length))
                + walk(
                    IPPrefix(
                        masking: IPAddress(family: prefix.family, leftAligned: upper),
                        length: length))
        }
        let expected = walk(.all(.ipv4)) + walk(.all(.ipv6))
        #expect(expected.count == 62)
        #expect(expected.shuffled().sorted() == expected)
    }

    /// The fewest blocks, found the slow way: a whole block if it fits, else the two halves.
    private func cover(_ block: IPPrefix, _ first: IPAddress, _ last: IPAddress) -> [IPPrefix] {
        if block.last < first || block.address > last { return [] }
        if first <= block.address && block.last <= last { return [block] }
        let upper = block.address.leftAligned | 1 << UInt128(127 - block.length)
        let middle = IPAddress(family: block.family, leftAligned: upper)
        return self.cover(IPPrefix(masking: block.address, length: block.length + 1), first, last)
            + self.cover(IPPrefix(masking: middle, length: block.length + 1), first, last)
    }

    @Test(
        "cover every range of a small block with the fewest, at both ends of the space",
        arguments: ["0.0.0.0/27", "255.255.255.224/27", "10.0.0.224/27", "::/123", "ffff::/123"])
    func smallRanges(block: String) throws {
        let block = try IPPrefix(parsing: block)
        let shift = UInt128(128 - block.family.width)
        func address(_ index: Int) -> IPAddress {
            IPAddress(
                family: block.family,
                leftAligned: block.address.leftAligned + UInt128(index) << shift)
        }
        for start in 0..<32 {
            for end in 0..<32 {
                let prefixes = IPPrefix.covering(from: address(start), through: address(end))
                #expect(prefixes == self.cover(block, address(start), address(end)))
            }
        }
    }

    @Test("cover random ranges of all sizes with the fewest", arguments: AddressFamily.allCases)
    func randomRanges(family: AddressFamily) {
        var random = SeededGenerator(seed: 10)
        for _ in 0..<200 {
            let bits = (UInt128(random.next()) << 64 | UInt128(random.next()))
            let other = bits >> UInt128(random.next() % 128)
            let ends = [bits, other].map { IPAddress(family: family, leftAligned: $0) }.sorted()
            #expect(
                IPPrefix.covering(from: ends[0], through: ends[1])
                    == self.cover(.all(family), ends[0], ends[1]))
        }
        let whole = IPPrefix.all(family)
        #expect(IPPrefix.covering(from: whole.address, through: whole.last) == [whole])
    }
}
