// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPSpeaker
import BGPWire
import RouteTable
import Testing

/// What a feed's routes should be, by the plainest account of it: a list of prefixes, and for each
/// what it is worth.
private struct ReferenceFeed {
    enum Worth: Hashable { case fresh, doubtful, stale }

    struct Route: Hashable {
        var path: UInt32
        var worth: Worth
    }

    var routes: [IPPrefix: Route] = [:]
    var terms: FeedLife.Terms?
    var ended: FamilySet = []
    var isComplete = false
    var refreshing: FamilySet = []
    var lastNews = Duration.zero
    var began = Duration.zero
    /// When what is stale of a family goes, or becomes long-lived; and when that goes.
    var deadline: [AddressFamily: Duration] = [:]
    var longLived: [AddressFamily: Duration] = [:]
    var lastTerms: FeedLife.Terms?
    /// Of the last session.
    var lossTime = Duration.zero
    let staleTime: Duration
    let quietTime: Duration

    mutating func drop(_ family: AddressFamily?, where isGone: (Route) -> Bool) {
        self.routes = self.routes.filter { prefix, route in
            !((family == nil || prefix.family == family) && isGone(route))
        }
    }

    mutating func change(_ worth: Worth, _ family: AddressFamily?, from: Set<Worth>) {
        for (prefix, route) in self.routes
        where (family == nil || prefix.family == family) && from.contains(route.worth) {
            self.routes[prefix]?.worth = worth
        }
    }

    mutating func up(_ terms: FeedLife.Terms, _ now: Duration) {
        self.terms = terms
        self.lastTerms = terms
        self.ended = []
        self.isComplete = false
        self.refreshing = []
        self.lastNews = now
        self.began = now
        self.change(.stale, nil, from: [.fresh, .doubtful])
    }

    mutating func endOfRIB(_ family: AddressFamily) {
        guard let terms = self.terms, terms.families.contains(family), !self.isComplete,
            !self.ended.contains(family)
        else { return }
        self.ended.insert(FamilySet(family))
        self.drop(family) { $0.worth == .stale }
        self.deadline[family] = nil
        self.longLived[family] = nil
        if self.ended.isSuperset(of: terms.families) { self.complete() }
    }

    mutating func complete() {
        self.isComplete = true
        self.drop(nil) { $0.worth == .stale }
        self.deadline = [:]
        self.longLived = [:]
    }

    mutating func down(_ loss: FeedLife.Loss, _ now: Duration) {
        guard let terms = self.terms else { return }
        self.terms = nil
        self.refreshing = []
        self.change(.stale, nil, from: [.fresh, .doubtful])
        if loss == .hard {
            self.flush()
            return
        }
        let restart =
            loss == .silent || terms.coversNotifications ? terms.restartTime : nil
        for family in AddressFamily.allCases where self.deadline[family] == nil {
            self.deadline[family] = now + (restart ?? self.staleTime)
        }
        self.pass(now)
    }

    mutating func flush() {
        self.routes = [:]
        self.deadline = [:]
        self.longLived = [:]
    }

    /// Time has come to `now`.
    mutating func pass(_ now: Duration) {
        if let terms = self.terms, !self.isComplete {
            let patience = terms.sendsEndOfRIB ? 12 : 1
            let last = terms.sendsEndOfRIB ? 60 : 12
            let look = min(
                self.lastNews + self.quietTime * patience, self.began + self.quietTime * last)
            if now >= look { self.complete() }
        }
        guard self.terms == nil else { return }
        for family in AddressFamily.allCases {
            if let end = self.longLived[family] {
                if end <= now { self.expire(family) }
            } else if let deadline = self.deadline[family], deadline <= now {
                if let time = self.lastTerms?.longLived[family], time > .zero {
                    // It begins when the deadline passed, or at the loss that was later.
                    let end = max(deadline, self.lossTime) + time
                    self.longLived[family] = end
                    if end <= now { self.expire(family) }
                } else {
                    self.expire(family)
                }
            }
        }
    }

    mutating func expire(_ family: AddressFamily) {
        self.drop(family) { _ in true }
        self.deadline[family] = nil
        self.longLived[family] = nil
    }
}

