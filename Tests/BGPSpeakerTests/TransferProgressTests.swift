// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import BGPWire
import Testing

@Suite("First transfers")
struct TransferProgressTests {
    func progress(
        _ families: FamilySet = .both, sendsEndOfRIB: Bool = false
    ) -> TransferProgress {
        TransferProgress(
            families: families, sendsEndOfRIB: sendsEndOfRIB, quietTime: .seconds(10))
    }

    @Test("End-of-RIB of every family ends it, once")
    func endOfRIB() {
        var both = self.progress()
        let first = both.endOfRIB(.ipv6)
        let second = both.endOfRIB(.ipv4)
        let again = both.endOfRIB(.ipv4)
        #expect([first, second, again] == [false, true, false])
        var one = self.progress(.ipv4)
        let only = one.endOfRIB(.ipv4)
        #expect(only)
        #expect(one.nextLook == nil)
    }

    @Test("quiet ends it; each UPDATE puts that off")
    func quiet() {
        var progress = self.progress()
        #expect(progress.nextLook == .seconds(10))
        progress.update(at: .seconds(7))
        let early = progress.look(at: .seconds(16))
        let due = progress.look(at: .seconds(17))
        let late = progress.look(at: .seconds(18))
        #expect([early, due, late] == [false, true, false])
    }

    @Test("a peer that is never quiet doesn't hold it open for ever")
    func busy() {
        var progress = self.progress()
        for second in 1...119 {
            progress.update(at: .seconds(second))
            let isOver = progress.look(at: .seconds(second))
            #expect(!isOver)
        }
        progress.update(at: .seconds(120))
        let isOver = progress.look(at: .seconds(120))
        #expect(isOver)
    }

    @Test("a peer that sends End-of-RIB has more time")
    func patience() {
        var progress = self.progress(sendsEndOfRIB: true)
        #expect(progress.nextLook == .seconds(120))
        progress.update(at: .seconds(590))
        #expect(progress.nextLook == .seconds(600))
        let isOver = progress.look(at: .seconds(600))
        #expect(isOver)
    }
}

@Suite("Complaints in the log")
struct ComplaintLimiterTests {
    @Test("so many a minute, and then how many were left out")
    func limit() {
        var limiter = ComplaintLimiter()
        var admitted = 0
        for _ in 0..<100 where limiter.admit(at: 600) != nil { admitted += 1 }
        #expect(admitted == ComplaintLimiter.linesAMinute)
        let (same, next, after) = (
            limiter.admit(at: 659), limiter.admit(at: 660), limiter.admit(at: 661)
        )
        #expect(same == nil)
        #expect(next == 81)
        #expect(after == 0)
    }
}
