// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// A bounded number of changes of one feed, in order: the last of equal prefixes wins.
///
/// The producer decides the bound: a thousand or two of changes keep the writer's steps short.
///
/// Two flat arrays hold it. A change is a word: bit 0 the family, bits 1 to 8 the prefix's
/// length, 9 whether a word with the path's id comes last, 10 to 31 the attributes' index (all
/// ones: withdrawn), and from bit 32 on an IPv4 prefix's bits; an IPv6 prefix's follow in two
/// more words. Attributes are packed, each after the hash of its bytes `u32`.
public struct RouteBatch: Sendable {
    public let feed: FeedID
    private(set) var words: [UInt64] = []
    private(set) var packed: [UInt8] = []
    /// Where attributes begin, by their index.
    private(set) var offsets: [UInt32] = []
    /// Changes in the batch.
    public private(set) var count = 0

    static let withdrawn: UInt64 = 0x3f_ffff
    static let hasPathID: UInt64 = 1 << 9

    public init(feed: FeedID) { self.feed = feed }

    public var isEmpty: Bool { self.count == 0 }

    /// Memory that it holds.
    var byteCount: Int {
        self.words.capacity * 8 + self.packed.capacity + self.offsets.capacity * 4
    }

    /// Adds attributes, once for all the prefixes of an UPDATE.
    ///
    /// - Returns: Their index in this batch.
    public mutating func intern(_ attributes: RouteAttributes) -> Int {
        let start = self.begin()
        PackedAttributes.append(attributes, to: &self.packed)
        self.packed.withUnsafeMutableBytes {
            let hash = KeyedHash.hash(
                UnsafeRawBufferPointer(rebasing: $0[(start + 4)...]))
            $0.storeBytes(of: hash, toByteOffset: start, as: UInt32.self)
        }
        return self.offsets.count - 1
    }

    /// Adds attributes that an earlier batch had, given by ``packedAttributes(_:_:)``.
    package mutating func intern(packed: UnsafeRawBufferPointer) -> Int {
        self.offsets.append(UInt32(truncatingIfNeeded: self.packed.count))
        self.packed.append(contentsOf: packed)
        return self.offsets.count - 1
    }

    private mutating func begin() -> Int {
        let start = self.packed.count
        self.offsets.append(UInt32(truncatingIfNeeded: start))
        for _ in 0..<4 { self.packed.append(0) }
        return start
    }

    /// Calls `body` with the bytes of the attributes that were added last: good for
    /// ``intern(packed:)`` of any batch.
    package func withLastAttributes(_ body: (UnsafeRawBufferPointer) -> Void) {
        guard let start = self.offsets.last else { return }
        self.packed.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[Int(start)...])) }
    }

    /// Adds an announcement.
    ///
    /// - Parameters:
    ///   - prefix: What is announced.
    ///   - pathID: Tells several paths of the feed to one prefix apart (RFC 7911 §3); 0 where it
    ///     sends one. The shortest counts, of equal ones the one with the lowest id.
    ///   - attributes: An index that ``intern(_:)`` of this batch gave.
    @inline(__always)
    public mutating func announce(_ prefix: IPPrefix, pathID: UInt32 = 0, attributes: Int) {
        precondition(
            attributes >= 0 && attributes < self.offsets.count && attributes < Self.withdrawn,
            "an index that this batch gave")
        self.append(prefix, pathID, UInt64(truncatingIfNeeded: attributes))
    }

    /// Adds a withdrawal: of one path, where the feed sends several.
    @inline(__always)
    public mutating func withdraw(_ prefix: IPPrefix, pathID: UInt32 = 0) {
        self.append(prefix, pathID, Self.withdrawn)
    }

    @inline(__always)
    private mutating func append(_ prefix: IPPrefix, _ pathID: UInt32, _ attributes: UInt64) {
        let address = prefix.address
        let tail =
            UInt64(truncatingIfNeeded: prefix.length) &<< 1 | attributes &<< 10
            | (pathID == 0 ? 0 : Self.hasPathID)
        if address.family == .ipv4 {
            self.words.append(address.high & 0xffff_ffff_0000_0000 | tail)
        } else {
            self.words.append(tail | 1)
            self.words.append(address.high)
            self.words.append(address.low)
        }
        if pathID != 0 { self.words.append(UInt64(pathID)) }
        self.count &+= 1
    }

    public mutating func reserveCapacity(_ count: Int) { self.words.reserveCapacity(count) }
}
