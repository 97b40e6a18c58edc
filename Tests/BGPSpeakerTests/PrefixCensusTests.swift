// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import Testing

@Suite("The count of a session's prefixes")
struct PrefixCensusTests {
    @Test("is asked for only where an upper bound has reached the warning")
    func bound() {
        var census = PrefixCensus(limits: PrefixLimits(ipv4: 100, warning: 80))
        census.begin()
        census.announced(79, .ipv4)
        census.announced(100_000, .ipv6)
        #expect(census.wantsCount() == false)
        census.announced(1, .ipv4)
        #expect(census.wantsCount() == true)
        #expect(census.wantsCount() == false, "one question at a time")
        // The same prefixes again and again are no more prefixes.
        #expect(census.counted(ipv4: 40, ipv6: 9) == [])
        #expect(census.wantsCount() == false)
        census.announced(39, .ipv4)
        #expect(census.wantsCount() == false)
        census.announced(1, .ipv4)
        #expect(census.wantsCount() == true)
    }

    @Test("takes what was announced while the answer was on its way as prefixes")
    func meanwhile() {
        var census = PrefixCensus(limits: PrefixLimits(ipv6: 100, warning: 50))
        census.begin()
        census.announced(60, .ipv6)
        #expect(census.wantsCount() == true)
        census.announced(45, .ipv6)
        #expect(census.counted(ipv4: 0, ipv6: 10) == [])
        #expect(census.wantsCount() == true, "10 and 45 may be 55")
    }

    @Test("warns once, and again when it has fallen and risen")
    func warning() {
        var census = PrefixCensus(limits: PrefixLimits(ipv4: 10, warning: 80))
        census.begin()
        census.announced(8, .ipv4)
        #expect(census.wantsCount() == true)
        #expect(census.counted(ipv4: 8, ipv6: 0) == [.warn(.ipv4, count: 8, limit: 10)])
        #expect(census.wantsCount() == false)
        census.announced(3, .ipv4)
        #expect(census.wantsCount() == true, "it may be too many now")
        #expect(census.counted(ipv4: 9, ipv6: 0) == [])
        census.announced(2, .ipv4)
        #expect(census.wantsCount() == true)
        #expect(census.counted(ipv4: 7, ipv6: 0) == [])
        census.announced(1, .ipv4)
        #expect(census.wantsCount() == true)
        #expect(census.counted(ipv4: 8, ipv6: 0) == [.warn(.ipv4, count: 8, limit: 10)])
    }

    @Test("finds one family too many, and the limit itself enough")
    func exceeded() {
        var census = PrefixCensus(limits: PrefixLimits(ipv4: 10, ipv6: 5))
        census.begin()
        census.announced(10, .ipv4)
        census.announced(6, .ipv6)
        #expect(census.wantsCount() == true)
        #expect(
            census.counted(ipv4: 10, ipv6: 6) == [
                .warn(.ipv4, count: 10, limit: 10), .exceeded(.ipv6, count: 6, limit: 5),
            ])
        census.begin()
        #expect(census.wantsCount() == false, "another session begins with none")
    }
}
