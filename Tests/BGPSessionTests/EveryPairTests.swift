// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import BGPSession
import BGPWire
import Testing

@Suite("Every state and every event")
struct EveryPairTests {
    @Test("all six states, each event of RFC 4271 §8.1 that applies, and RFC 9687's")
    func complete() {
        #expect(Set(Situation.all.map(\.state)) == Set(SessionState.allCases))
        let kinds = Set(SessionEvent.samples.map(\.kind))
        var numbers: Set<Int> = []
        for kind in kinds {
            for part in kind.split(whereSeparator: { !$0.isNumber }) {
                if let number = Int(part) { numbers.insert(number) }
            }
        }
        // 4 to 6 are forms of 1 and 3 by our settings; 14 and 15 are the kernel's business, which
        // tells of connections only once they are there.
        #expect(numbers.isSuperset(of: [1, 2, 3, 7, 8, 9, 10, 11, 12, 13]))
        #expect(numbers.isSuperset(of: 16...29))
        #expect(kinds.count == 23)
    }

    @Test("keep the books straight", arguments: Situation.all)
    func pair(situation: Situation) {
        #expect(situation.audit.machine.state == situation.state)
        #expect(situation.audit.problems.isEmpty)
        for event in SessionEvent.samples {
            var audit = situation.audit
            guard audit.isPossible(event) else { continue }
            audit.take(event)
            #expect(audit.problems.isEmpty, "\(audit.problems)")
            #expect(
                situation.allows(audit.machine.state, after: event),
                "\(event.kind) leads to \(audit.machine.state)")
        }
    }

    @Test("and so does every event after every event", arguments: Situation.all)
    func triple(situation: Situation) {
        for first in SessionEvent.samples {
            var before = situation.audit
            guard before.isPossible(first) else { continue }
            before.take(first)
            for second in SessionEvent.samples {
                var audit = before
                audit.take(second)
                if !audit.problems.isEmpty {
                    Issue.record("\(first), \(second): \(audit.problems)")
                }
            }
        }
    }

    @Test("long sequences of anything, under any settings", arguments: 1...60)
    func anySequence(seed: Int) {
        var random = Jitter(seed: UInt64(seed))
        for _ in 0..<20 {
            var settings = Rig.settings
            settings.connect = ConnectMode.allCases.randomElement(using: &random) ?? .both
            if Bool.random(using: &random) { settings.delayOpen = .seconds(3) }
            settings.dampPeerOscillations = Bool.random(using: &random)
            settings.gracefulRestart = Bool.random(using: &random)
            settings.enhancedRefresh = Bool.random(using: &random)
            var audit = SessionAudit(settings, seed: random.next())
            for _ in 0..<150 {
                if Int.random(in: 0..<50, using: &random) == 0 {
                    settings.connect = ConnectMode.allCases.randomElement(using: &random) ?? .both
                    audit.adjust(to: settings)
                }
                guard let event = SessionEvent.samples.randomElement(using: &random) else { return }
                audit.take(event)
            }
            audit.take(.stop(.cease(.administrativeShutdown)))
            #expect(audit.machine.state == .idle)
            #expect(audit.timers.isEmpty && audit.open.isEmpty, "\(audit.timers)")
            #expect(audit.problems.isEmpty, "\(audit.problems.prefix(3))")
        }
    }
}

extension Situation {
    /// Which states RFC 4271 §8.2.2 lets follow, whatever the event.
    func allows(_ next: SessionState, after event: SessionEvent) -> Bool {
        if next == self.state { return true }
        switch (self.state, next) {
        // A start is the only way out of Idle, or the end of a wait.
        case (.idle, .connect), (.idle, .active):
            return event == .start || event == .expired(.idleHold)
        // Nobody is Established, or OpenConfirm, without what leads there.
        case (.openConfirm, .established): return event.isMessage(.keepalive)
        case (.connect, .openConfirm), (.active, .openConfirm), (.openSent, .openConfirm):
            return event.isMessage(.open)
        case (.established, .openConfirm): return event.isMessage(.open)
        case (.connect, .openSent), (.active, .openSent), (.established, .openSent),
            (.openConfirm, .openSent):
            return true
        case (.connect, .active), (.active, .connect): return true
        case (.openSent, .active), (.openConfirm, .active), (.established, .active),
            (.openSent, .connect):
            return !event.isOwnReason
        // Idle follows a stop, and an error that we found.
        case (_, .idle): return event.isOwnReason || event.isReceived || event.isTimer
        default: return false
        }
    }
}

extension SessionEvent {
    fileprivate func isMessage(_ type: MessageType) -> Bool {
        switch self {
        case .received(_, .open): type == .open
        case .received(_, .keepalive): type == .keepalive
        default: false
        }
    }

    fileprivate var isReceived: Bool { if case .received = self { true } else { false } }
    fileprivate var isTimer: Bool { if case .expired = self { true } else { false } }
    fileprivate var isOwnReason: Bool {
        switch self {
        case .stop, .suspend, .malformed: true
        default: false
        }
    }
}
