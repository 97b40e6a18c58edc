// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Glibc
import NIOCore

extension IPAddress {
    /// The address of a socket's end; IPv4 where it is mapped into IPv6. Nil for a Unix socket.
    init?(_ address: SocketAddress?) {
        // A link-local address comes with its zone, which says nothing about the neighbour.
        guard let text = address?.ipAddress?.prefix(while: { $0 != "%" }),
            let address = IPAddress(String(text))
        else { return nil }
        self = address.unmapped
    }
}

extension SocketAddress {
    init(_ address: IPAddress, port: UInt16) throws {
        try self.init(ipAddress: address.description, port: Int(port))
    }
}

extension Error {
    /// The system's own sentence, where the error is the system's.
    var inWords: String {
        switch self {
        case let error as IOError: String(cString: strerror(error.errnoCode))
        case let error as ChannelError where error.isTimeout: "no answer"
        default: "\(self)"
        }
    }
}

extension Error {
    /// No way leads there, or it is too long.
    var isUnreachable: Bool {
        [EHOSTUNREACH, ENETUNREACH, ETIMEDOUT].contains((self as? IOError)?.errnoCode)
            || (self as? ChannelError)?.isTimeout == true
    }
}

extension Duration {
    var timeAmount: TimeAmount {
        let (seconds, attoseconds) = self.components
        return .nanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}

extension ChannelError {
    fileprivate var isTimeout: Bool {
        if case .connectTimeout = self { true } else { false }
    }
}
