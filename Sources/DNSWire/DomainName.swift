// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// A domain name in its wire form, without compression (RFC 1035 §3.1).
///
/// Labels, each a length `u8` of 1 to 63 and its bytes, then the root's zero byte; at most 255
/// bytes in all. The case of letters is kept, and ignored in comparing (RFC 4343).
public struct DomainName: Sendable {
    public let wire: [UInt8]

    public static let maximumByteCount = 255
    public static let maximumLabelByteCount = 63
    public static let root = DomainName(unchecked: [0])

    init(unchecked wire: [UInt8]) { self.wire = wire }

    /// Checks a whole uncompressed name.
    public init(wire: [UInt8]) throws(NameError) {
        let length = try wire.span.bytes.readLabels(at: 0)
        guard length == wire.count else { throw .trailingBytes(offset: length) }
        self.wire = wire
    }

    /// Reads a name that may be compressed, and leaves `offset` behind it (RFC 1035 §4.1.4).
    ///
    /// Every pointer must lead to before the part of the name it stands in, and behind the header;
    /// so reading ends, and a name costs at most 255 bytes however its pointers are laid.
    ///
    /// - Throws: ``NameError``; `offset` has not moved then.
    public init(reading bytes: RawSpan, at offset: inout Int) throws(NameError) {
        var wire: [UInt8] = []
        var position = offset
        var partStart = offset
        var end: Int?
        while true {
            guard position >= 0, position < bytes.byteCount else {
                throw .truncated(offset: position)
            }
            let length = Int(bytes.byte(at: position))
            if length >= 0xc0 {
                guard position + 1 < bytes.byteCount else { throw .truncated(offset: position) }
                let target = Int(bytes.bigEndian16(at: position) & 0x3fff)
                guard target < partStart, target >= MessageHeader.byteCount else {
                    throw .badPointer(offset: position)
                }
                end = end ?? position + 2
                position = target
                partStart = target
                continue
            }
            guard length <= Self.maximumLabelByteCount else {
                throw .reservedLabelType(offset: position)
            }
            guard position + 1 + length <= bytes.byteCount else {
                throw .truncated(offset: position)
            }
            guard wire.count + 1 + length <= Self.maximumByteCount else { throw .nameTooLong }
            for index in position...position + length { wire.append(bytes.byte(at: index)) }
            position += 1 + length
            if length == 0 { break }
        }
        offset = end ?? position
        self.wire = wire
    }

    public var isRoot: Bool { self.wire.count == 1 }

    /// Labels, the root's not counted.
    public var labelCount: Int {
        var count = 0
        var position = 0
        while self.wire[position] != 0 {
            count += 1
            position += 1 + Int(self.wire[position])
        }
        return count
    }

    /// The name without its first label; nil for the root.
    public var parent: DomainName? {
        self.isRoot ? nil : DomainName(unchecked: Array(self.wire[(1 + Int(self.wire[0]))...]))
    }

    /// Whether the first label is an asterisk alone (RFC 4592 §2.1.1).
    public var isWildcard: Bool {
        self.wire.count >= 3 && self.wire[0] == 1 && self.wire[1] == UInt8(ascii: "*")
    }

    /// The name one label below this one.
    public func child(_ label: some Collection<UInt8>) throws(NameError) -> DomainName {
        guard !label.isEmpty else { throw .emptyLabel(offset: 0) }
        guard label.count <= Self.maximumLabelByteCount else { throw .labelTooLong(offset: 0) }
        guard self.wire.count + 1 + label.count <= Self.maximumByteCount else {
            throw .nameTooLong
        }
        return DomainName(unchecked: [UInt8(label.count)] + label + self.wire)
    }

    /// Whether this name is `other` or lies below it.
    public func isInside(_ other: DomainName) -> Bool {
        let start = self.wire.count - other.wire.count
        var position = 0
        while position < start { position += 1 + Int(self.wire[position]) }
        guard position == start else { return false }
        return (0..<other.wire.count).allSatisfy {
            asciiLowercased(self.wire[start + $0]) == asciiLowercased(other.wire[$0])
        }
    }

    /// The same name in small letters.
    public var lowercased: DomainName {
        DomainName(unchecked: self.wire.map(asciiLowercased))
    }
}

extension DomainName {
    /// An order of names, by their bytes but for the case of letters: the same on every run.
    package func precedes(_ other: DomainName) -> Bool {
        let (one, two) = (self.wire.span, other.wire.span)
        for index in 0..<min(one.count, two.count) {
            let bytes = (asciiLowercased(one[index]), asciiLowercased(two[index]))
            if bytes.0 != bytes.1 { return bytes.0 < bytes.1 }
        }
        return one.count < two.count
    }
}

/// Without regard to the case of ASCII letters (RFC 4343).
extension DomainName: Hashable {
    public static func == (a: DomainName, b: DomainName) -> Bool {
        guard a.wire.count == b.wire.count else { return false }
        return a.wire == b.wire
            || a.wire.indices.allSatisfy {
                asciiLowercased(a.wire[$0]) == asciiLowercased(b.wire[$0])
            }
    }

    /// - Complexity: O(bytes); nothing is copied, as zones hash each of their names many times.
    public func hash(into hasher: inout Hasher) {
        var word: UInt64 = 0
        for (index, byte) in self.wire.enumerated() {
            word = word << 8 | UInt64(asciiLowercased(byte))
            if index & 7 == 7 { hasher.combine(word) }
        }
        hasher.combine(word)
    }
}

/// A length of at most 63 is never taken for a letter, so whole names may be mapped.
private func asciiLowercased(_ byte: UInt8) -> UInt8 {
    byte &- 0x41 < 26 ? byte | 0x20 : byte
}

extension RawSpan {
    /// Where an uncompressed name that starts at `offset` ends.
    ///
    /// - Complexity: O(labels); nothing is copied.
    @inlinable
    package func readLabels(at offset: Int) throws(NameError) -> Int {
        var position = offset
        while position < self.byteCount {
            let length = Int(self.byte(at: position))
            if length == 0 { return position + 1 }
            guard length <= 63 else {
                throw length >= 0xc0
                    ? .badPointer(offset: position) : .reservedLabelType(offset: position)
            }
            position += 1 + length
            // One byte is left for the root.
            guard position - offset < 255 else { throw .nameTooLong }
        }
        throw .truncated(offset: position)
    }

    /// Where a name that may be compressed ends; its pointer is not followed.
    @inlinable
    package func skipName(at offset: Int) throws(NameError) -> Int {
        var position = offset
        while position < self.byteCount {
            let length = Int(self.byte(at: position))
            if length == 0 { return position + 1 }
            if length >= 0xc0 {
                guard position + 2 <= self.byteCount else { throw .truncated(offset: position) }
                return position + 2
            }
            guard length <= 63 else { throw .reservedLabelType(offset: position) }
            position += 1 + length
            guard position - offset < 255 else { throw .nameTooLong }
        }
        throw .truncated(offset: position)
    }
}
