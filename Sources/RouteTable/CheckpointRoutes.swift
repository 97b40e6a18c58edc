// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// Some prefixes in tree order, with the routes that feeds have there.
///
/// Feeds are positions in ``CheckpointNames/feeds``; attributes are numbers from 0 on, in
/// the order in which they appear first.
struct CheckpointRouteSlice: Sendable {
    struct Row: Sendable {
        /// Left-aligned in 128 bits.
        var key: UInt128
        var length: UInt8
        /// Routes of this prefix: every feed may have ``TableLimits/mostPathsPerPrefix`` of them.
        var count: UInt32
    }

    struct Route: Sendable {
        var feed: UInt16
        /// 0 where the feed sends one path for a prefix.
        var pathID: UInt32 = 0
        var attributes: UInt32
        var time: UInt32
    }

    var family: AddressFamily
    var rows: [Row] = []
    var routes: [Route] = []
    /// Attributes that appear first in this slice.
    var newAttributes: [RouteAttributes] = []
    /// Bytes of those in the table.
    var newBytes = 0
}

/// Writes routes.
///
/// A record, one for each prefix: its length `u8`; its bits less those of the prefix before, as
/// numbers of this length; which feeds have it: 0 the same as the prefix before, 1 as the bytes
/// that follow say, a bit a feed, 2 (since version 2) the same, but these have several paths or
/// ids of paths. Then for each of these feeds a number: bit 0 is set
/// where the time is another than that of the feed's route before, the rest is 0 for the feed's
/// attributes before, 1 for new ones, else 2 + how many newer ones there are. New attributes
/// follow as ``CheckpointAttributes`` has them, and another time as its difference, zigzag.
/// After 2 there is for each feed first the number of its paths, and before each of them its
/// id, less the id before and 1.
struct CheckpointRouteWriter {
    private struct Before {
        var attributes: UInt32?
        var time: UInt32 = 0
    }

    private var before: [Before]
    private var key: UInt128 = 0
    private var mask: [UInt8]
    private var scratch: [UInt8]
    private var known: UInt32 = 0
    private(set) var counts = CheckpointCounts()

    init(feeds: Int) {
        self.before = Array(repeating: Before(), count: feeds)
        self.mask = Array(repeating: 0, count: (feeds + 7) / 8)
        self.scratch = self.mask
    }

    mutating func beginFamily() {
        self.key = 0
        for index in self.mask.indices { self.mask[index] = 0 }
    }

    mutating func add(
        _ slice: CheckpointRouteSlice, to blocks: inout CheckpointBlockWriter
    ) throws {
        var position = 0
        var new = slice.newAttributes[...]
        for row in slice.rows {
            let routes = slice.routes[position..<position + Int(row.count)]
            position += routes.count
            try blocks.record { block in
                let shift = UInt128(128 - Int(row.length))
                block.append(row.length)
                block.appendNumber((row.key >> shift) - (self.key >> shift))
                self.key = row.key
                let hasPaths = Self.hasPaths(routes)
                self.appendFeeds(routes, hasPaths: hasPaths, to: &block)
                for (position, route) in zip(routes.indices, routes) {
                    if hasPaths { Self.appendPath(position, of: routes, to: &block) }
                    self.append(route, &new, to: &block)
                }
            }
        }
        self.counts.routes += slice.routes.count
        switch slice.family {
        case .ipv4: self.counts.ipv4Prefixes += slice.rows.count
        case .ipv6: self.counts.ipv6Prefixes += slice.rows.count
        }
        self.counts.attributeSets = Int(self.known)
    }

    /// Whether a feed has several routes here, or one whose path has an id.
    private static func hasPaths(_ routes: ArraySlice<CheckpointRouteSlice.Route>) -> Bool {
        var feed = -1
        for route in routes {
            if route.pathID != 0 || Int(route.feed) == feed { return true }
            feed = Int(route.feed)
        }
        return false
    }

