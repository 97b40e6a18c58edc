// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSWire
import Testing

/// Bytes of headers, good and bad.
enum ProxyHeaders {
    static let signature: [UInt8] = [
        0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a,
    ]
    /// 192.0.2.1 asks 198.51.100.2, from port 4660 to 53.
    static let overIPv4: [UInt8] = [192, 0, 2, 1, 198, 51, 100, 2, 0x12, 0x34, 0, 53]
    /// 2001:db8::1 asks 2001:db8::2.
    static let overIPv6: [UInt8] =
        [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
        + [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2] + [0x12, 0x34, 0, 53]

    static func header(
        _ command: UInt8, _ family: UInt8, _ rest: [UInt8], length: Int? = nil
    ) -> [UInt8] {
        let length = length ?? rest.count
        return Self.signature + [command, family, UInt8(length >> 8), UInt8(length & 0xff)] + rest
    }

    struct Good: Sendable {
        var name: String
        var bytes: [UInt8]
        var client: String?
    }

    static let good = [
        Good(name: "TCP over IPv4", bytes: header(0x21, 0x11, overIPv4), client: "192.0.2.1"),
        Good(name: "UDP over IPv4", bytes: header(0x21, 0x12, overIPv4), client: "192.0.2.1"),
        Good(name: "TCP over IPv6", bytes: header(0x21, 0x21, overIPv6), client: "2001:db8::1"),
        Good(name: "UDP over IPv6", bytes: header(0x21, 0x22, overIPv6), client: "2001:db8::1"),
        Good(
            name: "IPv4 within IPv6",
            bytes: header(
                0x21, 0x21,
                [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7] + overIPv6.dropFirst(16)),
            client: "192.0.2.7"),
        Good(
            name: "values behind the addresses",
            bytes: header(0x21, 0x11, overIPv4 + [0x04, 0, 3, 1, 2, 3] + [0xe0, 0, 1, 9]),
            client: "192.0.2.1"),
        Good(name: "the proxy itself", bytes: header(0x20, 0x00, [])),
        Good(name: "the proxy itself, with addresses", bytes: header(0x20, 0x11, overIPv4)),
        Good(name: "the proxy itself, with some bytes", bytes: header(0x20, 0x21, [1, 2])),
        Good(name: "nobody knows who", bytes: header(0x21, 0x00, [1, 2, 3, 4])),
        Good(name: "a family without a protocol", bytes: header(0x21, 0x10, overIPv4)),
        Good(name: "a Unix socket", bytes: header(0x21, 0x31, [UInt8](repeating: 7, count: 216))),
    ]

    static let malformed = [
        header(0x11, 0x11, overIPv4), header(0x22, 0x11, overIPv4),
        header(0x2f, 0x11, overIPv4), header(0x01, 0x11, overIPv4),
        header(0x21, 0x13, overIPv4), header(0x21, 0x41, overIPv6), header(0x21, 0xf0, []),
        header(0x20, 0x03, []),
        header(0x21, 0x11, [], length: 11), header(0x21, 0x22, [], length: 35),
        header(0x21, 0x32, [], length: 215),
        header(0x21, 0x11, [], length: ProxyHeader.maximumByteCount - 15),
        header(0x20, 0x00, [], length: 0xffff),
    ]
}

@Suite("A proxy's header")
struct ProxyHeaderTests {
    private func read(_ bytes: [UInt8]) throws(ProxyHeader.ReadingError) -> ProxyHeader {
        try ProxyHeader(reading: bytes.span.bytes)
    }

    @Test("says who asks, and where it ends", arguments: ProxyHeaders.good)
    func good(header: ProxyHeaders.Good) throws {
        let expected = ProxyHeader(
            client: header.client.flatMap { IPAddress($0) }, byteCount: header.bytes.count)
        #expect(try self.read(header.bytes) == expected)
        #expect(try self.read(header.bytes + [0xde, 0xad]) == expected)
    }

    @Test("is awaited at each of its bytes", arguments: ProxyHeaders.good)
    func truncated(header: ProxyHeaders.Good) {
        for count in 0..<header.bytes.count {
            #expect(throws: ProxyHeader.ReadingError.incomplete) {
                try self.read(Array(header.bytes.prefix(count)))
            }
        }
    }

    @Test(
        "is malformed as soon as no more bytes can mend it",
        arguments: ProxyHeaders.malformed)
    func malformed(bytes: [UInt8]) {
        #expect(throws: ProxyHeader.ReadingError.malformed) {
            try self.read(Array(bytes.prefix(16)))
        }
    }

    @Test("is not begun by a query, nor by anything but its signature")
    func signature() {
        for index in ProxyHeaders.signature.indices {
            var bytes = Array(ProxyHeaders.signature.prefix(index + 1))
            bytes[index] ^= 0x20
            #expect(throws: ProxyHeader.ReadingError.malformed) { try self.read(bytes) }
        }
        #expect(throws: ProxyHeader.ReadingError.malformed) { try self.read([0x16, 0x03, 0x01]) }
        // Version 1 is text.
        #expect(throws: ProxyHeader.ReadingError.malformed) {
            try self.read(Array("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n".utf8))
        }
    }

    @Test("may be as long as it may be")
    func longest() throws {
        let values = [UInt8](repeating: 1, count: ProxyHeader.maximumByteCount - 28)
        let bytes = ProxyHeaders.header(0x21, 0x11, ProxyHeaders.overIPv4 + values)
        #expect(try self.read(bytes).byteCount == ProxyHeader.maximumByteCount)
    }
}
