// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import BGPWire
import Testing

@Suite("What becomes of a feed's routes")
struct FeedLifeTests {
    static let staleTime = Duration.seconds(180)

    static func life() -> FeedLife {
        FeedLife(staleTime: Self.staleTime, quietTime: .seconds(10))
    }

    /// Without the first transfer's timer, which is another matter.
    static func steps(_ steps: [FeedLife.Step]) -> [FeedLife.Step] {
        steps.filter {
            switch $0 {
            case .startTimer(.transfer, _), .stopTimer: false
            default: true
            }
        }
    }

    /// A life whose first session came whole.
    static func complete(_ terms: FeedLife.Terms) -> FeedLife {
        var life = Self.life()
        _ = life.handle(.up(terms), at: .zero)
        for family in terms.families.families {
            _ = life.handle(.endOfRIB(family), at: .seconds(1))
        }
        return life
    }

    @Test("they come whole by End-of-RIB of all families, each family by its own")
    func endOfRIB() {
        var life = Self.life()
        #expect(Self.steps(life.handle(.up(FeedLife.Terms()), at: .zero)) == [.table(.up)])
        #expect(
            Self.steps(life.handle(.endOfRIB(.ipv4), at: .seconds(1))) == [
                .table(.familyComplete(.ipv4))
            ])
        #expect(life.handle(.endOfRIB(.ipv4), at: .seconds(1)) == [], "said twice")
        #expect(!life.isComplete)
        #expect(
            Self.steps(life.handle(.endOfRIB(.ipv6), at: .seconds(2)))
                == [.table(.complete), .become(.live)])
        #expect(life.isComplete)
        #expect(life.ended == .both)
    }

    @Test("quiet completes them too")
    func quiet() {
        var life = Self.life()
        let steps = life.handle(.up(FeedLife.Terms(families: .ipv4)), at: .seconds(100))
        #expect(steps.contains(.startTimer(.transfer, at: .seconds(110))))
        _ = life.handle(.news, at: .seconds(104))
        #expect(
            life.handle(.expired(.transfer), at: .seconds(110))
                == [.startTimer(.transfer, at: .seconds(114))])
        #expect(
            Self.steps(life.handle(.expired(.transfer), at: .seconds(114)))
                == [.table(.complete), .become(.live)])
    }

    @Test("they outlive a session for the stale time, and go at once")
    func stale() {
        var life = Self.complete(FeedLife.Terms())
        #expect(
            Self.steps(life.handle(.down(.silent), at: .seconds(50)))
                == [.table(.down), .become(.stale), .startTimer(.stale, at: .seconds(230))])
        #expect(life.deadline == .seconds(230))
        #expect(
            Self.steps(life.handle(.expired(.stale), at: .seconds(230)))
                == [.table(.flush), .become(.lost)])
        #expect(life.deadline == nil)
    }

    @Test("sessions that end before they have brought them whole don't prolong their time")
    func flapping() {
        var life = Self.complete(FeedLife.Terms())
        _ = life.handle(.down(.silent), at: .seconds(50))
        for second in stride(from: 60, to: 220, by: 20) {
            _ = life.handle(.up(FeedLife.Terms()), at: .seconds(second))
            let steps = Self.steps(life.handle(.down(.silent), at: .seconds(second + 10)))
            #expect(steps.contains(.startTimer(.stale, at: .seconds(230))))
        }
        _ = life.handle(.up(FeedLife.Terms()), at: .seconds(225))
        let steps = Self.steps(life.handle(.down(.silent), at: .seconds(240)))
        #expect(steps == [.table(.down), .become(.stale), .table(.flush), .become(.lost)])
    }

    @Test("a family that has come whole has a time of its own again")
    func families() {
        var life = Self.complete(FeedLife.Terms())
        _ = life.handle(.down(.silent), at: .seconds(50))
        _ = life.handle(.up(FeedLife.Terms(sendsEndOfRIB: true)), at: .seconds(60))
        _ = life.handle(.endOfRIB(.ipv4), at: .seconds(70))
        let steps = Self.steps(life.handle(.down(.silent), at: .seconds(220)))
        #expect(steps.last == .startTimer(.stale, at: .seconds(230)))
        #expect(
            Self.steps(life.handle(.expired(.stale), at: .seconds(230)))
                == [.table(.staleExpired(.ipv6)), .startTimer(.stale, at: .seconds(400))])
        #expect(
            Self.steps(life.handle(.expired(.stale), at: .seconds(400)))
                == [.table(.flush), .become(.lost)])
    }

    @Test(
        "the peer's restart time counts where it was agreed, through NOTIFICATIONs where that was",
        arguments: [
            (FeedLife.Loss.silent, false, 20), (.silent, true, 20), (.notified, false, 180),
            (.notified, true, 20),
        ])
    func restart(loss: FeedLife.Loss, covers: Bool, seconds: Int) {
        var life = Self.complete(
            FeedLife.Terms(
                sendsEndOfRIB: true, restartTime: .seconds(20), coversNotifications: covers))
        let steps = life.handle(.down(loss), at: .seconds(50))
        #expect(steps.contains(.startTimer(.stale, at: .seconds(50 + seconds))))
    }

    @Test("nothing outlives a Hard Reset, a shutdown, or the feed", arguments: [true, false])
    func hard(isUp: Bool) {
        var life = Self.complete(FeedLife.Terms(restartTime: .seconds(20)))
        if !isUp { _ = life.handle(.down(.silent), at: .seconds(2)) }
        let steps = Self.steps(life.handle(.down(.hard), at: .seconds(3)))
        #expect(steps == (isUp ? [.table(.down)] : []) + [.table(.flush), .become(.lost)])
        #expect(life.handle(.expired(.stale), at: .seconds(400)) == [], "a timer that was late")
    }

    @Test("what the peer said is long-lived goes on, the rest goes after the restart time")
    func longLived() {
        let terms = FeedLife.Terms(
            sendsEndOfRIB: true, restartTime: .seconds(20), longLived: [.ipv4: .seconds(3600)])
        var life = Self.complete(terms)
        _ = life.handle(.down(.silent), at: .seconds(50))
        #expect(
            Self.steps(life.handle(.expired(.stale), at: .seconds(70))) == [
                .table(.longLivedStale(.ipv4)), .table(.staleExpired(.ipv6)),
                .startTimer(.stale, at: .seconds(3670)),
            ])
        // A session that ends at once doesn't prolong it; what it brought is long-lived stale too.
        _ = life.handle(.up(terms), at: .seconds(100))
        let steps = Self.steps(life.handle(.down(.silent), at: .seconds(110)))
        #expect(steps.contains(.table(.longLivedStale(.ipv4))))
        #expect(steps.contains(.startTimer(.stale, at: .seconds(130))), "IPv6 has come anew")
        _ = life.handle(.expired(.stale), at: .seconds(130))
        #expect(
            Self.steps(life.handle(.expired(.stale), at: .seconds(3670)))
                == [.table(.flush), .become(.lost)])
    }

    @Test("a refresh has a beginning and an end, of a family that the session has")
    func refresh() {
        var life = Self.complete(FeedLife.Terms(families: .ipv4))
        #expect(life.handle(.refreshEnded(.ipv4), at: .zero) == [], "an end without a beginning")
        #expect(life.handle(.refreshBegan(.ipv6), at: .zero) == [])
        #expect(life.handle(.refreshBegan(.ipv4), at: .zero) == [.table(.refreshBegan(.ipv4))])
        #expect(life.refreshed == .ipv4)
        #expect(life.handle(.refreshEnded(.ipv4), at: .zero) == [.table(.refreshEnded(.ipv4))])
        #expect(life.refreshed == [])
        _ = life.handle(.refreshBegan(.ipv4), at: .zero)
        _ = life.handle(.down(.silent), at: .zero)
        _ = life.handle(.up(FeedLife.Terms(families: .ipv4)), at: .zero)
        #expect(life.handle(.refreshEnded(.ipv4), at: .zero) == [], "another session's")
    }

    @Test("a refresh that begins before End-of-RIB is ignored, and so is its end (RFC 7313 §4)")
    func earlyRefresh() {
        let terms = FeedLife.Terms(sendsEndOfRIB: true, restartTime: .seconds(120))
        var life = Self.complete(terms)
        _ = life.handle(.down(.silent), at: .seconds(10))
        _ = life.handle(.up(terms), at: .seconds(20))
        #expect(life.handle(.refreshBegan(.ipv4), at: .seconds(21)) == [])
        #expect(life.refreshed == [])
        #expect(life.handle(.refreshEnded(.ipv4), at: .seconds(22)) == [])
        // What is stale is still to go when it should.
        let steps = Self.steps(life.handle(.down(.silent), at: .seconds(30)))
        #expect(
            steps == [.table(.down), .become(.stale), .startTimer(.stale, at: .seconds(130))])
        // After that of its family, or once nobody waits for it any more, it counts.
        _ = life.handle(.up(terms), at: .seconds(40))
        _ = life.handle(.endOfRIB(.ipv4), at: .seconds(41))
        #expect(
            life.handle(.refreshBegan(.ipv4), at: .seconds(42)) == [.table(.refreshBegan(.ipv4))])
        #expect(life.handle(.refreshBegan(.ipv6), at: .seconds(42)) == [])
        _ = life.handle(.expired(.transfer), at: .seconds(1000))
        #expect(life.isComplete)
        #expect(
            life.handle(.refreshBegan(.ipv6), at: .seconds(1001))
                == [.table(.refreshBegan(.ipv6))])
    }

    @Test("restored ones are stale until a session comes, and go where none does")
    func restored() {
        var life = Self.life()
        #expect(
            Self.steps(life.handle(.restored, at: .zero))
                == [.become(.stale), .startTimer(.stale, at: Self.staleTime)])
        var other = life
        #expect(
            Self.steps(life.handle(.up(FeedLife.Terms()), at: .seconds(9)))
                == [.table(.up), .become(.live)])
        #expect(
            Self.steps(other.handle(.unrestored, at: .seconds(9))) == [
                .table(.flush), .become(.lost),
            ])
    }

    @Test("what never came whole was never shown, and is no stale feed")
    func broken() {
        var life = Self.life()
        _ = life.handle(.up(FeedLife.Terms()), at: .zero)
        let steps = Self.steps(life.handle(.down(.silent), at: .seconds(5)))
        #expect(steps == [.table(.down), .startTimer(.stale, at: .seconds(185))])
        #expect(life.liveness == .lost)
        #expect(Self.steps(life.handle(.expired(.stale), at: .seconds(185))) == [.table(.flush)])
    }
}
