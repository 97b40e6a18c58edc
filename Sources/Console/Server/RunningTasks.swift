// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The tasks that answer commands, so that a server can wait for them before its event loop ends.
///
/// There is at most one for each connection.
final class RunningTasks: Sendable {
    private struct State {
        var tasks: [UInt64: Task<Void, Never>] = [:]
        var next: UInt64 = 0
    }

    private let state = Mutex(State())

    /// Starts a task that is known here until it ends. It gives way to whoever answers: it may have a
    /// whole table to print.
    func start(_ body: @escaping @Sendable () async -> Void) -> Task<Void, Never> {
        self.state.withLock { state in
            let number = state.next
            state.next += 1
            let task = Task(priority: .background) {
                await body()
                // The lock is free only once the task stands in the list.
                _ = self.state.withLock { $0.tasks.removeValue(forKey: number) }
            }
            state.tasks[number] = task
            return task
        }
    }

    /// Returns when all that run now have ended.
    func wait() async {
        for task in self.state.withLock({ Array($0.tasks.values) }) { await task.value }
    }
}
