// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Why something that is derived from the table may need another look.
package struct ChangeReasons: OptionSet, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The lookup has changed, for the first time in a round.
    package static let tableChanged = Self(rawValue: 1)
    /// Another image of the lookup, with other class numbers.
    package static let imageReplaced = Self(rawValue: 2)
    /// Other sites, policies or states of sites.
    package static let worldChanged = Self(rawValue: 4)
    /// Somebody asks what nobody has asked before.
    package static let questionAsked = Self(rawValue: 8)
    package static let stopped = Self(rawValue: 16)
}

/// Wakes the one thread that keeps what is derived from the table.
///
/// Unchecked: `pending` is used under the monitor's lock.
package final class ChangeSignal: @unchecked Sendable {
    private let monitor = Monitor()
    private var pending: ChangeReasons = []

    package init() {}

    package func wake(_ reason: ChangeReasons) {
        self.monitor.withLock {
            self.pending.formUnion(reason)
            self.monitor.wakeAll()
        }
    }

    /// Waits for a reason, or until some milliseconds are over (nil is for ever).
    ///
    /// - Returns: The reasons that there were; they are taken.
    package func wait(milliseconds: Int?) -> ChangeReasons {
        let deadline = milliseconds.map { monotonicMicroseconds() + UInt64(max(0, $0)) * 1000 }
        return self.monitor.withLock {
            while self.pending.isEmpty {
                guard let deadline else {
                    self.monitor.wait()
                    continue
                }
                let now = monotonicMicroseconds()
                guard now < deadline else { break }
                self.monitor.wait(milliseconds: Int((deadline - now + 999) / 1000))
            }
            defer { self.pending = [] }
            return self.pending
        }
    }
}
