// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// An AS path, nearest AS first.
///
/// It is kept as it stands in an AS_PATH attribute with AS numbers of four octets (RFC 4271 §4.3,
/// RFC 6793 §3): segments of a type `u8`, a count `u8` and that many AS numbers `u32`,
/// big-endian. Two paths are equal when these bytes are.
public struct ASPath: Hashable, Sendable {
    /// A segment's type (RFC 4271 §4.3, RFC 5065 §3).
    public enum SegmentKind: UInt8, Hashable, Sendable {
        case set = 1
        case sequence = 2
        case confederationSequence = 3
        case confederationSet = 4
    }

    public struct Segment: Hashable, Sendable {
        public var kind: SegmentKind
        public var members: [ASNumber]

        public init(kind: SegmentKind, members: [ASNumber]) {
            self.kind = kind
            self.members = members
        }
    }

    /// Why bytes are not an AS path (RFC 7606 §7.2).
    public enum EncodingError: Error, Hashable, Sendable {
        case truncated(need: Int, have: Int)
        case unknownSegmentType(UInt8)
        case emptySegment
    }

    /// The attribute's value, AS numbers in four octets.
    public let encoded: [UInt8]

    public static let empty = ASPath(uncheckedEncoded: [])

    private init(uncheckedEncoded encoded: [UInt8]) { self.encoded = encoded }

    /// Segments of more than 255 members are split, as RFC 4271 §5.1.2 does; empty ones left out.
    public init(segments: [Segment]) {
        var encoded: [UInt8] = []
        for segment in segments {
            var rest = segment.members[...]
            while !rest.isEmpty {
                let part = rest.prefix(255)
                rest = rest.dropFirst(255)
                encoded.append(segment.kind.rawValue)
                encoded.append(UInt8(part.count))
                for member in part {
                    withUnsafeBytes(of: member.rawValue.bigEndian) {
                        encoded.append(contentsOf: $0)
                    }
                }
            }
        }
        self.encoded = encoded
    }

    /// A path of one sequence.
    public init(_ members: [ASNumber]) {
        self.init(segments: [Segment(kind: .sequence, members: members)])
    }

    /// Reads an attribute's value, AS numbers in four octets, and checks it.
    public init(encoded bytes: RawSpan) throws(EncodingError) {
        var position = 0
        while position < bytes.byteCount {
            guard bytes.byteCount - position >= 2 else {
                throw .truncated(need: 2, have: bytes.byteCount - position)
            }
            let kind = bytes.unsafeLoad(fromByteOffset: position, as: UInt8.self)
            let count = bytes.unsafeLoad(fromByteOffset: position + 1, as: UInt8.self)
            guard SegmentKind(rawValue: kind) != nil else { throw .unknownSegmentType(kind) }
            guard count > 0 else { throw .emptySegment }
            position += 2 + 4 * Int(count)
            guard position <= bytes.byteCount else {
                throw .truncated(need: position, have: bytes.byteCount)
            }
        }
        self.encoded = bytes.withUnsafeBytes { [UInt8]($0) }
    }

    public var segments: [Segment] {
        var segments: [Segment] = []
        self.forEachSegment { segments.append(Segment(kind: $0, members: Array($1))) }
        return segments
    }

    /// Calls `body` with each segment's kind and members, in order.
    private func forEachSegment(_ body: (SegmentKind, ArraySlice<ASNumber>) -> Void) {
        var position = 0
        while position + 2 <= self.encoded.count {
            let count = Int(self.encoded[position + 1])
            guard let kind = SegmentKind(rawValue: self.encoded[position]),
                position + 2 + 4 * count <= self.encoded.count
            else { return }
            var members: [ASNumber] = []
            members.reserveCapacity(count)
            for index in 0..<count {
                let at = position + 2 + 4 * index
                let number =
                    UInt32(self.encoded[at]) << 24 | UInt32(self.encoded[at + 1]) << 16
                    | UInt32(self.encoded[at + 2]) << 8 | UInt32(self.encoded[at + 3])
                members.append(ASNumber(number))
            }
            body(kind, members[...])
            position += 2 + 4 * count
        }
    }

    /// How many hops the path counts in route selection: each member of a sequence is one, a set
    /// is one however many it has, confederation segments count nothing (RFC 4271 §9.1.2.2 (a),
    /// RFC 5065 §5.3). Allocates nothing.
    public var length: Int {
        var length = 0
        var position = 0
        while position + 2 <= self.encoded.count {
            let count = Int(self.encoded[position + 1])
            switch SegmentKind(rawValue: self.encoded[position]) {
            case .sequence: length += count
            case .set: length += 1
            case .confederationSequence, .confederationSet, nil: break
            }
            position += 2 + 4 * count
        }
        return length
    }

    public var isEmpty: Bool { self.encoded.isEmpty }

    /// The AS next to us: the first member of a leading sequence.
    public var first: ASNumber? {
        guard let segment = self.segments.first, segment.kind == .sequence else { return nil }
        return segment.members.first
    }

    /// The AS where the route began: the last member of a closing sequence. None where the path
    /// is empty or ends in a set.
    public var origin: ASNumber? {
        guard let segment = self.segments.last, segment.kind == .sequence else { return nil }
        return segment.members.last
    }

    public func contains(_ number: ASNumber) -> Bool {
        self.segments.contains { $0.members.contains(number) }
    }
}

/// Sequences as numbers, sets as `{1,2}`, confederation sequences as `(1 2)` and confederation
/// sets as `[1,2]`, parts separated by blanks, as routers print them.
extension ASPath: CustomStringConvertible {
    public var description: String {
        self.segments.map { segment in
            func joined(_ separator: String) -> String {
                segment.members.map(\.description).joined(separator: separator)
            }
            return switch segment.kind {
            case .sequence: joined(" ")
            case .set: "{\(joined(","))}"
            case .confederationSequence: "(\(joined(" ")))"
            case .confederationSet: "[\(joined(","))]"
            }
        }.joined(separator: " ")
    }
}
