// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Choice
import DNSFront
import RouteTable
import Testing

@Suite("Outages")
struct OutageTests {
    @Test("are told once, and so is their end; names with one site left have none")
    func changes() throws {
        let bench = try Bench()
        let outages = Outages(oracle: bench.oracle, zones: bench.store)
        func set(_ down: [SiteID]) {
            bench.oracle.update { world in
                world.status = .init(
                    uniqueKeysWithValues: down.map { ($0, SiteStatus(health: .down)) })
            }
        }
        #expect(outages.look() == Outages.Changes())
        set([sydney, amsterdam])
        #expect(outages.look() == Outages.Changes(), "Tokyo is left")
        set([tokyo])
        #expect(outages.look() == Outages.Changes(down: [name("v4.example.com")], up: []))
        #expect(outages.look() == Outages.Changes(), "it is known")
        set([sydney, amsterdam, tokyo])
        let others = ["cdn", "none", "shared", "two", "www"].map { name("\($0).example.com") }
        #expect(outages.look() == Outages.Changes(down: others, up: []))
        set([sydney])
        #expect(
            outages.look()
                == Outages.Changes(
                    down: [],
                    up: ["cdn", "none", "shared", "two", "v4", "www"].map {
                        name("\($0).example.com")
                    }))
        // Of a name that is there no more there is nothing to tell.
        set([tokyo])
        #expect(outages.look().down == [name("v4.example.com")])
        try bench.store.replace([])
        #expect(outages.look() == Outages.Changes())
    }
}
