// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
public import RouteTable

/// One of a range's neighbours or routers, which no configuration names.
public struct RangeMember: Sendable, Hashable {
    /// The range's feed.
    public var range: FeedID
    public var address: IPAddress
    /// The table's feed of it, with one of the range's numbers.
    public var definition: FeedDefinition
}

/// Ranges' neighbours or routers as a table from before the start has them: by the names of their
/// feeds, `RANGE@ADDRESS`.
public struct RangeMembers: Sendable, Hashable {
    public private(set) var members: [RangeMember] = []
    /// The names of those that their range has no number left for.
    public private(set) var surplus: [String] = []

    /// A range, whoever comes from it.
    struct Range {
        var name: String
        var feed: FeedID
        var prefix: IPPrefix
        var slots: [FeedID]
        /// The table's feed of one; nil where it has none.
        var definition: (IPAddress, FeedID) -> FeedDefinition?
    }

    /// Finds the ranges that the names are of, in their order, while numbers last. Left out are
    /// other names, and addresses that feeds of their own have.
    fileprivate init(_ names: [String], of ranges: [Range], except named: Set<IPAddress>) {
        var free = Dictionary(
            ranges.map { ($0.feed, $0.slots[...]) }, uniquingKeysWith: { first, _ in first })
        for name in names {
            // No configured name has an @.
            let parts = name.split(separator: "@", maxSplits: 1)
            guard parts.count == 2, let range = ranges.first(where: { $0.name == parts[0] }),
                let address = try? IPAddress(parsing: parts[1]), range.prefix.contains(address),
                !named.contains(address)
            else { continue }
            guard let slot = free[range.feed]?.popFirst() else {
                self.surplus.append(name)
                continue
            }
            guard let definition = range.definition(address, slot), definition.name == name else {
                continue
            }
            self.members.append(
                RangeMember(range: range.feed, address: address, definition: definition))
        }
    }
}

extension SpeakerSettings {
    /// The neighbours of ranges among feeds of these names.
    public func members(named names: [String]) -> RangeMembers {
        RangeMembers(
            names,
            of: self.ranges.map { range in
                RangeMembers.Range(
                    name: range.template.name, feed: range.template.feed, prefix: range.prefix,
                    slots: range.slots, definition: range.definition(of:feed:))
            }, except: Set(self.peers.map(\.peerAddress)))
    }
}

extension BMPSettings {
    /// The routers of ranges among feeds of these names.
    public func members(named names: [String]) -> RangeMembers {
        RangeMembers(
            names,
            of: self.routers.compactMap { router in
                router.range.map { range in
                    RangeMembers.Range(
                        name: router.name, feed: router.feed, prefix: router.router,
                        slots: range.slots, definition: { router.member($0, feed: $1).1 })
                }
            }, except: Set(self.routers.filter { $0.range == nil }.map(\.router.address)))
    }
}
