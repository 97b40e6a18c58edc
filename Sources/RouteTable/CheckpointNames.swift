// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// Whose columns and routes a checkpoint holds: numbers change between two runs, names don't.
///
/// The record: the number of sites, each a name (counted bytes, UTF-8); the number of feeds, each
/// a name, its site's position among the sites, and through which sites it is read: how many,
/// and for each its position and its AS number.
struct CheckpointNames: Hashable, Sendable {
    struct Feed: Hashable, Sendable {
        var name: String
        var site: Int
        var throughSites: [Int: ASNumber]
    }

    var sites: [String] = []
    var feeds: [Feed] = []

    init() {}

    init(_ block: CheckpointCursor) throws(CheckpointError) {
        var cursor = block
        for _ in 0..<(try cursor.count(atMost: SiteID.limit)) {
            self.sites.append(try Self.name(&cursor))
        }
        for _ in 0..<(try cursor.count(atMost: FeedID.limit)) {
            let name = try Self.name(&cursor)
            var feed = Feed(
                name: name, site: try Self.site(&cursor, of: self.sites), throughSites: [:])
            for _ in 0..<(try cursor.count(atMost: SiteID.limit)) {
                let site = try Self.site(&cursor, of: self.sites)
                feed.throughSites[site] = ASNumber(try cursor.number(as: UInt32.self))
            }
            self.feeds.append(feed)
        }
        guard cursor.isAtEnd, Set(self.sites).count == self.sites.count,
            Set(self.feeds.map(\.name)).count == self.feeds.count
        else { throw cursor.malformed }
    }

    private static func name(_ cursor: inout CheckpointCursor) throws(CheckpointError) -> String {
        let bytes = try cursor.takeCounted()
        guard let name = String(validating: bytes, as: UTF8.self) else { throw cursor.malformed }
        return name
    }

    private static func site(
        _ cursor: inout CheckpointCursor, of sites: [String]
    ) throws(CheckpointError) -> Int {
        let site = try cursor.count(atMost: SiteID.limit)
        guard site < sites.count else { throw cursor.malformed }
        return site
    }

    func write(to block: inout [UInt8]) {
        block.appendNumber(self.sites.count)
        for site in self.sites { block.appendBytes(site.utf8) }
        block.appendNumber(self.feeds.count)
        for feed in self.feeds {
            block.appendBytes(feed.name.utf8)
            block.appendNumber(feed.site)
            block.appendNumber(feed.throughSites.count)
            for (site, number) in feed.throughSites.sorted(by: { $0.key < $1.key }) {
                block.appendNumber(site)
                block.appendNumber(number.rawValue)
            }
        }
    }
}
