// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import DNSWire
import RouteTable

/// Names whose answers are those of the nearest sites.
extension Responder {
    /// Whether the answer to a type depends on the client.
    @inline(__always)
    func isSteered(_ node: ZoneNode, _ record: EncodedNearest, _ type: RecordType) -> Bool {
        if type == .a || type == .aaaa || record.aliasCount > 0 { return true }
        guard type == .https || type == .svcb else { return false }
        return self.service(node, type) != nil
    }

    /// The name's set of services that gets hints.
    private func service(_ node: ZoneNode, _ type: RecordType) -> EncodedSet? {
        let first = Int(node.firstSet)
        for index in first..<first + Int(node.setCount) {
            let set = self.index.sets[index]
            if set.type == type { return set.service >= 0 ? set : nil }
        }
        return nil
    }

    /// Appends what the nearest sites have for the client. Gives where the answer goes on: behind
    /// an alias.
    @inline(__always)
    mutating func appendSteered(
        _ record: EncodedNearest, _ node: ZoneNode, _ message: QueryMessage,
        from client: IPAddress, using batch: inout OracleBatch, _ walk: inout Walk,
        _ writer: inout ResponseWriter, _ verdict: inout Verdict
    ) -> EncodedSet.Target {
        guard record.policy >= 0, record.policy < self.sites.policyCount else {
            // The zones are of another configuration than the sites, for a moment.
            verdict.code = .serverFailure
            verdict.error = .notReady
            verdict.isAuthoritative = false
            return .none
        }
        let subnet = record.usesClientSubnet ? message.edns?.clientSubnet : nil
        // Without an address of its own, a subnet is answered for who sent it, and the answer
        // is not to be kept for others (RFC 7871 §7.3.1).
        let steering = Steering(
            record: record, client: subnet?.address ?? client.unmapped,
            hasSubnet: subnet?.address != nil,
            timeToLive: self.sites.isSettled(policy: record.policy)
                ? record.timeToLive : record.minimumTimeToLive)
        if record.aliasCount > 0 {
            return self.appendAlias(steering, message, using: &batch, &walk, &writer, &verdict)
        }
        if message.type == .a || message.type == .aaaa {
            self.appendAddresses(steering, message, using: &batch, walk, &writer, &verdict)
        } else if let set = self.service(node, message.type) {
            self.appendServices(set, steering, using: &batch, walk, &writer, &verdict)
        }
        return .none
    }

    /// What steers an answer.
    struct Steering {
        var record: EncodedNearest
        var client: IPAddress
        /// Whether the querier keeps the answer apart by subnet.
        var hasSubnet: Bool
        var timeToLive: UInt32
    }

