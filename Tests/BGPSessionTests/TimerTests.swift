// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPWire
import Testing

@Suite("Timers")
struct TimerTests {
    @Test("waits between tries double up to their bound, with jitter (RFC 4271 §10)")
    func backOff() throws {
        var settings = Rig.settings
        settings.retry = .seconds(4)
        settings.maximumRetry = .seconds(60)
        for seed in 1...20 as ClosedRange<UInt64> {
            var rig = Rig(settings, seed: seed)
            rig.take(.start)
            for expected in [4, 8, 16, 32, 60, 60, 60] {
                let failed = rig.take(.connectFailed("refused"))
                let wait = try #require(
                    failed.duration(of: .connectRetry))
                #expect(wait >= .seconds(Double(expected) * 0.75))
                #expect(wait <= .seconds(expected))
                rig.take(.expired(.connectRetry))
            }
        }
    }

    @Test("waits differ from seed to seed, not from run to run")
    func jitter() {
        func wait(_ seed: UInt64) -> Duration? {
            var rig = Rig(Rig.settings, seed: seed)
            rig.take(.start)
            return rig.take(.connectFailed("")).duration(of: .connectRetry)
        }
        #expect(wait(1) == wait(1))
        #expect(Set((1...50).map { wait($0) }).count > 40)
    }

    @Test("a session that lasted begins the waits anew, one that didn't doesn't")
    func stability() throws {
        func waitAfterSession(lasting: Bool) -> Duration? {
            var rig = Rig()
            rig.take(.start)
            for _ in 0..<6 {
                rig.take(.connectFailed(""))
                rig.take(.expired(.connectRetry))
            }
            rig.take(.connected)
            rig.take(.received(.outgoing, .open(Rig.open())))
            rig.take(.received(.outgoing, .keepalive))
            if lasting { rig.take(.expired(.stability)) }
            return rig.take(.closed(.outgoing, nil)).duration(of: .connectRetry)
        }
        #expect(try #require(waitAfterSession(lasting: true)) <= .seconds(5))
        #expect(try #require(waitAfterSession(lasting: false)) >= .seconds(90))
    }

    @Test("messages put the hold timer off")
    func hold() {
        for message in [ReceivedMessage.update, .keepalive] {
            var rig = Rig.at(.established)
            let actions = rig.take(.received(.outgoing, message))
            #expect(actions == [.startTimer(.hold(.outgoing), .seconds(30))])
        }
    }

    @Test("keepalives go out, each with a new wait")
    func keepalive() throws {
        var rig = Rig.at(.established)
        var waits: Set<Duration> = []
        for _ in 0..<20 {
            let actions = rig.take(.expired(.keepalive(.outgoing)))
            #expect(actions.contains(.send(.outgoing, .keepalive)))
            let wait = try #require(actions.duration(of: .keepalive(.outgoing)))
            #expect(wait >= .seconds(7.5) && wait <= .seconds(10))
            waits.insert(wait)
        }
        #expect(waits.count > 10)
    }

    @Test("what can't be written for eight minutes ends the session (RFC 9687)")
    func sendHold() {
        var rig = Rig.at(.established)
        let sent = rig.take(.expired(.keepalive(.outgoing)))
        #expect(sent.duration(of: .sendHold(.outgoing)) == .seconds(480))
        let next = rig.take(.expired(.keepalive(.outgoing)))
        #expect(
            next.duration(of: .sendHold(.outgoing)) == nil,
            "it runs from the first")
        let flushed = rig.take(.flushed(.outgoing))
        #expect(flushed == [.stopTimer(.sendHold(.outgoing))])
        let again = rig.take(.flushed(.outgoing))
        #expect(again.isEmpty)
        rig.take(.expired(.keepalive(.outgoing)))
        let end = rig.take(.expired(.sendHold(.outgoing)))
        #expect(end.notifications == [Notification(.sendHoldTimerExpired)])
        #expect(end.isDown)
    }

    @Test("a peer has four minutes to say who it is")
    func openHold() {
        var rig = Rig()
        rig.take(.start)
        let opened = rig.take(.connected)
        #expect(opened.duration(of: .hold(.outgoing)) == .seconds(240))
    }

    @Test("a dial without an answer is given up and begun again")
    func noAnswer() {
        var rig = Rig.at(.connect)
        let actions = rig.take(.expired(.connectRetry))
        #expect(actions.contains(.abandonDial))
        #expect(actions.contains(.dial))
        #expect(actions.end == .connectFailed("no answer"))
    }
}
