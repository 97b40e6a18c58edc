// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// The averages of what was observed. What files say of round trips is read from them again.
///
/// A record: the family (4 or 6) and the length of a prefix `u8` each, the prefix's bytes as far as
/// they are not zero, counted; the position of the site, the average in microseconds, and when the
/// last observation came in Unix seconds. Records are in the order of family, prefix in tree
/// order, site.
///
/// Once all of it has been looked through it is read again where it is used, record by record.
struct CheckpointRoundTrips {
    /// A record takes at least so many bytes.
    static let leastBytes = 6

    private let checkpoint: Checkpoint
    /// Whether there are any.
    let isEmpty: Bool

    /// - Throws: ``CheckpointError/malformed(part:offset:)``.
    init(_ checkpoint: Checkpoint) throws(CheckpointError) {
        self.checkpoint = checkpoint
        self.isEmpty = checkpoint.counts.roundTrips == 0
        var walk = self.walk
        var count = 0
        while try walk.next() != nil { count += 1 }
        guard count == checkpoint.counts.roundTrips else { throw checkpoint.miscounted }
    }

    /// From the first record on.
    var walk: CheckpointRoundTripWalk { CheckpointRoundTripWalk(self.checkpoint) }

    static func write(_ report: RoundTripReport, site: Int, to block: inout [UInt8]) -> Bool {
        guard let average = report.average, let observed = report.observed, observed >= 0 else {
            return false
        }
        let address = report.prefix.address
        block.append(address.family == .ipv4 ? 4 : 6)
        block.append(UInt8(report.prefix.length))
        var bytes = (0..<address.family.byteCount).map { address.byte(at: $0) }
        while bytes.last == 0 { bytes.removeLast() }
        block.appendBytes(bytes)
        block.appendNumber(site)
        block.appendNumber(
            UInt32(max(1, min(average, Double(RoundTrip.mostMicroseconds)).rounded())))
        block.appendNumber(UInt64(observed))
        return true
    }
}

/// Reads the records of ``CheckpointRoundTrips``.
struct CheckpointRoundTripWalk {
    struct Record {
        var place: PrefixPlace
        /// Among the checkpoint's.
        var site: Int
        var microseconds: UInt32
        /// Unix seconds.
        var observed: Int64
    }

    private let sites: Int
    private var blocks: ArraySlice<CheckpointCursor>
    private var last: (place: PrefixPlace, site: Int)?

    fileprivate init(_ checkpoint: Checkpoint) {
        self.sites = checkpoint.names.sites.count
        self.blocks = checkpoint.cursors(.roundTrips)[...]
    }

    /// The next record; nil at the end.
    ///
    /// - Throws: ``CheckpointError/malformed(part:offset:)``; not where it was looked through
    ///   before.
    mutating func next() throws(CheckpointError) -> Record? {
        while self.blocks.first?.isAtEnd == true { self.blocks.removeFirst() }
        guard var cursor = self.blocks.first else { return nil }
        let record = try self.read(&cursor)
        if let last = self.last {
            guard last.place < record.place || last.place == record.place && last.site < record.site
            else { throw cursor.malformed }
        }
        self.last = (record.place, record.site)
        self.blocks[self.blocks.startIndex] = cursor
        return record
    }

    private func read(_ cursor: inout CheckpointCursor) throws(CheckpointError) -> Record {
        let family: AddressFamily
        switch try cursor.byte() {
        case 4: family = .ipv4
        case 6: family = .ipv6
        default: throw cursor.malformed
        }
        let length = Int(try cursor.byte())
        let given = try cursor.takeCounted()
        guard length <= family.width, given.count <= family.byteCount else {
            throw cursor.malformed
        }
        var key: UInt128 = 0
        for (index, byte) in given.enumerated() {
            key |= UInt128(byte) &<< UInt128(120 - 8 * index)
        }
        guard length == 128 || key << UInt128(length) == 0 else { throw cursor.malformed }
        let site = try cursor.count(atMost: SiteID.limit)
        let microseconds: UInt32 = try cursor.number()
        let observed = try cursor.count(atMost: 1 << 40)
        guard site < self.sites, microseconds > 0, microseconds <= RoundTrip.mostMicroseconds
        else { throw cursor.malformed }
        return Record(
            place: PrefixPlace(family: family, key: key, length: length), site: site,
            microseconds: microseconds, observed: Int64(observed))
    }
}

/// A prefix as trees have it, in their order: IPv4 first, a block before what it holds.
struct PrefixPlace: Comparable {
    var family: AddressFamily
    /// Left-aligned in 128 bits.
    var key: UInt128
    var length: Int

    init(family: AddressFamily, key: UInt128, length: Int) {
        self.family = family
        self.key = key
        self.length = length
    }

    init(_ prefix: IPPrefix) {
        self.init(
            family: prefix.family, key: prefix.address.leftAligned, length: prefix.length)
    }

    var prefix: IPPrefix {
        IPPrefix(
            masking: IPAddress(family: self.family, leftAligned: self.key), length: self.length)
    }

    /// The last address, left-aligned in 128 bits.
    var last: UInt128 {
        self.length == 0 ? .max : self.key | (UInt128.max >> UInt128(self.length))
    }

    static func < (a: Self, b: Self) -> Bool {
        if a.family != b.family { return a.family == .ipv4 }
        return a.key != b.key ? a.key < b.key : a.length < b.length
    }
}
