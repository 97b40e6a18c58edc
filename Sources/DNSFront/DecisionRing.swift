// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSWire
import Glibc
import Synchronization

/// A `nearest` answer that was given, as far as it is noted on the thread that gave it. A trivial
/// value.
struct Decision {
    /// Unix milliseconds.
    var time: UInt64
    /// The address that decided; all of it, or as much as the resolver gave of it.
    var client: IPAddress
    /// Bits that the resolver gave; nil where its own address decided.
    var sourceLength: UInt8?
    var scope: UInt8
    var type: RecordType
    var transport: DNSTransport
    var policy: Int32
    /// The first site of the answer; -1 where it had none.
    var site: Int16
    var classID: UInt32
    var nameByteCount: UInt8
}

/// Decisions on their way from one thread, which answers, to another, which writes: a ring of a
/// fixed size. What doesn't fit is counted and forgotten.
final class DecisionRing: @unchecked Sendable {
    // Sendable: a slot is written before `written` says so, by the one thread that writes, and read
    // before `read` says so, by the one that reads. The memory is freed in deinit only.

    private let slots: UnsafeMutableRawPointer
    private let written = Atomic<UInt64>(0)
    private let read = Atomic<UInt64>(0)
    private let lost = Atomic<UInt64>(0)
    private let closed = Atomic(false)

    /// Nothing is noted here any more.
    var isClosed: Bool { self.closed.load(ordering: .acquiring) }

    func close() { self.closed.store(true, ordering: .releasing) }

    private static var capacity: UInt64 { 256 }
    /// A decision, then its name: at most 255 bytes.
    private static var nameOffset: Int { MemoryLayout<Decision>.stride }
    private static var slotSize: Int { Self.nameOffset + 256 }

    init() {
        self.slots = .allocate(
            byteCount: Int(Self.capacity) * Self.slotSize,
            alignment: MemoryLayout<Decision>.alignment)
    }

    deinit { self.slots.deallocate() }

    private func slot(_ number: UInt64) -> UnsafeMutableRawPointer {
        self.slots + Int(number % Self.capacity) * Self.slotSize
    }

    /// Notes a decision and its name, whose bytes are at `name`. On the answering thread.
    func note(_ decision: Decision, name: UnsafeRawPointer) {
        let number = self.written.load(ordering: .relaxed)
        guard number - self.read.load(ordering: .acquiring) < Self.capacity else {
            self.lost.add(1, ordering: .relaxed)
            return
        }
        let slot = self.slot(number)
        slot.storeBytes(of: decision, as: Decision.self)
        (slot + Self.nameOffset).copyMemory(from: name, byteCount: Int(decision.nameByteCount))
        self.written.store(number + 1, ordering: .releasing)
    }

    /// Takes the oldest decision out, with the wire form of its name. On the writing thread.
    func take() -> (decision: Decision, name: [UInt8])? {
        let number = self.read.load(ordering: .relaxed)
        guard number < self.written.load(ordering: .acquiring) else { return nil }
        let slot = self.slot(number)
        let decision = slot.load(as: Decision.self)
        let name = UnsafeRawBufferPointer(
            start: slot + Self.nameOffset, count: Int(decision.nameByteCount))
        let bytes = Array(name)
        self.read.store(number + 1, ordering: .releasing)
        return (decision, bytes)
    }

    /// How many were forgotten since the last time.
    func takeLost() -> UInt64 { self.lost.exchange(0, ordering: .relaxed) }
}

/// Chooses what one thread notes: one decision in so many, and no more than so many a second.
struct DecisionSampler {
    private var every: UInt32 = 0
    private var left: UInt32 = 0
    private var rate: UInt32 = 0
    private var second: UInt32 = 0
    private var inSecond: UInt32 = 0

    init(_ rules: DecisionLogRules?) {
        guard let rules else { return }
        self.every = UInt32(clamping: max(1, rules.sample))
        self.left = self.every
        self.rate = UInt32(clamping: max(0, rules.rate))
    }

    /// Whether this one is noted.
    @inline(__always)
    mutating func takes(at moment: DNSMoment) -> Bool {
        guard self.every > 0 else { return false }
        self.left -= 1
        guard self.left == 0 else { return false }
        self.left = self.every
        if self.second != moment.unixTime {
            self.second = moment.unixTime
            self.inSecond = 0
        }
        self.inSecond += 1
        return self.inSecond <= self.rate
    }
}