    /// Appends the addresses of the sites that are nearest to the client.
    @inline(__always)
    private mutating func appendAddresses(
        _ steering: Steering, _ message: QueryMessage, using batch: inout OracleBatch,
        _ walk: Walk, _ writer: inout ResponseWriter, _ verdict: inout Verdict
    ) {
        let record = steering.record
        let family: AddressFamily = message.type == .a ? .ipv4 : .ipv6
        let match = batch.answerOrder(
            policy: record.policy, family: family, client: steering.client,
            places: record.answers, tellsScope: steering.hasSubnet, into: &self.order)
        let start = writer.count
        var scope = match.scope
        var isFirst = true
        sites: for place in 0..<min(record.answers, self.order.count) {
            let site = self.order[place]
            let run = self.sites.run(of: site, family, policy: record.policy)
            guard run.count > 0 else { continue }
            if isFirst { self.note(site, match, family, &verdict) }
            isFirst = false
            let first = self.rotation(run, steering, &scope)
            for number in 0..<Int(run.count) {
                var index = first + number
                if index >= Int(run.count) { index -= Int(run.count) }
                let bytes =
                    self.sites.start(of: run) + index * SiteRecords.recordByteCount(family)
                guard
                    writer.append(
                        record: bytes, family: family, timeToLive: steering.timeToLive,
                        owner: walk.owner)
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
        }
        guard writer.count > start || writer.isTruncated else {
            self.appendNothing(steering, family, walk, &writer)
            return
        }
        if steering.hasSubnet { verdict.scope = max(verdict.scope, scope) }
    }

    /// Says that there is nothing: no site has such an address, or all are down and the policy then
    /// names none. That is so for every client, and the latter not for longer than an answer would be:
    /// a site may be up again at any time.
    private func appendNothing(
        _ steering: Steering, _ family: AddressFamily?, _ walk: Walk,
        _ writer: inout ResponseWriter
    ) {
        let isForNow = self.isAllDown(policy: steering.record.policy, family)
        self.appendNegative(
            walk.apex, walk.zone, maximumTTL: isForNow ? steering.timeToLive : .max, &writer)
    }

    /// Notes the first site of an answer.
    @inline(__always)
    private func note(
        _ site: SiteID, _ match: ClientMatch, _ family: AddressFamily?,
        _ verdict: inout Verdict
    ) {
        self.counters.count(CounterBlock.Slot.sites + Int(site.rawValue))
        verdict.site = Int16(site.rawValue)
        verdict.family = family
        verdict.classID = match.classID
    }

    /// Which of a site's addresses stands first: another one for another client prefix. The scope
    /// is at least as long as what decides that.
    @inline(__always)
    private func rotation(
        _ run: SiteRecords.Run, _ steering: Steering, _ scope: inout UInt8
    ) -> Int {
        guard run.count > 1, steering.record.rotates else { return 0 }
        let length = self.sites.hashedLength(
            policy: steering.record.policy, steering.client.family)
        scope = max(scope, length)
        let key = Rendezvous.key(steering.client, length: Int(length))
        return Int(key.multipliedFullWidth(by: UInt64(run.count)).high)
    }

    /// Appends the name that the nearest site has, as the question's alias. It is the same for
    /// every type, as a cache keeps one alias for all of them.
    private mutating func appendAlias(
        _ steering: Steering, _ message: QueryMessage, using batch: inout OracleBatch,
        _ walk: inout Walk, _ writer: inout ResponseWriter, _ verdict: inout Verdict
    ) -> EncodedSet.Target {
        let record = steering.record
        let match = batch.answerOrder(
            policy: record.policy, family: nil, client: steering.client, places: 1,
            tellsScope: steering.hasSubnet, into: &self.order)
        let first = Int(record.firstAlias)
        let aliases = first..<first + Int(record.aliasCount)
        guard let site = self.order.first,
            let number = aliases.first(where: { self.index.aliases[$0].site == site.rawValue })
        else {
            self.appendNothing(steering, nil, walk, &writer)
            return .none
        }
        self.note(site, match, nil, &verdict)
        let alias = self.index.aliases[number]
        guard let start = writer.append(alias.block, of: self.index, apex: walk.apex) else {
            writer.isTruncated = true
            return .none
        }
        writer.setOwner(walk.owner, start: start, recordCount: 1)
        writer.store32(steering.timeToLive, at: start + 6)
        writer.answerCount += 1
        if steering.hasSubnet { verdict.scope = max(verdict.scope, match.scope) }
        guard message.type != .cname, message.type != .any else { return .none }
        walk.owner = start + 12
        walk.byteCount = Int(alias.targetByteCount)
        return alias.target
    }

    /// Appends records of services, with the chosen sites' addresses as hints (RFC 9460 §7.3).
    private mutating func appendServices(
        _ set: EncodedSet, _ steering: Steering, using batch: inout OracleBatch, _ walk: Walk,
        _ writer: inout ResponseWriter, _ verdict: inout Verdict
    ) {
        var scope: UInt8 = 0
        let four = self.gatherHints(.ipv4, steering, using: &batch, &scope, &verdict)
        let six = self.gatherHints(.ipv6, steering, using: &batch, &scope, &verdict)
        let first = Int(set.service)
        for number in first..<first + Int(set.block.recordCount) {
            let service = self.index.services[number]
            let place = writer.count
            guard self.append(service.head, &writer),
                !service.takesHints || writer.appendHints(.ipv4, self.sites.hints(.ipv4), four),
                self.append(service.middle, &writer),
                !service.takesHints || writer.appendHints(.ipv6, self.sites.hints(.ipv6), six),
                self.append(service.tail, &writer)
            else {
                writer.isTruncated = true
                return
            }
            writer.finishRecord(at: place, owner: walk.owner, maximumTTL: steering.timeToLive)
            writer.answerCount += 1
        }
        if steering.hasSubnet { verdict.scope = max(verdict.scope, scope) }
    }

    private func append(_ piece: EncodedService.Piece, _ writer: inout ResponseWriter) -> Bool {
        writer.append(self.index.start(of: piece.offset), byteCount: Int(piece.byteCount))
    }

    /// Puts the chosen sites' addresses of a family where hints are kept; gives how many.
    private mutating func gatherHints(
        _ family: AddressFamily, _ steering: Steering, using batch: inout OracleBatch,
        _ scope: inout UInt8, _ verdict: inout Verdict
    ) -> Int {
        let record = steering.record
        let match = batch.answerOrder(
            policy: record.policy, family: family, client: steering.client,
            places: record.answers, tellsScope: steering.hasSubnet, into: &self.order)
        scope = max(scope, match.scope)
        if family == .ipv4 || verdict.site < 0, let site = self.order.first {
            self.note(site, match, family, &verdict)
        }
        var count = 0
        for place in 0..<min(record.answers, self.order.count) {
            let run = self.sites.run(of: self.order[place], family, policy: record.policy)
            guard run.count > 0 else { continue }
            let first = self.rotation(run, steering, &scope)
            for number in 0..<Int(run.count) {
                let index = (first + number) % Int(run.count)
                count = self.sites.addHint(family, run, index, after: count)
            }
        }
        return count
    }
}
