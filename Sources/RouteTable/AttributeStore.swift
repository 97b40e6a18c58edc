// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import CLinux
import Glibc

/// Equal attributes once, packed, counted by the routes that have them.
///
/// A record begins at a multiple of 8 bytes; its number is that multiple. Layout, native order:
/// references `u32`, the next record of the same chain `u32`, then ``PackedAttributes``.
///
/// Records are found by chains, one for each record there is on average: with each new record one
/// more chain is split off an older one (linear hashing), so that no step is a long one. Records
/// of one size are used again for the same size, so days of flapping leave no holes that grow.
/// Belongs to the writer's thread.
final class AttributeStore {
    private static let headerBytes = 8
    /// The number of bits in a record's number.
    static let numberBits = 28
    private static let limit = 1 << numberBits
    private static let firstChains = 1024

    private let memory: ReservedMemory
    private let base: UnsafeMutableRawPointer
    private let chainMemory: ReservedMemory
    /// The first record of each chain.
    private let chains: UnsafeMutablePointer<UInt32>
    /// The number of chains is `round + split`: those before `split` have been split already.
    private var round = AttributeStore.firstChains
    private var split = 0
    private var highWater = 1
    /// Records out of use by their granules, linked as chains are: the first of each list, in an
    /// array where they are as small as usual.
    private let freeRecords: UnsafeMutablePointer<UInt32>
    private var freeLargeRecords: [Int: UInt32] = [:]
    private static let smallGranules = 128
    private var scratch: [UInt8] = []
    private(set) var count = 0
    private(set) var freeBytes = 0

    init() throws(TableResourceError) {
        self.memory = try ReservedMemory(bytes: Self.limit * 8)
        self.base = self.memory.base
        // The least record has three granules, and there are no more chains than records.
        self.chainMemory = try ReservedMemory(bytes: Self.limit / 2 * 4)
        self.chains = self.chainMemory.base.assumingMemoryBound(to: UInt32.self)
        self.freeRecords = .allocate(capacity: Self.smallGranules)
        self.freeRecords.initialize(repeating: 0, count: Self.smallGranules)
    }

    deinit { self.freeRecords.deallocate() }

    // MARK: Records

    @inline(__always)
    private func at(_ id: UInt32) -> UnsafeMutableRawPointer { self.base + Int(id) &* 8 }

    @inline(__always)
    private func packed(_ id: UInt32) -> UnsafeRawBufferPointer {
        PackedAttributes.bytes(at: self.at(id) + Self.headerBytes)
    }

    @inline(__always)
    private func next(_ id: UInt32) -> UInt32 {
        self.at(id).load(fromByteOffset: 4, as: UInt32.self)
    }

    @inline(__always)
    private func setNext(_ id: UInt32, _ next: UInt32) {
        self.at(id).storeBytes(of: next, toByteOffset: 4, as: UInt32.self)
    }

    /// Has a record's beginning brought near.
    @inline(__always)
    func fetch(_ id: UInt32) { martlet_prefetch(self.at(id)) }

    /// The route's distance; ``PackedAttributes/noDistance`` where it is ignored.
    @inline(__always)
    func distance(_ id: UInt32) -> Int {
        Int(self.at(id).load(fromByteOffset: 11, as: UInt8.self))
    }

    /// Whether the route came with LLGR_STALE (RFC 9494).
    @inline(__always)
    func hasLongLivedStale(_ id: UInt32) -> Bool {
        self.mayHaveFurther(id)
            && PackedAttributes.further(self.packed(id)).contains(.longLivedStale)
    }

    /// Whether the route came with NO_LLGR (RFC 9494).
    func refusesLongLivedStale(_ id: UInt32) -> Bool {
        self.mayHaveFurther(id) && PackedAttributes.further(self.packed(id)).contains(.notLongLived)
    }

    @inline(__always)
    private func mayHaveFurther(_ id: UInt32) -> Bool {
        self.at(id).load(fromByteOffset: 12, as: UInt8.self) & 3 == 3
    }

    func attributes(_ id: UInt32) -> RouteAttributes { PackedAttributes.unpack(self.packed(id)) }

    /// As ``RouteAttributes/distance(after:)``, without unpacking; nil where the route is ignored.
    func distance(_ id: UInt32, after number: ASNumber) -> Int? {
        PackedAttributes.distance(self.packed(id), after: number)
    }

