// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// Why there is no checkpoint to write.
public enum CheckpointRefusal: Error, Hashable, Sendable {
    /// No feed has routes that count: an older checkpoint is worth more.
    case isEmpty
    /// The table is still taking in the checkpoint that it began with.
    case isRestoring
    /// Two sites or two feeds have one name.
    case sameNames
    /// Feeds came and went faster than the lookup could be walked.
    case keepsChanging
}

extension CheckpointRefusal: CustomStringConvertible {
    public var description: String {
        switch self {
        case .isEmpty: "no feed has routes: there is nothing to write"
        case .isRestoring: "the last checkpoint is still being restored"
        case .sameNames: "two sites or two feeds have the same name"
        case .keepsChanging: "feeds come and go too fast"
        }
    }
}

extension TableOwner {
    /// Writes the table: what readers see of the sites' distances, and the routes of all feeds
    /// that count.
    ///
    /// Blocks for as long as that takes: it belongs on a plain thread. Updates go on meanwhile, so
    /// that each route and each distance is as it was at some moment of the writing. The writer
    /// is asked for routes in slices of well under a millisecond.
    ///
    /// - Parameters:
    ///   - time: When that is, in Unix seconds.
    ///   - sink: Takes the file's bytes, piece by piece.
    /// - Returns: What was written.
    /// - Throws: ``CheckpointRefusal``, and what `sink` throws.
    @discardableResult
    public func writeCheckpoint(
        time: Int64, to sink: @escaping (UnsafeRawBufferPointer) throws -> Void
    ) throws -> CheckpointCounts {
        let walk = try self.withEngine { try $0.beginCheckpoint() }
        defer {
            while (try? self.withEngine { $0.endCheckpoint(walk, limit: 512) }) == true {}
        }
        var blocks = try CheckpointBlockWriter(time: time, sink: sink)
        try blocks.record { walk.names.write(to: &$0) }
        let lookup = try self.writeLookup(walk, to: &blocks)
        var routes = CheckpointRouteWriter(feeds: walk.names.feeds.count)
        var family: AddressFamily?
        while let slice = try self.withEngine({
            $0.checkpointSlice(walk, limit: 2048, looks: 2048)
        }) {
            if slice.family != family {
                family = slice.family
                routes.beginFamily()
                try blocks.begin(slice.family == .ipv4 ? .routesIPv4 : .routesIPv6)
            }
            try routes.add(slice, to: &blocks)
        }
        var counts = routes.counts
        counts.classes = lookup.tupleCount
        counts.intervals = lookup.intervals
        counts.roundTrips = try self.writeRoundTrips(walk, to: &blocks)
        try blocks.begin(.end)
        try blocks.record { block in
            for field in CheckpointCounts.fields { block.appendNumber(counts[keyPath: field]) }
        }
        try blocks.flush()
        return counts
    }

    private func writeRoundTrips(
        _ walk: CheckpointWalk, to blocks: inout CheckpointBlockWriter
    ) throws -> Int {
        try blocks.begin(.roundTrips)
        var cursor: RoundTripCursor?
        var count = 0
        repeat {
            let after = cursor
            let slice = try self.withEngine {
                let found = $0.roundTrips(after: after, within: nil, limit: 1024)
                return (reports: found.reports, next: found.next)
            }
            for report in slice.reports {
                guard let site = walk.columns.firstIndex(of: Int(report.site.rawValue)) else {
                    continue
                }
                try blocks.record { block in
                    if CheckpointRoundTrips.write(report, site: site, to: &block) { count += 1 }
                }
            }
            cursor = slice.next
        } while cursor != nil
        return count
    }

    /// Walks the lookup. A feed that comes in or leaves meanwhile must not be there by half: then
    /// the walk, which takes a tenth of a second, begins again.
    private func writeLookup(
        _ walk: CheckpointWalk, to blocks: inout CheckpointBlockWriter
    ) throws -> CheckpointLookupWriter {
        var reader = try self.lookup.makeReader()
        for _ in 0..<20 {
            guard let found = CheckpointIntervals(walk.columns, &reader) else { continue }
            let names = try self.withEngine { $0.siteNames }
            guard walk.columns.map({ names[SiteID(UInt8($0))] }) == walk.names.sites else {
                continue
            }
            var writer = CheckpointLookupWriter()
            for (family, intervals) in [(AddressFamily.ipv4, found.ipv4), (.ipv6, found.ipv6)] {
                try blocks.begin(family == .ipv4 ? .lookupIPv4 : .lookupIPv6)
                writer.beginFamily()
                for interval in intervals {
                    try writer.add(
                        found.tuples[interval.tuple], from: interval.start, to: &blocks)
                }
            }
            return writer
        }
        throw CheckpointRefusal.keepsChanging
    }
}

/// Where the distances of some columns change in what readers see.
private struct CheckpointIntervals {
    var ipv4: [(start: UInt128, tuple: Int)] = []
    var ipv6: [(start: UInt128, tuple: Int)] = []
    var tuples: [[UInt8]] = []

    /// Leaves that one pin of the lookup covers.
    private static let slice = 16_384

    /// Nil where a new generation began on the way.
    init?(_ columns: [Int], _ reader: inout TableReader) {
        guard let generation = reader.withImage({ $0.generation }) else { return nil }
        var known: [UInt32: Int] = [:]
        var numbers: [[UInt8]: Int] = [:]
        for family in AddressFamily.allCases {
            var intervals: [(start: UInt128, tuple: Int)] = []
            var next: UInt128? = 0
            while let start = next {
                var isSame = false
                reader.withImage { image in
                    isSame = image.generation == generation
                    guard isSame else { return }
                    let trie = family == .ipv4 ? image.ipv4 : image.ipv6
                    var lastClass: UInt32?
                    next = trie.base.walkLeaves(from: start, limit: Self.slice) { start, id in
                        guard id != lastClass else { return }
                        lastClass = id
                        var number = known[id]
                        if number == nil {
                            let tuple = image.classes.distances(id, columns)
                            number = numbers[tuple]
                            if number == nil {
                                number = self.tuples.count
                                numbers[tuple] = self.tuples.count
                                self.tuples.append(tuple)
                            }
                            known[id] = number
                        }
                        guard let number, number != intervals.last?.tuple else { return }
                        intervals.append((start, number))
                    }
                }
                guard isSame else { return nil }
            }
            if family == .ipv4 { self.ipv4 = intervals } else { self.ipv6 = intervals }
        }
    }
}

extension ClassTable {
    /// Some columns of a class.
    fileprivate func distances(_ id: UInt32, _ columns: [Int]) -> [UInt8] {
        let tuple = self.tuple(id)
        return columns.map {
            $0 < self.sites ? tuple.load(fromByteOffset: $0, as: UInt8.self) : 0
        }
    }
}
