// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

package import RouteTable

/// How often feeds may be asked for all their routes again because some had been refused.
///
/// The first time at once. A table that is full again soon after would have its neighbours send
/// everything over and over: so the wait doubles where one request follows another, up to an hour, and
/// is forgotten after four times as long without any. It knows no clock: times are since some
/// beginning that stays the same.
package struct RequestPace {
    package static let shortest = Duration.seconds(60)
    package static let longest = Duration.seconds(3600)

    private struct Last {
        var time: Duration
        var wait: Duration
    }

    private var last: [FeedID: Last] = [:]

    package init() {}

    /// Whether a feed may be asked now; if so, it is taken for asked.
    package mutating func admit(_ feed: FeedID, at now: Duration) -> Bool {
        guard let last = self.last[feed], now - last.time < last.wait * 4 else {
            self.last[feed] = Last(time: now, wait: Self.shortest)
            return true
        }
        guard now - last.time >= last.wait else { return false }
        self.last[feed] = Last(time: now, wait: min(last.wait * 2, Self.longest))
        return true
    }
}
