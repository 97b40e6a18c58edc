// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Choice
import RouteTable

/// Replies to `nearest` for programs, made ready by policy, family and class.
///
/// What is said of a class's first site depends on the class alone, but for the scope: so a reply
/// is two pieces of text with the scope between them. Where a hash of the client's address decides
/// which site is first, the class's entry says so, and there is an entry for each such site. All
/// are good as long as neither the world nor the meaning of classes changes.
///
/// An open hash table of keys and places in an arena of texts; equal texts stand there once.
struct ReadyReplies: ~Copyable {
    struct Key: Hashable {
        var bits: UInt64

        /// Policies from this number on are answered without being kept.
        static let policyLimit = 1 << 22

        /// The key of a class's reply. The family decides which address is shown.
        @inline(__always)
        init(policy: Int, isIPv4: Bool, classID: UInt32) {
            self.bits =
                UInt64(classID) << 32 | UInt64(truncatingIfNeeded: policy) << 10
                | (isIPv4 ? 1 << 9 : 0)
        }

        /// The key of the reply where the client's hash puts this site first.
        func with(site: SiteID) -> Key {
            var key = self
            key.bits |= 1 << 8 | UInt64(site.rawValue)
            return key
        }
    }

    /// Where a reply's text stands in the arena.
    struct Text: Hashable {
        fileprivate var offset: UInt32
        /// Which site is first depends on more than the class.
        static let isHashed = Text(offset: .max)
    }

    private struct Slot {
        var key: UInt64
        var text: UInt32
        /// The slot is taken where this is the table's epoch: forgetting all touches no slot.
        var epoch: UInt32
    }

    /// The longest text that is kept.
    static let longestText = 512
    /// The scope needs no more digits.
    private static let scopeDigits = 3
    /// `put` writes no more than this.
    static let longestReply = Self.longestText + Self.scopeDigits

    private let maximumCount: Int
    private var slots: UnsafeMutablePointer<Slot>
    private var mask: Int
    private var count = 0
    private var epoch: UInt32 = 1
    /// `[head count u16][tail count u16][head][tail]` for each text.
    private var arena: UnsafeMutableRawPointer
    private var arenaUsed = 0
    private var arenaCapacity: Int
    private var offsets: [String: UInt32] = [:]
    private var worldGeneration: UInt64 = .max
    private var classGeneration: UInt64 = .max
    /// The name asked for last, and its policy.
    private var name: [UInt8] = []
    private var namedPolicy: Int?

    /// - Parameter maximumCount: When it would hold more, it forgets all and starts again.
    init(maximumCount: Int) {
        let capacity = 1024
        self.maximumCount = max(1, maximumCount)
        self.slots = .allocate(capacity: capacity)
        self.slots.initialize(repeating: Slot(key: 0, text: 0, epoch: 0), count: capacity)
        self.mask = capacity - 1
        self.arenaCapacity = 4096
        self.arena = .allocate(byteCount: self.arenaCapacity, alignment: 8)
    }

    deinit {
        self.slots.deallocate()
        self.arena.deallocate()
    }

    /// Forgets what was made ready for another state of things.
    mutating func adopt(world: UInt64, classes: UInt64) {
        guard world != self.worldGeneration || classes != self.classGeneration else { return }
        self.worldGeneration = world
        self.classGeneration = classes
        self.name = []
        self.namedPolicy = nil
        self.removeAll()
    }

