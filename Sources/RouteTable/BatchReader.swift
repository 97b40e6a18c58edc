// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// One change of a ``RouteBatch``.
struct BatchedChange {
    /// The prefix's bits, left-aligned.
    var key: UInt128
    var length: Int
    var isIPv4: Bool
    /// RFC 7911 §3; 0 where the feed sends one path for a prefix.
    var pathID: UInt32
    /// Their index in the batch; nil: withdrawn.
    var attributes: Int?
}

/// Reads a ``RouteBatch``'s changes in order. A copy goes on from the same place.
struct BatchReader {
    private let words: [UInt64]
    /// Words read.
    private(set) var position = 0

    init(_ batch: RouteBatch) { self.words = batch.words }

    @inline(__always)
    mutating func next() -> BatchedChange? {
        guard self.position < self.words.count else { return nil }
        let word = self.words[self.position]
        let isIPv4 = word & 1 == 0
        let index = word &>> 10 & RouteBatch.withdrawn
        var change = BatchedChange(
            key: UInt128(word &>> 32) &<< 96, length: Int(truncatingIfNeeded: word &>> 1 & 255),
            isIPv4: isIPv4, pathID: 0,
            attributes: index == RouteBatch.withdrawn ? nil : Int(truncatingIfNeeded: index))
        if isIPv4 {
            self.position &+= 1
        } else {
            change.key =
                UInt128(self.words[self.position &+ 1]) &<< 64
                | UInt128(self.words[self.position &+ 2])
            self.position &+= 3
        }
        if word & RouteBatch.hasPathID != 0 {
            change.pathID = UInt32(truncatingIfNeeded: self.words[self.position])
            self.position &+= 1
        }
        return change
    }
}
