// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// What the console has seen since it started.
public final class ConsoleCounters: Sendable {
    private let commandCount = Atomic<UInt64>(0)
    private let connectionCount = Atomic<UInt64>(0)
    private let refusedCount = Atomic<UInt64>(0)
    private let wrongPasswordCount = Atomic<UInt64>(0)

    public var commands: UInt64 { self.commandCount.load(ordering: .relaxed) }
    public var connections: UInt64 { self.connectionCount.load(ordering: .relaxed) }
    /// Connections refused for being too many.
    public var refusedConnections: UInt64 { self.refusedCount.load(ordering: .relaxed) }
    public var wrongPasswords: UInt64 { self.wrongPasswordCount.load(ordering: .relaxed) }

    func countCommand() { self.countCommands(1) }
    func countCommands(_ count: Int) {
        self.commandCount.wrappingAdd(UInt64(count), ordering: .relaxed)
    }
    func countConnection() { self.connectionCount.wrappingAdd(1, ordering: .relaxed) }
    func countRefusal() { self.refusedCount.wrappingAdd(1, ordering: .relaxed) }
    func countWrongPassword() { self.wrongPasswordCount.wrappingAdd(1, ordering: .relaxed) }
}
