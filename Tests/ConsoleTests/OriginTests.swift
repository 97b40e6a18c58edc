// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Console
import Testing

@Suite("show rpki")
struct OriginTests {
    private static let report = OriginReport(
        caches: [
            OriginReport.Cache(
                name: "192.0.2.1:323", state: "waiting", version: 1, next: 1_000_000_020,
                lastError: "Connection refused"),
            OriginReport.Cache(
                name: "192.0.2.2:3323", state: "synchronised", version: 0, session: 7, serial: 9,
                ipv4Payloads: 400_000, ipv6Payloads: 100_000, isInForce: true,
                answered: 1_000_000_000, next: 1_000_003_600, expires: 1_000_007_200),
        ], ignoresInvalid: true)

    @Test("tells how each cache is")
    func caches() async throws {
        let fixture = try await Fixture()
        fixture.setOrigins(Self.report)
        let machine = await (try fixture.interpreter()).run("show rpki", face: .machine)
        #expect(
            machine.text == """
                * 2
                192.0.2.1:323 state=waiting used=no version=1 session=- serial=- ipv4=0 ipv6=0 \
                age=- next=3 expires=- error=Connection_refused
                192.0.2.2:3323 state=synchronised used=yes version=0 session=7 serial=9 \
                ipv4=400000 ipv6=100000 age=17 next=3583 expires=7183 error=-
                .

                """)
        let people = await (try fixture.interpreter()).run("sh rpki")
        #expect(people.text.contains("Invalid routes are ignored."))
        let json = await (try fixture.interpreter()).run("show rpki --json", face: .machine)
        #expect(
            json.text.hasPrefix(
                "+ {\"invalid\":\"ignore\",\"caches\":[{\"cache\":\"192.0.2.1:323\""))
    }

    @Test("tells which payloads cover a prefix or an address")
    func payloads() async throws {
        let fixture = try await Fixture()
        fixture.setOrigins(Self.report)
        let interpreter = try fixture.interpreter()
        for target in ["1.0.4.0/24", "1.0.5.1"] {
            let reply = await interpreter.run("show rpki \(target)", face: .machine)
            #expect(reply.text == "* 1\n1.0.4.0/22 maximum_length=24 as=56203\n.\n")
        }
        let none = await interpreter.run("show rpki 192.0.2.0/24")
        #expect(none.text == "No payload covers 192.0.2.0/24.\n")
    }

    @Test("says where none is configured")
    func none() async throws {
        let interpreter = try await Fixture().interpreter()
        for line in ["show rpki", "show rpki 192.0.2.0/24"] {
            let reply = await interpreter.run(line, face: .machine)
            #expect(
                reply.text
                    == "- 404 no RPKI cache is configured: see 'rpki' in the configuration\n")
        }
    }
}
