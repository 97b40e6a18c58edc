// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Which of a feed's paths with an id are from before all paths of that id were withdrawn.
///
/// That is said in one word, the routes leave by a walk, and the same id is announced again
/// meanwhile. So each path knows, in four bits, which life of its id it belongs to. Were an id
/// withdrawn fifteen times in one walk, it would be closed until the walk is over: what is
/// announced with it is refused.
package struct PathLives {
    /// The life of each id that ever ended one; of others it is 0.
    private var current: [UInt32: UInt8] = [:]
    /// Lives that ended since the walk under way began.
    private var ended: [UInt32: Int] = [:]
    private static let most = 15

    package init() {}

    /// No id has ended a life.
    @inline(__always)
    package var isEmpty: Bool { self.current.isEmpty }

    package func life(of id: UInt32) -> UInt8 { self.current[id] ?? 0 }

    package func isClosed(_ id: UInt32) -> Bool { (self.ended[id] ?? 0) >= Self.most }

    /// Whether paths of a life of an id are on their way out.
    package func isOver(_ life: UInt8, of id: UInt32) -> Bool {
        guard let ended = self.ended[id] else { return false }
        return ended >= Self.most || life != self.life(of: id)
    }

    /// All paths of an id leave.
    package mutating func end(_ id: UInt32) {
        guard !self.isClosed(id) else { return }
        self.current[id] = (self.life(of: id) + 1) & 15
        self.ended[id, default: 0] += 1
    }

    /// No path of a life that is over is left.
    package mutating func settle() { self.ended = [:] }
}
