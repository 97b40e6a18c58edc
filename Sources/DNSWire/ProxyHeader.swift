// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// What a proxy puts before the data that it passes on: the header of the PROXY protocol, version 2
/// (HAProxy, `doc/proxy-protocol.txt` §2.2). A trivial value; reading allocates nothing.
///
/// Layout: the signature, 12 bytes; version and command `u8`, `0x20` LOCAL or `0x21` PROXY; family
/// and protocol `u8`; length of what follows `u16`; source and destination (IPv4: 4 bytes each,
/// IPv6: 16, Unix: 108); two ports `u16` (IPv4 and IPv6); then values that are passed over.
public struct ProxyHeader: Hashable, Sendable {
    /// Whom the proxy speaks for; nil: for itself (LOCAL), or for somebody who has no IP address or
    /// whose address it can't tell.
    public var client: IPAddress?
    /// Bytes of the whole header: the data begins behind it.
    public var byteCount: Int

    /// The first byte of a header: no TLS record begins with it.
    public static let firstByte: UInt8 = 0x0d
    /// Bytes up to the length.
    public static let headByteCount = 16
    /// Longer headers are malformed. Addresses take 232 bytes at the most, the rest is for values:
    /// proxies send some hundred bytes of them.
    public static let maximumByteCount = 2048

    /// Why bytes aren't a header.
    public enum ReadingError: Error, Hashable, Sendable {
        /// So far they may become one.
        case incomplete
        /// Another signature, version, command, family or protocol; a length that the addresses
        /// don't fit into; or too long.
        case malformed
    }

    public init(client: IPAddress?, byteCount: Int) {
        self.client = client
        self.byteCount = byteCount
    }

    /// Reads the header at the front of `bytes`, whatever comes behind it.
    ///
    /// - Throws: ``ReadingError/malformed`` as soon as no more bytes can mend it.
    public init(reading bytes: RawSpan) throws(ReadingError) {
        guard Self.beginsLikeHeader(bytes) else { throw .malformed }
        guard bytes.byteCount >= Self.headByteCount else { throw .incomplete }
        let command = bytes.byte(at: 12)
        let family = bytes.byte(at: 13)
        let length = Int(bytes.bigEndian16(at: 14))
        let end = Self.headByteCount + length
        guard command == 0x20 || command == 0x21, family & 0x0f <= 2, end <= Self.maximumByteCount
        else { throw .malformed }
        let needed: Int
        switch family >> 4 {
        case 0: needed = 0
        case 1: needed = 12
        case 2: needed = 36
        case 3: needed = 216
        default: throw .malformed
        }
        // A proxy's own connection may have no addresses, whatever family it names (§2.2).
        guard command == 0x20 || length >= needed else { throw .malformed }
        guard bytes.byteCount >= end else { throw .incomplete }
        self.byteCount = end
        self.client = nil
        // Neither the proxy's own nor one without a protocol has addresses to rely on.
        guard command == 0x21, family & 0x0f != 0 else { return }
        switch family >> 4 {
        case 1: self.client = IPAddress(ipv4: bytes.bigEndian32(at: 16))
        case 2:
            let high =
                UInt64(bytes.bigEndian32(at: 16)) << 32 | UInt64(bytes.bigEndian32(at: 20))
            let low =
                UInt64(bytes.bigEndian32(at: 24)) << 32 | UInt64(bytes.bigEndian32(at: 28))
            self.client = IPAddress(ipv6High: high, low: low).unmapped
        default: break
        }
    }

    /// The signature `\r\n\r\n\0\r\nQUIT\n`, as much of it as is there.
    @inline(__always)
    private static func beginsLikeHeader(_ bytes: RawSpan) -> Bool {
        let first: UInt64 = 0x0d0a_0d0a_000d_0a51
        let second: UInt32 = 0x5549_540a
        for index in 0..<min(bytes.byteCount, 12) {
            let expected =
                index < 8
                ? UInt8(truncatingIfNeeded: first >> UInt64(56 - 8 * index))
                : UInt8(truncatingIfNeeded: second >> UInt32(88 - 8 * index))
            guard bytes.byte(at: index) == expected else { return false }
        }
        return true
    }
}
