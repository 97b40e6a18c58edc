// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import DNSWire
import Testing

@Suite("Domain names")
struct DomainNameTests {
    @Test(
        "print as master files write them, and read back",
        arguments: [
            ("www.example.com", "www.example.com."), (".", "."), ("a.", "a."),
            ("Ns1.Example.COM.", "Ns1.Example.COM."),
            (#"a\.b.c"#, #"a\.b.c."#), (#"\000\255.x"#, #"\000\255.x."#),
            (#"\065bc"#, "Abc."), ("*.example.com", "*.example.com."),
            (#"host\ master.x"#, #"host\032master.x."#),
        ])
    func text(written: String, printed: String) throws {
        let name = try DomainName(parsing: written)
        #expect(name.description == printed)
        #expect(try DomainName(parsing: printed).wire == name.wire)
    }

    @Test("are relative to an origin without the last dot")
    func relative() throws {
        let origin = name("example.com")
        #expect(try DomainName(parsing: "www", relativeTo: origin) == name("www.example.com"))
        #expect(try DomainName(parsing: "www.", relativeTo: origin) == name("www"))
        #expect(try DomainName(parsing: "@", relativeTo: origin) == origin)
        #expect(try DomainName(parsing: #"www\."#, relativeTo: origin).labelCount == 3)
    }

    @Test(
        "are refused where the text is none",
        arguments: [
            ("", NameError.empty), ("a..b", .emptyLabel(offset: 2)),
            (".a", .emptyLabel(offset: 0)), ("..", .emptyLabel(offset: 0)),
            ("x." + String(repeating: "a", count: 64), .labelTooLong(offset: 2)),
            (#"a\"#, .badEscape(offset: 1)), (#"\25"#, .badEscape(offset: 0)),
            (#"\256"#, .badEscape(offset: 0)), ("bücher.de", .notASCII(offset: 1)),
            (Array(repeating: "abcdefg", count: 32).joined(separator: "."), .nameTooLong),
        ])
    func badText(text: String, error: NameError) {
        #expect(throws: error) { try DomainName(parsing: text) }
    }

    @Test("may have 255 bytes and 63 in a label, no more")
    func limits() throws {
        let label = String(repeating: "a", count: 63)
        let longest = "\(label).\(label).\(label).\(String(repeating: "b", count: 61))"
        #expect(try DomainName(parsing: longest).wire.count == 255)
        #expect(throws: NameError.nameTooLong) { try DomainName(parsing: longest + "b") }
        #expect(try DomainName(wire: DomainName(parsing: longest).wire).labelCount == 4)
    }

    @Test("are equal without regard to case, and hash so")
    func equality() {
        #expect(name("WWW.eXample.com") == name("www.Example.COM"))
        #expect(Set([name("A.b"), name("a.B")]).count == 1)
        #expect(name("a.b") != name("a.c"))
        // [ and { differ by the bit that tells capitals from small letters.
        #expect(name("a[") != name("a{"))
    }

    @Test("know what they lie inside")
    func inside() {
        let apex = name("Example.com")
        #expect(name("www.example.COM").isInside(apex))
        #expect(apex.isInside(apex))
        #expect(apex.isInside(.root))
        #expect(!name("com").isInside(apex))
        #expect(!name("notexample.com").isInside(apex))
        // The bytes of the end agree, the labels don't.
        #expect(!name(#"x\007example.com"#).isInside(apex))
    }

    @Test("take a mailbox, its dots escaped")
    func mailbox() throws {
        let mailbox = try DomainName(mailbox: "host.master@example.com")
        #expect(mailbox.description == #"host\.master.example.com."#)
        #expect(try DomainName(mailbox: "hostmaster.example.com").labelCount == 3)
        #expect(throws: NameError.self) { try DomainName(mailbox: "@example.com") }
    }

    @Test("follow pointers to what stood before")
    func pointers() throws {
        // At 12 example.com, at 25 www + pointer to 12, at 31 a pointer to 25.
        let bytes =
            [UInt8](repeating: 0, count: 12) + name("example.com").wire
            + [3, 0x77, 0x77, 0x77, 0xc0, 12, 0xc0, 25]
        var offset = 25
        #expect(try readName(bytes, at: &offset) == name("www.example.com"))
        #expect(offset == 31)
        #expect(try readName(bytes, at: &offset) == name("www.example.com"))
        #expect(offset == 33)
    }

    @Test(
        "refuse pointers that lead nowhere, and leave the offset",
        arguments: [
            ([0xc0, 12], NameError.badPointer(offset: 12)),  // to itself
            ([0xc0, 14, 0], .badPointer(offset: 12)),  // forwards
            ([0xc0, 4], .badPointer(offset: 12)),  // into the header
            ([1, 0x61, 0xc0, 12], .badPointer(offset: 14)),  // to the part it stands in
            ([0xc0], .truncated(offset: 12)),
            ([5, 0x61], .truncated(offset: 12)),
            ([1, 0x61], .truncated(offset: 14)),
            ([0x41, 0x61], .reservedLabelType(offset: 12)),
            ([0x80, 0], .reservedLabelType(offset: 12)),
            ([], .truncated(offset: 12)),
        ] as [([UInt8], NameError)])
    func badPointers(tail: [UInt8], error: NameError) {
        let bytes = [UInt8](repeating: 0, count: 12) + tail
        var offset = 12
        #expect(throws: error) { try readName(bytes, at: &offset) }
        #expect(offset == 12)
    }

    @Test("stop at 255 bytes however the pointers are laid")
    func pointerBomb() {
        // Each of a row of labels of 63 bytes leads to the one before.
        var bytes = [UInt8](repeating: 0, count: 12)
        var last: Int?
        for _ in 0..<200 {
            let start = bytes.count
            bytes += [63] + [UInt8](repeating: 0x61, count: 63)
            bytes += last.map { [0xc0 | UInt8($0 >> 8), UInt8($0 & 0xff)] } ?? [0]
            last = start
        }
        var offset = last ?? 0
        #expect(throws: NameError.nameTooLong) {
            try readName(bytes, at: &offset)
        }
    }

    @Test("in wire form are whole, and nothing follows")
    func wire() {
        #expect(throws: NameError.trailingBytes(offset: 3)) {
            try DomainName(wire: [1, 0x61, 0, 0])
        }
        #expect(throws: NameError.truncated(offset: 2)) { try DomainName(wire: [1, 0x61]) }
        #expect(throws: NameError.badPointer(offset: 0)) { try DomainName(wire: [0xc0, 0]) }
        #expect(throws: NameError.nameTooLong) {
            try DomainName(wire: (0..<128).flatMap { _ in [1, 0x61] } + [0])
        }
    }
}
