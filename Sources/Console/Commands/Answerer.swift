// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

package import Choice
import Synchronization

/// A reader of Oracle for code that may run on any thread, and the replies it has made ready.
///
/// The lock is held for one batch. Each user has an answerer of its own, so that it is never
/// waited for in practice.
///
/// Unchecked: `state` is reached under the lock alone, and what `body` is given doesn't outlive it.
package final class Answerer: @unchecked Sendable {
    private struct State: ~Copyable {
        var reader: OracleReader
        var writer: NearestWriter
    }

    private let lock = Mutex(())
    private let state: UnsafeMutablePointer<State>

    /// Throws where the table has no place for another reader. It keeps up to `maximumKept`
    /// replies to `nearest` ready.
    package init(_ oracle: Oracle, maximumKept: Int = 1 << 18) throws {
        let reader = try oracle.makeReader()
        self.state = .allocate(capacity: 1)
        self.state.initialize(
            to: State(reader: reader, writer: NearestWriter(maximumKept: maximumKept)))
    }

    deinit {
        self.state.deinitialize(count: 1)
        self.state.deallocate()
    }

    package func withBatch<R: Sendable>(
        _ body: (inout OracleBatch, inout NearestWriter) throws -> R
    ) rethrows -> R {
        try self.lock.withLock { _ in
            try Self.run(&self.state.pointee.reader, &self.state.pointee.writer, body)
        }
    }

    private static func run<R>(
        _ reader: inout OracleReader, _ writer: inout NearestWriter,
        _ body: (inout OracleBatch, inout NearestWriter) throws -> R
    ) rethrows -> R {
        try reader.withBatch { batch in
            writer.adopt(world: batch.world.generation, classes: batch.classGeneration)
            return try body(&batch, &writer)
        }
    }
}
