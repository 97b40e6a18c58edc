// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// All that Martlet ever says to a peer. There is no case that carries a route, and no other
/// function that encodes a message: it can't announce anything.
public enum OutgoingMessage: Sendable, Hashable {
    case open(OpenMessage)
    case keepalive
    case notification(Notification)
    /// The peer is asked to send its routes of a family again (RFC 2918).
    case routeRefresh(AddressFamily)
    /// An UPDATE without a route in it, which graceful restart asks for (RFC 4724 §2): a peer
    /// that has restarted waits for it.
    case endOfRIB(AddressFamily)

    public var type: MessageType {
        switch self {
        case .open: .open
        case .keepalive: .keepalive
        case .notification: .notification
        case .routeRefresh: .routeRefresh
        case .endOfRIB: .update
        }
    }

    /// The message with its header, at most 4,096 bytes.
    public func encoded() -> [UInt8] {
        var bytes = [UInt8](repeating: 0xff, count: 16)
        bytes += [0, 0, self.type.rawValue]
        switch self {
        case .open(let open): open.encodeBody(into: &bytes)
        case .keepalive: break
        case .notification(let notification):
            bytes += [notification.code.rawValue, notification.subcode]
            bytes += notification.data.prefix(Notification.maximumData)
        case .routeRefresh(let family): bytes += [0, family.rawValue, 0, 1]
        case .endOfRIB(.ipv4): bytes += [0, 0, 0, 0]
        case .endOfRIB(.ipv6): bytes += [0, 0, 0, 6, 0x80, 15, 3, 0, 2, 1]
        }
        let length = UInt16(clamping: bytes.count).bigEndianBytes
        bytes[16] = length[0]
        bytes[17] = length[1]
        return bytes
    }
}
