// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Console
import Testing

@Suite("show dns")
struct DNSReportTests {
    private func run(_ line: String, _ face: Face = .machine) async throws -> String {
        let fixture = try await Fixture()
        fixture.serveDNS()
        return await (try fixture.interpreter()).run(line, face: face).text
    }

    @Test("lists the counters, in both faces and as JSON")
    func counters() async throws {
        #expect(
            try await self.run("show dns") == """
                * 5
                queries what=udp count=12
                queries what=tcp count=0
                codes what=NOERROR count=11
                sites what=new_york count=3
                scopes what=/24 count=9223372036854775807
                .

                """)
        let people = try await self.run("sh dns", .people).split(separator: "\n")
        #expect(people.first?.split(separator: " ") == ["kind", "what", "count"])
        #expect(people.contains { $0.split(separator: " ") == ["codes", "NOERROR", "11"] })
        #expect(
            try await self.run("show dns --json").hasPrefix(
                "+ {\"counters\":[{\"kind\":\"queries\",\"what\":\"udp\",\"count\":12},"))
    }

    @Test("lists zones by name, and names by how often they are asked for")
    func zonesAndNames() async throws {
        #expect(
            try await self.run("show dns zones") == """
                * 2
                example.com. queries=10 missing=0 with_subnet=9
                example.net. queries=2 missing=1 with_subnet=0
                .

                """)
        #expect(
            try await self.run("show dns names limit 2") == """
                * 2
                www.example.com. zone=example.com. queries=9 sites=sydney:6,tokyo:3
                a.example.com. zone=example.com. queries=1 sites=-
                .

                """)
        #expect(
            try await self.run("show dns names zone Example.NET") == """
                * 1
                b.example.net. zone=example.net. queries=1 sites=-
                .

                """)
        #expect(
            try await self.run("show dns names zone example.org")
                == "- 404 no zone 'example.org.' has been served\n")
        let json = try await self.run("show dns names zone example.com --json")
        #expect(json.contains("\"sites\":[\"sydney:6\",\"tokyo:3\"]"))
        #expect(
            try await self.run("complete show dns names zone ").contains("example.com."))
    }

    @Test("lists the places where DNS is served")
    func listeners() async throws {
        #expect(
            try await self.run("show dns listeners") == """
                * 2
                [::]:53 over=udp,tcp client_subnet=off proxies=192.0.2.0/24,2001:db8::/32 \
                certificate=- expires=- problem=-
                [::]:853 over=tls client_subnet=on proxies=- certificate=/etc/martlet/dot.pem \
                expires=2026-12-01_10:00_UTC problem=it_expires
                .

                """)
        #expect(
            try await self.run("show dns listeners", .people).contains("2026-12-01 10:00 UTC"))
    }

    @Test("says where DNS isn't served")
    func none() async throws {
        let interpreter = try await Fixture().interpreter()
        for line in ["show dns", "show dns zones", "show dns names", "show dns listeners"] {
            let reply = await interpreter.run(line, face: .machine)
            #expect(
                reply.text
                    == "- 404 DNS isn't served: see 'listen: dns' in the configuration\n")
        }
    }
}
