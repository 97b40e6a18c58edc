// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import DNSWire
import RouteTable

/// Names whose addresses are those of the nearest sites.
extension Responder {
    /// Appends the addresses of the sites that are nearest to the client.
    @inline(__always)
    mutating func appendNearest(
        _ record: EncodedNearest, owner: Int, apex: Int, _ zone: UInt32,
        _ message: QueryMessage, from client: IPAddress, using batch: inout OracleBatch,
        _ writer: inout ResponseWriter, _ verdict: inout Verdict
    ) {
        guard record.policy >= 0, record.policy < self.sites.policyCount else {
            // The zones are of another configuration than the sites, for a moment.
            verdict.code = .serverFailure
            verdict.error = .notReady
            verdict.isAuthoritative = false
            return
        }
        let family: AddressFamily = message.type == .a ? .ipv4 : .ipv6
        let subnet = record.usesClientSubnet ? message.edns?.clientSubnet : nil
        let match = batch.order(
            policy: record.policy, family: family,
            client: subnet?.address ?? client.unmapped, places: record.answers,
            into: &self.order)
        verdict.classID = match.classID
        let start = writer.count
        var isFirst = true
        sites: for place in 0..<min(record.answers, self.order.count) {
            let site = self.order[place]
            let run = self.sites.run(of: site, family)
            guard run.count > 0 else { continue }
            if isFirst {
                self.counters.count(CounterBlock.Slot.sites + Int(site.rawValue))
                verdict.site = Int16(site.rawValue)
            }
            for number in 0..<Int(run.count) {
                let bytes =
                    self.sites.start(of: run) + number * SiteRecords.recordByteCount(family)
                guard
                    writer.append(
                        record: bytes, family: family, timeToLive: record.timeToLive,
                        owner: owner)
                else {
                    writer.isTruncated = true
                    break sites
                }
                if writer.answerCount == 0
                    || !writer.removeLastIfRepeated(since: start, family: family)
                {
                    writer.answerCount += 1
                }
            }
            isFirst = false
        }
        guard writer.count > start || writer.isTruncated else {
            // No site has such an address, or all are down and the policy then names none:
            // that is so for every client.
            self.appendNegative(apex, zone, &writer)
            return
        }
        // Without an address of its own, a subnet is answered for who sent it, and the answer
        // is not to be kept for others (RFC 7871 §7.3.1).
        if subnet?.address != nil { verdict.scope = match.scope }
    }
}
