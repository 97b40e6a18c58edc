// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import RouteTable
import Synchronization

/// Tells which site is nearest: the table of routes and the world of sites, for many readers.
public final class Oracle: Sendable {
    /// A world that doesn't change any more.
    final class Frozen: Sendable {
        let world: World
        /// The questions that are asked about it.
        let asked: AskedQuestions

        init(_ world: World, asked: AskedQuestions) {
            self.world = world
            self.asked = asked
        }
    }

    public let lookup: LookupTable
    /// Where answers change, as far as a ``ScopeKeeper`` has found out.
    let scopes = AnswerScopeBoard()
    /// Wakes that keeper.
    let signal = ChangeSignal()
    private let current: Mutex<Frozen>
    private let generation: Atomic<UInt64>

    public init(lookup: LookupTable, world: World) {
        self.lookup = lookup
        let asked = AskedQuestions(policyCount: world.policies.count, signal: self.signal)
        self.current = Mutex(Frozen(world, asked: asked))
        self.generation = Atomic(world.generation)
    }

    /// The world as it is now.
    public var world: World { self.frozen().world }

    /// Changes the world. Readers see the change, whole, from their next batch on.
    public func update(_ body: (inout World) -> Void) {
        self.current.withLock { current in
            var world = current.world
            body(&world)
            world.generation = current.world.generation + 1
            // Where policies have changed their numbers, marks may be of questions that nobody
            // asks any more: they are forgotten in time.
            let asked =
                world.policies.count == current.world.policies.count
                ? current.asked
                : AskedQuestions(policyCount: world.policies.count, signal: self.signal)
            current = Frozen(world, asked: asked)
            self.generation.store(world.generation, ordering: .releasing)
        }
        self.signal.wake(.worldChanged)
    }

    /// Bytes of the indexes of scopes, those included that readers have not let go of.
    public var scopeBytes: Int { self.scopes.byteCount }

    /// A reader for one thread. Throws where the table has no place for another.
    public func makeReader() throws -> OracleReader {
        OracleReader(oracle: self, table: try self.lookup.makeReader())
    }

    func frozen() -> Frozen { self.current.withLock { $0 } }

    /// The generation of the world, without a lock.
    @inline(__always)
    func currentGeneration() -> UInt64 { self.generation.load(ordering: .acquiring) }
}
