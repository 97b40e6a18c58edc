// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPWire
import Testing

/// Two machines on one network: whatever happened before, they come to have one session.
@Suite("Two speakers")
struct ConvergenceTests {
    static func pair(_ random: inout Jitter) -> (SessionSettings, SessionSettings) {
        let isInternal = Int.random(in: 0..<4, using: &random) == 0
        func settings(_ local: ASNumber, _ peer: ASNumber) -> SessionSettings {
            var settings = SessionSettings(
                localAS: local, peerAS: isInternal ? local : peer,
                identifier: UInt32.random(in: 1...3, using: &random), holdTimeSeconds: 30)
            settings.connect = .both
            settings.retry = .seconds(Int.random(in: 1...5, using: &random))
            settings.maximumRetry = .seconds(Int.random(in: 5...60, using: &random))
            settings.gracefulRestart = Bool.random(using: &random)
            if Int.random(in: 0..<3, using: &random) == 0 {
                settings.delayOpen = .milliseconds(Int.random(in: 1...2000, using: &random))
            }
            settings.dampPeerOscillations = Bool.random(using: &random)
            return settings
        }
        let a = settings(65000, 65001)
        var b = settings(65001, 65000)
        if isInternal {
            b.localAS = a.localAS
            b.peerAS = a.localAS
            b.identifier = a.identifier + 1
        }
        // One of them may only listen.
        switch Int.random(in: 0..<6, using: &random) {
        case 0: b.connect = .passive
        case 1: b.connect = .active
        default: break
        }
        return (a, b)
    }

    @Test("that dial each other again and again end up with one session", arguments: 1...100)
    func converge(seed: Int) {
        var random = Jitter(seed: UInt64(seed))
        let (a, b) = Self.pair(&random)
        let delay = [1, 20, 400, 3000].randomElement(using: &random) ?? 1
        var network = Network(a, b, maximumDelay: delay, seed: random.next())
        network.start(0)
        network.start(1)
        // Ten minutes in which connections break, and dials are refused now and then.
        for minute in 1...20 {
            network.run(until: .seconds(30 * minute))
            network.isRefusing = [
                Int.random(in: 0..<5, using: &random) == 0,
                Int.random(in: 0..<5, using: &random) == 0,
            ]
            network.breakSomething(silently: Bool.random(using: &random))
        }
        network.isRefusing = [false, false]
        // Then peace: after as long as waits last, there is one session, and it stays.
        network.run(until: .seconds(600 + 400))
        #expect(network.isOneSession, "seed \(seed)")
        #expect(network.openLinks == 1, "seed \(seed)")
        let changes = network.lastChange
        let sessions = network.sessions
        network.run(until: .seconds(600 + 800))
        #expect(network.isOneSession && network.lastChange == changes, "seed \(seed)")
        #expect(network.sessions == sessions, "seed \(seed)")
    }

    @Test("that start at the very same moment need few tries", arguments: 1...100)
    func sameMoment(seed: Int) {
        var settings = SessionSettings(
            localAS: 65000, peerAS: 65001, identifier: 1, holdTimeSeconds: 90)
        let a = settings
        settings.localAS = 65001
        settings.peerAS = 65000
        settings.identifier = 2
        // Every message takes as long as every other: all collisions that there can be.
        var network = Network(a, settings, maximumDelay: 1, seed: UInt64(seed))
        network.start(0)
        network.start(1)
        network.run(until: .seconds(120))
        #expect(network.isOneSession, "seed \(seed)")
        #expect(network.sessions <= 4, "\(network.sessions) ends of sessions came up")
    }
}
