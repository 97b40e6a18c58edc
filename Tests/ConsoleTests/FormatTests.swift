// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Console
import RouteTable
import Testing

@Suite("Formats")
struct FormatTests {
    @Test("an entry as Zebra prints it, to the letter")
    func zebra() throws {
        let entry = try Self.designEntry()
        let dates: [Int64: String] = [
            970_847_248: "Fri Oct  6 15:47:28 2000", 970_847_250: "Fri Oct  6 15:47:30 2000",
        ]
        let text = entry.lines { dates[$0] ?? "?" }.joined(separator: "\n") + "\n"
        #expect(
            text == """
                BGP routing table entry for 192.168.193.0/24
                Paths: (2 available, best #2, table Default-IP-Routing-Table)
                  64600 64701 64602
                    192.168.192.12 from 192.168.192.12 (192.168.192.12)
                      Origin IGP, metric 1, localpref 100, valid, internal
                      Last update: Fri Oct  6 15:47:28 2000

                  64702
                    192.168.193.11 from 192.168.193.11 (192.168.193.11)
                      Origin IGP, localpref 100, valid, internal, best
                      Last update: Fri Oct  6 15:47:30 2000


                """)
    }

    /// The entry in the design's example.
    private static func designEntry() throws -> ZebraEntry {
        var first = ZebraEntry.Path(siteAS: 64600, siteName: "a")
        first.asPath = ASPath([64701, 64602])
        first.nextHop = try IPAddress(parsing: "192.168.192.12")
        first.metric = 1
        first.localPreference = 100
        first.isInternal = true
        first.since = 970_847_248
        var second = ZebraEntry.Path(siteAS: 64702, siteName: "b")
        second.nextHop = try IPAddress(parsing: "192.168.193.11")
        second.isInternal = true
        second.since = 970_847_250
        return ZebraEntry(
            prefix: try IPPrefix(parsing: "192.168.193.0/24"), paths: [first, second], best: 1)
    }

    @Test("communities where they are kept, a line for each kind")
    func communities() throws {
        var path = ZebraEntry.Path(siteAS: 64600, siteName: "a")
        path.asPath = ASPath([1])
        path.communities = RouteCommunities(
            standard: [0xfd, 0xe8, 0x02, 0x9a, 0xff, 0xff, 0xff, 0x01],
            extended: [0, 2, 0xfd, 0xe8, 0, 0, 0, 100],
            large: [0, 0, 0xfd, 0xe8, 0, 0, 0, 1, 0, 0, 0, 2])
        let entry = ZebraEntry(prefix: try IPPrefix(parsing: "::/0"), paths: [path], best: nil)
        #expect(
            entry.lines { _ in "" }.dropFirst(5).prefix(3) == [
                "      Community: 65000:666 no-export",
                "      Extended Community: rt:65000:100",
                "      Large Community: 65000:1:2",
            ])
        #expect(entry.table.json.contains("\"communities\":[\"65000:666\",\"no-export\"]"))
    }

    @Test("what rules and validators made of a path; an ignored one isn't valid")
    func judged() throws {
        var path = ZebraEntry.Path(siteAS: 64600, siteName: "a")
        path.asPath = ASPath([1])
        path.tags = ["satellite", "leased"]
        path.validation = .notFound
        var ignored = path
        ignored.isIgnored = true
        ignored.validation = .invalid
        let entry = ZebraEntry(
            prefix: try IPPrefix(parsing: "::/0"), paths: [ignored, path], best: 1)
        let lines = entry.lines { _ in "" }.filter { $0.contains("Origin") || $0.contains("Tags") }
        #expect(
            lines == [
                "      Origin IGP, localpref 100, ignored, external, rpki validation-state: invalid",
                "      Tags: satellite leased",
                """
                      Origin IGP, localpref 100, valid, external, best, \
                rpki validation-state: not-found
                """,
                "      Tags: satellite leased",
            ])
        #expect(
            entry.table.json.contains(
                "\"ignored\":true,\"validation\":\"invalid\",\"tags\":[\"satellite\",\"leased\"]"))
    }

    @Test("a path with what is rare: sets, a stale route, an external peer, no next hop")
    func rarePath() throws {
        var path = ZebraEntry.Path(siteAS: 64600, siteName: "a")
        path.asPath = ASPath(segments: [
            .init(kind: .sequence, members: [1]), .init(kind: .set, members: [2, 3]),
        ])
        path.origin = .incomplete
        path.isStale = true
        let entry = ZebraEntry(prefix: try IPPrefix(parsing: "::/0"), paths: [path], best: nil)
        #expect(
            entry.lines { _ in "" } == [
                "BGP routing table entry for ::/0",
                "Paths: (1 available, no best path, table Default-IP-Routing-Table)",
                "  64600 1 {2,3}",
                "    :: from :: (::)",
                "      Origin incomplete, localpref 100, valid, external, stale",
                "",
            ])
        #expect(entry.table.json.contains("\"as_path\":[1,[2,3]]"))
    }

    @Test("a time as ctime writes it")
    func time() {
        // The zone is the machine's: only what doesn't depend on it is compared.
        let text = LocalTime.ctime(970_847_248)
        #expect(text.hasSuffix(" 2000") && text.contains("Oct  ") && text.count == 24)
    }

    @Test(
        "ages",
        arguments: [
            (0, "00:00:00"), (-5, "00:00:00"), (3_725, "01:02:05"), (86_399, "23:59:59"),
            (90_061, "1d01h01m"), (694_861, "01w1d01h"),
        ])
    func ages(seconds: Int, text: String) {
        #expect(Value.clock(seconds) == text)
    }

    private static var sample: Table {
        var table = Table(
            "things",
            columns: [.alone("thing"), Table.Column("n", right: true), Table.Column("words")])
        table.rows = [
            [.text("a"), .integer(5), .text("two words")],
            [.text(".b"), .none, .list(["x", "y"])],
            [.text("c\"\n"), .real(1.26), .path(ASPath([1, 2]))],
        ]
        table.trailingFields = [("more", .flag(true))]
        return table
    }

    private func written(_ reply: Reply, _ face: Face, newline: String = "\n") -> String {
        var text = ""
        Presentation(face: face, newline: newline).write(reply, prompt: "martlet> ", to: &text)
        return text
    }

    @Test("a table for people, for programs, framed, and as JSON")
    func table() {
        var table = Self.sample
        table.rows[2][0] = .text("c")
        #expect(
            self.written(.table(table), .people, newline: "\r\n")
                == "thing  n  words\r\na      5  two words\r\n.b     -  x y\r\nc      1  1 2\r\nmartlet> "
        )
        #expect(
            self.written(.table(table), .machine)
                == "* 3\na n=5 words=two_words\n..b n=- words=x,y\nc n=1 words=1,2\n.\n")
        #expect(
            self.written(.table(table), .framed)
                == "thing  n  words\na      5  two words\n..b     -  x y\nc      1  1 2\n.ok martlet> \n"
        )
        #expect(
            Self.sample.json
                == #"{"things":[{"thing":"a","n":5,"words":"two words"},{"thing":".b","n":null,"words":["x","y"]},{"thing":"c\"\n","n":1.26,"words":[1,2]}],"more":true}"#
        )
    }

    @Test("lines, silence and errors in each face")
    func others() {
        #expect(self.written(.line("ready"), .people) == "ready\nmartlet> ")
        #expect(self.written(.line("ready"), .machine) == "+ ready\n")
        #expect(self.written(.line("ready"), .framed) == "ready\n.ok martlet> \n")
        #expect(self.written(.silence, .people) == "martlet> ")
        #expect(self.written(.silence, .machine) == "")
        #expect(self.written(.silence, .framed) == ".ok martlet> \n")
        #expect(self.written(.lines([".", ""]), .machine) == "* 2\n..\n\n.\n")
        let failure = CommandFailure(.ourFault, "it broke", details: ["here", "there"])
        #expect(
            self.written(.failure(failure), .people) == "% It broke\n%   here\n%   there\nmartlet> "
        )
        #expect(self.written(.failure(failure), .machine) == "- 500 it broke; here; there\n")
        #expect(
            self.written(.failure(failure), .framed)
                == "% It broke\n%   here\n%   there\n.500 martlet> \n")
    }

    @Test("words for programs never hold a blank")
    func words() {
        #expect(Value.word("a b\tc\n") == "a_b_c_")
        #expect(Value.word("") == "-")
        #expect(Value.text(String?.none).forPrograms == "-")
        #expect(Value.real(.infinity).forPrograms == "\(Int.max)")
    }

    @Test("a stream is sent in pieces, and says when it broke off")
    func stream() async throws {
        struct Broken: Error {}
        let table = Table("rows", columns: [.alone("row"), Table.Column("x")])
        func stream(json: Bool, limit: Int?, breaks: Bool) -> RowStream {
            RowStream(
                table: table, wantsJSON: json,
                slice: { _, wanted in
                    if breaks { throw CommandFailure(.ourFault, "it broke") }
                    let rows = (0..<min(wanted, 3)).map { [Value.integer($0), .none] }
                    return RowStream.Slice(rows: rows, next: nil)
                }, limit: limit)
        }
        func run(_ face: Face, json: Bool = false, limit: Int? = nil, breaks: Bool = false)
            async throws -> (String, Bool)
        {
            var text = ""
            let isGood = try await Presentation(face: face).stream(
                stream(json: json, limit: limit, breaks: breaks), prompt: "> "
            ) { text += $0 }
            return (text, isGood)
        }
        #expect(try await run(.machine) == ("* -\n0 x=-\n1 x=-\n2 x=-\n.\n", true))
        #expect(try await run(.machine, limit: 1) == ("* -\n0 x=-\n.\n", true))
        #expect(try await run(.people, limit: 0) == ("row  x\n0 rows\n> ", true))
        #expect(
            try await run(.machine, json: true, limit: 2)
                == ("+ {\"rows\":[{\"row\":0,\"x\":null},{\"row\":1,\"x\":null}]}\n", true))
        #expect(try await run(.machine, breaks: true) == ("* -\n- 500 it broke\n.\n", false))
        #expect(
            try await run(.framed, breaks: true) == ("row  x\n% It broke\n.500 > \n", false))
        #expect(
            try await run(.people, json: true, breaks: true)
                == ("{\"rows\":[],\"error\":\"it broke\"}\n> ", false))
    }
}
