// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable

/// Arrangements by class, policy and family, in flat memory that one reader owns.
///
/// An open hash table of (key, offset) into an arena of records. A record, in bytes: how many
/// sites, how many hashed ranges, the two lengths that are hashed (IPv4, IPv6), the sites, then
/// each range's first place and the place after its last.
struct ArrangementCache: ~Copyable {
    private struct Slot {
        var key: UInt64
        var offset: UInt32
        /// The slot is taken where this is the cache's epoch: forgetting all touches no slot.
        var epoch: UInt32
    }

    /// One cached arrangement. Valid until the cache changes.
    struct Record {
        fileprivate let bytes: UnsafePointer<UInt8>
        var count: Int { Int(self.bytes[0]) }
        var rangeCount: Int { Int(self.bytes[1]) }
        var hashedLengthIPv4: UInt8 { self.bytes[2] }
        var hashedLengthIPv6: UInt8 { self.bytes[3] }
        var sites: UnsafePointer<UInt8> { self.bytes + 4 }
        func range(_ index: Int) -> (start: Int, end: Int) {
            let at = self.bytes + 4 + self.count + 2 * index
            return (Int(at[0]), Int(at[1]))
        }
    }

    private var slots: UnsafeMutablePointer<Slot>
    private var mask: Int
    private var count = 0
    private var epoch: UInt32 = 1
    private var arena: UnsafeMutablePointer<UInt8>
    private var arenaUsed = 0
    private var arenaCapacity: Int
    private let maximumCount: Int

    /// - Parameter maximumCount: When it would hold more, it forgets all and starts again.
    init(maximumCount: Int = 1 << 19) {
        let capacity = 1024
        self.maximumCount = max(1, maximumCount)
        self.slots = .allocate(capacity: capacity)
        self.slots.initialize(repeating: Slot(key: 0, offset: 0, epoch: 0), count: capacity)
        self.mask = capacity - 1
        self.arenaCapacity = 16384
        self.arena = .allocate(capacity: self.arenaCapacity)
    }

    deinit {
        self.slots.deallocate()
        self.arena.deallocate()
    }

    static func key(classID: UInt32, policy: Int, family: UInt8) -> UInt64 {
        UInt64(classID) << 32 | UInt64(UInt32(truncatingIfNeeded: policy) << 2 | UInt32(family))
    }

    mutating func removeAll() {
        self.count = 0
        self.arenaUsed = 0
        if self.epoch == .max {
            for index in 0...self.mask { self.slots[index].epoch = 0 }
            self.epoch = 0
        }
        self.epoch += 1
    }

    /// The slot of a key, or the free slot where it would go.
    @inline(__always)
    private func slot(of key: UInt64) -> Int {
        var index = Int(truncatingIfNeeded: Rendezvous.mix(key)) & self.mask
        while self.slots[index].epoch == self.epoch, self.slots[index].key != key {
            index = (index + 1) & self.mask
        }
        return index
    }

    @inline(__always)
    func find(_ key: UInt64) -> Record? {
        let slot = self.slots[self.slot(of: key)]
        guard slot.epoch == self.epoch else { return nil }
        return Record(bytes: UnsafePointer(self.arena + Int(slot.offset)))
    }

    /// Keeps an arrangement under a key that isn't there yet.
    mutating func insert(
        _ arrangement: Arrangement, policy: Policy, for key: UInt64
    ) -> Record {
        let usable = arrangement.entries.prefix(min(arrangement.usableCount, SiteOrder.capacity))
        let ranges = arrangement.hashedRanges.filter { $0.upperBound <= usable.count }
        if self.count >= self.maximumCount { self.removeAll() }
        if (self.count + 1) * 2 > self.mask { self.grow() }
        self.reserve(4 + usable.count + 2 * ranges.count)

        let offset = self.arenaUsed
        self.write(UInt8(usable.count))
        self.write(UInt8(ranges.count))
        self.write(UInt8(policy.weightLength(for: .ipv4)))
        self.write(UInt8(policy.weightLength(for: .ipv6)))
        for entry in usable { self.write(entry.site.rawValue) }
        for range in ranges {
            self.write(UInt8(range.lowerBound))
            self.write(UInt8(range.upperBound))
        }
        self.slots[self.slot(of: key)] = Slot(
            key: key, offset: UInt32(offset), epoch: self.epoch)
        self.count += 1
        return Record(bytes: UnsafePointer(self.arena + offset))
    }

    private mutating func write(_ byte: UInt8) {
        self.arena[self.arenaUsed] = byte
        self.arenaUsed += 1
    }

    private mutating func reserve(_ bytes: Int) {
        guard self.arenaUsed + bytes > self.arenaCapacity else { return }
        let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: self.arenaCapacity * 2)
        larger.update(from: self.arena, count: self.arenaUsed)
        self.arena.deallocate()
        self.arena = larger
        self.arenaCapacity *= 2
    }

    private mutating func grow() {
        let old = self.slots
        let oldCapacity = self.mask + 1
        let capacity = oldCapacity * 2
        self.slots = .allocate(capacity: capacity)
        self.slots.initialize(repeating: Slot(key: 0, offset: 0, epoch: 0), count: capacity)
        self.mask = capacity - 1
        for index in 0..<oldCapacity where old[index].epoch == self.epoch {
            self.slots[self.slot(of: old[index].key)] = old[index]
        }
        old.deallocate()
    }
}
