// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

extension Capability.Code: CustomStringConvertible {
    public var description: String {
        switch self {
        case .multiprotocol: "multiprotocol"
        case .routeRefresh: "route refresh"
        case .extendedNextHop: "extended next hop"
        case .extendedMessage: "extended message"
        case .role: "role"
        case .gracefulRestart: "graceful restart"
        case .fourOctetAS: "4-octet AS"
        case .addPath: "ADD-PATH"
        case .enhancedRouteRefresh: "enhanced route refresh"
        case .hostName: "host name"
        case .oldRouteRefresh: "route refresh (old)"
        case .longLivedGracefulRestart: "long-lived graceful restart"
        default: "capability \(self.rawValue)"
        }
    }
}

/// The name, with what its value says: `graceful restart: 120 s, IPv4 unicast (forwards)`.
extension Capability: CustomStringConvertible {
    public var description: String {
        let alone = Capabilities([self])
        switch self.code {
        case .multiprotocol: return Self.familyName(self.value.span.bytes)
        case .fourOctetAS:
            return self.text(alone.fourOctetAS?.description)
        case .role: return self.text(alone.roles.first?.description)
        case .extendedNextHop:
            return self.text(alone.extendedNextHop ? "IPv4 over IPv6" : "other families")
        case .gracefulRestart: return self.text(alone.gracefulRestart?.description)
        case .longLivedGracefulRestart:
            guard !self.value.isEmpty else { return self.text("helper") }
            let both = Capabilities([.gracefulRestartHelper, self])
            let parts = both.longLived.map { "\($0.family) unicast \($0.staleSeconds) s" }
            return self.text(parts.isEmpty ? "other families" : parts.joined(separator: ", "))
        case .addPath:
            let parts = AddressFamily.allCases.compactMap { family -> String? in
                let sends = alone.addPath(sends: true).contains(family)
                let receives = alone.addPath(sends: false).contains(family)
                guard sends || receives else { return nil }
                let way = sends && receives ? "both ways" : sends ? "send" : "receive"
                return "\(family) unicast \(way)"
            }
            return self.text(parts.isEmpty ? "other families" : parts.joined(separator: ", "))
        case .hostName:
            let count = Int(self.value.first ?? 0)
            guard count > 0, count < self.value.count else { return self.code.description }
            return self.text(Notification.printable(self.value[1...count]))
        default: return self.code.description
        }
    }

    private func text(_ detail: String?) -> String {
        "\(self.code): \(detail ?? "malformed")"
    }

    private static func familyName(_ bytes: RawSpan) -> String {
        guard let number = bytes.uint16(at: 0), let subsequent = bytes.uint8(at: 3),
            bytes.byteCount == 4
        else { return "a malformed family" }
        switch (number, subsequent) {
        case (1, 1): return "IPv4 unicast"
        case (2, 1): return "IPv6 unicast"
        case (1...2, 2): return "IPv\(number == 1 ? 4 : 6) multicast"
        case (1...2, 4): return "IPv\(number == 1 ? 4 : 6) labelled"
        case (1...2, 128): return "VPNv\(number == 1 ? 4 : 6)"
        default: return "family \(number)/\(subsequent)"
        }
    }
}

extension Capabilities: CustomStringConvertible {
    /// Names, each once, families in words.
    public var description: String {
        var names: [String] = []
        for capability in self.list {
            let name =
                switch capability.code {
                case .multiprotocol: capability.description
                default: capability.code.description
                }
            if !names.contains(name) { names.append(name) }
        }
        return names.isEmpty ? "none" : names.joined(separator: ", ")
    }

    /// Each capability with what it says, once, in the order of their codes: for two ends side
    /// by side.
    public var details: [String] {
        var details: [String] = []
        for capability in self.list.sorted(by: { $0.code.rawValue < $1.code.rawValue }) {
            let detail = capability.description
            if !details.contains(detail) { details.append(detail) }
        }
        return details
    }
}

extension Capabilities.GracefulRestart: CustomStringConvertible {
    public var description: String {
        guard !self.families.isEmpty else { return "helper" }
        let parts = self.families.families.map { family in
            "\(family) unicast" + (self.preserved.contains(family) ? " (forwarding kept)" : "")
        }
        return "\(self.restartSeconds) s, " + parts.joined(separator: ", ")
    }
}
