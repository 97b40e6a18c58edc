// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import BGPSpeaker
import RouteTable
import Testing

@Suite("How often a feed is asked for what was refused")
struct RequestPaceTests {
    /// The seconds at which a feed is asked, of those at which it might be.
    private static func asked(_ seconds: some Sequence<Int>) -> [Int] {
        var pace = RequestPace()
        return seconds.filter { pace.admit(FeedID(1), at: .seconds($0)) }
    }

    @Test("at once, and then ever more seldom while it goes on")
    func doubling() {
        #expect(
            Self.asked(0..<20_000)
                == [0, 60, 180, 420, 900, 1860, 3780, 7380, 10_980, 14_580, 18_180])
    }

    @Test("as at first after four times as long without")
    func calm() {
        #expect(Self.asked([0, 60, 539, 598, 599]) == [0, 60, 539])
        #expect(Self.asked([0, 60, 540, 599, 600]) == [0, 60, 540, 600])
    }

    @Test("each for itself")
    func apart() {
        var pace = RequestPace()
        let asked = [1, 2, 1, 2].map { pace.admit(FeedID($0), at: .seconds(5)) }
        #expect(asked == [true, true, false, false])
    }
}
