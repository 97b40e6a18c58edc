// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Configuration
import Logging
import NIOPosix
import RouteTable
import ServiceLifecycle
import Synchronization

/// Reads the location files again when they change. A bad one leaves the locations as they are.
struct LocationService: Service {
    let daemon: Daemon

    private static let period = Duration.seconds(2)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var watch = FileWatch()
            var gone: Set<String> = []
            var told: Set<String> = []
            while (try? await Task.sleep(for: Self.period)) != nil {
                let (files, stamps, isBusy) = self.daemon.running.withLock {
                    ($0.plan.locationFiles, $0.stamps, $0.isReloading)
                }
                let missing = Set(files.filter { FileStamp(path: $0) == nil })
                // One that is being replaced may be away for a moment.
                for file in missing.intersection(gone).subtracting(told).sorted() {
                    self.daemon.logger.warning(
                        "a location file is not there any more: the locations stay as they were",
                        metadata: ["file": "\(file)"])
                }
                told = missing.intersection(gone)
                gone = missing
                // A reload may have looked at the files before they changed: they are looked at
                // again once it has ended.
                guard !isBusy, watch.isDue(files, read: stamps, stamp: FileStamp.init) else {
                    continue
                }
                await self.daemon.reloadLocations()
            }
        }
        try await gracefulShutdown()
    }
}

/// Tells when files are to be read again: once they differ from what was read, have stood still for
/// a while, and are not what could not be read the last time.
struct FileWatch {
    private var seen: [String: FileStamp] = [:]
    private var tried: [String: FileStamp] = [:]

    /// Looks at the files once; whoever calls it tries to read them where it says so.
    ///
    /// - Parameters:
    ///   - files: Their paths.
    ///   - read: What they were when they were read, by path.
    ///   - stamp: What a file is now; nil where it isn't there.
    /// - Returns: Whether to read them now.
    mutating func isDue(
        _ files: [String], read: [String: FileStamp], stamp: (String) -> FileStamp?
    ) -> Bool {
        var now: [String: FileStamp] = [:]
        for file in files { now[file] = stamp(file) }
        let isStill = now == self.seen
        self.seen = now
        // A file that is being replaced may be away for a moment.
        guard isStill, now.count == files.count, now != self.tried,
            files.contains(where: { now[$0] != read[$0] })
        else { return false }
        self.tried = now
        return true
    }
}

extension Daemon {
    /// Reads the location files, and puts what they say in the place of what there is.
    fileprivate func reloadLocations() async {
        let isFree = self.running.withLock { running in
            guard !running.isReloading else { return false }
            running.isReloading = true
            running.isReadingLocations = true
            return true
        }
        // A reload that is under way reads them itself.
        guard isFree else { return }
        defer {
            self.running.withLock { running in
                running.isReloading = false
                running.isReadingLocations = false
            }
        }
        let plan = self.running.withLock { $0.plan }
        do {
            let layers = try await self.files.runIfActive {
                try StaticLayers.read(plan, pins: false, locations: true, roundTrips: false)
            }
            layers.submit(to: self.owner)
            self.running.withLock { $0.stamps.merge(layers.stamps) { $1 } }
            self.logger.notice(
                "the location files have changed: read them again",
                metadata: ["ranges": "\(layers.locations?.count ?? 0)"])
            await self.owner.flush()
            await self.giveMemoryBack()
        } catch let error as StartFailure {
            self.keepLocations(error.lines.joined(separator: "; "))
        } catch {
            self.keepLocations("\(error)")
        }
    }

    private func keepLocations(_ words: String) {
        self.logger.warning(
            "the location files have changed, but can't be used: the locations stay as they were",
            metadata: ["error": "\(words)"])
    }
}
