// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire
import RouteFiles

/// Prints routes as `bgpdump -m` does, into bytes that are used again.
struct RouteLine {
    private(set) var bytes: [UInt8] = []
    private var peers: [MRTPeer] = []

    /// Calls `body` with the line of each route of a table dump. Other records have none.
    mutating func lines(
        of record: MRTRecord, _ span: RawSpan, byChange: Bool = false, _ body: (Self) -> Void
    ) throws {
        switch record.content {
        case .peerIndexTable: self.peers = try PeerIndexTable(parsing: span).peers
        case .rib(let form):
            try RIBRecord.forEachEntry(in: span, form: form) { entry in
                guard Int(entry.peerIndex) < self.peers.count else { return }
                let decoding = AttributeDecoding.decode(
                    span.extracting(entry.attributes), context: .tableDumpV2)
                self.print(
                    form.hasPathIdentifiers ? "TABLE_DUMP2_AP" : "TABLE_DUMP2",
                    byChange ? entry.originatedTime : record.timestamp,
                    self.peers[Int(entry.peerIndex)], entry.prefix,
                    form.hasPathIdentifiers ? entry.pathIdentifier : nil, decoding)
                body(self)
            }
        case .tableDump(let family):
            let entry = try TableDumpEntry(parsing: span, family: family)
            let decoding = AttributeDecoding.decode(
                span.extracting(entry.attributes), context: .tableDump)
            self.print(
                "TABLE_DUMP", byChange ? entry.originatedTime : record.timestamp, entry.peer,
                entry.prefix, nil, decoding)
            body(self)
        case .message, .stateChange, .notRead: break
        }
    }

    private mutating func print(
        _ kind: String, _ time: UInt32, _ peer: MRTPeer, _ prefix: IPPrefix,
        _ pathIdentifier: UInt32?, _ decoding: AttributeDecoding
    ) {
        let attributes = decoding.attributes
        self.bytes.removeAll(keepingCapacity: true)
        let prefixText = "\(Self.text(prefix.address))/\(prefix.length)"
        self.field(kind)
        self.field("\(time)|B")
        self.field(Self.text(peer.address))
        self.field("\(peer.asNumber)")
        self.field(pathIdentifier.map { "\(prefixText)|\($0)" } ?? prefixText)
        self.field(attributes.asPath?.description ?? "")
        self.field(["IGP", "EGP", "INCOMPLETE"][Int(attributes.origin ?? 2)])
        self.field(attributes.nextHop.map(Self.text) ?? "255.255.255.255")
        self.field("\(attributes.localPreference ?? 0)")
        self.field("\(attributes.multiExitDiscriminator ?? 0)")
        self.field(attributes.communities.map(Self.community).joined(separator: " "))
        self.field(attributes.isAtomicAggregate ? "AG" : "NAG")
        self.field(
            attributes.aggregator.map { "\($0.asNumber) \(Self.text($0.address))" }
                ?? Self.discardedAggregator(decoding) ?? "")
    }

    private mutating func field(_ text: String) {
        self.bytes.append(contentsOf: text.utf8)
        self.bytes.append(UInt8(ascii: "|"))
    }

    /// The C library prints `::1.2.3.4` where RFC 5952 has hexadecimal groups.
    private static func text(_ address: IPAddress) -> String {
        guard address.family == .ipv6, address.high == 0, address.low >> 32 == 0,
            address.low > 0xffff
        else { return address.description }
        return "::\(IPAddress(ipv4: UInt32(truncatingIfNeeded: address.low)))"
    }

    /// RFC 7607 discards an aggregator of AS 0, which bgpdump is too old to know.
    private static func discardedAggregator(_ decoding: AttributeDecoding) -> String? {
        for complaint in decoding.complaints
        where complaint.type == .aggregator && complaint.problem == .asZero {
            return IPAddress(bytes: complaint.bytes.suffix(4)).map { "0 \(Self.text($0))" }
        }
        return nil
    }

    private static func community(_ value: UInt32) -> String {
        switch value {
        case 0xffff_ff01: "no-export"
        case 0xffff_ff02: "no-advertise"
        case 0xffff_ff03: "local-AS"
        default: "\(value >> 16):\(value & 0xffff)"
        }
    }
}
