// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// A bounded number of changes of one feed, in order: the last of equal prefixes wins.
///
/// The producer decides the bound: a few thousand changes keep the writer's steps short.
public struct RouteBatch: Sendable {
    /// A prefix and the index of its attributes; negative where it is withdrawn.
    struct Change: Sendable {
        var prefix: IPPrefix
        var attributes: Int32
    }

    public let feed: FeedID
    private(set) var attributes: [RouteAttributes] = []
    private(set) var changes: [Change] = []

    public init(feed: FeedID) { self.feed = feed }

    /// Adds attributes, once for all the prefixes of an UPDATE.
    ///
    /// - Returns: Their index in this batch.
    public mutating func intern(_ attributes: RouteAttributes) -> Int {
        self.attributes.append(attributes)
        return self.attributes.count - 1
    }

    /// Adds an announcement; `attributes` is an index that ``intern(_:)`` of this batch gave.
    public mutating func announce(_ prefix: IPPrefix, attributes: Int) {
        precondition(
            self.attributes.indices.contains(attributes), "an index that this batch gave")
        self.changes.append(
            Change(prefix: prefix, attributes: Int32(truncatingIfNeeded: attributes)))
    }

    public mutating func withdraw(_ prefix: IPPrefix) {
        self.changes.append(Change(prefix: prefix, attributes: -1))
    }

    public mutating func reserveCapacity(_ count: Int) { self.changes.reserveCapacity(count) }

    /// Changes in the batch.
    public var count: Int { self.changes.count }
    public var isEmpty: Bool { self.changes.isEmpty }
}
