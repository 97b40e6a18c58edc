// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
import BGPSession
public import RouteTable

/// Neighbours that come as they like, all within a prefix, each a feed of its own.
public struct PeerRange: Sendable, Hashable {
    public var prefix: IPPrefix
    /// What each is like: the feed's name and number, and the address, are the range's.
    public var template: PeerSettings
    /// The table's feed of each, its number and name left out.
    public var definition: FeedDefinition
    /// The numbers that they get: as many as there may be at once.
    public var slots: [FeedID]

    public init(
        prefix: IPPrefix, template: PeerSettings, definition: FeedDefinition, slots: [FeedID]
    ) {
        self.prefix = prefix
        self.template = template
        self.definition = definition
        self.slots = slots
    }

    /// What a neighbour is called: `FEED@ADDRESS`.
    public func name(of address: IPAddress) -> String { "\(self.template.name)@\(address)" }

    /// The settings of one neighbour.
    func settings(of address: IPAddress, feed: FeedID) -> PeerSettings {
        var settings = self.template
        settings.name = self.name(of: address)
        settings.feed = feed
        settings.peerAddress = address
        settings.connect = .passive
        return settings
    }

    /// The table's feed of one neighbour. Among equal routes the lower address decides, not who
    /// came first.
    func definition(of address: IPAddress, feed: FeedID) -> FeedDefinition {
        var definition = self.definition
        definition.id = feed
        definition.name = self.name(of: address)
        definition.order += Int(
            truncatingIfNeeded: (address.family == .ipv4 ? address.high >> 32 : address.low)
                & 0xffff_ffff)
        return definition
    }
}

/// The whole of the speaker's configuration.
public struct SpeakerSettings: Sendable, Hashable {
    public var listen: [ListenAddress]
    /// The wait before a listener that couldn't be had is tried again.
    public var listenRetry = Duration.seconds(10)
    public var peers: [PeerSettings]
    public var ranges: [PeerRange]

    public init(
        listen: [ListenAddress] = [], peers: [PeerSettings] = [], ranges: [PeerRange] = []
    ) {
        self.listen = listen
        self.peers = peers
        self.ranges = ranges
    }
}
