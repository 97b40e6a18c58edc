// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Paths that don't stand in a prefix's slot: those of prefixes for which a feed has several
/// (RFC 7911), each linked to the next one of the same prefix and feed, the lowest id first.
///
/// 16 bytes each: the ``RouteSlot`` `u64`, the path's id `u32`, the next record (28 bits; 0 is none)
/// and the id's life (4, see ``PathLives``). Records out of use are linked alike. Belongs to the
/// writer's thread.
final class PathPool {
    static let capacity = 1 << 26

    private struct Record {
        var bits: UInt64
        var id: UInt32
        var link: UInt32
    }

    private let memory: ReservedMemory
    private let records: UnsafeMutablePointer<Record>
    private var highWater: UInt32 = 0
    private var free: UInt32 = 0
    private(set) var count = 0

    init() throws(TableResourceError) {
        self.memory = try ReservedMemory(bytes: (Self.capacity + 1) * MemoryLayout<Record>.stride)
        self.records = self.memory.base.assumingMemoryBound(to: Record.self)
    }

    @inline(__always)
    func slot(_ record: UInt32) -> RouteSlot { RouteSlot(bits: self.records[Int(record)].bits) }

    @inline(__always)
    func id(_ record: UInt32) -> UInt32 { self.records[Int(record)].id }

    @inline(__always)
    func next(_ record: UInt32) -> UInt32 { self.records[Int(record)].link & 0xfff_ffff }

    func life(_ record: UInt32) -> UInt8 {
        UInt8(truncatingIfNeeded: self.records[Int(record)].link &>> 28)
    }

    func set(_ slot: RouteSlot, _ record: UInt32) { self.records[Int(record)].bits = slot.bits }

    func setLife(_ life: UInt8, _ record: UInt32) {
        let link = self.records[Int(record)].link
        self.records[Int(record)].link = link & 0xfff_ffff | UInt32(life & 15) &<< 28
    }

    func setNext(_ next: UInt32, _ record: UInt32) {
        let link = self.records[Int(record)].link
        self.records[Int(record)].link = link & ~0xfff_ffff | next
    }

    /// Takes a record; nil where the reserved space is used up.
    func add(_ slot: RouteSlot, id: UInt32, life: UInt8, next: UInt32) -> UInt32? {
        var record = self.free
        if record != 0 {
            self.free = self.next(record)
        } else {
            guard self.highWater < UInt32(Self.capacity) else { return nil }
            self.highWater += 1
            record = self.highWater
        }
        self.records[Int(record)] = Record(
            bits: slot.bits, id: id, link: next | UInt32(life & 15) &<< 28)
        self.count += 1
        return record
    }

    func remove(_ record: UInt32) {
        self.records[Int(record)] = Record(bits: 0, id: 0, link: self.free)
        self.free = record
        self.count -= 1
    }

    var byteCount: Int { Int(self.highWater) * MemoryLayout<Record>.stride }
    /// Those of records out of use.
    var freeBytes: Int { self.byteCount - self.count * MemoryLayout<Record>.stride }
}
