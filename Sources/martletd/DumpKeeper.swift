// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import BGPSession
import BGPSpeaker
import Configuration
import Console
import Logging
import NIOPosix
import RouteTable
import ServiceLifecycle
import Synchronization

/// The records that feeds' sessions leave on disk, as the configuration asks for them.
final class DumpKeeper: Sendable {
    private let speaker: BGPSpeaker
    private let logger: Logger
    /// Where the disk is waited for.
    private let thread = NIOThreadPool(numberOfThreads: 1)
    private let recorders = Mutex<[FeedID: DumpRecorder]>([:])

    init(speaker: BGPSpeaker, logger: Logger) {
        self.speaker = speaker
        self.logger = logger
    }

    func start() { self.thread.startGivingWay() }

    /// How a feed's record stands, for `show feed`; nil where there is none.
    func section(of feed: FeedID) -> FeedDetail.Section? {
        guard let status = self.recorders.withLock({ $0[feed]?.status }) else { return nil }
        typealias Fact = FeedDetail.Fact
        return FeedDetail.Section(
            "record", "Record",
            facts: [
                Fact("record_file", status.file.map { .text($0) } ?? .unknown),
                Fact("recorded", .number(status.records)),
                Fact("record_bytes", .number(status.bytes)),
                Fact("not_recorded", .number(status.dropped)),
                Fact("record_error", status.lastError.map { .text($0) } ?? .unknown),
            ])
    }

    /// Begins the records of a plan, before its sessions. One that stays the same goes on in the
    /// same file; those that the plan doesn't have go on until ``prune(_:)``.
    ///
    /// - Returns: In words, whose routes of before are in no record: it begins amid a session.
    @discardableResult
    func apply(_ plan: Plan) async -> [String] {
        var words: [String] = []
        await self.end { feed, recording in
            plan.recordings[feed].map { $0 != recording } ?? false
        }
        for (feed, recording) in plan.recordings
        where self.recorders.withLock({ $0[feed] == nil }) {
            let recorder = DumpRecorder(recording, pool: self.thread, logger: self.logger)
            self.recorders.withLock { $0[feed] = recorder }
            await self.speaker.attach(recorder, to: feed)
            let status = await self.speaker.status().first { $0.feed == feed }
            guard let status, let negotiation = status.negotiation else { continue }
            words.append(
                "feed \(status.name): its dump begins with what comes from now on; 'clear feed "
                    + "\(status.name)\(negotiation.canRefresh ? " soft" : "")' has the router send all "
                    + "of its routes again")
        }
        return words
    }

    /// Ends the records that a plan doesn't have; sessions that leave with them are over.
    func prune(_ plan: Plan) async {
        await self.end { feed, _ in plan.recordings[feed] == nil }
    }

    private func end(where isOver: (FeedID, DumpRecording) -> Bool) async {
        for (feed, recorder) in self.recorders.withLock({ $0 })
        where isOver(feed, recorder.recording) {
            self.recorders.withLock { $0[feed] = nil }
            await self.speaker.detach(recorder)
            await recorder.close()
        }
    }

    /// Once a second: files whose time is over are completed although nothing comes.
    func tick() {
        for recorder in self.recorders.withLock({ Array($0.values) }) { recorder.tick() }
    }

    /// Completes all files; the sessions are over.
    func close() async {
        let recorders = self.recorders.withLock { recorders in
            defer { recorders = [:] }
            return Array(recorders.values)
        }
        for recorder in recorders {
            await self.speaker.detach(recorder)
            await recorder.close()
        }
        try? await self.thread.shutdownGracefully()
    }
}

/// Looks at the records' clock.
struct DumpService: Service {
    let keeper: DumpKeeper

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while (try? await Task.sleep(for: .seconds(1))) != nil { self.keeper.tick() }
        }
    }
}
