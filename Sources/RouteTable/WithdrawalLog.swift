// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// Routes that a feed withdrew a short while ago, in the order in which they went.
///
/// The log has a share in the attributes of each: who takes an entry out gives that back or uses
/// it. It grows and shrinks in pieces, never in one long step.
struct WithdrawalLog {
    /// 40 bytes.
    struct Entry {
        var high: UInt64
        var low: UInt64
        /// 0: it is not to come back.
        var attributes: UInt32
        /// When the route's attributes came, as in ``RouteSlot``.
        var time: UInt32
        /// When it was withdrawn, in seconds of the guard's clock.
        var second: UInt32
        /// The path's id, and its life (``PathLives``): of one that is over nothing comes back.
        var pathID: UInt32
        var life: UInt8
        var length: UInt8
        var isIPv4: Bool

        /// The prefix's bits, left-aligned.
        var key: UInt128 { UInt128(self.high) << 64 | UInt128(self.low) }
        var family: AddressFamily { self.isIPv4 ? .ipv4 : .ipv6 }
        var prefix: IPPrefix {
            IPPrefix(
                masking: IPAddress(family: self.family, leftAligned: self.key),
                length: Int(self.length))
        }
    }

    private static let pieceSize = 1024

    private var pieces: [[Entry]] = []
    /// Those before it in the first piece were taken out.
    private var first = 0
    private(set) var count = 0
    /// The number of the oldest: each is numbered in the order in which it came.
    private(set) var start = 0

    var isEmpty: Bool { self.count == 0 }

    /// The numbers of all.
    var numbers: Range<Int> { self.start..<self.start + self.count }

    /// The entry with a number.
    subscript(number: Int) -> Entry {
        get {
            let place = number - self.start + self.first
            return self.pieces[place / Self.pieceSize][place % Self.pieceSize]
        }
        set {
            let place = number - self.start + self.first
            self.pieces[place / Self.pieceSize][place % Self.pieceSize] = newValue
        }
    }

    var byteCount: Int {
        self.pieces.count * Self.pieceSize * MemoryLayout<Entry>.stride
    }

    mutating func append(_ entry: Entry) {
        if self.pieces.last?.count ?? Self.pieceSize == Self.pieceSize {
            self.pieces.append([])
            self.pieces[self.pieces.count - 1].reserveCapacity(Self.pieceSize)
        }
        self.pieces[self.pieces.count - 1].append(entry)
        self.count += 1
    }

    /// The moment at which the oldest was withdrawn.
    var oldest: UInt32? { self.isEmpty ? nil : self.pieces[0][self.first].second }

    mutating func takeOldest() -> Entry? {
        guard !self.isEmpty else { return nil }
        let entry = self.pieces[0][self.first]
        self.first += 1
        self.start += 1
        self.count -= 1
        if self.first == self.pieces[0].count {
            self.pieces.removeFirst()
            self.first = 0
        }
        return entry
    }

    /// Of two withdrawals of a prefix the newer is the one that counts.
    mutating func takeNewest() -> Entry? {
        guard !self.isEmpty else { return nil }
        let last = self.pieces.count - 1
        let entry = self.pieces[last].removeLast()
        self.count -= 1
        if self.isEmpty {
            self.pieces = []
            self.first = 0
        } else if self.pieces[last].isEmpty {
            self.pieces.removeLast()
        }
        return entry
    }
}
