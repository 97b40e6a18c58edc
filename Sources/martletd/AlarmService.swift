// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Logging
import RouteTable
import ServiceLifecycle

/// Logs what feeds' guards have to say.
struct AlarmService: Service, CustomStringConvertible {
    let description = "alarms"
    private let alarms: AsyncStream<FeedAlarm>
    private let logger: Logger

    /// It holds no more than so many that nobody has read.
    private static let bound = 256

    init(owner: TableOwner, logger: Logger) {
        let (alarms, sink) = AsyncStream.makeStream(
            of: FeedAlarm.self, bufferingPolicy: .bufferingNewest(Self.bound))
        self.alarms = alarms
        self.logger = logger
        owner.onFeedAlarm { sink.yield($0) }
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            for await alarm in self.alarms { self.log(alarm) }
        }
    }

    private func log(_ alarm: FeedAlarm) {
        let prefixes: Logger.Metadata = ["feed": "\(alarm.name)", "prefixes": "\(alarm.live)"]
        switch alarm.kind {
        case .raised:
            var metadata = prefixes
            metadata["before"] = "\(alarm.before)"
            metadata["within"] = "\(alarm.rules.window) s"
            metadata["to-release"] = "guard release \(alarm.name)"
            self.logger.error(
                "a feed lost too many prefixes at once: it keeps them as stale", metadata: metadata)
        case .settled:
            self.logger.warning(
                "the feed has settled: the prefixes that it lost leave", metadata: prefixes)
        case .recovered:
            self.logger.notice("the feed has announced all its prefixes again", metadata: prefixes)
        case .released:
            self.logger.notice(
                "the feed was released: the prefixes that it lost leave", metadata: prefixes)
        case .ended:
            self.logger.notice(
                "the feed's session ended while its guard held: its prefixes are stale",
                metadata: prefixes)
        }
    }
}
