// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
public import Choice
public import RouteTable

/// What the console asks of the daemon behind it.
///
/// All of it may be called from any thread. What isn't `async` answers at once from memory: it is
/// called on the console's event loop.
public protocol ConsoleBackend: Sendable {
    var oracle: Oracle { get }
    var owner: TableOwner { get }
    var router: RouterReport { get }
    var version: VersionReport { get }

    /// The policy of a name that is answered with the nearest site, as an index of the world's
    /// policies; nil for a name that there isn't. Case and a final dot don't matter.
    func policy(named name: String) -> Int?

    /// What such a name says beside its sites; nil where that isn't known.
    func nearestName(_ name: String) -> NearestNameReport?

    /// All such names, for completion.
    var names: [String] { get }

    /// Who the feeds are. The console asks for it with every route that it shows.
    func feedIdentities() -> [FeedIdentity]

    /// How the feeds are. The console adds what the table knows of them.
    func feedReports() async -> [FeedReport]

    /// What a feed's rules have decided; nil where there is no such feed.
    func ruleReport(_ feed: FeedID) -> RuleReport?

    /// What sets the distance of a route where that isn't its path's length; nil where nobody knows.
    func distanceReason(_ route: SiteRoute) -> DistanceReason?

    /// All that is known of a feed's sessions; nil where it has none.
    func feedDetail(_ feed: FeedID) async -> FeedDetail?

    /// Carries out an order on a feed's sessions, and says what was done.
    func carryOut(_ order: FeedOrder, on feed: FeedID) async -> Result<String, CommandFailure>

    /// Shows what passes on a feed's sessions; nil where it has none.
    func watchFeed(_ feed: FeedID) async -> FeedWatch?

    /// Connections of addresses that no peer has, closed at once.
    func strangers() async -> Int

    /// Since when a feed's session is lost and its routes are stale, in Unix seconds; nil where
    /// they aren't.
    func staleSince(feed: FeedID) -> Int64?

    /// Since when none of a site's feeds has a session: its routes are stale, or gone.
    func staleSince(site: SiteID) -> Int64?

    /// The line of a route map that pins an address; nil where none does, or nobody knows.
    func pin(covering address: IPAddress) async -> PinReport?

    /// Whether answers can be relied on; else what is waited for, in words.
    func readiness() -> Readiness

    /// The configuration in force, without its secrets; nil where there is none to show.
    func configuration() -> String?

    /// Reads the configuration again and returns what it changed, a line each.
    func reload() async -> Result<[String], CommandFailure>

    /// Has a new process take this one's place, and says what came of it.
    func replace() async -> Result<String, CommandFailure>

    /// How the table's file was read and written; nil where none is configured.
    func checkpointReport() -> CheckpointReport?

    /// Writes the table to its file, and returns how that went.
    func writeCheckpoint() async -> Result<CheckpointReport, CommandFailure>

    /// How the RPKI caches are; nil where none is configured.
    func originReport() async -> OriginReport?

    /// The payloads that cover a prefix, the longest first.
    func originPayloads(covering prefix: IPPrefix) -> [OriginReport.Payload]

    /// What DNS has counted; nil where it isn't served.
    func dnsReport() -> DNSReport?

    /// The same by zone.
    func dnsZones() async -> [DNSReport.Zone]

    /// The same by name, those that have been asked for: of one zone, by its name in small letters
    /// and with the last dot, or of all.
    func dnsNames(zone: String?) async -> [DNSReport.Name]

    /// Where DNS is served.
    func dnsListeners() async -> [DNSReport.Listener]

    /// The zones that are served, for completion.
    var zoneNames: [String] { get }
}

/// The name that this instance goes by in BGP.
public struct RouterReport: Hashable, Sendable {
    public var asNumber: ASNumber
    public var identifier: IPAddress

    public init(asNumber: ASNumber, identifier: IPAddress) {
        self.asNumber = asNumber
        self.identifier = identifier
    }
}

public struct VersionReport: Hashable, Sendable {
    public var version: String
    /// When the process started, in Unix seconds.
    public var started: Int64

    public init(version: String, started: Int64) {
        self.version = version
        self.started = started
    }
}

public enum Readiness: Hashable, Sendable {
    case ready
    case notReady(waitingFor: String)
}

/// A feed, and the router behind it where there is one.
public struct FeedIdentity: Hashable, Sendable {
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        case bgp, mrt, text, bmp
    }

    public var id: FeedID
    public var name: String
    public var site: SiteID
    public var kind: Kind
    public var peerAS: ASNumber?
    public var peerAddress: IPAddress?
    /// The peer's BGP identifier, as an IPv4 address.
    public var peerIdentifier: IPAddress?
    /// Whether routes come from a router of our own AS.
    public var isInternal: Bool

    public init(
        id: FeedID, name: String, site: SiteID, kind: Kind, peerAS: ASNumber? = nil,
        peerAddress: IPAddress? = nil, peerIdentifier: IPAddress? = nil, isInternal: Bool = false
    ) {
        self.id = id
        self.name = name
        self.site = site
        self.kind = kind
        self.peerAS = peerAS
        self.peerAddress = peerAddress
        self.peerIdentifier = peerIdentifier
        self.isInternal = isInternal
    }
}