    @inline(__always)
    func retain(_ id: UInt32) {
        let references = self.at(id).load(as: UInt32.self)
        self.at(id).storeBytes(of: references &+ 1, as: UInt32.self)
    }

    @inline(__always)
    func release(_ id: UInt32) {
        let references = self.at(id).load(as: UInt32.self) - 1
        self.at(id).storeBytes(of: references, as: UInt32.self)
        if references == 0 { self.remove(id) }
    }

    // MARK: Interning

    /// The number of these attributes, retained once for the caller; nil where there is no space
    /// for them.
    func intern(_ attributes: RouteAttributes) -> UInt32? {
        self.scratch.removeAll(keepingCapacity: true)
        PackedAttributes.append(attributes, to: &self.scratch)
        return self.scratch.withUnsafeBytes { self.intern($0, hash: KeyedHash.hash($0)) }
    }

    /// The same for packed ones, whose hash is known.
    func intern(_ bytes: UnsafeRawBufferPointer, hash: UInt32) -> UInt32? {
        guard let start = bytes.baseAddress,
            bytes.count <= PackedAttributes.maximumBytes + PackedAttributes.headBytes
        else { return nil }
        let head = start.loadUnaligned(as: UInt32.self)
        let chain = self.chain(hash)
        let first = self.chains[chain]
        var id = first
        while id != 0 {
            let record = self.at(id)
            if record.load(fromByteOffset: Self.headerBytes, as: UInt32.self) == head,
                memcmp(record + Self.headerBytes, start, bytes.count) == 0
            {
                self.retain(id)
                return id
            }
            id = self.next(id)
        }
        guard let new = self.allocate(Self.granules(bytes.count)) else { return nil }
        let record = self.at(new)
        record.storeBytes(of: 1, as: UInt32.self)
        self.setNext(new, first)
        (record + Self.headerBytes).copyMemory(from: start, byteCount: bytes.count)
        self.chains[chain] = new
        self.count += 1
        if self.count > self.round + self.split { self.splitChain() }
        return new
    }

    @inline(__always)
    private func chain(_ hash: UInt32) -> Int {
        let chain = Int(hash) & (self.round &- 1)
        return chain < self.split ? Int(hash) & (2 &* self.round &- 1) : chain
    }

    private func chain(of id: UInt32) -> Int { self.chain(KeyedHash.hash(self.packed(id))) }

    /// Makes one more chain, of records from one that is there.
    private func splitChain() {
        var id = self.chains[self.split]
        self.chains[self.split] = 0
        self.split += 1
        while id != 0 {
            let next = self.next(id)
            let chain = self.chain(of: id)
            self.setNext(id, self.chains[chain])
            self.chains[chain] = id
            id = next
        }
        if self.split == self.round {
            self.round *= 2
            self.split = 0
        }
    }

    private func remove(_ id: UInt32) {
        let chain = self.chain(of: id)
        let next = self.next(id)
        if self.chains[chain] == id {
            self.chains[chain] = next
        } else {
            var before = self.chains[chain]
            while self.next(before) != id { before = self.next(before) }
            self.setNext(before, next)
        }
        self.count -= 1
        let granules = Self.granules(self.packed(id).count)
        if granules < Self.smallGranules {
            self.setNext(id, self.freeRecords[granules])
            self.freeRecords[granules] = id
        } else {
            self.setNext(id, self.freeLargeRecords[granules] ?? 0)
            self.freeLargeRecords[granules] = id
        }
        self.freeBytes += granules * 8
    }

    @inline(__always)
    private static func granules(_ bytes: Int) -> Int { (headerBytes &+ bytes &+ 7) / 8 }

    private func allocate(_ granules: Int) -> UInt32? {
        let isSmall = granules < Self.smallGranules
        let free =
            isSmall ? self.freeRecords[granules] : self.freeLargeRecords[granules] ?? 0
        if free != 0 {
            if isSmall {
                self.freeRecords[granules] = self.next(free)
            } else {
                self.freeLargeRecords[granules] = self.next(free)
            }
            self.freeBytes -= granules * 8
            return free
        }
        guard self.highWater + granules <= Self.limit else { return nil }
        let id = UInt32(self.highWater)
        self.highWater += granules
        return id
    }

    // MARK: Memory

    var recordBytes: Int { self.highWater * 8 }
    var indexBytes: Int { (self.round + self.split) * 4 }
}
