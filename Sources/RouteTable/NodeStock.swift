// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// The numbers of a lookup's nodes that are out of use: free ones, and retired ones, which are
/// free when no reader is left that could see them.
///
/// Retired ones wait in pieces of a thousand, which become free as a whole and a few at a time: a
/// default route may fold a million of them, and to take them back is no long step.
package struct NodeStock {
    private struct Piece {
        /// Of the node that was retired last.
        var epoch: UInt64
        var nodes: [UInt32]
    }

    private static let pieceSize = 1024
    private static let piecesAtOnce = 64
    /// Nodes that one call of ``reclaim(before:)`` makes free, at most.
    package static var mostAtOnce: Int { self.pieceSize * self.piecesAtOnce }

    /// Free nodes: those that are used next, and pieces of others.
    private var top: [UInt32] = []
    private var spare: [[UInt32]] = []
    package private(set) var freeCount = 0

    /// In the order in which they were retired; those before `first` were taken back.
    private var pieces: [Piece] = []
    private var first = 0
    package private(set) var retiredCount = 0

    package init() {}

    package mutating func popFree() -> UInt32? {
        if let node = self.top.popLast() {
            self.freeCount -= 1
            return node
        }
        guard let next = self.spare.popLast() else { return nil }
        self.top = next
        self.freeCount -= 1
        return self.top.popLast()
    }

    package mutating func addFree(_ node: UInt32) {
        self.freeCount += 1
        self.top.append(node)
        if self.top.count == 2 * Self.pieceSize {
            self.spare.append(Array(self.top.suffix(Self.pieceSize)))
            self.top.removeLast(Self.pieceSize)
        }
    }

    /// Takes a node that readers may see until the end of an epoch; later calls have later ones.
    package mutating func retire(_ node: UInt32, epoch: UInt64) {
        self.retiredCount += 1
        let last = self.pieces.count - 1
        if last >= self.first, self.pieces[last].nodes.count < Self.pieceSize {
            self.pieces[last].epoch = epoch
            self.pieces[last].nodes.append(node)
        } else {
            self.pieces.append(Piece(epoch: epoch, nodes: [node]))
        }
    }

    /// Makes nodes free that were retired before an epoch, some of them: it is called again and
    /// again.
    package mutating func reclaim(before epoch: UInt64) {
        let end = min(self.pieces.count, self.first + Self.piecesAtOnce)
        while self.first < end, self.pieces[self.first].epoch < epoch {
            let nodes = self.pieces[self.first].nodes
            self.pieces[self.first].nodes = []
            self.first += 1
            self.retiredCount -= nodes.count
            self.freeCount += nodes.count
            if self.top.count + nodes.count < 2 * Self.pieceSize {
                self.top.append(contentsOf: nodes)
            } else {
                self.spare.append(nodes)
            }
        }
        if self.first == self.pieces.count || self.first > 64 && self.first * 2 > self.pieces.count
        {
            self.pieces.removeFirst(self.first)
            self.first = 0
        }
    }
}
