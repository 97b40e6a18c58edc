// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import BGPWire

/// Counts of one peer, since the speaker knows it.
public struct PeerCounters: Sendable, Hashable {
    public var received = MessageCounts()
    public var sent = MessageCounts()
    public var announced = 0
    public var withdrawn = 0
    /// Sessions that came to be established.
    public var established = 0
    /// UPDATEs that were not good as they came, by what was done with them (RFC 7606).
    public var dispositions = DispositionCounts()
    /// Sessions that ended for an error of the peer's.
    public var resets = 0
    /// Times that reading waited for the table.
    public var pauses = 0
    /// Connections of the peer's that were refused.
    public var refused = 0

    public init() {}

    public var messagesIn: Int { self.received.all }
    public var messagesOut: Int { self.sent.all }
    public var updatesIn: Int { self.received[.update] }
    /// UPDATEs with at least one attribute left out (RFC 7606).
    public var attributesDiscarded: Int { self.dispositions.discardedAttribute }
    /// UPDATEs whose routes were taken for withdrawn (RFC 7606).
    public var treatedAsWithdrawn: Int { self.dispositions.treatedAsWithdrawn }
}

/// Messages by their type.
public struct MessageCounts: Sendable, Hashable {
    private var open = 0
    private var update = 0
    private var notification = 0
    private var keepalive = 0
    private var routeRefresh = 0

    public init() {}

    public subscript(type: MessageType) -> Int {
        get {
            switch type {
            case .open: self.open
            case .update: self.update
            case .notification: self.notification
            case .keepalive: self.keepalive
            case .routeRefresh: self.routeRefresh
            }
        }
        set {
            switch type {
            case .open: self.open = newValue
            case .update: self.update = newValue
            case .notification: self.notification = newValue
            case .keepalive: self.keepalive = newValue
            case .routeRefresh: self.routeRefresh = newValue
            }
        }
    }

    public var all: Int {
        self.open + self.update + self.notification + self.keepalive + self.routeRefresh
    }
}

/// UPDATEs by the strongest thing that had to be done with them (RFC 7606 §2).
public struct DispositionCounts: Sendable, Hashable {
    /// Something is odd, and all routes were used but those of multicast prefixes, which are
    /// ignored.
    public var remarked = 0
    public var discardedAttribute = 0
    /// Good by its form, but its routes are not used (RFC 9234).
    public var ineligible = 0
    public var treatedAsWithdrawn = 0
    public var resetSession = 0

    public init() {}

    mutating func count(_ disposition: Disposition) {
        switch disposition {
        case .accept: self.remarked += 1
        case .discardAttribute: self.discardedAttribute += 1
        case .ineligible: self.ineligible += 1
        case .treatAsWithdraw: self.treatedAsWithdrawn += 1
        case .resetSession: self.resetSession += 1
        }
    }
}