    private static func appendPath(
        _ position: Int, of routes: ArraySlice<CheckpointRouteSlice.Route>,
        to block: inout [UInt8]
    ) {
        let route = routes[position]
        if position > routes.startIndex, routes[position - 1].feed == route.feed {
            block.appendNumber(route.pathID - routes[position - 1].pathID - 1)
        } else {
            let paths = routes[position...].prefix { $0.feed == route.feed }
            block.appendNumber(UInt32(paths.count))
            block.appendNumber(route.pathID)
        }
    }

    private mutating func appendFeeds(
        _ routes: ArraySlice<CheckpointRouteSlice.Route>, hasPaths: Bool,
        to block: inout [UInt8]
    ) {
        for index in self.scratch.indices { self.scratch[index] = 0 }
        for route in routes { self.scratch[Int(route.feed) / 8] |= 1 << UInt8(route.feed % 8) }
        if self.scratch == self.mask, !hasPaths {
            block.append(0)
        } else {
            block.append(hasPaths ? 2 : 1)
            block.append(contentsOf: self.scratch)
            swap(&self.scratch, &self.mask)
        }
    }

    private mutating func append(
        _ route: CheckpointRouteSlice.Route, _ new: inout ArraySlice<RouteAttributes>,
        to block: inout [UInt8]
    ) {
        let feed = Int(route.feed)
        let before = self.before[feed]
        self.before[feed] = Before(attributes: route.attributes, time: route.time)
        let isLater: UInt32 = before.time == route.time ? 0 : 1
        if before.attributes == route.attributes {
            block.appendNumber(isLater)
        } else if route.attributes == self.known, let attributes = new.popFirst() {
            self.known += 1
            block.appendNumber(1 << 1 | isLater)
            CheckpointAttributes.write(attributes, to: &block)
        } else {
            block.appendNumber((self.known - 1 - route.attributes + 2) << 1 | isLater)
        }
        if isLater != 0 {
            let difference = Int64(route.time) - Int64(before.time)
            block.appendNumber(UInt64(bitPattern: difference << 1 ^ difference >> 63))
        }
    }
}

/// Reads what ``CheckpointRouteWriter`` wrote, slice by slice.
struct CheckpointRouteReader {
    private struct Before {
        var attributes: UInt32?
        var time: UInt32 = 0
    }

    private let checkpoint: Checkpoint
    private let feeds: Int
    private var before: [Before]
    private var mask: [Int] = []
    private var key: UInt128 = 0
    private var length = -1
    private var known: UInt32 = 0
    /// What has been read.
    private var counts = CheckpointCounts()
    private var family = AddressFamily.ipv4
    private var blocks: ArraySlice<CheckpointCursor>
    private var cursor: CheckpointCursor?

    init(_ checkpoint: Checkpoint) {
        self.checkpoint = checkpoint
        self.feeds = checkpoint.names.feeds.count
        self.before = Array(repeating: Before(), count: self.feeds)
        self.blocks = checkpoint.cursors(.routesIPv4)[...]
    }

    /// The next slice; nil at the end, where all is there that was counted. No other prefix is
    /// begun beyond so many routes.
    mutating func next(limit: Int) throws(CheckpointError) -> CheckpointRouteSlice? {
        while self.cursor?.isAtEnd ?? true {
            if let block = self.blocks.popFirst() {
                self.cursor = block
            } else if self.family == .ipv4 {
                self.family = .ipv6
                self.blocks = self.checkpoint.cursors(.routesIPv6)[...]
                self.key = 0
                self.length = -1
                self.mask = []
            } else {
                try self.checkCounts()
                return nil
            }
        }
        guard var cursor = self.cursor else { return nil }
        var slice = CheckpointRouteSlice(family: self.family)
        slice.routes.reserveCapacity(limit + self.feeds)
        while !cursor.isAtEnd, slice.routes.count < limit {
            try self.readRow(&cursor, into: &slice)
        }
        self.cursor = cursor
        return slice
    }

    private func checkCounts() throws(CheckpointError) {
        let (found, told) = (self.counts, self.checkpoint.counts)
        guard found.ipv4Prefixes == told.ipv4Prefixes, found.ipv6Prefixes == told.ipv6Prefixes,
            found.routes == told.routes, Int(self.known) == told.attributeSets
        else { throw self.checkpoint.miscounted }
    }