/// How a feed is at a moment.
public struct FeedReport: Hashable, Sendable {
    public var identity: FeedIdentity
    /// In a word or two: `established`, `connect`, `loaded`, `failed`.
    public var state: String
    /// Whether routes are coming, or have come whole from a file.
    public var isUp: Bool
    /// Since when it is in this state, in Unix seconds; nil for never.
    public var since: Int64?
    public var messagesReceived: Int
    public var messagesSent: Int
    /// Bytes of its connection that have come and are not read yet, and that are written and not
    /// sent yet; nil where nobody knows.
    public var unreadBytes: Int?
    public var unsentBytes: Int?
    /// What last went wrong, in words.
    public var lastError: String?
    /// When that was, in Unix seconds; nil where it is still so.
    public var lastErrorTime: Int64?
    /// Of a feed by BGP whose session is up.
    public var session: SessionReport?
    /// What looks misconfigured about it alone, a sentence each.
    public var hints: [String]

    public init(
        identity: FeedIdentity, state: String, isUp: Bool, since: Int64? = nil,
        messagesReceived: Int = 0, messagesSent: Int = 0, unreadBytes: Int? = 0,
        unsentBytes: Int? = 0, lastError: String? = nil, lastErrorTime: Int64? = nil,
        session: SessionReport? = nil, hints: [String] = []
    ) {
        self.unreadBytes = unreadBytes
        self.unsentBytes = unsentBytes
        self.lastErrorTime = lastErrorTime
        self.hints = hints
        self.identity = identity
        self.state = state
        self.isUp = isUp
        self.since = since
        self.messagesReceived = messagesReceived
        self.messagesSent = messagesSent
        self.lastError = lastError
        self.session = session
    }
}

/// An established session, as far as it can be compared with others.
public struct SessionReport: Hashable, Sendable {
    public var wanted: Set<AddressFamily>
    public var negotiated: Set<AddressFamily>
    /// The first transfer is over.
    public var isComplete: Bool
    /// Announcements that came by way of a route reflector.
    public var reflected: Int
    /// Prefixes that it may bring, by family, where that is limited.
    public var limits: [AddressFamily: Int]
    /// How the first transfer ends.
    public var end: TransferEnd?

    public init(
        wanted: Set<AddressFamily>, negotiated: Set<AddressFamily>, isComplete: Bool,
        reflected: Int, limits: [AddressFamily: Int] = [:], end: TransferEnd? = nil
    ) {
        self.end = end
        self.limits = limits
        self.wanted = wanted
        self.negotiated = negotiated
        self.isComplete = isComplete
        self.reflected = reflected
    }
}

/// What tells that all routes of a session have come for the first time.
public enum TransferEnd: Hashable, Sendable {
    /// The peer says so (RFC 4724 §2).
    case endOfRIB
    /// It doesn't: so many seconds without an UPDATE.
    case quiet(seconds: Int)
}

/// Where a pin comes from.
public struct PinReport: Hashable, Sendable {
    public var prefix: IPPrefix
    public var file: String
    /// Counted from 1.
    public var line: Int

    public init(prefix: IPPrefix, file: String, line: Int) {
        self.prefix = prefix
        self.file = file
        self.line = line
    }

    /// `override.routes:12`
    var place: String { "\(self.file):\(self.line)" }
}

/// What sets a route's distance in place of its path's length, before penalties.
public enum DistanceReason: Hashable, Sendable {
    /// One of its feed's rules.
    case rule
    /// An AS that stands several times in a row is one hop.
    case prependsOnce
    /// LOCAL_PREF comes before the path's length: so many hops at a level, in words (`of 100`).
    case localPreference(hops: Int, level: String)
}

/// What can be done to a feed's sessions.
public enum FeedOrder: Hashable, Sendable {
    /// Begin anew.
    case clear
    /// Ask for the routes again, and keep the session.
    case refresh
    /// End, and stay down; with a sentence for the peer's log.
    case shutDown(message: String?)
    /// Begin again.
    case resume
}

/// For a table without sessions.
extension ConsoleBackend {
    public func feedDetail(_: FeedID) async -> FeedDetail? { nil }

    public func carryOut(
        _: FeedOrder, on _: FeedID
    ) async -> Result<String, CommandFailure> {
        .failure(CommandFailure(.noSuchThing, "there are no sessions"))
    }

    public func distanceReason(_: SiteRoute) -> DistanceReason? { nil }

    public func watchFeed(_: FeedID) async -> FeedWatch? { nil }

    public func replace() async -> Result<String, CommandFailure> {
        .failure(CommandFailure(.noSuchThing, "there is no process to be replaced"))
    }

    public func staleSince(feed _: FeedID) -> Int64? { nil }

    public func staleSince(site _: SiteID) -> Int64? { nil }

    public func pin(covering _: IPAddress) async -> PinReport? { nil }

    public func strangers() async -> Int { 0 }
}
