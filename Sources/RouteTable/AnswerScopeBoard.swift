// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Where the set of indexes in use is found: by readers through one atomic load a batch.
///
/// A set that was replaced is kept until no reader is pinned from before: by the epochs of the
/// lookup, as images are. One thread publishes; the epochs are moved on by the table's writer
/// alone, whose tags rely on that.
package final class AnswerScopeBoard: Sendable {
    private struct Kept {
        var published: AnswerScopeSet?
        /// With the epoch in which the writer heard of it.
        var retired: [(epoch: UInt64?, set: AnswerScopeSet)] = []
    }

    /// The published set, retained in `kept`.
    private let current = Atomic<UInt>(0)
    private let kept = Mutex(Kept())

    package init() {}

    /// What a reader may use until it unpins the table; nil unless it is of both generations.
    ///
    /// Only inside ``TableReader/withSnapshot(_:)``: it is the pin that keeps the set alive.
    @inline(__always)
    package func scopes(
        classGeneration: UInt64, worldGeneration: UInt64
    ) -> AnswerScopes? {
        // In one order with the pin before it and the publisher's store.
        let bits = self.current.load(ordering: .sequentiallyConsistent)
        guard let pointer = UnsafeRawPointer(bitPattern: bits) else { return nil }
        return Unmanaged<AnswerScopeSet>.fromOpaque(pointer)._withUnsafeGuaranteedRef { set in
            guard
                set.classGeneration == classGeneration, set.worldGeneration == worldGeneration
            else { return nil }
            return AnswerScopes(set)
        }
    }

    /// The set in use. Takes a lock: not for readers.
    package var published: AnswerScopeSet? { self.kept.withLock { $0.published } }

    /// Puts a set in the place of the one before, which ``reclaim(_:)`` frees in time.
    package func publish(_ set: AnswerScopeSet?) {
        self.kept.withLock { kept in
            let bits = set.map { UInt(bitPattern: Unmanaged.passUnretained($0).toOpaque()) } ?? 0
            self.current.store(bits, ordering: .sequentiallyConsistent)
            if let old = kept.published { kept.retired.append((nil, old)) }
            kept.published = set
        }
    }

    /// Frees what no reader can see any more. On the writer's thread.
    ///
    /// - Returns: The marks of what is left, that in use included.
    func reclaim(_ epochs: EpochDomain) -> [ChangeMarks] {
        self.kept.withLock { kept in
            if !kept.retired.isEmpty {
                let current = epochs.current
                for index in kept.retired.indices where kept.retired[index].epoch == nil {
                    kept.retired[index].epoch = current
                }
                let oldest = epochs.advance()
                kept.retired.removeAll { $0.epoch ?? .max < oldest }
            }
            return kept.retired.map(\.set.marks) + (kept.published.map { [$0.marks] } ?? [])
        }
    }

    package var hasRetired: Bool { self.kept.withLock { !$0.retired.isEmpty } }

    package var byteCount: Int {
        self.kept.withLock { kept in
            kept.retired.reduce(kept.published?.byteCount ?? 0) { $0 + $1.set.byteCount }
        }
    }
}
