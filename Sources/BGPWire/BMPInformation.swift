// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// What a router says of itself, of a peer or of its end (RFC 7854 §4.4, §4.5; RFC 9069 §5.3).
public enum BMPInformation: Sendable, Hashable {
    case text(String)
    /// MIB-II's sysDescr and sysName.
    case systemDescription(String)
    case systemName(String)
    /// The table that a loc-rib peer stands for.
    case tableName(String)
    /// Why the router ends the session, in a Termination.
    case reason(UInt16)
    case other(type: UInt16)

    /// Bytes of a text that are kept.
    static let maximumText = 255

    static func list(
        _ body: RawSpan, from start: Int, of message: BMPMessageType
    ) throws(BMPError) -> [BMPInformation] {
        var list: [BMPInformation] = []
        try BMPField.forEach(body, from: start, of: message) { type, value in
            func text() -> String {
                let bytes = body.bytes(in: value.prefix(Self.maximumText))
                let scalars = String(decoding: bytes, as: UTF8.self).unicodeScalars
                    .filter { ![.control, .format].contains($0.properties.generalCategory) }
                return String(String.UnicodeScalarView(scalars))
            }
            switch (type, message) {
            case (1, .termination):
                list.append(
                    body.uint16(at: value.lowerBound).map { .reason($0) } ?? .other(type: type))
            case (0, _): list.append(.text(text()))
            case (1, .initiation): list.append(.systemDescription(text()))
            case (2, .initiation): list.append(.systemName(text()))
            case (3, _): list.append(.tableName(text()))
            default: list.append(.other(type: type))
            }
        }
        return list
    }
}

extension BMPInformation: CustomStringConvertible {
    public var description: String {
        switch self {
        case .text(let text), .systemDescription(let text), .systemName(let text): text
        case .tableName(let text): "table \(text)"
        case .reason(let reason):
            switch reason {
            case 0: "closed by its operator"
            case 1: "no reason given"
            case 2: "out of resources"
            case 3: "a redundant connection"
            case 4: "closed by its operator for good"
            default: "reason \(reason)"
            }
        case .other(let type): "information of type \(type)"
        }
    }
}

/// One number of a Statistics Report (RFC 7854 §4.8, RFC 8671 §6.2, RFC 9069 §5.5).
public struct BMPStatistic: Sendable, Hashable {
    /// Any value is legal on the wire.
    public struct Kind: RawRepresentable, Sendable, Hashable {
        public var rawValue: UInt16
        public init(rawValue: UInt16) { self.rawValue = rawValue }
    }

    public var kind: Kind
    /// AFI and SAFI, where the number is of one family.
    public var family: (afi: UInt16, safi: UInt8)?
    public var value: UInt64

    public init(_ kind: Kind, value: UInt64, family: (afi: UInt16, safi: UInt8)? = nil) {
        self.kind = kind
        self.value = value
        self.family = family
    }

    public static func == (a: BMPStatistic, b: BMPStatistic) -> Bool {
        a.kind == b.kind && a.value == b.value && a.family?.afi == b.family?.afi
            && a.family?.safi == b.family?.safi
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(self.kind)
        hasher.combine(self.value)
        hasher.combine(self.family?.afi)
        hasher.combine(self.family?.safi)
    }

    /// Reads a count `u32` and as many TLVs: counters of 4 bytes, gauges of 8, and gauges of a
    /// family (AFI `u16`, SAFI `u8`) of 11. Others are passed by.
    static func list(_ body: RawSpan, from start: Int) throws(BMPError) -> [BMPStatistic] {
        guard body.uint32(at: start) != nil else {
            throw .truncated(.statistics, need: start + 4, have: body.byteCount)
        }
        var list: [BMPStatistic] = []
        try BMPField.forEach(body, from: start + 4, of: .statistics) { type, value in
            let kind = Kind(rawValue: type)
            let at = value.lowerBound
            switch value.count {
            case 4: body.uint32(at: at).map { list.append(.init(kind, value: UInt64($0))) }
            case 8: body.uint64(at: at).map { list.append(.init(kind, value: $0)) }
            case 11:
                if let afi = body.uint16(at: at), let safi = body.uint8(at: at + 2),
                    let number = body.uint64(at: at + 3)
                {
                    list.append(.init(kind, value: number, family: (afi, safi)))
                }
            default: break
            }
        }
        return list
    }
}

extension BMPStatistic.Kind: CustomStringConvertible {
    public var description: String {
        switch self.rawValue {
        case 0: "prefixes rejected by policy"
        case 1: "duplicate announcements"
        case 2: "duplicate withdrawals"
        case 3: "updates with a cluster-list loop"
        case 4: "updates with an AS-path loop"
        case 5: "updates with our originator id"
        case 6: "updates with an AS-confederation loop"
        case 7: "routes before policy"
        case 8: "routes chosen"
        case 9: "routes before policy of a family"
        case 10: "routes chosen of a family"
        case 11: "updates treated as withdrawals"
        case 12: "prefixes treated as withdrawn"
        case 13: "duplicate updates"
        case 14: "routes out before policy"
        case 15: "routes out after policy"
        case 16: "routes out before policy of a family"
        case 17: "routes out after policy of a family"
        default: "statistic \(self.rawValue)"
        }
    }
}

extension BMPStatistic: CustomStringConvertible {
    public var description: String { "\(self.name): \(self.value)" }

    /// What it counts, with the family where there is one.
    public var name: String {
        guard let family else { return "\(self.kind)" }
        let name =
            switch family {
            case (1, 1): "IPv4 unicast"
            case (2, 1): "IPv6 unicast"
            default: "AFI \(family.afi) SAFI \(family.safi)"
            }
        return "\(self.kind) (\(name))"
    }
}
