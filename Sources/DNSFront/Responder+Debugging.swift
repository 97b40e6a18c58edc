// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import DNSWire
import Glibc

/// The debugging names: `whoami` below each zone's apex, and `explain` below each `nearest` name, as
/// far as the zones have no such names of their own. They are there for those whom
/// ``AnswerRules/debuggers`` lists, in TXT records that nobody may keep; others get what the zone
/// has, be it a wildcard's.
extension Responder {
    private enum Subject {
        case whoami(zone: UInt32)
        case explain(EncodedNearest, zone: UInt32)
    }

    /// Answers a question for a debugging name.
    ///
    /// - Returns: false where it isn't for one, or not of one who may ask; nothing has been written
    ///   then.
    @inline(never)
    mutating func answerDebugging(
        _ message: QueryMessage, from client: IPAddress, over transport: DNSTransport,
        using batch: inout OracleBatch, _ writer: inout ResponseWriter,
        _ verdict: inout Verdict
    ) -> Bool {
        guard let subject = self.subject(message),
            self.rules.debuggers.contains(client.unmapped)
        else { return false }
        verdict.isAuthoritative = true
        let lines: [String]
        let zone: UInt32
        let subnet = message.edns?.clientSubnet
        switch subject {
        case .whoami(let found):
            zone = found
            verdict.scope = subnet?.sourceLength ?? 0
            let prefix = subnet.flatMap { subnet in
                subnet.address.map { "\($0)/\(subnet.sourceLength)" }
            }
            lines = [
                "client=\(client.unmapped) subnet=\(prefix ?? "-") transport=\(transport.word)"
            ]
        case .explain(let record, let found):
            zone = found
            let decides = record.usesClientSubnet ? subnet?.address : nil
            let (ranking, scope) = batch.ranking(
                policy: record.policy, family: nil, client: decides ?? client.unmapped)
            let answers = batch.answerScopes(
                policy: record.policy, client: decides ?? client.unmapped,
                form: AnswerForm(
                    places: record.answers, isAlias: record.aliasCount > 0,
                    rotates: record.rotates, usesClientSubnet: record.usesClientSubnet))
            if subnet?.address != nil {
                let longest = answers.map(\.length).reduce(scope, max)
                verdict.scope = max(subnet?.sourceLength ?? 0, UInt8(clamping: longest))
            }
            lines =
                [
                    "client=\(decides ?? client.unmapped) "
                        + "by=\(decides == nil ? "resolver" : "subnet") scope=\(scope)"
                        + (ranking.allDown ? " all-sites=down" : "")
                ]
                + answers.map(\.line)
                + ranking.entries.enumerated().map { place, entry in
                    entry.line(
                        place: place + 1, name: batch.world.site(entry.site)?.name ?? "-")
                }
        }
        verdict.zone = Int32(zone)
        guard message.type == .txt || message.type == .any else {
            let apex =
                MessageHeader.byteCount + message.nameByteCount
                - Int(self.index.zones[Int(zone)].apexByteCount)
            self.appendNegative(apex, zone, &writer)
            return true
        }
        for line in lines {
            let isWritten = line.utf8CString.withUnsafeBytes { bytes in
                writer.append(
                    text: ByteRun(borrowing: UnsafeRawBufferPointer(rebasing: bytes.dropLast())),
                    .internet)
            }
            if !isWritten { writer.isTruncated = true }
        }
        return true
    }

    /// What the question's name is about; nil for other names, and for those of the zones.
    private func subject(_ message: QueryMessage) -> Subject? {
        let name = UnsafeRawPointer(self.name)
        let first = 1 + Int(name.load(as: UInt8.self))
        let isWhoami = first == 7 && memcmp(name, "\u{6}whoami", 7) == 0
        let isExplain = first == 8 && memcmp(name, "\u{7}explain", 8) == 0
        guard isWhoami || isExplain, self.node(name, message.nameByteCount) == nil,
            let below = self.closest(name + first, message.nameByteCount - first)
        else { return nil }
        let node = self.index.nodes[below.node]
        guard node.cut < 0, self.index.zones[Int(node.zone)].isAvailable else { return nil }
        if isWhoami {
            let apex = Int(self.index.zones[Int(node.zone)].apexByteCount)
            return below.isWhole && apex == message.nameByteCount - first
                ? .whoami(zone: node.zone) : nil
        }
        let asked = below.isWhole ? below.node : Int(node.wildcard)
        guard asked >= 0, self.index.nodes[asked].nearest >= 0 else { return nil }
        return .explain(
            self.index.nearest[Int(self.index.nodes[asked].nearest)], zone: node.zone)
    }

    private func node(_ name: UnsafeRawPointer, _ byteCount: Int) -> Int? {
        self.index.find(name, byteCount: byteCount)
    }

    /// The name, or the closest one above it.
    private func closest(
        _ name: UnsafeRawPointer, _ byteCount: Int
    ) -> (node: Int, isWhole: Bool)? {
        var position = 0
        while position < byteCount {
            if let node = self.node(name + position, byteCount - position) {
                return (node, position == 0)
            }
            position += 1 + Int(name.load(fromByteOffset: position, as: UInt8.self))
        }
        return nil
    }
}

extension DNSTransport {
    /// As logs and counters name it.
    public var word: String {
        switch self {
        case .udp: "udp"
        case .tcp: "tcp"
        case .tls: "tls"
        }
    }
}
