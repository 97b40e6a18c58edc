// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
public import BGPWire
import RouteTable

/// Messages in words, for who watches a session.
public enum MessageText {
    /// Prefixes of one message that are listed; of more their number is told.
    static let listedPrefixes = 50

    /// A whole message, marker and header included, in one line or a few. An UPDATE is read as
    /// `context` says; without one only its length is told.
    public static func lines(_ bytes: [UInt8], context: DecodeContext?) -> [String] {
        let span = bytes.span.bytes
        do throws(Notification) {
            guard
                let frame = try MessageFrame.read(
                    span, at: 0, extendedMessages: context?.extendedMessages ?? false),
                frame.length <= bytes.count
            else { return ["cut short: \(bytes.count) bytes"] }
            let body = span.extracting(MessageFrame.headerLength..<frame.length)
            switch frame.type {
            case .open: return Self.words(try OpenMessage(body: body))
            case .update:
                guard let context else { return ["UPDATE of \(frame.length) bytes"] }
                return Self.words(update: body, context)
            case .keepalive: return ["KEEPALIVE"]
            case .notification:
                return ["NOTIFICATION " + (Notification(body: body)?.description ?? "cut short")]
            case .routeRefresh:
                return [Self.words(try RouteRefreshMessage(body: body))]
            }
        } catch {
            return ["malformed: \(error)"]
        }
    }

    private static func words(_ open: OpenMessage) -> [String] {
        [
            "OPEN AS \(open.asNumber), identifier \(IPAddress(ipv4: open.identifier)), "
                + "hold time \(open.holdTimeSeconds)",
            "  capabilities: \(open.capabilities)",
        ]
    }

    private static func words(_ refresh: RouteRefreshMessage) -> String {
        let family =
            refresh.family.map { "\($0) unicast" }
            ?? "family \(refresh.familyNumber)/\(refresh.subsequentNumber)"
        switch refresh.subtype {
        case .request: return "ROUTE-REFRESH: routes of \(family), please"
        case .beginning: return "ROUTE-REFRESH: routes of \(family) begin (BoRR)"
        case .end: return "ROUTE-REFRESH: routes of \(family) end (EoRR)"
        default: return "ROUTE-REFRESH subtype \(refresh.subtype.rawValue) of \(family)"
        }
    }

    private static func words(update body: RawSpan, _ context: DecodeContext) -> [String] {
        var context = context
        context.keepsCommunities = true
        let update = UpdateDecoding.decode(body, context: context)
        if let family = update.endOfRIB { return ["UPDATE: End-of-RIB, \(family) unicast"] }
        var lines = ["UPDATE of \(body.byteCount + MessageFrame.headerLength) bytes"]
        if update.disposition != .accept { lines[0] += ": \(update.disposition)" }
        for complaint in update.attributes.complaints {
            lines.append("  ! \(complaint); bytes \(complaint.hexadecimal)")
        }
        if case .resetSession = update.disposition { return lines }
        if update.announcesPrefixes {
            lines.append("  " + Self.words(update.attributes.attributes))
        }
        let passed = AttributePlace.passedBy(in: body.extracting(update.attributeBytes))
        if !passed.isEmpty {
            lines.append("  passed by: " + passed.map(\.description).joined(separator: ", "))
        }
        var list = PrefixList("withdrawn")
        try? update.forEachWithdrawn(in: body, context: context) { list.add($0, $1, context) }
        list.end(into: &lines)
        list = PrefixList(
            "announced",
            nextHop: update.attributes.mpReach.flatMap { field in
                field.family == nil ? nil : field.nextHop
            })
        try? update.forEachReachable(in: body, context: context) { list.add($0, $1, context) }
        list.end(into: &lines)
        list = PrefixList("announced", nextHop: update.attributes.attributes.nextHop)
        try? update.forEachClassic(in: body, context: context) { list.add($0, $1, context) }
        list.end(into: &lines)
        list = PrefixList("ignored, being multicast")
        try? update.forEachIgnored(in: body, context: context) { list.add($0, $1, context) }
        list.end(into: &lines)
        return lines
    }

    private struct PrefixList {
        let head: String
        var words: [String] = []
        var count = 0

        init(_ verb: String, nextHop: IPAddress? = nil) {
            self.head = "  \(verb)" + (nextHop.map { ", next hop \($0)" } ?? "")
        }

        mutating func add(_ path: UInt32, _ prefix: IPPrefix, _ context: DecodeContext) {
            self.count += 1
            guard self.count <= MessageText.listedPrefixes else { return }
            let isNumbered = context.addPath.contains(FamilySet(prefix.family))
            self.words.append(isNumbered ? "\(prefix) (path \(path))" : "\(prefix)")
        }

        func end(into lines: inout [String]) {
            guard self.count > 0 else { return }
            let rest = self.count - self.words.count
            lines.append(
                "\(self.head): \(self.words.joined(separator: " "))"
                    + (rest > 0 ? " and \(rest) more" : ""))
        }
    }

    private static func words(_ attributes: PathAttributes) -> String {
        var words: [String] = []
        if let origin = attributes.origin {
            words.append("origin \(["IGP", "EGP", "incomplete"][Int(min(origin, 2))])")
        }
        if let path = attributes.asPath {
            words.append(path.isEmpty ? "path empty" : "path \(path)")
        }
        if let metric = attributes.multiExitDiscriminator { words.append("metric \(metric)") }
        if let preference = attributes.localPreference { words.append("localpref \(preference)") }
        if attributes.isAtomicAggregate { words.append("atomic aggregate") }
        if let aggregator = attributes.aggregator {
            words.append("aggregated by AS \(aggregator.asNumber) \(aggregator.address)")
        }
        let communities = RouteCommunities(attributes)
        if !communities.standard.isEmpty {
            let list = communities.standardDescriptions
            words.append("communities \(list.joined(separator: " "))")
        }
        if !communities.extended.isEmpty {
            let list = communities.extendedDescriptions
            words.append("extended communities \(list.joined(separator: " "))")
        }
        if !attributes.ipv6ExtendedCommunities.isEmpty {
            let list = attributes.ipv6ExtendedCommunities.map(\.description)
            words.append("IPv6 extended communities \(list.joined(separator: " "))")
        }
        if !communities.large.isEmpty {
            let list = communities.largeDescriptions
            words.append("large communities \(list.joined(separator: " "))")
        }
        if let originator = attributes.originatorID {
            words.append("originator \(IPAddress(ipv4: originator))")
        }
        if !attributes.clusterList.isEmpty {
            let list = attributes.clusterList.map { "\(IPAddress(ipv4: $0))" }
            words.append("clusters \(list.joined(separator: " "))")
        }
        if let number = attributes.onlyToCustomer { words.append("only to customers of \(number)") }
        return words.joined(separator: ", ")
    }
}
