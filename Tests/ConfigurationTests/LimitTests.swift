// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Configuration
import RouteTable
import Testing

@Suite("Limits and location databases")
struct LimitTests {
    @Test("are read, and are the usual ones where nothing is said")
    func limits() throws {
        let plain = try Reading.parse(Reading.sites)
        #expect(plain.limits == TableLimits())
        #expect(!plain.summary().contains("at most"))
        let bounded = try Reading.parse(
            Reading.sites + """
                limits: { prefixes: 2000000, prefixes-per-feed: 1500000, classes: 500000, memory: 512M }

                """)
        #expect(
            bounded.limits
                == TableLimits(
                    prefixes: 2_000_000, routesPerFeed: 1_500_000, classes: 500_000,
                    memory: 512 << 20))
        #expect(
            bounded.summary().contains(
                "the table holds at most 2000000 prefixes, 1500000 prefixes per feed, 500000 "
                    + "classes, 512M of memory\n"))
        #expect(
            bounded.differences(from: plain) == [
                "limits: prefixes 16777216 -> 2000000, prefixes-per-feed 4194304 -> 1500000, "
                    + "classes 2097152 -> 500000, memory unlimited -> 512M, from the next start on"
            ])
        #expect(bounded.plan().limits == bounded.limits)
    }

    @Test(
        "of memory have units",
        arguments: [
            ("16M", 16 << 20), ("2G", 2 << 30), ("65536K", 64 << 20), ("16777216", 16 << 20),
        ])
    func units(text: String, bytes: Int) throws {
        #expect(
            try Reading.parse(Reading.sites + "limits: { memory: \(text) }\n").limits.memory
                == bytes)
    }

    @Test(
        "of memory that can't be are refused",
        arguments: ["15M", "2T", "1.5G", "9999999999999G"])
    func badMemory(text: String) {
        #expect(
            Reading.complaints(Reading.sites + "limits: { memory: \(text) }\n")
                == ["2:19: memory must be from 16M to 1T, as 512M or 2G, not '\(text)'"])
    }

    @Test("name a file, and say that it changed")
    func database() throws {
        let plain = try Reading.parse(Reading.sites)
        let located = try Reading.parse(
            Reading.sites + "location: { database: /var/lib/City.mmdb, ranges: /etc/ranges }\n")
        #expect(located.locationDatabase == "/var/lib/City.mmdb")
        #expect(located.plan().locationFiles == ["/etc/ranges", "/var/lib/City.mmdb"])
        #expect(located.summary().contains("a database of locations\n  /var/lib/City.mmdb\n"))
        #expect(
            located.differences(from: plain).contains(
                "location database: none -> /var/lib/City.mmdb"))
    }
}