/// A feed's life and a real table, driven as the speaker drives them, on a clock of the test's.
private final class FeedUnderTest {
    let owner: TableOwner
    let feed = FeedID(3)
    var life: FeedLife
    var timers: [FeedLife.Timer: Duration] = [:]
    var now = Duration.zero

    init(staleTime: Duration, quietTime: Duration) throws {
        // Sweeps in small slices: what comes next meets them half done.
        var steps = StepPolicy()
        steps.units = 64
        self.owner = try TableOwner(steps: steps)
        self.life = FeedLife(staleTime: staleTime, quietTime: quietTime)
        self.owner.submit(.defineSite(SiteID(0), name: "here"))
        self.owner.submit(
            .addFeed(FeedDefinition(id: self.feed, name: "f", site: SiteID(0), order: 0)))
    }

    func handle(_ event: FeedLife.Event) {
        for step in self.life.handle(event, at: self.now) {
            switch step {
            case .table(let order): self.owner.submit(order.command(for: self.feed))
            case .startTimer(let timer, let time): self.timers[timer] = time
            case .stopTimer(let timer): self.timers[timer] = nil
            case .become: break
            }
        }
    }

    /// Lets timers come due, one after the other, up to a time.
    func pass(to time: Duration) {
        while let (timer, due) = self.timers.min(by: { $0.value < $1.value }), due <= time {
            self.timers[timer] = nil
            self.now = max(self.now, due)
            self.handle(.expired(timer))
        }
        self.now = time
    }

    func announce(_ prefix: IPPrefix, path: UInt32) {
        var batch = RouteBatch(feed: self.feed)
        let attributes = batch.intern(RouteAttributes(asPath: ASPath([ASNumber(path)])))
        batch.announce(prefix, attributes: attributes)
        self.owner.submit(.routes(batch))
    }

    func withdraw(_ prefix: IPPrefix) {
        var batch = RouteBatch(feed: self.feed)
        batch.withdraw(prefix)
        self.owner.submit(.routes(batch))
    }

    func routes() throws -> [IPPrefix: (path: String, isStale: Bool)] {
        let routes = try self.owner.querySync {
            $0.routes(after: nil, feed: nil, within: nil, limit: 10_000).routes
        }
        return Dictionary(
            routes.map { ($0.prefix, ("\($0.attributes.asPath)", $0.isStale)) },
            uniquingKeysWith: { first, _ in first })
    }
}

@Suite("Feeds over any sequence of events", .timeLimit(.minutes(3)))
struct FeedModelTests {
    static let prefixes: [IPPrefix] = (0..<24).map { index in
        index % 3 == 2
            ? IPPrefix(
                masking: IPAddress(ipv6High: 0x2001_0db8_0000_0000 | UInt64(index) << 16, low: 0),
                length: 48)
            : IPPrefix(masking: IPAddress(ipv4: 0x0a00_0000 | UInt32(index) << 16), length: 16)
    }

