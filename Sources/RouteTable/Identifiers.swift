// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// A site's number: the column of the table that holds its distances.
///
/// Numbers are chosen by the caller, from 0 on and without large gaps: the table holds a byte
/// a prefix for each up to the highest one in use.
public struct SiteID: RawRepresentable, Hashable, Sendable, Comparable {
    /// Sites in a table at most.
    public static let limit = 64

    public var rawValue: UInt8

    @inlinable
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    @inlinable
    public init(_ rawValue: UInt8) { self.rawValue = rawValue }

    @inlinable
    public static func < (a: SiteID, b: SiteID) -> Bool { a.rawValue < b.rawValue }
}

/// A feed's number, chosen by the caller.
public struct FeedID: RawRepresentable, Hashable, Sendable, Comparable {
    /// Feeds in a table at most.
    public static let limit = 256

    public var rawValue: UInt16

    @inlinable
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    @inlinable
    public init(_ rawValue: UInt16) { self.rawValue = rawValue }

    @inlinable
    public static func < (a: FeedID, b: FeedID) -> Bool { a.rawValue < b.rawValue }
}
