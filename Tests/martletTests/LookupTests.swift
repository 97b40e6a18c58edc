// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@Suite("martlet lookup", .timeLimit(.minutes(5)))
struct LookupTests {
    private func withFile(
        _ name: String, _ text: String, _ body: (String) async throws -> Void
    ) async throws {
        let path = FileManager.default.temporaryDirectory
            .appendingPathComponent("\(name)-\(UInt64.random(in: 0 ... .max))").path
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        try await body(path)
    }

    @Test("answers from a route map")
    func routeMap() async throws {
        try await self.withFile("ssrs.routes", "10.0.0.0/8 64600\n10.1.0.0/16 64601 64600\n") {
            path in
            var run = try await Client.run(
                ["lookup", "--table", path, "--ask", "nearest", "10.1.2.3", "10.2.3.4"])
            #expect(
                run.output
                    == "AS64601 (by pinned, for 10.1.0.0/16)\nAS64600 (by pinned, for 10.2.0.0/15)\n"
            )
            #expect(run.status == 0)
            run = try await Client.run(
                ["lookup", "--table", path, "--ask", "bgp", "10.1.2.3"])
            #expect(run.output.contains("\n  64601\n    0.0.0.0 from 0.0.0.0 (0.0.0.0)\n"))
        }
    }

    @Test("names the line of the map that pins an address")
    func pin() async throws {
        let text = "10.0.0.0/8 64600\n\n# a comment\n10.1.0.0/16 64601 64600\n"
        try await self.withFile("ssrs.routes", text) { path in
            let run = try await Client.run(["lookup", "--table", path, "10.1.2.3", "10.2.3.4"])
            #expect(run.output.contains("a route map pins 10.1.0.0/16 here (\(path):4)."))
            #expect(run.output.contains("a route map pins 10.0.0.0/8 here (\(path):1)."))
            let json = try await Client.run(["lookup", "--table", path, "--json", "10.1.2.3"])
            #expect(json.output.contains("\"pin\":\"10.1.0.0/16\",\"pin_source\":"))
        }
    }

    @Test("filters standard input, one address a line, and goes on after a wrong one")
    func batch() async throws {
        try await self.withFile("ssrs.routes", "10.0.0.0/8 64600\n") { path in
            let run = try await Client.run(
                ["lookup", "--table", path, "--ask", "nearest", "--machine"],
                input: "10.1.2.3\n# no address\nfish\n\n10.0.0.1\n")
            #expect(
                run.output
                    == "+ AS64600 - distance=- cost=- scope=0 reason=pinned\n"
                    + "- 400 'fish': unexpected 'f'\n"
                    + "+ AS64600 - distance=- cost=- scope=0 reason=pinned\n")
            #expect(run.status == 1)
        }
    }

    @Test("says what is wrong with a file, with status 2")
    func badFile() async throws {
        try await self.withFile("bad.routes", "10.0.0.0/8 64600\n10.0.0.0/40 64600\n") { path in
            let run = try await Client.run(["lookup", "--table", path, "10.0.0.1"])
            #expect(run.complaints.hasPrefix("martlet: ") && run.complaints.contains(":2:"))
            #expect(run.status == 2)
            let other = try await Client.run(
                ["lookup", "--table", path, "--peer", "AS1", "10.0.0.1"])
            #expect(other.complaints.contains("there is none"))
        }
    }

    @Test("answers from what routers print, a site for each file, with scopes by the answer")
    func text() async throws {
        let heading = "   Network          Next Hop            Metric LocPrf Weight Path\n"
        let near =
            heading + """
                *> 10.0.0.0         192.0.2.1                0             0 1 i
                *> 10.0.0.0/16      192.0.2.1                0             0 1 2 i

                """
        let far =
            "r2#show ip bgp\n" + heading + """
                *> 10.0.0.0         192.0.2.1                0             0 1 2 3 i
                *> 10.128.0.0/9     0.0.0.0                  0         32768 i

                """
        try await self.withFile("near", near) { nearPath in
            try await self.withFile("far", far) { farPath in
                let run = try await Client.run(
                    [
                        "lookup", "--table", nearPath, "--table", farPath, "--ask", "nearest",
                        "--machine",
                    ], input: "10.0.0.1\n10.200.0.1\n")
                func name(_ path: String) -> Substring { path.split(separator: "/").last ?? "" }
                #expect(
                    run.output
                        == "+ \(name(nearPath)) - distance=2 cost=10 scope=9 reason=cost\n"
                        + "+ \(name(farPath)) - distance=0 cost=0 scope=9 reason=cost\n",
                    "\(run.complaints)")
                let entry = try await Client.run(
                    ["lookup", "--table", nearPath, "--ask", "bgp", "10.1.2.3"])
                #expect(entry.output.contains("\n  1\n    192.0.2.1 from 192.0.2.1 "))
                let bad = try await Client.run(
                    ["lookup", "--table", nearPath, "--site", "x=AS1", "10.1.2.3"])
                #expect(bad.complaints.contains("there is none") && bad.status == 2)
            }
        }
        try await self.withFile("bad", heading + "fish\n") { path in
            let run = try await Client.run(["lookup", "--table", path, "10.0.0.1"])
            #expect(run.complaints.contains(":2:1: 'fish'") && run.status == 2)
        }
    }

    private static let dump =
        (ProcessInfo.processInfo.environment["MARTLET_DATA"] ?? "../shared/data")
        + "/mrt/rib/route-views2.rib.20140523.0600.first-9072.gz"

    @Test(
        "answers from a dump: a site for each peer, or those that are named",
        .enabled(
            if: FileManager.default.isReadableFile(atPath: dump), "MARTLET_DATA isn't there"))
    func tableDump() async throws {
        var run = try await Client.run(["lookup", "--table", Self.dump, "--ask", "rank", "1.0.4.1"])
        #expect(run.status == 0)
        #expect(run.output.split(separator: "\n").count > 35)

        run = try await Client.run([
            "lookup", "--table", Self.dump, "--site", "sydney=AS1221", "--site",
            "tokyo=202.232.0.3", "--machine", "1.0.4.1",
        ])
        let lines = run.output.split(separator: "\n")
        #expect(lines.first == "* 2")
        #expect(
            run.output.contains(" sydney distance=4 ")
                && run.output.contains("path=1221,4826,38803,56203"))
        #expect(run.output.contains(" tokyo distance=4 "))

        run = try await Client.run(
            ["lookup", "--table", Self.dump, "--site", "x=AS2914", "1.0.4.1"])
        #expect(run.complaints.contains("more than one peer of AS 2914"))
        #expect(run.status == 2)
    }
}