    private mutating func readRow(
        _ cursor: inout CheckpointCursor, into slice: inout CheckpointRouteSlice
    ) throws(CheckpointError) {
        let length = Int(try cursor.byte())
        guard length <= self.family.width else { throw cursor.malformed }
        let shift = UInt128(128 - length)
        let step: UInt128 = try cursor.number()
        let (bits, overflow) = (self.key >> shift).addingReportingOverflow(step)
        let key = bits << shift
        // In tree order: a block before what it holds, and nothing twice.
        guard !overflow, key >> shift == bits,
            self.length < 0 || key > self.key || key == self.key && length > self.length
        else { throw cursor.malformed }
        self.key = key
        self.length = length
        let kind = try cursor.byte()
        switch kind {
        case 0: break
        case 1, 2: self.mask = try self.readMask(&cursor)
        default: throw cursor.malformed
        }
        guard !self.mask.isEmpty else { throw cursor.malformed }
        let before = slice.routes.count
        for feed in self.mask {
            if kind == 2 {
                try self.readPaths(of: feed, &cursor, into: &slice)
            } else {
                try self.readRoute(feed, 0, &cursor, into: &slice)
            }
        }
        self.counts.routes += slice.routes.count - before
        switch self.family {
        case .ipv4: self.counts.ipv4Prefixes += 1
        case .ipv6: self.counts.ipv6Prefixes += 1
        }
        slice.rows.append(
            .init(
                key: key, length: UInt8(length), count: UInt32(slice.routes.count - before)))
    }

    /// Paths of one feed for one prefix at most.
    private static let mostPaths = UInt32(TableLimits.mostPathsPerPrefix)

    private mutating func readPaths(
        of feed: Int, _ cursor: inout CheckpointCursor, into slice: inout CheckpointRouteSlice
    ) throws(CheckpointError) {
        let count: UInt32 = try cursor.number()
        guard count > 0, count <= Self.mostPaths else { throw cursor.malformed }
        var id: UInt32 = try cursor.number()
        for position in 0..<count {
            if position > 0 {
                let step: UInt32 = try cursor.number()
                let (next, overflow) = id.addingReportingOverflow(step)
                guard !overflow, next < .max else { throw cursor.malformed }
                id = next + 1
            }
            try self.readRoute(feed, id, &cursor, into: &slice)
        }
    }

    private func readMask(
        _ cursor: inout CheckpointCursor
    ) throws(CheckpointError) -> [Int] {
        var feeds: [Int] = []
        for position in 0..<(self.feeds + 7) / 8 {
            var bits = try cursor.byte()
            while bits != 0 {
                feeds.append(position * 8 + bits.trailingZeroBitCount)
                bits &= bits - 1
            }
        }
        guard feeds.last.map({ $0 < self.feeds }) ?? false else { throw cursor.malformed }
        return feeds
    }

    private mutating func readRoute(
        _ feed: Int, _ pathID: UInt32, _ cursor: inout CheckpointCursor,
        into slice: inout CheckpointRouteSlice
    ) throws(CheckpointError) {
        let code: UInt64 = try cursor.number()
        let attributes: UInt32
        switch code >> 1 {
        case 0:
            guard let same = self.before[feed].attributes else { throw cursor.malformed }
            attributes = same
        case 1:
            guard self.known < .max else { throw cursor.malformed }
            slice.newAttributes.append(try CheckpointAttributes.read(&cursor))
            attributes = self.known
            self.known += 1
        case let back:
            guard back - 2 < UInt64(self.known) else { throw cursor.malformed }
            attributes = self.known - 1 - UInt32(back - 2)
        }
        var time = self.before[feed].time
        if code & 1 != 0 {
            let zigzag: UInt64 = try cursor.number()
            let difference = Int64(bitPattern: zigzag >> 1) ^ -Int64(bitPattern: zigzag & 1)
            let (sum, overflow) = Int64(time).addingReportingOverflow(difference)
            guard !overflow, let valid = UInt32(exactly: sum) else { throw cursor.malformed }
            time = valid
        }
        self.before[feed] = Before(attributes: attributes, time: time)
        slice.routes.append(
            .init(feed: UInt16(feed), pathID: pathID, attributes: attributes, time: time))
    }
}
