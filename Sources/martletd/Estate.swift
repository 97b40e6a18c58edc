// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Configuration
import DNSFront
import DNSWire
import Glibc
import Logging

/// What one process leaves to the next: descriptors, each of which belongs to whoever takes it.
struct Inheritance: Sendable {
    var dns = DNSSockets()
    var bgp: [Int32] = []
    var bmp: [Int32] = []
    var console: [Int32] = []
    /// The one that PowerDNS connects to; none where its connections can't be handed over.
    var powerDNS: (path: String, descriptor: Int32)?
    var pidFile: (path: String, descriptor: Int32)?
    var cookieSeed: SipHash.Key?
    /// Zones that are answered; none where the process before doesn't say.
    var zones: Set<DomainName> = []
}

/// All that a process has from the one that it replaces.
struct Estate: Sendable {
    var predecessor: Predecessor
    var sockets: Inheritance
    /// An open file with a checkpoint; nil where there are no routes.
    var table: Int32?

    /// Asks the process that runs with the same console's socket for what it has.
    ///
    /// - Returns: Nil where there is none.
    /// - Throws: ``StartFailure`` where it gives nothing; it stays as it is.
    static func find(
        _ configuration: Configuration, socketOwner: (user: uid_t, group: gid_t)?
    ) throws(StartFailure) -> Estate? {
        let logger = Logger(label: "martletd")
        guard let path = Daemon.consoleSocket(of: configuration, socketOwner: socketOwner) else {
            throw StartFailure(
                lines: ["--replace needs a console socket (listen: socket)"],
                status: StartFailure.badConfiguration)
        }
        do throws(HandoverError) {
            guard let predecessor = try Predecessor.find(besides: path) else {
                logger.notice(
                    "there is no process to be replaced", metadata: ["socket": "\(path)"])
                return nil
            }
            let sockets = try predecessor.inheritance()
            let losses = Self.losses(of: sockets.zones, in: configuration)
            guard losses.isEmpty else {
                try predecessor.giveUp(because: losses)
                throw .wouldLoseZones(losses)
            }
            return Estate(
                predecessor: predecessor, sockets: sockets,
                table: predecessor.isReady ? try Self.table(of: predecessor, logger) : nil)
        } catch .ended {
            logger.warning("the process that was to be replaced has ended")
            return nil
        } catch .wouldLoseZones(let losses) {
            throw StartFailure(
                lines: losses.map { "can't take over: \($0)" },
                status: StartFailure.badConfiguration)
        } catch {
            throw StartFailure(
                lines: ["can't take over: \(error)"], status: StartFailure.tryLater)
        }
    }

    /// What is bad about those of the zones that this process couldn't answer: the other has what their
    /// files were before, as a reload has kept it.
    private static func losses(
        of zones: Set<DomainName>, in configuration: Configuration
    ) -> [String] {
        configuration.zones.filter { $0.state == .missing && zones.contains($0.apex) }
            .flatMap { zone in
                zone.problems.map { "zone \(zone.apex) is served now, and would be lost: \($0)" }
            }
    }

    /// Once there are its sockets, its end is no reason to give up.
    private static func table(
        of predecessor: Predecessor, _ logger: Logger
    ) throws(HandoverError) -> Int32? {
        do throws(HandoverError) {
            return try predecessor.table()
        } catch .ended {
            logger.warning("the process that was to be replaced has ended")
            predecessor.noteEnd()
            return nil
        }
    }
}
