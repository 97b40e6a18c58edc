// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import DNSFront
import Glibc
import ServiceLifecycle
import Synchronization

/// Whose turn it is: a process that replaces another serves nothing before the other has left, but for
/// DNS, which both serve for a moment.
final class Succession: Sendable {
    /// Whom this process is to replace; nil where it is the first.
    let predecessor: Predecessor?
    /// DNS may be served.
    let serves: Gate
    /// This process has sessions, consoles and files.
    let isInCharge: Gate
    /// Another process has taken over.
    let hasLeft = Gate()
    private let running = Mutex<[Gate]>([])

    init(after predecessor: Predecessor?) {
        self.predecessor = predecessor
        self.serves = Gate(isOpen: predecessor == nil)
        self.isInCharge = Gate(isOpen: predecessor == nil)
    }

    /// Runs `body` while this process is in charge; returns at the end of that.
    func whileInCharge(_ body: @escaping @Sendable () async throws -> Void) async throws {
        await self.isInCharge.wait()
        guard !Task.isCancelled else { return }
        let ended = Gate()
        self.running.withLock { $0.append(ended) }
        defer { ended.open() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await body() }
            group.addTask { await self.hasLeft.wait() }
            try await group.next()
            group.cancelAll()
            try await group.waitForAll()
        }
    }

    /// Ends what runs only while the process is in charge.
    func leave() async {
        self.hasLeft.open()
        for gate in self.running.withLock({ $0 }) { await gate.wait() }
    }
}

/// A part of the process in charge.
struct ServiceInCharge: Service, CustomStringConvertible {
    let description: String
    let succession: Succession
    let body: @Sendable () async throws -> Void

    init(
        _ name: String, _ succession: Succession,
        _ body: @escaping @Sendable () async throws -> Void
    ) {
        self.description = name
        self.succession = succession
        self.body = body
    }

    func run() async throws {
        try await cancelWhenGracefulShutdown { try await self.succession.whileInCharge(self.body) }
        // One that has left waits for the others' end.
        try await gracefulShutdown()
    }
}
