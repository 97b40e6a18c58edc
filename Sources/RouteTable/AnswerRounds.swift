// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Rounds of changes, on the writer's thread.
extension RIB {
    /// From now on every change of the lookup is marked.
    ///
    /// - Returns: The generation of classes that the marks speak of; nil where two rounds are
    ///   marked already.
    package func beginRound(_ marks: ChangeMarks) -> UInt64? {
        let image = self.engine.image
        guard image.ipv4.marks.hasRoom else { return nil }
        image.ipv4.marks.attach(marks, marks.ipv4)
        image.ipv6.marks.attach(marks, marks.ipv6)
        return image.generation
    }

    /// Frees the sets of a board that no reader uses any more, and ends the rounds that neither
    /// they need nor `other`, which is being built.
    ///
    /// - Returns: Whether a set is left that was replaced.
    package func reclaim(_ board: AnswerScopeBoard, keeping other: ChangeMarks? = nil) -> Bool {
        let needed = board.reclaim(self.engine.lookup.epochs) + (other.map { [$0] } ?? [])
        let image = self.engine.image
        image.ipv4.marks.keep { marks in needed.contains { $0 === marks } }
        image.ipv6.marks.keep { marks in needed.contains { $0 === marks } }
        return board.hasRetired
    }
}
