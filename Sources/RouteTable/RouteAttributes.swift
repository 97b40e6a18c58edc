// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// Whether the AS that a route comes from may announce its prefix (RFC 6811 §2).
public enum OriginValidationState: UInt8, Hashable, Sendable, CaseIterable {
    /// No validator was asked, or none has answered yet.
    case notChecked = 0
    case valid
    /// Nobody says who may.
    case notFound
    /// Others may.
    case invalid
}

/// What `show` and `explain` need to know of a route. The table keeps equal ones once.
public struct RouteAttributes: Hashable, Sendable {
    /// The ORIGIN attribute (RFC 4271 §5.1.1).
    public enum Origin: UInt8, Hashable, Sendable {
        case igp = 0
        case egp
        case incomplete
    }

    public var origin: Origin
    public var asPath: ASPath
    public var nextHop: IPAddress?
    public var multiExitDiscriminator: UInt32?
    public var localPreference: UInt32?
    /// Hops that the feed's rules add.
    public var penalty: UInt8
    /// Empty where the feed doesn't keep them.
    public var communities: RouteCommunities
    /// The path's length where the feed keeps no more of it; the path is empty then.
    public var keptLength: UInt8?
    /// Hops that the feed's rules say in place of the path's length; the penalty is added to them.
    public var distanceOverride: UInt8?
    /// Names that the feed's rules gave the route, for `show` and `explain`: 255 at most, of up to
    /// 255 bytes each.
    public var tags: [String] = []
    public var validation = OriginValidationState.notChecked
    /// The route is held and shown, but nobody's distance comes from it: what covers its prefix,
    /// and what other feeds say, count as if it weren't there.
    public var isIgnored = false
    /// It came with the community LLGR_STALE (RFC 9494 §4.2): somebody before us holds it for a
    /// session that is long gone, and any other route is better.
    public var hasLongLivedStale = false
    /// It came with the community NO_LLGR (RFC 9494 §4.2): it is not to be held that long.
    public var refusesLongLivedStale = false

    public init(
        origin: Origin = .igp, asPath: ASPath, nextHop: IPAddress? = nil,
        multiExitDiscriminator: UInt32? = nil, localPreference: UInt32? = nil,
        penalty: UInt8 = 0, communities: RouteCommunities = RouteCommunities()
    ) {
        self.origin = origin
        self.asPath = asPath
        self.nextHop = nextHop
        self.multiExitDiscriminator = multiExitDiscriminator
        self.localPreference = localPreference
        self.penalty = penalty
        self.communities = communities
    }

    /// Hops to the site that heard the route: the path's length, or what a rule says in its place,
    /// and the penalty, at most 254. An ignored route has it for `show` alone.
    public var distance: Int {
        let length =
            self.distanceOverride.map(Int.init) ?? self.keptLength.map(Int.init)
            ?? self.asPath.length
        return min(Self.maximumDistance, length + Int(self.penalty))
    }

    /// The tag of a route that came from where it should not have gone (RFC 9234 §5): no rule can
    /// give it.
    package static let leakTag = "leaked:otc"

    /// Whether it came from where it should not have gone (RFC 9234 §5): it is held and shown, and
    /// counts for nothing, whatever rules say.
    package var isLeaked: Bool { self.tags.contains(Self.leakTag) }

    /// The largest distance that is told apart.
    public static let maximumDistance = 254

    /// Hops to a site that `number` stands for in the path: those after its last occurrence,
    /// and the penalty (Supersparrow's reading of a feed). Nil where it doesn't occur. A rule's
    /// distance is the whole path's, and says nothing of these.
    public func distance(after number: ASNumber) -> Int? {
        var hops: Int?
        for segment in self.asPath.segments {
            let last = segment.members.lastIndex(of: number)
            if last != nil { hops = 0 }
            guard let sofar = hops else { continue }
            switch segment.kind {
            case .sequence:
                hops = sofar + segment.members.count - (last.map { $0 + 1 } ?? 0)
            case .set: hops = sofar + (last == nil ? 1 : 0)
            case .confederationSequence, .confederationSet: break
            }
        }
        return hops.map { min(Self.maximumDistance, $0 + Int(self.penalty)) }
    }
}
