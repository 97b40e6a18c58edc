// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import CLinux
import Glibc
import Synchronization

/// An open socket, closed at the end of its owner's life unless it is handed on.
final class BoundSocket: Sendable {
    let descriptor: CInt
    private let isOwner = Atomic(true)

    init(adopting descriptor: CInt) {
        precondition(descriptor >= 0, "a BoundSocket owns an open descriptor")
        self.descriptor = descriptor
    }

    deinit {
        if self.isOwner.load(ordering: .relaxed) { close(self.descriptor) }
    }

    /// Gives the descriptor to a new owner, who closes it.
    func release() -> CInt {
        self.isOwner.store(false, ordering: .relaxed)
        return self.descriptor
    }

    static func udp(
        _ endpoint: DNSEndpoint, onlyIPv6: Bool, buffer: Int
    ) throws(DNSServerError) -> BoundSocket {
        var address = martlet_endpoint(endpoint)
        // The time-out is for a stop that comes between the look at its flag and the wait.
        let result = martlet_udp_bind(&address, onlyIPv6, 250, CInt(clamping: buffer))
        guard result >= 0 else {
            throw .cannotBind(endpoint, transport: "UDP", errno: -result)
        }
        return BoundSocket(adopting: result)
    }

    static func tcp(
        _ endpoint: DNSEndpoint, onlyIPv6: Bool, sharesPort: Bool
    ) throws(DNSServerError) -> BoundSocket {
        var address = martlet_endpoint(endpoint)
        let result = martlet_tcp_listen(&address, onlyIPv6, sharesPort, 256)
        guard result >= 0 else {
            throw .cannotBind(endpoint, transport: "TCP", errno: -result)
        }
        return BoundSocket(adopting: result)
    }

    /// Another descriptor of the same socket.
    func copy() throws(DNSServerError) -> BoundSocket {
        let copy = fcntl(self.descriptor, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else { throw .cannotCopySocket(errno: errno) }
        return BoundSocket(adopting: copy)
    }

    /// The port that the system picked.
    func port() -> UInt16? { self.endpoint()?.port }

    /// What it is bound to; nil where it is no such socket.
    func endpoint() -> DNSEndpoint? {
        var address = martlet_endpoint()
        guard martlet_local_endpoint(self.descriptor, &address) == 0 else { return nil }
        let bytes = withUnsafeBytes(of: address.bytes) { Array($0) }
        guard let found = IPAddress(bytes: bytes.prefix(address.family == 4 ? 4 : 16)) else {
            return nil
        }
        return DNSEndpoint(address: found, port: address.port)
    }
}

extension DNSEndpoint {
    /// Whether the address is another's, or will only come: nobody reaches a socket that is bound to it.
    var isAway: Bool {
        var address = martlet_endpoint(self)
        return martlet_is_own(&address) == 0
    }
}

extension martlet_endpoint {
    init(_ endpoint: DNSEndpoint) {
        self.init()
        self.family = endpoint.address.family == .ipv4 ? 4 : 6
        self.port = endpoint.port
        withUnsafeMutableBytes(of: &self.bytes) { $0.copyBytes(from: endpoint.address.bytes) }
    }

    /// The address, an IPv4 one as such where it came through an IPv6 socket.
    @inline(__always)
    var ipAddress: IPAddress {
        withUnsafeBytes(of: self.bytes) { bytes in
            let high = bytes.loadUnaligned(as: UInt64.self).bigEndian
            guard self.family == 6 else {
                return IPAddress(ipv4: UInt32(truncatingIfNeeded: high >> 32))
            }
            let low = bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self).bigEndian
            return IPAddress(ipv6High: high, low: low).unmapped
        }
    }
}
