// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPWire
import Testing

@Suite("Stops and oscillations")
struct SuspensionTests {
    static let limit = Notification.maximumPrefixes(.ipv4, bound: 1000)

    @Test("an automatic stop without an end lasts until a start")
    func forGood() {
        var rig = Rig.at(.established)
        let actions = rig.take(.suspend(Self.limit, restartAfter: nil))
        #expect(actions.notifications == [Self.limit])
        #expect(actions.end == .sent(Self.limit))
        #expect(rig.state == .idle)
        let refused = rig.take(.accepted)
        #expect(refused == [.refuse(.cease(.connectionRejected))])
        let started = rig.take(.start)
        #expect(started.contains(.dial))
    }

    @Test("one with an end is over then, or when an operator says so")
    func forAWhile() {
        for event in [SessionEvent.expired(.idleHold), .start] {
            var rig = Rig.at(.established)
            let actions = rig.take(.suspend(Self.limit, restartAfter: .seconds(300)))
            #expect(actions.duration(of: .idleHold) == .seconds(300), "to the second")
            #expect(rig.state == .idle)
            let refused = rig.take(.accepted)
            #expect(refused == [.refuse(.cease(.connectionRejected))])
            let started = rig.take(event)
            #expect(started.contains(.dial))
            #expect(rig.state == .connect)
        }
    }

    @Test("damping is an option: without it, callers are let in after any error")
    func damping() {
        var settings = Rig.settings
        settings.dampPeerOscillations = false
        var rig = Rig.at(.established, settings: settings)
        let actions = rig.take(.malformed(.outgoing, .update(.malformedAttributeList)))
        #expect(actions.duration(of: .idleHold) == nil)
        #expect(actions.duration(of: .connectRetry) != nil, "but we don't dial at once")
        #expect(rig.state == .active)
        let adopted = rig.take(.accepted)
        #expect(adopted.contains(.adopt))
    }

    @Test("each error in a row doubles the wait, up to the bound")
    func doubling() throws {
        var settings = Rig.settings
        settings.retry = .seconds(4)
        settings.maximumRetry = .seconds(60)
        settings.connect = .passive
        var rig = Rig(settings)
        rig.take(.start)
        for expected in [4, 8, 16, 32, 60, 60] {
            rig.take(.accepted)
            let failed = rig.take(.malformed(.incoming, .header(.notSynchronized)))
            let wait = try #require(failed.duration(of: .idleHold))
            #expect(wait >= .seconds(Double(expected) * 0.75) && wait <= .seconds(expected))
            rig.take(.expired(.idleHold))
        }
    }

    @Test("an error on a call while we dial holds the dial, too")
    func whileDialling() {
        var rig = Rig.at(.connect)
        rig.take(.accepted)
        let actions = rig.take(.malformed(.incoming, .header(.notSynchronized)))
        #expect(actions.contains(.abandonDial))
        #expect(actions.stops(.connectRetry))
        #expect(rig.state == .idle)
    }

    @Test("a call that comes while our dial is out doesn't leave it without a limit")
    func dialIsWatched() {
        var rig = Rig.at(.connect)
        rig.take(.accepted)
        let actions = rig.take(.expired(.connectRetry))
        #expect(actions.duration(of: .connectRetry) != nil)
        #expect(!actions.contains(.dial))
    }
}
