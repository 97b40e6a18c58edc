// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import CLinux
import Glibc

/// Equal attributes once, packed, counted by the routes that have them.
///
/// A record begins at a multiple of 8 bytes; its number is that multiple. Layout, native order:
/// references `u32`, the next record of the same chain `u32` (28 bits; the rest is the heap's), then
/// ``PackedAttributes``.
///
/// Records are found by chains, one for each record there is on average: with each new record one
/// more chain is split off an older one (linear hashing), so that no step is a long one; when there
/// are twice as many chains as records, chains are joined likewise. Space that came free serves
/// records of any size, and goes back to the system (``GranuleHeap``): neither days of flapping nor
/// a feed that tries all sizes leave anything behind.
///
/// Long records have an end of the space of their own: those of one feed can neither take the
/// space of the usual ones nor stand between them. Belongs to the writer's thread.
package final class AttributeStore {
    private static let headerBytes = 8
    /// The number of bits in a record's number.
    static let numberBits = GranuleHeap.numberBits
    private static let limit = 1 << numberBits
    /// Granules of the longest record that is a usual one: 256 bytes.
    private static let usualGranules = 32
    /// Where the space for long ones begins: before it is more than the usual records of one feed
    /// with 4,194,304 routes, the most that one has by default, can take.
    private static let firstLong = limit / 8 * 5
    private static let firstChains = 1024
    /// Chains whose memory goes back to the system at once.
    private static let chainsAtOnce = 1 << 16
    private static let chainsPerPage = 1024

    private let base: UnsafeMutableRawPointer
    private let usual: GranuleHeap
    private let long: GranuleHeap
    private let chainMemory: ReservedMemory
    /// The first record of each chain.
    private let chains: UnsafeMutablePointer<UInt32>
    /// The number of chains is `round + split`: those before `split` have been split already.
    private var round = AttributeStore.firstChains
    private var split = 0
    /// Chains whose memory is in place.
    private var chainsInPlace = AttributeStore.firstChains
    private var scratch: [UInt8] = []
    /// Private, since each access of one that other modules see would be guarded.
    private var sets = 0

    package init() throws(TableResourceError) {
        let memory = try ReservedMemory(bytes: Self.limit * GranuleHeap.granuleBytes)
        self.base = memory.base
        self.usual = try GranuleHeap(memory, numbers: 512..<Self.firstLong)
        self.long = try GranuleHeap(memory, numbers: Self.firstLong..<Self.limit)
        // The least record has two granules, and there are no more chains than records.
        self.chainMemory = try ReservedMemory(bytes: Self.limit / 2 * 4)
        self.chains = self.chainMemory.base.assumingMemoryBound(to: UInt32.self)
    }

    package var count: Int { self.sets }

    // MARK: Records

    @inline(__always)
    private func at(_ id: UInt32) -> UnsafeMutableRawPointer { self.base + Int(id) &* 8 }

    @inline(__always)
    private func packed(_ id: UInt32) -> UnsafeRawBufferPointer {
        PackedAttributes.bytes(at: self.at(id) + Self.headerBytes)
    }

    @inline(__always)
    private func next(_ id: UInt32) -> UInt32 {
        self.at(id).load(fromByteOffset: 4, as: UInt32.self) & GranuleHeap.ownBits
    }

    @inline(__always)
    private func setNext(_ id: UInt32, _ next: UInt32) {
        let word = self.at(id).load(fromByteOffset: 4, as: UInt32.self)
        self.at(id).storeBytes(
            of: word & ~GranuleHeap.ownBits | next, toByteOffset: 4, as: UInt32.self)
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

    package func attributes(_ id: UInt32) -> RouteAttributes {
        PackedAttributes.unpack(self.packed(id))
    }

    /// Bytes of a record.
    func byteCount(_ id: UInt32) -> Int { Self.headerBytes + self.packed(id).count }

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
    package func release(_ id: UInt32) {
        let references = self.at(id).load(as: UInt32.self) - 1
        self.at(id).storeBytes(of: references, as: UInt32.self)
        if references == 0 { self.remove(id) }
    }

    // MARK: Interning

    /// The number of these attributes, retained once for the caller; nil where there is no space
    /// for them.
    package func intern(_ attributes: RouteAttributes) -> UInt32? {
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
        self.sets += 1
        if self.sets > self.round + self.split { self.splitChain() }
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
        self.chainsInPlace = max(self.chainsInPlace, self.round + self.split)
        if self.split == self.round {
            self.round *= 2
            self.split = 0
        }
    }

    /// Joins the last chain to the one that it was split off.
    private func joinChain() {
        if self.split == 0 {
            self.round /= 2
            self.split = self.round
        }
        self.split -= 1
        let first = self.chains[self.round + self.split]
        self.chains[self.round + self.split] = 0
        guard first != 0 else { return }
        var last = first
        while case let next = self.next(last), next != 0 { last = next }
        self.setNext(last, self.chains[self.split])
        self.chains[self.split] = first
    }

    /// Makes the chains fewer, faster than records leave, and gives their memory back.
    private func joinChains() {
        for _ in 0..<2 where self.round + self.split > Self.firstChains { self.joinChain() }
        let page = (self.round + self.split + Self.chainsPerPage - 1) / Self.chainsPerPage
        let rest = self.chainsInPlace - page * Self.chainsPerPage
        guard rest >= Self.chainsAtOnce else { return }
        self.chainMemory.discard(from: page * 4096, bytes: rest * 4)
        self.chainsInPlace -= rest
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
        self.sets -= 1
        if self.round + self.split > max(Self.firstChains, 2 * self.sets) { self.joinChains() }
        let heap = Int(id) < Self.firstLong ? self.usual : self.long
        heap.release(id, granules: Self.granules(self.packed(id).count))
    }

    @inline(__always)
    private static func granules(_ bytes: Int) -> Int { (headerBytes &+ bytes &+ 7) / 8 }

    private func allocate(_ granules: Int) -> UInt32? {
        if granules <= Self.usualGranules, let id = self.usual.allocate(granules) { return id }
        return self.long.allocate(granules)
    }

    // MARK: Memory

    /// Bytes of the pages with records on them, and of a few that wait for some.
    package var recordBytes: Int { self.usual.residentBytes + self.long.residentBytes }
    package var indexBytes: Int { self.chainsInPlace * 4 }
}
