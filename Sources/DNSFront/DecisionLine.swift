// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import DNSWire
import Glibc
import JSON
import RouteTable

/// One line of the log.
enum DecisionLine {
    /// A decision as JSON. Its answer is what the client was given; its reason is what the table and
    /// the sites say now, a moment after: none, where the site has gone since. The site is then known by
    /// its name among `names`.
    static func text(
        _ decision: Decision, _ name: [UInt8], _ message: [UInt8], _ names: [SiteID: String],
        using batch: inout OracleBatch
    ) -> String {
        let ranking = batch.ranking(
            policy: Int(decision.policy), family: decision.family, client: decision.client
        ).ranking
        let answers = (try? Message(reading: message.span.bytes))?.answers
        let site =
            decision.site < 0 ? nil : SiteID(rawValue: UInt8(clamping: decision.site))
        let siteName = site.flatMap { names[$0] }
        let policies = batch.world.policies
        let service =
            policies.indices.contains(Int(decision.policy))
            ? policies[Int(decision.policy)].service : nil
        // The first is the site, whatever has become of its addresses since.
        let given = Set(answers?.flatMap(\.data.addresses) ?? [])
        let others = ranking.entries.map(\.site).filter { other in
            other != site
                && batch.world.site(other)?.addresses(of: service).contains(where: given.contains)
                    == true
        }
        let sites =
            (siteName.map { [$0] } ?? []) + others.compactMap { batch.world.site($0)?.name }
        let reason = ranking.entries.first { $0.site == site }?.reason
        // An address is nobody's business beyond its network, whoever gives it: some resolvers send
        // their clients' whole ones (RFC 7871 §11.1).
        let length = decision.client.family == .ipv4 ? 24 : 56
        let prefix = IPPrefix(
            masking: decision.client,
            length: min(decision.sourceLength.map(Int.init) ?? length, length))
        let question = (try? DomainName(wire: name))?.description ?? "."
        var json = JSONText()
        json.object { json in
            json.key("time") { $0.string(Self.time(decision.time)) }
            json.key("name") { $0.string(question) }
            json.key("type") { $0.string(decision.type.description) }
            json.key("transport") { $0.string(decision.transport.word) }
            json.key("client") { $0.string(prefix.description) }
            json.key("by") { $0.string(decision.sourceLength == nil ? "resolver" : "subnet") }
            json.key("scope") { $0.integer(Int(decision.scope)) }
            json.key("site") { json in
                siteName.map { json.string($0) } ?? json.null()
            }
            json.key("sites") { json in
                json.array { json in
                    for name in sites { json.element { $0.string(name) } }
                }
            }
            json.key("addresses") { json in
                guard let answers else { return json.null() }
                json.array { json in
                    for record in answers {
                        guard let address = record.data.address else { continue }
                        json.element { $0.string(address.description) }
                    }
                }
            }
            json.key("answer") { json in
                guard let answers else { return json.null() }
                json.array { json in
                    for record in answers {
                        json.element { $0.string("\(record.data.type) \(record.data)") }
                    }
                }
            }
            json.key("class") { $0.integer(Int(decision.classID)) }
            json.key("reason") { json in
                reason.map { json.string($0.rawValue) } ?? json.null()
            }
            json.key("all_down") { $0.flag(ranking.allDown) }
        }
        return json.text
    }

    /// `2026-11-21T14:05:09.123Z`.
    static func time(_ milliseconds: UInt64) -> String {
        var seconds = time_t(clamping: milliseconds / 1000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func digits(_ value: Int, _ count: Int) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, count - text.count)) + text
        }
        let date =
            "\(digits(Int(parts.tm_year) + 1900, 4))-\(digits(Int(parts.tm_mon) + 1, 2))-"
            + digits(Int(parts.tm_mday), 2)
        let clock =
            "\(digits(Int(parts.tm_hour), 2)):\(digits(Int(parts.tm_min), 2)):"
            + digits(Int(parts.tm_sec), 2)
        return "\(date)T\(clock).\(digits(Int(milliseconds % 1000), 3))Z"
    }
}

extension RecordData {
    /// Of an A or AAAA record.
    fileprivate var address: IPAddress? {
        guard self.type == .a || self.type == .aaaa, case .bytes(let bytes)? = self.fields.first
        else { return nil }
        return IPAddress(bytes: bytes)
    }

    /// The same, and those that are hints.
    fileprivate var addresses: [IPAddress] {
        if let address { return [address] }
        guard self.type == .https || self.type == .svcb, let parameters = self.serviceParameters
        else { return [] }
        let kinds: [(key: ServiceParameters.Key, size: Int)] = [(.ipv4Hint, 4), (.ipv6Hint, 16)]
        return kinds.flatMap { key, size in
            let bytes = parameters[key] ?? []
            return stride(from: 0, to: bytes.count - size + 1, by: size).compactMap {
                IPAddress(bytes: Array(bytes[$0..<$0 + size]))
            }
        }
    }
}