    /// The table is as the reference says, once it has done what it was told.
    private func check(
        _ table: FeedUnderTest, _ reference: ReferenceFeed, _ story: [String]
    ) async throws {
        var seen: [IPPrefix: (path: String, isStale: Bool)] = [:]
        let isEqual = try await eventually {
            await table.owner.flush()
            seen = try table.routes()
            return seen.count == reference.routes.count
                && reference.routes.allSatisfy { prefix, route in
                    guard let found = seen[prefix], found.path == "\(route.path)" else {
                        return false
                    }
                    return route.worth == .doubtful || found.isStale == (route.worth == .stale)
                }
        }
        let wanted = reference.routes.map { "\($0.key) \($0.value)" }.sorted()
        let found = seen.map { "\($0.key) \($0.value)" }.sorted()
        try #require(
            isEqual,
            "\(story.suffix(40).joined(separator: "\n"))\nwanted \(wanted)\nfound \(found)")
    }

    @Test(
        "there is no ghost, and nothing is missing", arguments: 0..<40 as Range<UInt64>)
    func random(seed: UInt64) async throws {
        var random = Jitter(seed: seed)
        let (staleTime, quietTime) = (Duration.seconds(30), Duration.seconds(4))
        let table = try FeedUnderTest(staleTime: staleTime, quietTime: quietTime)
        defer { table.owner.shutdown() }
        var reference = ReferenceFeed(staleTime: staleTime, quietTime: quietTime)
        var story = ["seed \(seed)"]
        for step in 0..<200 {
            let family: AddressFamily = Bool.random(using: &random) ? .ipv4 : .ipv6
            let prefix = Self.prefixes.randomElement(using: &random) ?? Self.prefixes[0]
            let isUp = reference.terms != nil
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<35 where isUp:
                guard reference.terms?.families.contains(prefix.family) == true else { continue }
                let path = UInt32.random(in: 1...9, using: &random)
                table.announce(prefix, path: path)
                table.handle(.news)
                reference.routes[prefix] = .init(path: path, worth: .fresh)
                if !reference.isComplete { reference.lastNews = table.now }
                story.append("\(table.now) announce \(prefix) \(path)")
            case 35..<45 where isUp:
                guard reference.terms?.families.contains(prefix.family) == true else { continue }
                table.withdraw(prefix)
                table.handle(.news)
                reference.routes[prefix] = nil
                if !reference.isComplete { reference.lastNews = table.now }
                story.append("\(table.now) withdraw \(prefix)")
            case 45..<53 where isUp:
                table.handle(.endOfRIB(family))
                reference.endOfRIB(family)
                story.append("\(table.now) end \(family)")
            case 53..<60 where isUp:
                table.handle(.refreshBegan(family))
                // Before an End-of-RIB that is to come it means nothing (RFC 7313 §4).
                if let terms = reference.terms, terms.families.contains(family),
                    !terms.sendsEndOfRIB || reference.isComplete
                        || reference.ended.contains(family)
                {
                    reference.refreshing.insert(FamilySet(family))
                    reference.change(.doubtful, family, from: [.fresh])
                }
                story.append("\(table.now) BoRR \(family)")
            case 60..<68 where isUp:
                table.handle(.refreshEnded(family))
                if reference.refreshing.contains(family) {
                    reference.refreshing.remove(FamilySet(family))
                    // All that there is has come, whatever was stale from before (RFC 7313).
                    reference.drop(family) { $0.worth != .fresh }
                    reference.deadline[family] = nil
                    reference.longLived[family] = nil
                }
                story.append("\(table.now) EoRR \(family)")
            case 68..<76 where isUp:
                let loss =
                    [FeedLife.Loss.silent, .silent, .notified, .hard]
                    .randomElement(using: &random) ?? .silent
                table.handle(.down(loss))
                reference.lossTime = table.now
                reference.down(loss, table.now)
                story.append("\(table.now) down \(loss)")
            case 0..<70 where !isUp:
                let terms = Self.terms(&random)
                table.handle(.up(terms))
                reference.up(terms, table.now)
                story.append("\(table.now) up \(terms)")
            case 98 where !isUp:
                table.handle(.flush)
                reference.flush()
                story.append("\(table.now) flush")
            default:
                let time = table.now + .seconds(Int.random(in: 1...12, using: &random))
                table.pass(to: time)
                reference.pass(time)
                story.append("\(time) time passes")
            }
            if step % 4 == 3 { try await self.check(table, reference, story) }
        }
        try await self.check(table, reference, story)
    }

    private static func terms(_ random: inout Jitter) -> FeedLife.Terms {
        let families: FamilySet =
            [.both, .both, .ipv4, .ipv6].randomElement(using: &random) ?? .both
        var terms = FeedLife.Terms(
            families: families, sendsEndOfRIB: .random(using: &random),
            coversNotifications: .random(using: &random))
        if Bool.random(using: &random) {
            terms.restartTime = .seconds(Int.random(in: 0...40, using: &random))
        }
        for family in families.families where Bool.random(using: &random) {
            terms.longLived[family] = .seconds(Int.random(in: 0...60, using: &random))
        }
        return terms
    }
}
