// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

package import Addressing
package import BGPWire

/// The peers that a router monitors: who is up, how their UPDATEs are to be read, and by which
/// path identifiers the table tells their routes apart. A value without I/O.
///
/// A peer keeps its number over its ups and downs, and all its identifiers over sessions with the
/// router: so its routes are refreshed in place. Identifiers are given to announcements alone, and
/// are free for others again once their routes have left; a peer that is down makes room for one
/// that comes up.
package struct BMPMonitor {
    package struct Monitored {
        package let peer: BMPPeerHeader.Peer
        /// The path identifier of its routes, where they come without one.
        package let number: UInt32
        package var asNumber: ASNumber
        package var identifier: UInt32
        package var isUp = false
        /// Of the last change; Unix seconds.
        package var since: Int64
        /// Why it went down, in words.
        package var reason: String?
        package var families: FamilySet = []
        /// Families whose End-of-RIB has come.
        package var ended: FamilySet = []
        package var updates = 0
        package var statistics: [BMPStatistic] = []
        fileprivate var up: BMPPeerUp?
        fileprivate var context: (flags: BMPPeerHeader.Flags, context: DecodeContext)?
        /// The table may have routes of it.
        fileprivate var hasRoutes = false
        /// The table's identifiers by those of the peer's paths (RFC 7911).
        fileprivate var paths: [UInt32: UInt32] = [:]
        /// Those of sessions before this one, whose routes are stale.
        fileprivate var stalePaths: [UInt32: UInt32] = [:]
    }

    /// Numbers from here on are of paths, those before of peers.
    package static let firstPath: UInt32 = 1 << 16
    /// Paths of all peers that are told apart by the peers' own identifiers.
    package static let maximumPaths = 1 << 16

    package var maximumPeers: Int
    package var keepsCommunities: Bool
    package private(set) var peers: [BMPPeerHeader.Peer: Monitored] = [:]
    private var nextNumber: UInt32 = 1
    private var nextPath = BMPMonitor.firstPath
    /// Identifiers that have been given back.
    private var freeNumbers: [UInt32] = []
    private var freePaths: [UInt32] = []
    /// Peers that were one too many, and announcements of paths that were.
    package private(set) var refusedPeers = 0
    package private(set) var refusedPaths = 0

    package init(maximumPeers: Int, keepsCommunities: Bool) {
        self.maximumPeers = maximumPeers
        self.keepsCommunities = keepsCommunities
    }

    /// Those that are up.
    package var upCount: Int { self.peers.values.reduce(0) { $0 + ($1.isUp ? 1 : 0) } }

    // MARK: Peers

    /// A peer has come up.
    ///
    /// - Returns: Identifiers whose routes leave first: it was up, and has begun anew, or it takes
    ///   the place of one that is gone.
    package mutating func peerUp(
        _ header: BMPPeerHeader, _ up: BMPPeerUp, now: Int64
    ) -> [UInt32] {
        var leaving: [UInt32] = []
        while self.peers[header.peer] == nil, !self.hasRoom, let gone = self.longestDown {
            leaving += self.forget(gone)
        }
        guard var monitored = self.known(header, now: now) else { return leaving }
        if monitored.isUp { leaving += self.release(&monitored) }
        monitored.isUp = true
        monitored.since = now
        monitored.reason = nil
        monitored.families = up.families
        monitored.ended = []
        monitored.up = up
        monitored.context = nil
        monitored.asNumber = header.asNumber
        monitored.identifier = header.identifier
        self.peers[header.peer] = monitored
        return leaving
    }

    /// A peer has gone down.
    ///
    /// - Returns: Identifiers whose routes leave.
    package mutating func peerDown(
        _ header: BMPPeerHeader, _ reason: String, now: Int64
    ) -> [UInt32] {
        // Routers tell of peers, too, that were never up.
        guard var monitored = self.peers[header.peer] else { return [] }
        monitored.isUp = false
        monitored.since = now
        monitored.reason = reason
        monitored.up = nil
        monitored.context = nil
        monitored.ended = []
        let leaving = self.release(&monitored)
        self.peers[header.peer] = monitored
        return leaving
    }

    /// The session with the router is over: nothing is known of its peers.
    package mutating func sessionEnded(now: Int64) {
        for peer in self.peers.keys where self.peers[peer]?.isUp == true {
            self.peers[peer]?.isUp = false
            self.peers[peer]?.since = now
            self.peers[peer]?.reason = nil
            self.peers[peer]?.up = nil
            self.peers[peer]?.context = nil
            self.peers[peer]?.ended = []
            let paths = self.peers[peer]?.paths ?? [:]
            self.peers[peer]?.stalePaths.merge(paths) { $1 }
            self.peers[peer]?.paths = [:]
        }
    }

    /// All that was stale has left the table, or leaves it now.
    package mutating func staleLeft() {
        for peer in self.peers.keys {
            self.freePaths += (self.peers[peer]?.stalePaths ?? [:]).values
            self.peers[peer]?.stalePaths = [:]
            if self.peers[peer]?.isUp == false { self.peers[peer]?.hasRoutes = false }
        }
    }

    /// Gives back the identifiers of a peer's paths.
    ///
    /// - Returns: Those, and its number, as long as the table may have routes by them.
    private mutating func release(_ monitored: inout Monitored) -> [UInt32] {
        guard monitored.hasRoutes else { return [] }
        let paths = (Array(monitored.paths.values) + monitored.stalePaths.values).sorted()
        self.freePaths += paths
        monitored.hasRoutes = false
        monitored.paths = [:]
        monitored.stalePaths = [:]
        return [monitored.number] + paths
    }

    // MARK: Room

    private var hasRoom: Bool {
        self.peers.count < min(self.maximumPeers, Int(Self.firstPath) - 1)
    }

    /// Who is missed least: a peer that is down and has left nothing, else one that was lost with
    /// an earlier session; of those the one that is down longest.
    private var longestDown: BMPPeerHeader.Peer? {
        func rank(_ monitored: Monitored) -> (Int, Int64, UInt32) {
            (monitored.hasRoutes ? 1 : 0, monitored.since, monitored.number)
        }
        return self.peers.values.filter { !$0.isUp }.min { rank($0) < rank($1) }?.peer
    }

    /// - Returns: Identifiers whose routes leave.
    private mutating func forget(_ peer: BMPPeerHeader.Peer) -> [UInt32] {
        guard var monitored = self.peers.removeValue(forKey: peer) else { return [] }
        self.freeNumbers.append(monitored.number)
        return self.release(&monitored)
    }

    /// The peer's entry, a new one where there is room.
    private mutating func known(_ header: BMPPeerHeader, now: Int64) -> Monitored? {
        if let monitored = self.peers[header.peer] { return monitored }
        guard self.hasRoom else {
            self.refusedPeers += 1
            return nil
        }
        var number = self.nextNumber
        if let free = self.freeNumbers.popLast() { number = free } else { self.nextNumber += 1 }
        return Monitored(
            peer: header.peer, number: number, asNumber: header.asNumber,
            identifier: header.identifier, since: now)
    }

    package mutating func statistics(_ header: BMPPeerHeader, _ list: [BMPStatistic]) {
        self.peers[header.peer]?.statistics = list
    }

    // MARK: Routes

    /// How an UPDATE of this header's peer is to be read; nil for a peer that isn't up.
    ///
    /// Some routers tell what they have chosen without a Peer Up before it (RFC 9069 §5 asks for
    /// one): that is taken for one without ADD-PATH.
    package mutating func context(of header: BMPPeerHeader, now: Int64) -> DecodeContext? {
        if let cached = self.peers[header.peer]?.context, cached.flags == header.flags {
            return cached.context
        }
        if header.peer.kind == .locRIB, self.peers[header.peer]?.isUp != true {
            guard var monitored = self.known(header, now: now) else { return nil }
            monitored.isUp = true
            monitored.since = now
            monitored.families = .both
            self.peers[header.peer] = monitored
        }
        guard let monitored = self.peers[header.peer], monitored.isUp else { return nil }
        let context =
            monitored.up?.context(of: header, keepsCommunities: self.keepsCommunities)
            ?? DecodeContext(
                fourOctetAS: true, isInternal: true, extendedMessages: true,
                isConfederation: true, keepsCommunities: self.keepsCommunities)
        self.peers[header.peer]?.context = (header.flags, context)
        return context
    }

    /// Notes an UPDATE of a peer that is up.
    ///
    /// - Parameters:
    ///   - peer: The peer.
    ///   - family: Whose End-of-RIB it is, if it is one.
    package mutating func noteUpdate(of peer: BMPPeerHeader.Peer, endOfRIB family: AddressFamily?) {
        self.peers[peer]?.updates += 1
        if let family { self.peers[peer]?.ended.insert(FamilySet(family)) }
    }

    /// Whether all peers that are up have told all their families. False where none is up.
    package var hasEnded: Bool {
        var isAny = false
        for monitored in self.peers.values where monitored.isUp {
            guard monitored.ended.isSuperset(of: monitored.families) else { return false }
            isAny = true
        }
        return isAny
    }

    /// The table's identifier of a peer's route.
    ///
    /// - Parameters:
    ///   - peer: The peer.
    ///   - path: The peer's own identifier of the path; nil where it sends none.
    ///   - isAnnounced: Else it is withdrawn, and has an identifier only if it was announced.
    /// - Returns: Nil where there is none, or there are too many.
    package mutating func identifier(
        of peer: BMPPeerHeader.Peer, path: UInt32?, isAnnounced: Bool = true
    ) -> UInt32? {
        guard let path else {
            if isAnnounced { self.peers[peer]?.hasRoutes = true }
            return self.peers[peer]?.number
        }
        if let known = self.peers[peer]?.paths[path] { return known }
        if let stale = self.peers[peer]?.stalePaths[path] {
            if isAnnounced {
                self.peers[peer]?.stalePaths[path] = nil
                self.peers[peer]?.paths[path] = stale
            }
            return stale
        }
        guard isAnnounced, self.peers[peer] != nil else { return nil }
        guard let identifier = self.freePaths.popLast() ?? self.newPath() else {
            self.refusedPaths += 1
            return nil
        }
        self.peers[peer]?.hasRoutes = true
        self.peers[peer]?.paths[path] = identifier
        return identifier
    }

    private mutating func newPath() -> UInt32? {
        guard self.nextPath - Self.firstPath < Self.maximumPaths else { return nil }
        defer { self.nextPath += 1 }
        return self.nextPath
    }
}
