// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Choice
import NIOCore
import RouteTable

/// Replies to `nearest` for programs, made ready by class, policy and site.
///
/// Which site is first may depend on the client's hash; what is said of it depends on its class
/// alone. So a reply is put together from two pieces, with the scope between them. They are good
/// as long as neither the world nor the meaning of classes changes. Direct-mapped: a reply that
/// falls on another's place replaces it.
package struct NearestCache: ~Copyable {
    /// `[head count u8][tail count u8][head][tail]`, in this many octets.
    private static let slotSize = 128
    private static let slotCount = 16_384

    private let keys: UnsafeMutablePointer<UInt64>
    private let slots: UnsafeMutablePointer<UInt8>
    private var worldGeneration: UInt64 = .max
    private var classGeneration: UInt64 = .max
    /// The name asked for last, and its policy.
    private var name: [UInt8] = []
    private var namedPolicy: Int?

    package init() {
        self.keys = .allocate(capacity: Self.slotCount)
        self.slots = .allocate(capacity: Self.slotCount * Self.slotSize)
        self.slots.initialize(repeating: 0, count: Self.slotCount * Self.slotSize)
        self.forget()
    }

    deinit {
        self.keys.deallocate()
        self.slots.deallocate()
    }

    private mutating func forget() {
        self.keys.initialize(repeating: .max, count: Self.slotCount)
        self.name = []
        self.namedPolicy = nil
    }

    /// Forgets what was made ready for another state of things.
    mutating func adopt(world: UInt64, classes: UInt64) {
        guard world != self.worldGeneration || classes != self.classGeneration else { return }
        self.worldGeneration = world
        self.classGeneration = classes
        self.forget()
    }

    /// The policy of a name; `find` is asked when it isn't the same name as before.
    mutating func policy(named name: Span<UInt8>, _ find: (String) -> Int?) -> Int? {
        if !self.name.isEmpty, name.count == self.name.count {
            var isSame = true
            for index in name.indices where name[index] != self.name[index] { isSame = false }
            if isSame { return self.namedPolicy }
        }
        self.name = name.withUnsafeBufferPointer { Array($0) }
        self.namedPolicy = find(String(decoding: self.name, as: UTF8.self))
        return self.namedPolicy
    }

    private static func key(policy: Int, classID: UInt32, site: SiteID) -> UInt64 {
        UInt64(UInt16(truncatingIfNeeded: policy)) << 48 | UInt64(site.rawValue) << 32
            | UInt64(classID)
    }

    private static func place(of key: UInt64) -> Int {
        Int(truncatingIfNeeded: (key &* 0x9e37_79b9_7f4a_7c15) >> 50)
    }

    /// Appends the reply where it was made ready.
    @inline(__always)
    func write(
        policy: Int, classID: UInt32, site: SiteID, scope: UInt8, to output: inout ByteBuffer
    ) -> Bool {
        let key = Self.key(policy: policy, classID: classID, site: site)
        let place = Self.place(of: key)
        guard self.keys[place] == key else { return false }
        let slot = self.slots + place * Self.slotSize
        let (head, tail) = (Int(slot[0]), Int(slot[1]))
        output.writeWithUnsafeMutableBytes(minimumWritableBytes: Self.slotSize + 3) { target in
            guard let base = target.baseAddress else { return 0 }
            base.copyMemory(from: slot + 2, byteCount: head)
            var used = head
            used += Self.write(scope, to: base + used)
            (base + used).copyMemory(from: slot + 2 + head, byteCount: tail)
            return used + tail
        }
        return true
    }

    @inline(__always)
    private static func write(_ value: UInt8, to target: UnsafeMutableRawPointer) -> Int {
        var used = 0
        func put(_ digit: UInt8) {
            target.storeBytes(of: 0x30 + digit, toByteOffset: used, as: UInt8.self)
            used += 1
        }
        if value >= 100 { put(value / 100) }
        if value >= 10 { put(value / 10 % 10) }
        put(value % 10)
        return used
    }

    /// Keeps a reply that is `head`, the scope, `tail`. One that is too long isn't kept.
    func keep(policy: Int, classID: UInt32, site: SiteID, head: String, tail: String) {
        guard head.utf8.count + tail.utf8.count + 2 <= Self.slotSize else { return }
        let key = Self.key(policy: policy, classID: classID, site: site)
        let place = Self.place(of: key)
        var slot = self.slots + place * Self.slotSize
        slot[0] = UInt8(head.utf8.count)
        slot[1] = UInt8(tail.utf8.count)
        slot += 2
        for byte in head.utf8 {
            slot.pointee = byte
            slot += 1
        }
        for byte in tail.utf8 {
            slot.pointee = byte
            slot += 1
        }
        self.keys[place] = key
    }
}
