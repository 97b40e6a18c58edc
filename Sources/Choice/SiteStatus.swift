// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// What is known of a site at a moment. A site of which nothing is known is up.
public struct SiteStatus: Hashable, Sendable {
    /// What the checks say.
    public enum Health: String, Hashable, Sendable, CaseIterable {
        case up
        /// Up, but answers late.
        case slow
        case down
    }

    /// What an operator has said.
    public enum Admin: String, Hashable, Sendable, CaseIterable {
        case none
        /// No new clients.
        case drained
        /// Up, whatever checks, load and feeds say.
        case forced
    }

    /// The best that can be said of the site's feeds.
    public enum Feeds: String, Hashable, Sendable, CaseIterable {
        case live
        /// Down, their routes kept for the stale time.
        case stale
        /// Down beyond the stale time, their routes gone.
        case lost
        /// The site has no feed.
        case none
    }

    public var health: Health
    public var admin: Admin
    public var isFull: Bool
    public var feeds: Feeds
    /// When the site was last up, drained not and full not: Unix seconds; nil where it never was.
    public var lastUp: Int64?

    public init(
        health: Health = .up, admin: Admin = .none, isFull: Bool = false,
        feeds: Feeds = .none, lastUp: Int64? = nil
    ) {
        self.health = health
        self.admin = admin
        self.isFull = isFull
        self.feeds = feeds
        self.lastUp = lastUp
    }
}

extension SiteStatus {
    /// Why the site must not be answered; nil where it may be.
    func exclusion(withoutRoutes: WithoutRoutes) -> Reason? {
        switch self.admin {
        case .forced: return nil
        case .drained: return .drained
        case .none: break
        }
        if self.health == .down { return .down }
        if self.feeds == .lost, withoutRoutes == .down { return .down }
        return self.isFull ? .full : nil
    }

    /// The one word that tells an operator most about the site.
    public func displayState(withoutRoutes: WithoutRoutes) -> DisplayState {
        switch self.admin {
        case .forced: return .forced
        case .drained: return .draining
        case .none: break
        }
        switch self.exclusion(withoutRoutes: withoutRoutes) {
        case .down: return .down
        case .full: return .full
        default: break
        }
        switch self.feeds {
        case .stale, .lost: return .stale
        case .live, .none: return self.health == .slow ? .slow : .up
        }
    }
}
