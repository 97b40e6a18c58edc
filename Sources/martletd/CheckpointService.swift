// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import BGPSpeaker
import Choice
import DNSFront
import Logging
import RouteTable
import ServiceLifecycle

/// Brings the checkpoint's routes back, then writes the table every so often and at the end.
///
/// It is the last of the services, so that it ends first: when the sessions end, their routes
/// leave the table.
struct CheckpointService: Service {
    let daemon: Daemon

    /// The longest time after which a reload's other interval is noticed.
    private static let longestSleep = Duration.seconds(60)

    /// Whether the file is this process's to write.
    private var isWriter: Bool {
        self.daemon.succession.isInCharge.isOpen && !self.daemon.succession.hasLeft.isOpen
    }

    func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            if await self.daemon.checkpoints.finishRestore() {
                self.daemon.board.hasCheckpoint = !self.daemon.restoredFeeds.isEmpty
                self.daemon.isRestored.open()
            } else if self.daemon.hasInheritedTable {
                throw StartFailure(
                    lines: ["the other process's table can't be used; it stays"],
                    status: StartFailure.systemError)
            } else {
                await self.startOver(&group)
            }
            while !Task.isShuttingDownGracefully, !Task.isCancelled {
                let left = self.daemon.checkpoints.timeLeft ?? Self.longestSleep
                if left <= .zero, self.isWriter {
                    _ = await self.daemon.checkpoints.save()
                } else {
                    await cancelWhenGracefulShutdown {
                        try? await Task.sleep(
                            for: min(max(left, .seconds(1)), Self.longestSleep))
                    }
                }
            }
            if self.daemon.checkpoints.report != nil, self.isWriter {
                _ = await self.daemon.checkpoints.save()
            }
            group.cancelAll()
        }
    }

    /// What was answered from a moment ago is gone: as if there had been no checkpoint.
    private func startOver(_ group: inout ThrowingTaskGroup<Void, any Error>) async {
        let daemon = self.daemon
        await daemon.speaker.restored(daemon.restoredFeeds, isGood: false)
        for feed in daemon.restoredFeeds where daemon.board[feed]?.isFile == true {
            daemon.expire(feed)
        }
        daemon.board.hasCheckpoint = false
        guard !daemon.board.isReady else { return }
        daemon.readiness.isReady = false
        group.addTask {
            await daemon.board.waitUntilReady()
            if !Task.isCancelled { daemon.readiness.isReady = true }
        }
    }
}

extension Daemon {
    /// Takes a restored feed's routes away, if they have not been confirmed.
    func expire(_ feed: FeedID) {
        guard self.board[feed]?.liveness == .stale else { return }
        self.owner.submit(.feedFlush(feed))
        self.board.set(feed, liveness: .lost)
    }
}
