// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// Fields of prefixes (RFC 4271 §4.3, RFC 4760 §5, RFC 7911 §3), back to back: a path identifier
/// `u32` where ADD-PATH was negotiated, a length in bits `u8`, and as many bytes as hold it.
public enum NLRI {
    /// Why a field of prefixes can't be read on from an offset. All before it was well-formed.
    public struct SyntaxError: Error, Sendable, Hashable, CustomStringConvertible {
        public enum Reason: Sendable, Hashable {
            case truncated
            case lengthOutOfRange(UInt8)
        }

        public var reason: Reason
        public var offset: Int

        @usableFromInline
        init(_ reason: Reason, offset: Int) {
            self.reason = reason
            self.offset = offset
        }

        public var description: String {
            switch self.reason {
            case .truncated: "cut short at byte \(self.offset)"
            case .lengthOutOfRange(let length): "length \(length) at byte \(self.offset)"
            }
        }

        /// `an announced IPv4 prefix has length 33, at most 32 is possible, at byte 4 of 9:
        /// 210a000000`: what was found in a field, and its bytes from there on, 32 at most.
        func words(
            _ name: String, _ family: AddressFamily, in field: RawSpan, hasPathIDs: Bool
        ) -> String {
            let problem =
                switch self.reason {
                case .truncated: "is cut short"
                case .lengthOutOfRange(let length):
                    "has length \(length), at most \(family.width) is possible,"
                }
            let end = min(field.byteCount, self.offset + 32)
            let bytes = AttributeComplaint.hexadecimal(field.bytes(in: self.offset..<end))
            return "\(name) \(family) prefix \(problem) at byte \(self.offset) of "
                + "\(field.byteCount)\(hasPathIDs ? " (with path identifiers)" : ""): \(bytes)"
        }
    }

    /// How many prefixes a field has.
    public struct Count: Sendable, Hashable {
        public var prefixes = 0
        /// Those among them that are `isMulticast`.
        public var multicast = 0

        @inlinable
        init() {}
    }

    /// Calls `body` with each prefix in order; bits beyond a prefix's length are cleared
    /// (RFC 4271 §4.3: their value is irrelevant). The identifier is 0 without ADD-PATH.
    ///
    /// - Throws: ``SyntaxError``, or what `body` throws. Prefixes before the error have been
    ///   given to `body`: call ``check(_:family:addPath:)`` first where that must not be.
    /// - Complexity: linear; allocates nothing.
    @inlinable
    public static func forEachPrefix(
        in bytes: RawSpan, family: AddressFamily, addPath: Bool,
        _ body: (_ pathID: UInt32, _ prefix: IPPrefix) throws -> Void
    ) throws {
        var position = 0
        while position < bytes.byteCount {
            let (pathID, prefix, next) = try Self.prefix(
                in: bytes, at: position, family: family, addPath: addPath)
            position = next
            try body(pathID, prefix)
        }
    }

    /// Counts the prefixes of a field, and finds what is wrong with it.
    ///
    /// - Complexity: linear in the prefixes; allocates nothing.
    @inlinable
    @discardableResult
    public static func check(
        _ bytes: RawSpan, family: AddressFamily, addPath: Bool
    ) throws(SyntaxError) -> Count {
        var count = Count()
        var position = 0
        let head = addPath ? 5 : 1
        // All groups' addresses begin with these bits, and a prefix of them is no shorter.
        let (groups, bits): (UInt8, UInt8) = family == .ipv4 ? (0xe0, 4) : (0xff, 8)
        let mask: UInt8 = family == .ipv4 ? 0xf0 : 0xff
        while position < bytes.byteCount {
            guard let length = bytes.uint8(at: position + head - 1) else {
                throw SyntaxError(.truncated, offset: position)
            }
            guard Int(length) <= family.width else {
                throw SyntaxError(.lengthOutOfRange(length), offset: position)
            }
            let next = position + head + (Int(length) + 7) / 8
            guard next <= bytes.byteCount else { throw SyntaxError(.truncated, offset: position) }
            // Where the prefix has no byte this one is another's, and its length says so.
            let first = bytes.uint8(at: position + head) ?? 0
            if first & mask == groups, length >= bits { count.multicast += 1 }
            position = next
            count.prefixes += 1
        }
        return count
    }

    /// One prefix, and the offset after it.
    @inlinable
    public static func prefix(
        in bytes: RawSpan, at position: Int, family: AddressFamily, addPath: Bool
    ) throws(SyntaxError) -> (pathID: UInt32, prefix: IPPrefix, next: Int) {
        var at = position
        var pathID: UInt32 = 0
        if addPath {
            guard let identifier = bytes.uint32(at: at) else {
                throw SyntaxError(.truncated, offset: position)
            }
            pathID = identifier
            at += 4
        }
        guard let length = bytes.uint8(at: at) else {
            throw SyntaxError(.truncated, offset: position)
        }
        guard Int(length) <= family.width else {
            throw SyntaxError(.lengthOutOfRange(length), offset: position)
        }
        at += 1
        let count = (Int(length) + 7) / 8
        guard count <= bytes.byteCount - at else {
            throw SyntaxError(.truncated, offset: position)
        }
        var high: UInt64 = 0
        var low: UInt64 = 0
        if let word = bytes.uint64(at: at), count <= 8 {
            // The usual case: eight bytes are there to load, and what isn't ours is masked.
            high = word
        } else {
            for index in 0..<count {
                guard let byte = bytes.uint8(at: at + index) else { break }
                if index < 8 {
                    high |= UInt64(byte) << UInt64(56 - 8 * index)
                } else {
                    low |= UInt64(byte) << UInt64(120 - 8 * index)
                }
            }
        }
        let address =
            family == .ipv4
            ? IPAddress(ipv4: UInt32(truncatingIfNeeded: high >> 32))
            : IPAddress(ipv6High: high, low: low)
        return (pathID, IPPrefix(masking: address, length: Int(length)), at + count)
    }
}
