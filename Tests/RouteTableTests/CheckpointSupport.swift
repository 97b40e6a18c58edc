// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable

extension TableOwner {
    /// A checkpoint as bytes.
    func checkpoint(time: Int64 = 1_700_000_000) throws -> [UInt8] {
        let collected = Collected()
        try self.writeCheckpoint(time: time) { collected.bytes.append(contentsOf: $0) }
        return collected.bytes
    }
}

/// Bytes as they come.
final class Collected {
    var bytes: [UInt8] = []
}

/// A checkpoint's blocks, taken apart so that tests can put them together otherwise.
struct CheckpointBlocks {
    var header: [UInt8]
    var blocks: [(kind: UInt32, body: [UInt8])] = []

    init(_ bytes: [UInt8]) {
        self.header = Array(bytes[..<CheckpointFormat.headerBytes])
        var rest = bytes[CheckpointFormat.headerBytes...]
        while rest.count >= CheckpointFormat.blockHeaderBytes {
            let length = Int(Self.number(rest.dropFirst(4).prefix(4)))
            let kind = Self.number(rest.prefix(4))
            rest = rest.dropFirst(CheckpointFormat.blockHeaderBytes)
            self.blocks.append((UInt32(kind), Array(rest.prefix(length))))
            rest = rest.dropFirst(length)
        }
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private static func bytes<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }

    /// The file, with checksums that are right.
    var sealed: [UInt8] {
        var bytes = Array(self.header[..<24])
        bytes += Self.bytes(bytes.withUnsafeBytes { XXHash64.hash($0, seed: 0) })
        for (number, block) in self.blocks.enumerated() {
            let length = UInt32(block.body.count)
            let seed = CheckpointFormat.seed(number, block.kind, length)
            bytes += Self.bytes(block.kind) + Self.bytes(length)
            bytes += Self.bytes(block.body.withUnsafeBytes { XXHash64.hash($0, seed: seed) })
            bytes += block.body
        }
        return bytes
    }
}

extension ReferenceTable {
    /// The same with other numbers, its feeds down: as it is after a restart.
    func restarted(
        sites: (SiteID) -> SiteID, feeds: (FeedID) -> FeedID, now: Int64
    ) -> ReferenceTable {
        var table = ReferenceTable()
        table.now = now
        table.locations = self.locations
        table.pins = self.pins.map { ($0.0, $0.1.map(sites)) }
        for (id, feed) in self.feeds {
            var state = feed
            state.definition = feed.definition.renumbered(sites: sites, feeds: feeds)
            state.routes = feed.routes.filter { !feed.hidden.contains($0.key.prefix.family) }
            state.turn([.fresh, .unconfirmed, .longLived], into: .stale)
            let families = Set(state.routes.keys.map(\.prefix.family))
            state.hidden = Set(AddressFamily.allCases).subtracting(families)
            state.refreshing = []
            state.isDown = !state.isHidden
            table.feeds[feeds(id)] = state
        }
        return table
    }
}

extension FeedDefinition {
    func renumbered(
        sites: (SiteID) -> SiteID, feeds: (FeedID) -> FeedID
    ) -> FeedDefinition {
        var definition = self
        definition.id = feeds(self.id)
        definition.site = sites(self.site)
        definition.throughSites = [:]
        for (site, number) in self.throughSites { definition.throughSites[sites(site)] = number }
        return definition
    }
}
