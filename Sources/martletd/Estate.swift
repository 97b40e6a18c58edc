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
    var pidFile: (path: String, descriptor: Int32)?
    var cookieSeed: SipHash.Key?
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
            return Estate(
                predecessor: predecessor, sockets: sockets,
                table: predecessor.isReady ? try Self.table(of: predecessor, logger) : nil)
        } catch .ended {
            logger.warning("the process that was to be replaced has ended")
            return nil
        } catch {
            throw StartFailure(
                lines: ["can't take over: \(error)"], status: StartFailure.tryLater)
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
