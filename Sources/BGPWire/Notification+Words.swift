// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// A NOTIFICATION in the words of its RFC, with what its data says.
extension Notification: CustomStringConvertible {
    /// `Cease/Administrative Shutdown: "moving to the new cabinet"`.
    public var description: String {
        var text = self.codeName
        if let name = self.subcodeName {
            text += "/\(name)"
        } else if self.subcode != 0 {
            text += "/subcode \(self.subcode)"
        }
        if let words = self.finding ?? self.detail { text += ": \(words)" }
        return text
    }

    public var codeName: String {
        switch self.code {
        case .messageHeader: "Message Header Error"
        case .open: "OPEN Message Error"
        case .update: "UPDATE Message Error"
        case .holdTimerExpired: "Hold Timer Expired"
        case .finiteStateMachine: "Finite State Machine Error"
        case .cease: "Cease"
        case .routeRefresh: "ROUTE-REFRESH Message Error"
        case .sendHoldTimerExpired: "Send Hold Timer Expired"
        default: "code \(self.code.rawValue)"
        }
    }

    public var subcodeName: String? {
        switch self.code {
        case .messageHeader:
            Self.name(
                self.subcode,
                ["Connection Not Synchronized", "Bad Message Length", "Bad Message Type"])
        case .open:
            Self.name(
                self.subcode,
                [
                    "Unsupported Version Number", "Bad Peer AS", "Bad BGP Identifier",
                    "Unsupported Optional Parameter", "Authentication Failure",
                    "Unacceptable Hold Time", "Unsupported Capability", nil, nil, nil,
                    "Role Mismatch",
                ])
        case .update:
            Self.name(
                self.subcode,
                [
                    "Malformed Attribute List", "Unrecognized Well-known Attribute",
                    "Missing Well-known Attribute", "Attribute Flags Error",
                    "Attribute Length Error", "Invalid ORIGIN Attribute", "AS Routing Loop",
                    "Invalid NEXT_HOP Attribute", "Optional Attribute Error",
                    "Invalid Network Field", "Malformed AS_PATH",
                ])
        case .finiteStateMachine:
            Self.name(
                self.subcode,
                [
                    "Unexpected Message in OpenSent State",
                    "Unexpected Message in OpenConfirm State",
                    "Unexpected Message in Established State",
                ])
        case .cease:
            Self.name(
                self.subcode,
                [
                    "Maximum Number of Prefixes Reached", "Administrative Shutdown",
                    "Peer De-configured", "Administrative Reset", "Connection Rejected",
                    "Other Configuration Change", "Connection Collision Resolution",
                    "Out of Resources", "Hard Reset", "BFD Down",
                ])
        case .routeRefresh: Self.name(self.subcode, ["Invalid Message Length"])
        default: nil
        }
    }

    private static func name(_ subcode: UInt8, _ names: [String?]) -> String? {
        let index = Int(subcode) - 1
        return names.indices.contains(index) ? names[index] : nil
    }

    /// What the data says, where there is any.
    private var detail: String? {
        guard !self.data.isEmpty else { return nil }
        if let message = self.shutdownMessage { return message.isEmpty ? nil : "\"\(message)\"" }
        let bytes = self.data.span.bytes
        switch (self.code, self.subcode) {
        case (.messageHeader, HeaderSubcode.badLength.rawValue):
            if let length = bytes.uint16(at: 0) { return "\(length)" }
        case (.messageHeader, HeaderSubcode.badType.rawValue):
            return "\(self.data[0])"
        case (.open, OpenSubcode.unsupportedVersion.rawValue):
            if let version = bytes.uint16(at: 0) { return "it speaks at most \(version)" }
        case (.open, OpenSubcode.unsupportedCapability.rawValue):
            let list = Capabilities(unchecked: bytes)
            if !list.list.isEmpty { return list.details.joined(separator: ", ") }
        case (.finiteStateMachine, _):
            if let type = MessageType(rawValue: self.data[0]) { return type.description }
        case (.cease, CeaseSubcode.maximumPrefixes.rawValue):
            // RFC 4486 §4.
            if self.data.count == 7, let bound = bytes.uint32(at: 3),
                let family = bytes.uint16(at: 0).flatMap({ number in
                    AddressFamily(unicast: number, self.data[2])
                })
            {
                return "at most \(bound) of \(family) unicast"
            }
        case (.cease, CeaseSubcode.hardReset.rawValue):
            // RFC 8538 §3.1: the true reason is inside. One level only.
            let cause = self.cause
            if !cause.isHardReset { return cause.description }
        default: break
        }
        let shown = AttributeComplaint.hexadecimal(Array(self.data.prefix(64)))
        return "data \(shown)\(self.data.count > 64 ? "…" : "")"
    }

    /// The sentence of a shutdown or reset (RFC 9003): its length `u8` and UTF-8. Control
    /// characters, and bytes that are no UTF-8, are escaped, so that it is safe to print.
    public var shutdownMessage: String? {
        guard self.code == .cease,
            self.subcode == CeaseSubcode.administrativeShutdown.rawValue
                || self.subcode == CeaseSubcode.administrativeReset.rawValue,
            let length = self.data.first, self.data.count >= 1 + Int(length)
        else { return nil }
        return Self.printable(self.data[1..<1 + Int(length)])
    }

    static func printable(_ bytes: ArraySlice<UInt8>) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            return bytes.map { byte in
                (0x20..<0x7f).contains(byte) && byte != 0x5c
                    ? String(UnicodeScalar(byte))
                    : "\\x" + AttributeComplaint.hexadecimal([byte])
            }.joined()
        }
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .unassigned,
                .privateUse:
                result += "\\u{\(String(scalar.value, radix: 16))}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
