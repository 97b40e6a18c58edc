// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import Configuration
import Console
import DNSFront
import DNSWire
import Glibc
import RouteTable

/// What the console shows of DNS.
extension ConsoleBridge {
    func dnsReport() -> DNSReport? {
        guard !self.plan.dns.listeners.isEmpty else { return nil }
        let counters = self.daemon.dns.counters()
        return counters.report(sites: self.daemon.siteLedger.named(counters.sites))
    }

    func dnsZones() async -> [DNSReport.Zone] {
        self.daemon.dns.counters(names: .none).map { apex, zone in
            DNSReport.Zone(
                name: apex.description, queries: zone.queries, missing: zone.missing,
                withSubnet: zone.withSubnet)
        }
    }

    func dnsListeners() async -> [DNSReport.Listener] {
        let now = Int64(time(nil))
        let wanted = self.plan.dns.listeners
        let listeners = self.daemon.dns.listeners
        return wanted.map { listener in
            var report = self.report(of: listener, at: now)
            if !listeners.contains(listener) { report.problem = "it is not listened on" }
            return report
        }
            + listeners.filter { !wanted.contains($0) }.map { listener in
                var report = self.report(of: listener, at: now)
                report.problem = "it is listened on until others can be had"
                return report
            }
    }

    private func report(of listener: DNSListener, at now: Int64) -> DNSReport.Listener {
        let certificate = self.daemon.dns.certificate(of: listener)
        return DNSReport.Listener(
            endpoint: listener.endpoint.description,
            transports: (listener.tls == nil ? [DNSTransport.udp, .tcp] : [.tls])
                .map(\.word),
            usesClientSubnet: listener.usesClientSubnet,
            proxies: listener.proxies.map(\.description),
            certificate: listener.tls?.certificate, expiry: certificate?.validity.endText,
            problem: certificate?.problem?.description
                ?? certificate?.validity.concern(at: now))
    }

    func dnsNames(zone: String?) async -> [DNSReport.Name] {
        let wanted = zone.map { NamesWanted.zone(DomainName($0) ?? .root) } ?? .all
        let ledger = self.daemon.siteLedger
        return self.daemon.dns.counters(names: wanted).flatMap { apex, zone in
            zone.names.map { name, counters in
                DNSReport.Name(
                    name: name.description, zone: apex.description, queries: counters.queries,
                    sites: ledger.named(counters.sites, of: name, in: apex).map { site, count in
                        DNSReport.Counter("sites", site, count)
                    }.sorted { ($1.count, $0.what) < ($0.count, $1.what) })
            }
        }
    }

    var zoneNames: [String] { self.plan.zones.map { $0.apex.lowercased.description }.sorted() }
}

extension DNSCounters {
    /// In an order that stays: what is always there first, then what there is. Of `sites` by name.
    fileprivate func report(sites: [String: UInt64]) -> DNSReport {
        var counters: [DNSReport.Counter] = []
        for transport in DNSTransport.allCases {
            counters.append(.init("queries", transport.word, self.queries[transport] ?? 0))
        }
        counters += [
            .init("edns", "queries", self.withEDNS), .init("edns", "subnets", self.withSubnet),
            .init("cookies", "queries", self.withCookie),
            .init("cookies", "good", self.goodCookies), .init("cookies", "bad", self.badCookies),
            .init("answers", "truncated", self.truncated),
            .init("answers", "none", self.unanswered),
            .init("limited", "dropped", self.dropped), .init("limited", "slipped", self.slipped),
            .init("connections", "accepted", self.connections),
            .init("connections", "refused", self.refusedConnections),
            .init("connections", "replaced", self.replacedConnections),
            .init("connections", "no-handshake", self.failedHandshakes),
            .init("proxies", "malformed", self.badProxyHeaders),
        ]
        func add<Key: Comparable>(
            _ kind: String, _ counts: [Key: UInt64], _ word: (Key) -> String
        ) {
            for (key, count) in counts.sorted(by: { $0.key < $1.key }) {
                counters.append(.init(kind, word(key), count))
            }
        }
        add("codes", self.byNumber(self.responses, \.rawValue)) {
            ResponseCode(rawValue: $0).description
        }
        add("types", self.byNumber(self.types, \.rawValue)) {
            RecordType(rawValue: $0).description
        }
        if self.otherTypes > 0 { counters.append(.init("types", "other", self.otherTypes)) }
        add("sites", sites) { $0 }
        add("scopes", self.scopes) { "/\($0)" }
        return DNSReport(counters: counters)
    }

    private func byNumber<Key: Hashable, Number: Hashable>(
        _ counts: [Key: UInt64], _ number: (Key) -> Number
    ) -> [Number: UInt64] {
        Dictionary(
            counts.map { (number($0.key), $0.value) }, uniquingKeysWith: { first, _ in first })
    }
}
