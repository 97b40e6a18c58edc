// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import CBenchmark
import Glibc
import RouteTable

/// Writes a table to a checkpoint and restores it into another table, timed from the file's first
/// byte, which is in the kernel's cache.
struct CheckpointPass {
    let table: LoadedTable
    let path: String

    func run(_ keys: KeySet) throws -> Report {
        var report = Report()
        var before = (Clock.process(), Clock.wall())
        try self.write()
        report.add("write_cpu_ms", (Clock.process() - before.0) * 1e3)
        report.add("write_ms", (Clock.wall() - before.1) * 1e3)

        let other = try TableOwner()
        defer { other.shutdown() }
        LoadedTable.define(self.table.sample.sites, in: other)
        other.flushAndWait()
        before = (Clock.process(), Clock.wall())
        let checkpoint = try self.read()
        report.add("bytes", checkpoint.byteCount)
        report.add("verify_ms", (Clock.wall() - before.1) * 1e3)
        let restore = try other.beginRestore(checkpoint)
        report.add("answer_cpu_ms", (Clock.process() - before.0) * 1e3)
        report.add("answer_ms", (Clock.wall() - before.1) * 1e3)
        // What readers are told before and after the routes are back has to be what they were
        // told by the table that was written.
        let wanted = try Self.distances(self.table.owner, keys, self.table.sample.sites)
        let wrong = try Self.distances(other, keys, self.table.sample.sites) != wanted
        before = (Clock.process(), Clock.wall())
        try restore.run()
        other.flushAndWait()
        report.add("routes_cpu_ms", (Clock.process() - before.0) * 1e3)
        report.add("routes_ms", (Clock.wall() - before.1) * 1e3)
        let wrongLater = try Self.distances(other, keys, self.table.sample.sites) != wanted
        let (counts, otherCounts) = try (
            self.table.owner.querySync { $0.counts() }, other.querySync { $0.counts() }
        )
        report.add("routes", otherCounts.routes)
        report.add(
            "is_right",
            restore.isAnswering && !wrong && !wrongLater
                && counts.routes == otherCounts.routes ? "yes" : "no")
        return report
    }

    private func write() throws {
        guard let file = fopen(self.path, "w") else { throw UsageError("can't write \(self.path)") }
        nonisolated(unsafe) let stream = file
        try self.table.owner.writeCheckpoint(time: 1_700_000_000) { bytes in
            guard fwrite(bytes.baseAddress, 1, bytes.count, stream) == bytes.count else {
                throw UsageError("can't write the checkpoint")
            }
        }
        guard fclose(file) == 0 else { throw UsageError("can't write \(self.path)") }
    }

    private func read() throws -> Checkpoint {
        guard let file = fopen(self.path, "r") else { throw UsageError("can't read \(self.path)") }
        defer { fclose(file) }
        fseek(file, 0, SEEK_END)
        let size = ftell(file)
        return try Checkpoint(byteCount: size) {
            fseek(file, $1, SEEK_SET)
            return fread($0.baseAddress, 1, $0.count, file)
        }
    }

    /// What the distances at the first keys come to, site by site.
    private static func distances(
        _ owner: TableOwner, _ keys: KeySet, _ sites: Int
    ) throws -> [UInt64] {
        var reader = try owner.lookup.makeReader()
        return reader.withSnapshot { snapshot in
            (0..<min(50_000, keys.count)).map { index in
                let values = snapshot.values(ofClass: snapshot.classID(of: keys.address(index)))
                return (0..<sites).reduce(0) { sum, site in
                    sum &* 257
                        &+ UInt64(1 + (values.distance(of: SiteID(rawValue: UInt8(site))) ?? -1))
                }
            }
        }
    }
}
