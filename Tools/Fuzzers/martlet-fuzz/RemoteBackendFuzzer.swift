// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import DNSFront
import DNSWire
import RouteTable

/// A line of PowerDNS's protocol: what goes back is one line with an object in it, and a line that
/// is no request ends the connection.
func fuzzRemoteBackend(_ bytes: UnsafeRawBufferPointer) {
    guard let bench = RemoteBackendBench.shared else {
        require(false, "the bench stands")
        return
    }
    let line = bytes.prefix { $0 != 0x0a }
    let (text, goesOn) = bench.reply(to: Array(line))
    require(text.hasPrefix("{") && text.hasSuffix("}\n"), "a reply is an object: \(text)")
    require(text.utf8.filter { $0 == 0x0a }.count == 1, "a reply is one line")
    require(
        text.hasPrefix("{\"result\":") || text.hasPrefix("{\"error\":"),
        "a reply says what it is: \(text)")
    require(goesOn || line.first != UInt8(ascii: "{") || text.hasPrefix("{\"error\":"), text)
}

/// libFuzzer runs one thread.
private final class RemoteBackendBench: @unchecked Sendable {
    // Sendable: libFuzzer calls from one thread only.
    static let shared = try? RemoteBackendBench()

    private let owner: TableOwner
    private var backend: RemoteBackend

    init() throws {
        self.owner = try TableOwner()
        let sites = [
            Site(
                id: SiteID(rawValue: 0), name: "near", asNumber: 64600,
                addresses: [
                    try IPAddress(parsing: "192.0.2.10"), try IPAddress(parsing: "2001:db8::1"),
                ])
        ]
        let zones = ZoneStore()
        let apex = try DomainName(parsing: "example.com")
        let host = try DomainName(parsing: "ns1.example.com")
        var zone = Zone(
            apex: apex, startOfAuthority: StartOfAuthority(host: host, mailbox: host),
            nameServers: [host])
        zone.add(host, timeToLive: 300, .address(try IPAddress(parsing: "192.0.2.53")))
        zone.add(
            try DomainName(parsing: "deep.below.example.com"), timeToLive: 300, .text("\"odd\"\\"))
        zone.nearest[try DomainName(parsing: "www.example.com")] = NearestRecord(
            policy: 0, timeToLive: 60)
        try zones.replace([zone])
        self.backend = try RemoteBackend(
            oracle: Oracle(lookup: self.owner.lookup, world: World(sites: sites)), zones: zones,
            readiness: DNSReadiness(isReady: true))
    }

    func reply(to line: [UInt8]) -> (text: String, goesOn: Bool) { self.backend.reply(to: line) }
}