    private mutating func removeAll() {
        self.count = 0
        self.arenaUsed = 0
        self.offsets.removeAll(keepingCapacity: true)
        if self.epoch == .max {
            for index in 0...self.mask { self.slots[index].epoch = 0 }
            self.epoch = 0
        }
        self.epoch += 1
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

    // MARK: Finding and keeping

    /// The slot of a key, or the free slot where it would go.
    @inline(__always)
    private func slot(of key: UInt64) -> Int {
        var index = Int(truncatingIfNeeded: (key &* 0x9e37_79b9_7f4a_7c15) &>> 32) & self.mask
        while self.slots[index].epoch == self.epoch, self.slots[index].key != key {
            index = (index &+ 1) & self.mask
        }
        return index
    }

    @inline(__always)
    func find(_ key: Key) -> Text? {
        let slot = self.slots[self.slot(of: key.bits)]
        return slot.epoch == self.epoch ? Text(offset: slot.text) : nil
    }

    /// Keeps that the client's hash decides.
    mutating func keepHashed(_ key: Key) { self.insert(key, Text.isHashed.offset) }

    /// Keeps a reply that is `head`, the scope, `tail`; without a tail the head alone.
    ///
    /// - Returns: nil where the text is too long to be kept.
    mutating func keep(_ key: Key, head: String, tail: String) -> Text? {
        let length = head.utf8.count + tail.utf8.count
        guard length <= Self.longestText else { return nil }
        // Offsets stay below 2^31, far from the mark for hashes.
        if self.count >= self.maximumCount || self.arenaUsed > 1 << 24 { self.removeAll() }
        let text = "\(head)\0\(tail)"
        if let offset = self.offsets[text] {
            self.insert(key, offset)
            return Text(offset: offset)
        }
        self.reserve(4 + length)
        let offset = self.arenaUsed
        self.arena.storeBytes(
            of: UInt16(head.utf8.count), toByteOffset: offset, as: UInt16.self)
        self.arena.storeBytes(
            of: UInt16(tail.utf8.count), toByteOffset: offset + 2, as: UInt16.self)
        self.arenaUsed += 4
        for byte in head.utf8 { self.append(byte) }
        for byte in tail.utf8 { self.append(byte) }
        self.offsets[text] = UInt32(offset)
        self.insert(key, UInt32(offset))
        return Text(offset: UInt32(offset))
    }

    private mutating func append(_ byte: UInt8) {
        self.arena.storeBytes(of: byte, toByteOffset: self.arenaUsed, as: UInt8.self)
        self.arenaUsed += 1
    }

    /// Makes room for so many octets, and a few more: what `put` copies too many is readable.
    private mutating func reserve(_ bytes: Int) {
        let needed = self.arenaUsed + bytes + Self.slack
        guard needed > self.arenaCapacity else { return }
        let capacity = max(needed, self.arenaCapacity * 2)
        let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 8)
        larger.copyMemory(from: self.arena, byteCount: self.arenaUsed)
        self.arena.deallocate()
        self.arena = larger
        self.arenaCapacity = capacity
    }

    private mutating func insert(_ key: Key, _ text: UInt32) {
        if (self.count + 1) * 2 > self.mask { self.grow() }
        let index = self.slot(of: key.bits)
        if self.slots[index].epoch != self.epoch { self.count += 1 }
        self.slots[index] = Slot(key: key.bits, text: text, epoch: self.epoch)
    }

    private mutating func grow() {
        let old = self.slots
        let oldCapacity = self.mask + 1
        self.slots = .allocate(capacity: oldCapacity * 2)
        self.slots.initialize(
            repeating: Slot(key: 0, text: 0, epoch: 0), count: oldCapacity * 2)
        self.mask = oldCapacity * 2 - 1
        for index in 0..<oldCapacity where old[index].epoch == self.epoch {
            self.slots[self.slot(of: old[index].key)] = old[index]
        }
        old.deallocate()
    }

    // MARK: Writing

    /// Texts of up to this are copied in one piece of this size.
    private static let slack = 64
    /// How much room `put` needs from where it starts.
    static let roomForReply = Self.longestReply + 2 * Self.slack

    /// Writes a reply, and returns its length.
    ///
    /// There must be `roomForReply` octets at `target`; those behind the reply may be written too.
    @inline(__always)
    func put(_ text: Text, scope: UInt8, to target: UnsafeMutableRawPointer) -> Int {
        let source = self.arena + Int(text.offset)
        let head = Int(source.loadUnaligned(as: UInt16.self))
        let tail = Int(source.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
        Self.copy(from: source + 4, count: head, to: target)
        guard tail > 0 else { return head }
        var used = head
        if scope >= 100 {
            target.storeBytes(of: 0x31, toByteOffset: used, as: UInt8.self)
            used &+= 1
        }
        if scope >= 10 {
            target.storeBytes(of: 0x30 &+ scope / 10 % 10, toByteOffset: used, as: UInt8.self)
            used &+= 1
        }
        target.storeBytes(of: 0x30 &+ scope % 10, toByteOffset: used, as: UInt8.self)
        used &+= 1
        Self.copy(from: source + 4 + head, count: tail, to: target + used)
        return used &+ tail
    }

    /// Copies `count` octets, and perhaps some that follow them: the arena has so many more.
    @inline(__always)
    private static func copy(
        from source: UnsafeMutableRawPointer, count: Int, to target: UnsafeMutableRawPointer
    ) {
        if count <= Self.slack {
            target.copyMemory(from: source, byteCount: Self.slack)
        } else {
            target.copyMemory(from: source, byteCount: count)
        }
    }
}
