// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// What is known, on the writer's thread, of a checkpoint that is being written.
///
/// Unchecked: whoever writes the checkpoint passes it from one query to the next, and only
/// queries, which run one after another, look inside.
final class CheckpointWalk: @unchecked Sendable {
    let names: CheckpointNames
    /// The columns of the sites in `names`.
    let columns: [Int]
    /// The feeds in `names`, as long as they are the same.
    fileprivate let feeds: [Feed]
    /// For each attributes' number in the table that in the file + 1; 0 is none yet. Reserved:
    /// most of it is never touched.
    private let numbers: ReservedMemory
    private var known: UInt32 = 0
    /// Attributes that keep their numbers until this is done, since they are held for it.
    fileprivate var held: [UInt32] = []
    fileprivate var family = AddressFamily.ipv4
    /// The last prefix that was looked at.
    fileprivate var last: (key: UInt128, length: Int)?

    init(names: CheckpointNames, columns: [Int], feeds: [Feed]) throws(TableResourceError) {
        self.names = names
        self.columns = columns
        self.feeds = feeds
        self.numbers = try ReservedMemory(bytes: 4 << AttributeStore.numberBits)
    }

    /// The number in the file, and whether this is the first time that it is asked for.
    fileprivate func number(_ id: UInt32) -> (number: UInt32, isNew: Bool) {
        let slot = self.numbers.base.assumingMemoryBound(to: UInt32.self) + Int(id)
        if slot.pointee != 0 { return (slot.pointee - 1, false) }
        self.known += 1
        slot.pointee = self.known
        return (self.known - 1, true)
    }
}

extension TableEngine {
    /// Sites and feeds as they are now: those that readers see.
    func beginCheckpoint() throws -> CheckpointWalk {
        guard !self.isRestoring else { throw CheckpointRefusal.isRestoring }
        let columns = self.siteNames.keys.map { Int($0.rawValue) }.sorted()
        var names = CheckpointNames()
        names.sites = columns.map { self.siteNames[SiteID(UInt8($0))] ?? "" }
        var feeds: [Feed] = []
        for feed in self.feeds.compactMap({ $0 }) where !feed.isRemoved && !feed.isHidden {
            let definition = feed.definition
            guard feed.total > 0, let site = columns.firstIndex(of: Int(definition.site.rawValue))
            else { continue }
            var throughSites: [Int: ASNumber] = [:]
            for (other, number) in definition.throughSites {
                guard let index = columns.firstIndex(of: Int(other.rawValue)) else { continue }
                throughSites[index] = number
            }
            names.feeds.append(
                .init(name: definition.name, site: site, throughSites: throughSites))
            feeds.append(feed)
        }
        guard !feeds.isEmpty else { throw CheckpointRefusal.isEmpty }
        guard Set(names.sites).count == names.sites.count,
            Set(names.feeds.map(\.name)).count == names.feeds.count
        else { throw CheckpointRefusal.sameNames }
        return try CheckpointWalk(names: names, columns: columns, feeds: feeds)
    }

    /// Bytes of attributes beyond which a slice ends: those of some are as long as a message.
    private static var bytesAtOnce: Int { 1 << 18 }

    /// The next routes in tree order; nil at the end. No other prefix is begun beyond so many
    /// routes and so many looks at prefixes.
    func checkpointSlice(
        _ walk: CheckpointWalk, limit: Int, looks: Int
    ) -> CheckpointRouteSlice? {
        let tree = self.tree(walk.family)
        var node: PrefixTree.Node
        if let last = walk.last {
            node = tree.first(notBefore: last.key, length: last.length)
            if node != 0, tree.key(node) == last.key, tree.length(node) == last.length {
                node = tree.next(after: node)
            }
        } else {
            node = tree.first(notBefore: 0, length: 0)
        }

        guard node != 0 else {
            guard walk.family == .ipv4 else { return nil }
            walk.family = .ipv6
            walk.last = nil
            return CheckpointRouteSlice(family: .ipv6)
        }
        let active = walk.feeds.enumerated().filter { _, feed in
            self.feeds[Int(feed.definition.id.rawValue)] === feed && !feed.isRemoved
                && !feed.routes(walk.family).isHidden
        }
        var slice = CheckpointRouteSlice(family: walk.family)
        slice.routes.reserveCapacity(limit + active.count)
        var looks = looks
        while node != 0, looks > 0, slice.routes.count < limit, slice.newBytes < Self.bytesAtOnce {
            let before = slice.routes.count
            for (index, feed) in active {
                let routes = feed.routes(walk.family)
                var path = routes.first(node)
                while let found = path {
                    self.append(found, of: index, to: &slice, walk)
                    path = routes.next(after: found)
                }
            }
            let (key, length) = (tree.key(node), tree.length(node))
            if slice.routes.count > before {
                slice.rows.append(
                    .init(
                        key: key, length: UInt8(length),
                        count: UInt32(slice.routes.count - before)))
            }
            walk.last = (key, length)
            looks -= 1
            node = tree.next(after: node)
        }
        return slice
    }

    private func append(
        _ path: RoutePath, of feed: Int, to slice: inout CheckpointRouteSlice,
        _ walk: CheckpointWalk
    ) {
        let (number, isNew) = walk.number(path.slot.attributes)
        if isNew {
            self.attributes.retain(path.slot.attributes)
            walk.held.append(path.slot.attributes)
            slice.newBytes += self.attributes.byteCount(path.slot.attributes)
            slice.newAttributes.append(self.attributes.attributes(path.slot.attributes))
        }
        slice.routes.append(
            .init(
                feed: UInt16(feed), pathID: path.id, attributes: number, time: path.slot.time))
    }

    /// Lets go of some of the attributes that were held.
    ///
    /// - Returns: Whether there are more.
    func endCheckpoint(_ walk: CheckpointWalk, limit: Int) -> Bool {
        for id in walk.held.suffix(limit) { self.attributes.release(id) }
        walk.held.removeLast(min(limit, walk.held.count))
        return !walk.held.isEmpty
    }
}
