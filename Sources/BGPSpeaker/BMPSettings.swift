// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
public import BGPWire
public import FeedRules
public import RouteTable

/// A router that monitors its peers for us, or all routers of a range, as the configuration says.
public struct BMPRouterSettings: Sendable, Hashable {
    /// The feed's name.
    public var name: String
    public var feed: FeedID
    /// Who may connect: one address, or a range.
    public var router: IPPrefix
    /// Where in the router routes are looked at; what it tells of others is passed by.
    public var view: BMPPeerHeader.View
    /// Peers that are told apart.
    public var maximumPeers: Int
    /// How long routes outlive their session.
    public var staleTime: Duration
    /// A first transfer is complete after so long without routes.
    public var quietTime: Duration
    public var kept: KeptAttributes
    /// Who judges its routes; nil: all count as they are. Two judges are equal if their rules are.
    public var judge: RouteJudge?
    /// Of a range: the table's feed of each router, its number and name left out, and the numbers
    /// that they get, as many as there may be at once.
    public var range: Range?

    public struct Range: Sendable, Hashable {
        public var definition: FeedDefinition
        public var slots: [FeedID]

        public init(definition: FeedDefinition, slots: [FeedID]) {
            self.definition = definition
            self.slots = slots
        }
    }

    public init(
        name: String, feed: FeedID, router: IPPrefix, view: BMPPeerHeader.View = .pre,
        maximumPeers: Int = 1000, staleTime: Duration = .seconds(180),
        quietTime: Duration = .seconds(10), kept: KeptAttributes = .path, judge: RouteJudge? = nil,
        range: Range? = nil
    ) {
        self.name = name
        self.feed = feed
        self.router = router
        self.view = view
        self.maximumPeers = maximumPeers
        self.staleTime = staleTime
        self.quietTime = quietTime
        self.kept = kept
        self.judge = judge
        self.range = range
    }

    /// The settings of one router of a range, and the table's feed of it. Among equal routes the
    /// lower address decides, not who came first.
    func member(_ address: IPAddress, feed: FeedID) -> (BMPRouterSettings, FeedDefinition?) {
        var settings = self
        settings.name = "\(self.name)@\(address)"
        settings.feed = feed
        settings.router = IPPrefix(host: address)
        settings.range = nil
        var definition = self.range?.definition
        definition?.id = feed
        definition?.name = settings.name
        definition?.order += Int(
            truncatingIfNeeded: (address.family == .ipv4 ? address.high >> 32 : address.low)
                & 0xffff_ffff)
        return (settings, definition)
    }

    /// Whether a session with the old settings can go on under the new ones.
    func canContinue(from old: BMPRouterSettings) -> Bool {
        var hot = old
        hot.staleTime = self.staleTime
        hot.quietTime = self.quietTime
        hot.maximumPeers = self.maximumPeers
        hot.judge = self.judge
        if let range = self.range { hot.range?.definition = range.definition }
        return hot == self
    }
}

/// The whole of the station's configuration.
public struct BMPSettings: Sendable, Hashable {
    public var listen: [ListenAddress]
    /// The wait before a listener that couldn't be had is tried again.
    public var listenRetry = Duration.seconds(10)
    public var routers: [BMPRouterSettings]

    public init(listen: [ListenAddress] = [], routers: [BMPRouterSettings] = []) {
        self.listen = listen
        self.routers = routers
    }
}
