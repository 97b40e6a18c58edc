// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// The timers of one peer, or of one feed, on its event loop.
///
/// A timer that is set again and again, as the hold timer is with each message, is not
/// scheduled anew: when it comes due, it looks whether it was put off meanwhile.
final class TimerTable<Timer: Hashable> {
    private struct Entry {
        var deadline: NIODeadline
        var due: NIODeadline
        var task: Scheduled<Void>
    }

    private let loop: any EventLoop
    private let expired: (Timer) -> Void
    private var entries: [Timer: Entry] = [:]

    init(loop: any EventLoop, expired: @escaping (Timer) -> Void) {
        self.loop = loop
        self.expired = expired
    }

    func start(_ timer: Timer, _ duration: Duration) {
        self.start(timer, at: self.loop.now + duration.timeAmount)
    }

    func start(_ timer: Timer, at deadline: NIODeadline) {
        if let entry = self.entries[timer] {
            if entry.due <= deadline {
                self.entries[timer]?.deadline = deadline
                return
            }
            entry.task.cancel()
        }
        self.schedule(timer, deadline)
    }

    func stop(_ timer: Timer) {
        self.entries.removeValue(forKey: timer)?.task.cancel()
    }

    func stopAll() {
        for entry in self.entries.values { entry.task.cancel() }
        self.entries.removeAll()
    }

    /// The timers that run, and how many seconds each has left.
    var remaining: [(timer: Timer, seconds: Double)] {
        let now = self.loop.now
        return self.entries.map { timer, entry in
            (timer, Double((entry.deadline - now).nanoseconds) / 1e9)
        }
    }

    private func schedule(_ timer: Timer, _ deadline: NIODeadline) {
        let task = self.loop.assumeIsolated().scheduleTask(deadline: deadline) { [weak self] in
            guard let self else { return }
            self.cameDue(timer)
        }
        self.entries[timer] = Entry(deadline: deadline, due: deadline, task: task)
    }

    private func cameDue(_ timer: Timer) {
        guard let entry = self.entries[timer] else { return }
        if entry.deadline > self.loop.now {
            self.schedule(timer, entry.deadline)
        } else {
            self.entries.removeValue(forKey: timer)
            self.expired(timer)
        }
    }
}
