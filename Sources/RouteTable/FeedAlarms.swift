// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Carries news of feeds' guards from the writer to whoever listens.
final class FeedAlarms: Sendable {
    private let listener = Mutex<(@Sendable (FeedAlarm) -> Void)?>(nil)

    func listen(_ body: @escaping @Sendable (FeedAlarm) -> Void) {
        self.listener.withLock { $0 = body }
    }

    func ring(_ alarm: FeedAlarm) {
        let listener = self.listener.withLock { $0 }
        listener?(alarm)
    }
}
