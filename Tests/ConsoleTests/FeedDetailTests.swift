// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Console
import Testing

@Suite("A feed's details")
struct FeedDetailTests {
    static let text = FeedDetailText(
        FeedDetail(
            name: "core",
            sections: [
                FeedDetail.Section(
                    "session", "Session",
                    facts: [
                        FeedDetail.Fact("state", .text("Established")),
                        FeedDetail.Fact("since", .age(61)),
                        FeedDetail.Fact("last_error", .unknown, label: "last word"),
                    ]),
                FeedDetail.Section(
                    "change", "Last changes", columns: ["time", "reason"],
                    rows: [[.time(7), .text("it is \"late\"")], [.time(8), .unknown]]),
                FeedDetail.Section("timer", "Timers", columns: ["timer"], rows: []),
            ], hints: ["look here"]), date: { "<\($0)>" })

    @Test("people read them under headings")
    func people() {
        #expect(
            Self.text.linesForPeople == [
                "feed core", "Session:", "  state      Established", "  since      00:01:01",
                "  last word  -", "Last changes:", "  time  reason", "  <7>   it is \"late\"",
                "  <8>   -", "hint: look here",
            ])
    }

    @Test("programs get a line for each section of facts, and for each row")
    func programs() {
        #expect(
            Self.text.linesForPrograms == [
                "session state=Established since=61 last_error=-",
                "change time=7 reason=it_is_\"late\"", "change time=8 reason=-",
                "hint text=look_here",
            ])
    }

    @Test("as JSON a section is an object, or an array of them")
    func json() {
        #expect(
            Self.text.json
                == #"{"feed":"core","session":{"state":"Established","since":61,"last_error":null},"#
                + #""change":[{"time":7,"reason":"it is \"late\""},{"time":8,"reason":null}],"#
                + #""timer":[],"hints":["look here"]}"#)
    }
}

@Suite("Feeds that look misconfigured")
struct FeedHintsTests {
    static func subject(
        _ name: String, ipv4: Int?, ipv6: Int?, isInternal: Bool = false, reflected: Int = 0
    ) -> FeedHints.Subject {
        FeedHints.Subject(
            name: name, isInternal: isInternal, ipv4: ipv4, ipv6: ipv6, reflected: reflected)
    }

    @Test("two full tables are no reason for a word")
    func good() {
        let hints = FeedHints([
            Self.subject("a", ipv4: 1_000_000, ipv6: 200_000),
            Self.subject("b", ipv4: 980_000, ipv6: 190_000, isInternal: true, reflected: 900_000),
        ])
        #expect(hints.all == [])
    }

    @Test("a hundredth of what another has is one")
    func hundredth() {
        let hints = FeedHints([
            Self.subject("a", ipv4: 1_000_000, ipv6: 200_000),
            Self.subject("b", ipv4: 10_000, ipv6: 2_001),
        ])
        #expect(
            hints.all == [
                "b: 10000 IPv4 prefixes, where a has 1000000: is the router to send all that it "
                    + "knows?"
            ])
    }

    @Test("a hundredth of what its limits allow for is one, where no other feed tells more")
    func expected() {
        let subject = FeedHints.Subject(
            name: "a", isInternal: false, ipv4: 7, ipv6: 2000,
            limits: [.ipv4: 1_200_000, .ipv6: 199_999])
        #expect(
            FeedHints([subject]).all == [
                "a: 7 IPv4 prefixes, where limits allow for 1200000: is the router to send all that "
                    + "it knows?"
            ])
        let small = FeedHints.Subject(
            name: "b", isInternal: false, ipv4: 7, ipv6: 1, limits: [.ipv4: 999])
        #expect(FeedHints([small]).all == [])
    }

    @Test("what the table refused is said, and not that the router sent nothing")
    func refused() {
        let hints = FeedHints([
            Self.subject("a", ipv4: 1_000_000, ipv6: 200_000),
            FeedHints.Subject(
                name: "b", isInternal: false, ipv4: 2, ipv6: 0, limits: [.ipv4: 5000],
                missing: 103),
        ])
        #expect(
            hints.all == [
                "b: 103 of its announcements were refused: the table is at its limits, or was "
                    + "('show memory'). When there is room, a router with route refresh is asked "
                    + "for them again; else 'clear feed' brings them"
            ])
    }

    @Test("so are a family that is missing, and one that stays empty")
    func families() {
        let hints = FeedHints([
            Self.subject("a", ipv4: 500, ipv6: nil), Self.subject("b", ipv4: 500, ipv6: 0),
        ])
        #expect(
            hints.hints(about: "a") == [
                "the peer offers no IPv6 unicast, which it is asked for"
            ])
        #expect(
            hints.hints(about: "b") == [
                "no IPv6 prefix has come, though the session carries IPv6"
            ])
        var modest = Self.subject("c", ipv4: 500, ipv6: nil)
        modest.wanted = [.ipv4]
        #expect(FeedHints([modest]).all == [], "it wasn't asked for")
    }

    @Test("an internal feed without a reflected route is one")
    func reflector() {
        let hints = FeedHints([Self.subject("a", ipv4: 500, ipv6: 7, isInternal: true)])
        #expect(hints.all.count == 1)
        #expect(hints.all.first?.contains("route-reflector client") == true)
    }

    @Test("a feed without a route gets one, that says why it may be", arguments: [true, false])
    func empty(isInternal: Bool) {
        let full = Self.subject("full", ipv4: 900_000, ipv6: 200_000)
        let peer = Self.subject("a", ipv4: 0, ipv6: 0, isInternal: isInternal)
        let hints = FeedHints([full, peer]).all
        #expect(hints.count == 1, "\(hints)")
        #expect(
            hints.first?.hasPrefix("a: it has no route: ") == true
                && hints.first?.contains(
                    isInternal ? "route-reflector client" : "export policy") == true
        )
        let missing = FeedHints([Self.subject("a", ipv4: 0, ipv6: nil, isInternal: isInternal)])
        #expect(missing.all.count == 2, "the family that is missing is another matter")
        let refused = FeedHints.Subject(
            name: "a", isInternal: false, ipv4: 0, ipv6: 0, missing: 3)
        #expect(FeedHints([refused]).all.count == 1, "it has sent routes")
        let rejected = FeedHints.Subject(
            name: "a", isInternal: false, ipv4: 0, ipv6: 0, rejected: 3)
        #expect(FeedHints([rejected]).all == [])
    }
}
