// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

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

    /// Hops to the site that heard the route: the path's length and the penalty, at most 254.
    public var distance: Int {
        min(
            Self.maximumDistance,
            (self.keptLength.map(Int.init) ?? self.asPath.length) + Int(self.penalty))
    }

    /// The largest distance that is told apart.
    public static let maximumDistance = 254

    /// Hops to a site that `number` stands for in the path: those after its last occurrence,
    /// and the penalty (Supersparrow's reading of a feed). Nil where it doesn't occur.
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
