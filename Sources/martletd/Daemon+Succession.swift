// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import BGPSpeaker
import Configuration
import Console
import DNSFront
import Glibc
import Logging
import NIOPosix
import RouteTable
import ServiceLifecycle
import Synchronization

extension Daemon {
    // MARK: The new process

    /// Serves DNS, has the process before this one leave, and begins with all that only one of both
    /// can do. Where that one has ended by itself meanwhile, this one goes on alone.
    func takeOver() async throws {
        guard let predecessor = self.succession.predecessor else { return }
        self.succession.serves.open()
        await self.dns.waitUntilServing()
        try Task.checkCancellation()
        let keepsPidFile = self.pidFile?.isInherited == true
        let inheritsConnections = self.powerDNS?.inherits == true
        let parting = try? await self.files.runIfActive {
            var connections: [CInt]? = inheritsConnections ? [] : nil
            do throws(HandoverError) {
                try predecessor.leave(keepingPidFile: keepsPidFile, connections: &connections)
                return (connections: connections, failure: HandoverError?.none)
            } catch {
                return (connections: connections, failure: error)
            }
        }
        if let failure = parting?.failure {
            // It may have left for all that: what counts is that somebody serves.
            self.logger.error(
                "the process before this one did not say that it has left",
                metadata: ["pid": "\(predecessor.process)", "error": "\(failure)"])
        }
        if let connections = parting?.connections { await self.powerDNS?.takeOver(connections) }
        await self.dumps.apply(self.running.withLock { $0.plan })
        self.pidFile?.write()
        self.succession.isInCharge.open()
        self.logger.notice("took over", metadata: ["from": "\(predecessor.process)"])
        self.tellInCharge()
    }

    // MARK: The old process

    /// How long connections that are there may go on. Clients close them, or leave them idle.
    private static let connectionTime = Duration.seconds(60)

    /// Serves nothing new any more, since another process does. What is under way comes to its end, and
    /// then this process does.
    func leave(to process: pid_t, keepingPidFile: Bool) async {
        self.logger.notice("another process takes over", metadata: ["pid": "\(process)"])
        ServiceManager.handOver(to: process)
        await self.dns.leave()
        self.console?.leave()
        // Whoever is still connected gets the answers that there were, not those of a table that loses
        // its sessions.
        self.board.freeze()
        self.owner.shutdown()
        await self.checkpoints.retire()
        self.speaker.beginShutdown(message: "a new process takes over")
        await self.succession.leave()
        await self.dumps.close()
        if keepingPidFile { self.pidFile?.release() }
    }

    /// Waits for connections to end, and then ends.
    func finish() async {
        // Who has asked for it on the console hears of it.
        try? await Task.sleep(for: .seconds(1))
        let left = await self.dns.finishConnections(within: Self.connectionTime)
        if left > 0 {
            self.logger.info("connections are closed", metadata: ["count": "\(left)"])
        }
        await self.group.withLock { $0 }?.triggerGracefulShutdown()
    }

    /// Has a new process take this one's place: the program as it stands on disk now, with the same
    /// arguments.
    ///
    /// - Returns: What came of it, in words.
    func replace() async -> Result<String, CommandFailure> {
        guard self.running.withLock({ $0.plan.console.socketPath }) != nil else {
            return .failure(
                CommandFailure(
                    .noSuchThing,
                    "without a console socket (listen: socket) no process finds this one")
            )
        }
        guard !self.succession.hasLeft.isOpen,
            self.isReplacing.exchange(true, ordering: .relaxed)
                == false
        else { return .failure(CommandFailure(.tooMuch, "another process takes over already")) }
        defer { self.isReplacing.store(false, ordering: .relaxed) }
        var launch = MartletDaemon.launch
        if !launch.arguments.contains("--replace") { launch.arguments.append("--replace") }
        let hasSession = !launch.arguments.contains("--foreground")
        let start = ThreadStarter.run { [launch] in
            Background.spawn(launch, hasSession: hasSession, keepsFiles: false)
        }
        switch start {
        case .failure(let failure):
            return .failure(CommandFailure(.ourFault, "no new process: \(failure)"))
        case .success(let started):
            self.logger.notice("started a new process", metadata: ["pid": "\(started.process)"])
            let pool = NIOThreadPool(numberOfThreads: 1)
            pool.start()
            let status = try? await pool.runIfActive { Background.wait(for: started) }
            try? await pool.shutdownGracefully()
            guard status == 0 else {
                let last = self.givenUp.withLock { $0.take() }
                return .failure(
                    CommandFailure(
                        .ourFault,
                        "the new process ended with status \(status ?? 1); its log says why. "
                            + "Nothing has changed",
                        details: last?.process == started.process ? last?.reasons ?? [] : []))
            }
            return .success("process \(started.process) has taken over")
        }
    }

    // MARK: Words

    /// What is waited for, in words.
    var waitedFor: String {
        let missing = self.board.missing
        return missing.isEmpty ? "the table" : missing.joined(separator: ", ")
    }

    /// How a process stands that is ready, in words.
    var status: String {
        let missing = self.board.missing
        return missing.isEmpty
            ? "Ready" : "Ready, without \(missing.joined(separator: ", "))"
    }
}
