// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
import Synchronization

/// A round trip that somebody measured between a site and the addresses of a prefix.
public struct RoundTrip: Hashable, Sendable {
    public var prefix: IPPrefix
    public var site: SiteID
    /// Microseconds, 1 to ``mostMicroseconds``.
    public var microseconds: UInt32

    /// A minute: what takes longer is no round trip.
    public static let mostMicroseconds: UInt32 = 60_000_000

    public init(prefix: IPPrefix, site: SiteID, microseconds: UInt32) {
        self.prefix = prefix
        self.site = site
        self.microseconds = microseconds
    }

    /// Microseconds for milliseconds as people and files write them; nil where that is no number
    /// from 0 to 60,000.
    public static func microseconds(milliseconds: Double) -> UInt32? {
        guard milliseconds >= 0, milliseconds <= Double(Self.mostMicroseconds) / 1000 else {
            return nil
        }
        return max(1, UInt32((milliseconds * 1000).rounded()))
    }
}

/// How observations become a site's round trip.
public struct RoundTripRules: Hashable, Sendable {
    /// What a new observation counts for in the average; the average so far counts for the rest.
    public var weight: Double
    /// Seconds without an observation after which an average is forgotten. What files say stays.
    public var expiry: Int64

    public init(weight: Double = 0.25, expiry: Int64 = 86_400) {
        self.weight = weight.isNaN ? 1 : max(1 / 1024, min(weight, 1))
        self.expiry = max(1, min(expiry, 1 << 31))
    }
}

/// What is known of the round trip between a prefix and a site.
public struct RoundTripReport: Hashable, Sendable {
    public var prefix: IPPrefix
    public var site: SiteID
    /// The average of the observations, in microseconds; nil where none is remembered.
    public var average: Double?
    /// When the last of these came, in Unix seconds.
    public var observed: Int64?
    /// What files say, in microseconds. It counts as long as there is no average.
    public var filed: Double?
    /// What answers are made with: the above, in steps of a tenth.
    public var used: Duration

    public init(
        prefix: IPPrefix, site: SiteID, average: Double?, observed: Int64?, filed: Double? = nil,
        used: Duration
    ) {
        self.prefix = prefix
        self.site = site
        self.average = average
        self.observed = observed
        self.filed = filed
        self.used = used
    }
}

/// Where a listing of round trips goes on.
public struct RoundTripCursor: Hashable, Sendable {
    let prefix: IPPrefix
    /// The last site that was given; nil before the first.
    let site: SiteID?
}

/// How full the table is, for whoever takes observations in: written by the table's writer, read
/// by all.
final class TableGauge: Sendable {
    private let prefixes = Atomic<Int>(0)
    private let classes = Atomic<Bool>(false)

    /// Prefixes with round trips.
    var roundTripPrefixes: Int { self.prefixes.load(ordering: .relaxed) }
    /// What needs another class is refused.
    var classesAreFull: Bool { self.classes.load(ordering: .relaxed) }

    func set(roundTripPrefixes count: Int) { self.prefixes.store(count, ordering: .relaxed) }
    func set(classesAreFull: Bool) { self.classes.store(classesAreFull, ordering: .relaxed) }
}
