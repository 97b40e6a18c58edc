// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The classes of one generation: tuples of fixed width, each kept once, numbered from 0.
///
/// A tuple: a byte a site (distance + 1, or 0), where round trips are known a byte a site more
/// (``RoundTripCode``), both in whole eights, then the numbers of the pin list and of the place as
/// `UInt32`. Class 0 is all zeros: nothing known.
///
/// Tuples are only added, in memory that doesn't move. A tuple is complete before its id reaches
/// a reader through a releasing store of a lookup entry; so readers need no lock.
/// Unchecked for that reason: all but `publishedCount` and `tuple(_:)` belong to the writer.
final class ClassTable: @unchecked Sendable {
    let sites: Int
    /// Bytes of round trips: 0 while there are none.
    let roundTripSites: Int
    let stride: Int
    let capacity: Int
    private let memory: ReservedMemory
    private let base: UnsafeMutableRawPointer
    private(set) var count = 0
    private let sharedCount = Atomic<Int>(0)
    private let index: ClassIndex
    private let ahead: PagesAhead
    /// Bytes that are asked for ahead: of live changes some milliseconds' worth.
    private static let bytesAhead = 256 << 10
    /// Distances and round trips come from outside.
    private let key = KeyedHash.ofProcess

    var roundTripOffset: Int { self.sites }
    var pinOffset: Int { self.sites + self.roundTripSites }
    var placeOffset: Int { self.pinOffset + 4 }

    /// - Parameters:
    ///   - sites: Sites at least.
    ///   - roundTripSites: Sites with round trips, at least.
    ///   - capacity: Classes at most; address space is reserved for as many.
    /// - Throws: Where the system refuses the address space.
    init(sites: Int, roundTripSites: Int, capacity: Int) throws(TableResourceError) {
        // Tuples are compared eight bytes at a time.
        self.sites = (max(sites, 1) + 7) / 8 * 8
        self.roundTripSites = (roundTripSites + 7) / 8 * 8
        self.stride = self.sites + self.roundTripSites + 8
        self.capacity = capacity
        self.memory = try ReservedMemory(bytes: (capacity + 1) * self.stride)
        self.base = self.memory.base
        self.ahead = PagesAhead(self.memory, page: Self.bytesAhead / 2)
        self.index = try ClassIndex()
        _ = self.intern()
    }

    var mappings: [ReservedMemory] { [self.memory] + self.index.mappings }

    var publishedCount: Int { self.sharedCount.load(ordering: .acquiring) }

    func tuple(_ id: UInt32) -> UnsafeRawPointer {
        UnsafeRawPointer(self.base + Int(id) * self.stride)
    }

    /// Where the next tuple is put together before ``intern()``; starts as what it was left.
    var scratch: UnsafeMutableRawPointer { self.base + self.count * self.stride }

    /// The id of the tuple in ``scratch``, which is taken in if it is new; nil where no more fit.
    func intern() -> UInt32? {
        let tuple = self.scratch
        let hash = self.hash(tuple)
        let known = self.index.find(hash) {
            Self.equal(tuple, self.base + Int($0) * self.stride, self.stride)
        }
        if let known { return known }
        let id = UInt32(truncatingIfNeeded: self.count)
        guard self.count < self.capacity,
            self.index.insert(
                id, hash, { self.hash(self.base + Int($0) * self.stride) })
        else { return nil }
        self.count += 1
        self.sharedCount.store(self.count, ordering: .releasing)
        if self.count & 1023 == 0 {
            self.ahead.has(bytes: (self.count + 1) * self.stride + Self.bytesAhead)
        }
        return id
    }

    /// The id of a tuple with one byte replaced; nil where no more fit.
    @inline(__always)
    func intern(_ id: UInt32, replacing offset: Int, by value: UInt8) -> UInt32? {
        let old = self.tuple(id)
        if old.load(fromByteOffset: offset, as: UInt8.self) == value { return id }
        let scratch = self.scratch
        scratch.copyMemory(from: old, byteCount: self.stride)
        scratch.storeBytes(of: value, toByteOffset: offset, as: UInt8.self)
        return self.intern()
    }

    @inline(__always)
    private func hash(_ tuple: UnsafeMutableRawPointer) -> Int {
        var hash = self.key.begin(byteCount: 0)
        var offset = 0
        while offset < self.stride {
            hash = self.key.mix(hash, tuple.load(fromByteOffset: offset, as: UInt64.self))
            offset &+= 8
        }
        return Int(truncatingIfNeeded: hash &>> 1)
    }

    @inline(__always)
    private static func equal(
        _ a: UnsafeMutableRawPointer, _ b: UnsafeMutableRawPointer, _ count: Int
    ) -> Bool {
        var offset = 0
        while offset < count {
            if a.load(fromByteOffset: offset, as: UInt64.self)
                != b.load(fromByteOffset: offset, as: UInt64.self)
            {
                return false
            }
            offset += 8
        }
        return true
    }

    /// Bytes touched, by the writer or ahead of it.
    var byteCount: Int {
        max((self.count + 1) * self.stride, self.ahead.takenBytes) + self.index.byteCount
    }
}
