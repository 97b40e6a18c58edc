// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import DNSWire
import Glibc

/// A node of the name tree: a name that has records, or names below it.
struct ZoneNode {
    var nameOffset: UInt32
    var nameByteCount: UInt8
    var zone: UInt32
    var firstSet: UInt32
    var setCount: UInt16
    /// Index of what makes it a `nearest` name, or -1.
    var nearest: Int32 = -1
    /// The node `*` below it (RFC 4592), or -1.
    var wildcard: Int32 = -1
    /// The delegation that it is or lies below, or -1.
    var cut: Int32 = -1
    /// Its DNAME set (RFC 6672), or -1.
    var redirection: Int32 = -1
}

/// The records of one owner and type.
struct EncodedSet {
    var type: RecordType
    var block: EncodedBlock
    /// Addresses of the names in the block, for the additional section.
    var additional: EncodedBlock
    /// Where a CNAME or DNAME leads.
    var target = Target.none
    /// Bytes of the target's name.
    var targetByteCount: UInt8 = 0
    /// The first of as many ``EncodedService`` as there are records, where the answer gets the
    /// chosen sites' addresses as hints; or -1.
    var service: Int32 = -1

    enum Target {
        case none
        /// Another zone or another server: not followed.
        case elsewhere
        /// No such name in the zone.
        case missing
        case node(UInt32)
        /// A delegation or a name below it.
        case cut(UInt32)
        /// To be looked up, as a DNAME changes it: where the name stands in small letters. For a
        /// DNAME, the end of the name that it makes.
        case name(UInt32)
    }
}

struct EncodedNearest {
    var policy: Int
    var timeToLive: UInt32
    var minimumTimeToLive: UInt32
    var answers: Int
    var rotates: Bool
    var usesClientSubnet: Bool
    /// The ``EncodedAlias``es, one a site; none where the name has addresses.
    var firstAlias: UInt32
    var aliasCount: UInt16
}

/// What a `nearest` name is an alias for at a site.
struct EncodedAlias {
    /// The site's identifier.
    var site: UInt8
    /// The CNAME record, but for its TTL.
    var block: EncodedBlock
    var target: EncodedSet.Target
    var targetByteCount: UInt8
}

/// An SVCB or HTTPS record in pieces, between which hints are put: by key, those before
/// `ipv4hint`, those before `ipv6hint`, and the rest.
struct EncodedService {
    struct Piece {
        var offset: UInt32
        var byteCount: UInt16
    }

    var head: Piece
    var middle: Piece
    var tail: Piece
    var takesHints: Bool
}

struct EncodedZone {
    var apexByteCount: UInt8
    /// The SOA for negative answers, its TTL no more than the zone's minimum (RFC 2308 §3).
    var negative = EncodedBlock.none
    var isAvailable = true
    var apexNode: UInt32 = 0
    /// The zone above that is served here too, which has the DS records of this one; or -1.
    var parent: Int32 = -1
    /// That set; or -1.
    var signers: Int32 = -1
    /// The node of a delegation of the parent's that the apex lies below; or -1.
    var cutAbove: Int32 = -1
}

/// All zones, ready to be copied into answers: built once and never changed.
///
/// What a query touches is plain memory behind ``index``, a value without references; so looking up
/// a name counts none, as long as somebody holds the set.
final class ZoneSet: @unchecked Sendable {
    // Sendable: the memory is written in init only, and freed in deinit only.

    let index: ZoneIndex

    init(_ zones: [Zone]) throws(ZoneError) {
        self.index = try ZoneSetBuilder.build(zones)
    }

    /// No zones.
    init() { self.index = ZoneSetBuilder.empty() }

    deinit { self.index.deallocate() }
}

/// The memory of a ``ZoneSet``, without owning it. A trivial value.
struct ZoneIndex {
    let slots: UnsafeMutableBufferPointer<Slot>
    let nodes: UnsafeMutableBufferPointer<ZoneNode>
    let sets: UnsafeMutableBufferPointer<EncodedSet>
    let nearest: UnsafeMutableBufferPointer<EncodedNearest>
    let aliases: UnsafeMutableBufferPointer<EncodedAlias>
    let services: UnsafeMutableBufferPointer<EncodedService>
    let zones: UnsafeMutableBufferPointer<EncodedZone>
    let patches: UnsafeMutableBufferPointer<EncodedBlock.Patch>
    let bytes: UnsafeMutableBufferPointer<UInt8>
    /// The deepest node's labels: longer names can be cut to this many before they are looked for.
    let maximumLabelCount: Int
    /// The answer to ANY (RFC 8482 §4.2).
    let any: EncodedBlock

    struct Slot {
        var tag: UInt32
        /// The node's index plus one; 0 where the slot is free.
        var node: UInt32
    }

    func deallocate() {
        self.slots.deallocate()
        self.nodes.deallocate()
        self.sets.deallocate()
        self.nearest.deallocate()
        self.aliases.deallocate()
        self.services.deallocate()
        self.zones.deallocate()
        self.patches.deallocate()
        self.bytes.deallocate()
    }

    /// Finds a name in its wire form and in small letters: `byteCount` bytes, with at least seven
    /// more readable behind them.
    @inline(__always)
    func find(_ name: UnsafeRawPointer, byteCount: Int) -> Int? {
        let hash = Self.hash(name, byteCount: byteCount)
        let mask = self.slots.count - 1
        var at = Int(truncatingIfNeeded: hash) & mask
        let tag = UInt32(truncatingIfNeeded: hash >> 32)
        while true {
            let slot = self.slots[at]
            if slot.node == 0 { return nil }
            if slot.tag == tag {
                let node = Int(slot.node) - 1
                if Int(self.nodes[node].nameByteCount) == byteCount,
                    memcmp(self.namePointer(node), name, byteCount) == 0
                {
                    return node
                }
            }
            at = (at + 1) & mask
        }
    }

    /// Bytes of a piece.
    @inline(__always)
    func start(of offset: UInt32) -> UnsafeRawPointer {
        UnsafeRawPointer(self.bytes.baseAddress.unsafelyUnwrapped) + Int(offset)
    }

    @inline(__always)
    func namePointer(_ node: Int) -> UnsafeRawPointer {
        self.start(of: self.nodes[node].nameOffset)
    }

    /// A hash of the bytes, eight at a time, by multiplication to twice the width.
    ///
    /// The names in the table are the operator's, so that nobody outside can make them collide.
    @inline(__always)
    static func hash(_ name: UnsafeRawPointer, byteCount: Int) -> UInt64 {
        var hash: UInt64 = 0x9e37_79b9_7f4a_7c15 ^ UInt64(byteCount)
        var position = 0
        while position < byteCount {
            var word = name.loadUnaligned(fromByteOffset: position, as: UInt64.self).littleEndian
            let left = byteCount - position
            if left < 8 { word &= (1 << UInt64(8 * left)) &- 1 }
            let product = (hash ^ word).multipliedFullWidth(by: 0xa076_1d64_78bd_642f)
            hash = product.high ^ product.low
            position += 8
        }
        let product = hash.multipliedFullWidth(by: 0xe703_7ed1_a0b4_28db)
        return product.high ^ product.low
    }
}
