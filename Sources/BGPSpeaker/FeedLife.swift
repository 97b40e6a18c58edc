// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

package import Addressing
package import BGPWire
package import RouteTable

/// What becomes of a feed's routes as its sessions come and go: events in, steps out. It holds no
/// route, keeps no timer and knows no clock.
///
/// Times are since some beginning that stays the same.
package struct FeedLife {
    /// What a new session says about itself.
    package struct Terms: Hashable, Sendable {
        package var families: FamilySet
        package var sendsEndOfRIB: Bool
        /// The peer's restart time, where graceful restart was agreed (RFC 4724).
        package var restartTime: Duration?
        /// It holds for ends by NOTIFICATION, too (RFC 8538).
        package var coversNotifications: Bool
        /// How long the routes of a family are good after that (RFC 9494).
        package var longLived: [AddressFamily: Duration]

        package init(
            families: FamilySet = .both, sendsEndOfRIB: Bool = false, restartTime: Duration? = nil,
            coversNotifications: Bool = false, longLived: [AddressFamily: Duration] = [:]
        ) {
            self.families = families
            self.sendsEndOfRIB = sendsEndOfRIB
            self.restartTime = restartTime
            self.coversNotifications = coversNotifications
            self.longLived = longLived
        }
    }

    /// How a session went, as far as its routes are concerned.
    package enum Loss: Hashable, Sendable {
        /// The connection was lost, or the peer was silent.
        case silent
        /// A NOTIFICATION, theirs or ours.
        case notified
        /// Nothing is to outlive it: a Hard Reset (RFC 8538), an operator's shutdown, the end of
        /// the feed.
        case hard
    }

    package enum Timer: Hashable, Sendable {
        /// The first transfer is looked at.
        case transfer
        /// What is stale goes, or becomes long-lived stale.
        case stale
    }

    package enum Event: Hashable, Sendable {
        /// Routes are in the table from before the start.
        case restored
        /// Those have turned out bad.
        case unrestored
        case up(Terms)
        /// UPDATEs came.
        case news
        case endOfRIB(AddressFamily)
        case refreshBegan(AddressFamily)
        case refreshEnded(AddressFamily)
        case down(Loss)
        /// An operator, or the configuration, wants the routes away.
        case flush
        case expired(Timer)
    }

    /// What is to be done, in this order. What was gathered of UPDATEs goes to the table first.
    package enum Step: Hashable, Sendable {
        case table(TableOrder)
        case startTimer(Timer, at: Duration)
        case stopTimer(Timer)
        case become(FeedLiveness)
    }

    /// What the table is told of the feed: its commands of the same names.
    package enum TableOrder: Hashable, Sendable {
        case up, complete, down, flush
        case familyComplete(AddressFamily)
        case refreshBegan(AddressFamily)
        case refreshEnded(AddressFamily)
        case longLivedStale(AddressFamily)
        case staleExpired(AddressFamily)

        package func command(for feed: FeedID) -> TableCommand {
            switch self {
            case .up: .feedUp(feed)
            case .complete: .feedComplete(feed)
            case .down: .feedDown(feed)
            case .flush: .feedFlush(feed)
            case .familyComplete(let family): .familyComplete(feed, family)
            case .refreshBegan(let family): .refreshBegan(feed, family)
            case .refreshEnded(let family): .refreshEnded(feed, family)
            case .longLivedStale(let family): .longLivedStale(feed, family)
            case .staleExpired(let family): .staleExpired(feed, family)
            }
        }
    }

    package var staleTime: Duration
    package var quietTime: Duration
    package private(set) var liveness = FeedLiveness.lost
    package private(set) var transfer: TransferProgress?
    private var terms: Terms?
    private var began = Duration.zero
    /// When what is stale of a family goes, unless it has come again whole: set by the first
    /// loss, and kept while sessions come and go that end before their transfer does.
    private var deadlines: [AddressFamily: Duration] = [:]
    /// Families that are long-lived stale, and until when.
    private var longLived: [AddressFamily: Duration] = [:]
    /// Families whose routes have gone since the session did.
    private var gone: FamilySet = []
    private var refreshing: FamilySet = []
    private var steps: [Step] = []

    package init(staleTime: Duration, quietTime: Duration) {
        self.staleTime = staleTime
        self.quietTime = quietTime
    }

    /// The first transfer of this session is over.
    package var isComplete: Bool { self.transfer?.isComplete ?? false }

    /// Families whose End-of-RIB has come in this session.
    package var ended: FamilySet { self.transfer?.ended ?? [] }

    /// Families that are being sent again.
    package var refreshed: FamilySet { self.refreshing }

    /// When what is stale goes, if anything is.
    package var deadline: Duration? {
        self.transfer != nil || self.liveness == .lost ? nil : self.nextDeadline
    }

    /// Takes one event.
    package mutating func handle(_ event: Event, at now: Duration) -> [Step] {
        switch event {
        case .restored: self.restored(now)
        case .unrestored:
            if self.transfer == nil, self.liveness == .stale { self.flush() }
        case .up(let terms): self.up(terms, now)
        case .news: self.transfer?.update(at: now - self.began)
        case .endOfRIB(let family): self.endOfRIB(family)
        case .refreshBegan(let family): self.refreshBegan(family)
        case .refreshEnded(let family): self.refreshEnded(family)
        case .down(let loss): self.down(loss, now)
        case .flush: self.flush()
        case .expired(let timer): self.expired(timer, now)
        }
        defer { self.steps.removeAll() }
        return self.steps
    }

    // MARK: Sessions

    private mutating func restored(_ now: Duration) {
        guard self.liveness == .lost, self.transfer == nil else { return }
        self.become(.stale)
        self.grow(staleAfter: self.staleTime, now)
    }

    private mutating func up(_ terms: Terms, _ now: Duration) {
        self.steps.append(.stopTimer(.stale))
        self.gone = []
        self.terms = terms
        self.began = now
        self.transfer = TransferProgress(
            families: terms.families, sendsEndOfRIB: terms.sendsEndOfRIB,
            quietTime: self.quietTime)
        self.steps.append(.table(.up))
        if self.liveness == .stale { self.become(.live) }
        self.lookLater()
    }

    private mutating func down(_ loss: Loss, _ now: Duration) {
        guard self.transfer != nil else {
            if loss == .hard { self.flush() }
            return
        }
        self.endSession()
        self.steps.append(.table(.down))
        if loss == .hard {
            self.flush()
            return
        }
        // What never came whole was never shown: there is nothing to be stale.
        if self.liveness != .lost { self.become(.stale) }
        let restart = self.terms?.restartTime
        let isRestart = loss == .silent || self.terms?.coversNotifications == true
        self.grow(staleAfter: (isRestart ? restart : nil) ?? self.staleTime, now)
    }

    private mutating func endSession() {
        self.transfer = nil
        self.steps.append(.stopTimer(.transfer))
        self.refreshing = []
    }

    // MARK: Stale routes

    private mutating func grow(staleAfter time: Duration, _ now: Duration) {
        for family in AddressFamily.allCases {
            self.deadlines[family] = self.deadlines[family] ?? now + time
            // It was already when a session came that ended too soon.
            if self.longLived[family] != nil { self.steps.append(.table(.longLivedStale(family))) }
        }
        self.age(now)
    }

    private var nextDeadline: Duration? {
        AddressFamily.allCases.compactMap { self.longLived[$0] ?? self.deadlines[$0] }.min()
    }

    /// What has been stale for long enough becomes long-lived stale, where the peer said so of
    /// its family, or goes; and where nothing is left, the feed is lost.
    private mutating func age(_ now: Duration) {
        var expired: [AddressFamily] = []
        for family in AddressFamily.allCases {
            guard let deadline = self.longLived[family] ?? self.deadlines[family],
                deadline <= now
            else { continue }
            if self.longLived[family] == nil, let time = self.terms?.longLived[family],
                time > .zero
            {
                self.longLived[family] = now + time
                self.steps.append(.table(.longLivedStale(family)))
            } else {
                self.renew(family)
                self.gone.insert(FamilySet(family))
                expired.append(family)
            }
        }
        if self.gone == .both {
            self.flush()
            return
        }
        self.steps += expired.map { .table(.staleExpired($0)) }
        if let next = self.nextDeadline { self.steps.append(.startTimer(.stale, at: next)) }
    }

    /// Nothing of the family is stale.
    private mutating func renew(_ family: AddressFamily) {
        self.deadlines[family] = nil
        self.longLived[family] = nil
    }

    private mutating func flush() {
        self.steps.append(.stopTimer(.stale))
        for family in AddressFamily.allCases { self.renew(family) }
        self.gone = []
        self.steps.append(.table(.flush))
        self.become(.lost)
    }

    private mutating func become(_ liveness: FeedLiveness) {
        guard liveness != self.liveness else { return }
        self.liveness = liveness
        self.steps.append(.become(liveness))
    }

    // MARK: The first transfer

    private mutating func endOfRIB(_ family: AddressFamily) {
        guard let transfer = self.transfer, transfer.families.contains(family),
            !transfer.isComplete, !transfer.ended.contains(family)
        else { return }
        if self.transfer?.endOfRIB(family) == true {
            self.completed()
        } else {
            self.renew(family)
            self.steps.append(.table(.familyComplete(family)))
        }
    }

    private mutating func completed() {
        self.steps.append(.stopTimer(.transfer))
        for family in AddressFamily.allCases { self.renew(family) }
        self.steps.append(.table(.complete))
        self.become(.live)
    }

    private mutating func lookLater() {
        guard let look = self.transfer?.nextLook else { return }
        self.steps.append(.startTimer(.transfer, at: self.began + look))
    }

    // MARK: Refreshes

    private mutating func refreshBegan(_ family: AddressFamily) {
        // RFC 7313 §4: before End-of-RIB a beginning must be ignored, and its end means nothing.
        guard let transfer = self.transfer, transfer.families.contains(family),
            !transfer.awaitsEndOfRIB(of: family)
        else { return }
        self.refreshing.insert(FamilySet(family))
        self.steps.append(.table(.refreshBegan(family)))
    }

    private mutating func refreshEnded(_ family: AddressFamily) {
        guard self.refreshing.contains(family) else { return }
        self.refreshing.remove(FamilySet(family))
        // All that there is has come: what the table sweeps now is whatever didn't.
        self.renew(family)
        self.steps.append(.table(.refreshEnded(family)))
    }

    // MARK: Timers

    private mutating func expired(_ timer: Timer, _ now: Duration) {
        switch timer {
        case .transfer:
            guard self.transfer != nil else { return }
            if self.transfer?.look(at: now - self.began) == true {
                self.completed()
            } else {
                self.lookLater()
            }
        case .stale:
            guard self.transfer == nil, self.liveness != .lost || self.nextDeadline != nil else {
                return
            }
            self.age(now)
        }
    }
}
