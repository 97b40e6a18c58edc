// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import CBenchmark
import Glibc
import RouteTable

/// Days of flapping in miniature: random changes without end, then every route and many lookups
/// compared with a reference, and the memory with what it was.
struct Churn {
    private let table: LoadedTable
    private var stream: ChangeStream

    init(_ table: LoadedTable) {
        self.table = table
        self.stream = ChangeStream(table.sample, window: 100_000, shortest: 0, seed: 31)
    }

    consuming func run(changes count: Int) throws -> Report {
        // What stands changed at a time belongs to the start.
        try self.change(200_000)
        try self.settle()
        let first = try self.memory()
        let before = (Clock.process(), Clock.wall())
        var most = first
        var left = count
        while left > 0 {
            try self.change(min(left, 1_000_000))
            left -= 1_000_000
            let now = try self.memory()
            most = (max(most.table, now.table), max(most.resident, now.resident))
            tell(
                "\(max(0, left)) left, table \(now.table >> 20) MiB, resident \(now.resident >> 20) MiB"
            )
        }
        let spent = (Clock.process() - before.0, Clock.wall() - before.1)
        try self.settle()
        let last = try self.memory()
        var report = Report()
        report.add("changes", count)
        report.add("per_cpu_second", Double(count) / spent.0)
        report.add("per_second", Double(count) / spent.1)
        report.add("wrong_routes", try self.wrongRoutes())
        report.add("wrong_lookups", try self.wrongLookups(200_000))
        report.add("table_bytes_before", first.table)
        report.add("table_bytes_after", last.table)
        report.add("table_bytes_most", most.table)
        report.add("resident_before", first.resident)
        report.add("resident_after", last.resident)
        report.add("resident_most", most.resident)
        report.add("table_growth", Double(last.table) / Double(first.table))
        report.add("resident_growth", Double(last.resident) / Double(first.resident))
        return report
    }

    private mutating func change(_ count: Int) throws {
        let sites = self.table.sample.sites
        var left = count
        while left > 0 {
            var bySite = Array(repeating: [(row: Int, stored: UInt8)](), count: sites)
            for _ in 0..<min(left, 256 * sites) {
                let change = self.stream.change()
                bySite[change.site].append((change.row, change.stored))
            }
            left -= 256 * sites
            for (site, changes) in bySite.enumerated() where !changes.isEmpty {
                self.table.owner.submitAndWait(.routes(self.table.batch(changes, site: site)))
            }
        }
    }

    /// Builds the lookup anew and takes back what is retired, so that two moments compare.
    private func settle() throws {
        self.table.owner.submitAndWait(.setPins([]))
        self.table.owner.flushAndWait()
        while try self.table.owner.querySync({ $0.memory() })
            .contains(where: { $0.name == "retired" && $0.bytes > 1 << 20 })
        { usleep(10_000) }
        malloc_trim(0)
    }

    private func memory() throws -> (table: Int, resident: Int) {
        let table = try self.table.owner.querySync { $0.memory().reduce(0) { $0 + $1.bytes } }
        return (table, ProcessMemory.resident)
    }

    /// Routes that the table has and should not, or lacks, or has at another distance.
    private func wrongRoutes() throws -> Int {
        let sample = self.table.sample
        var rows: [IPPrefix: Int] = [:]
        rows.reserveCapacity(sample.prefixes.count)
        for (row, prefix) in sample.prefixes.enumerated() { rows[prefix] = row }
        var unseen = self.stream.current
        var wrong = 0
        var cursor: RouteCursor?
        repeat {
            let from = cursor
            let (routes, next) = try self.table.owner.querySync {
                $0.routes(after: from, limit: 2_000)
            }
            for route in routes {
                guard let row = rows[route.prefix] else {
                    wrong += 1
                    continue
                }
                let place = row * sample.sites + Int(route.feed.rawValue)
                if Int(unseen[place]) != route.distance + 1 { wrong += 1 }
                unseen[place] = 0
            }
            cursor = next
        } while cursor != nil
        return wrong + unseen.count { $0 != 0 }
    }

    /// Lookups that differ from each site's longest match, found by trying every length.
    private func wrongLookups(_ count: Int) throws -> Int {
        let sample = self.table.sample
        var rows: [IPPrefix: Int] = [:]
        for (row, prefix) in sample.prefixes.enumerated() { rows[prefix] = row }
        var reader = try self.table.owner.lookup.makeReader()
        var random = RandomSource(seed: 41)
        var wrong = 0
        for _ in 0..<count {
            let prefix = sample.prefixes[random.below(sample.prefixes.count)]
            let host = UInt128(random.next()) << 64 | UInt128(random.next())
            let bits = prefix.length == 128 ? 0 : host >> UInt128(prefix.length)
            let address = IPAddress(
                family: prefix.family, leftAligned: prefix.address.leftAligned | bits)
            let values = reader.withSnapshot { $0.values(ofClass: $0.classID(of: address)) }
            var expected = [Int?](repeating: nil, count: sample.sites)
            for length in 0...prefix.family.width {
                guard let row = rows[IPPrefix(masking: address, length: length)] else { continue }
                for site in 0..<sample.sites {
                    let stored = self.stream.current[row * sample.sites + site]
                    if stored != 0 { expected[site] = Int(stored) - 1 }
                }
            }
            let isRight = (0..<sample.sites).allSatisfy {
                values.distance(of: SiteID(rawValue: UInt8($0))) == expected[$0]
            }
            if !isRight { wrong += 1 }
        }
        return wrong
    }
}
