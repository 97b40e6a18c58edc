// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import CLinux
import Glibc
import NIOCore

/// Socket options of a channel that NIO has no names for, set on its event loop and at once.
struct SocketOptions {
    private let channel: any Channel
    private let provider: any SocketOptionProvider
    /// The socket is an IPv6 one: IPv4 peers have mapped addresses on it.
    private let isIPv6: Bool

    /// Nil where the channel is no socket.
    init?(_ channel: any Channel, isIPv6: Bool) {
        guard let provider = channel as? any SocketOptionProvider else { return nil }
        self.channel = channel
        self.provider = provider
        self.isIPv6 = isIPv6
    }

    /// The same for an accepted connection, whose family its own address tells.
    init?(accepted channel: any Channel) {
        guard case .v6? = channel.localAddress else {
            self.init(channel, isIPv6: false)
            return
        }
        self.init(channel, isIPv6: true)
    }

    private func set<Value: Sendable>(
        _ level: CInt, _ name: CInt, _ value: Value
    ) throws {
        try self.outcome(
            self.provider.unsafeSetSocketOption(
                level: NIOBSDSocket.OptionLevel(rawValue: level),
                name: NIOBSDSocket.Option(rawValue: name), value: value))
    }

    /// On the channel's own loop an option is set before the call returns.
    private func outcome<Value>(_ future: EventLoopFuture<Value>) throws -> Value {
        var result: Result<Value, any Error> = .failure(ChannelError.ioOnClosedChannel)
        future.assumeIsolated().whenComplete { result = $0 }
        return try result.get()
    }

    // MARK: How far

    /// Sets the TTL of what is sent, and the least of what is taken.
    func set(_ reach: Reach, peer: IPAddress, isInternal: Bool) throws {
        if let hops = reach.timeToLive(isInternal: isInternal) {
            try self.set(timeToLive: hops, peer.family)
        }
        guard let minimum = reach.minimumTimeToLive else { return }
        if peer.family == .ipv4 {
            try self.set(CInt(IPPROTO_IP), IP_MINTTL, CInt(minimum))
        } else {
            try self.set(CInt(IPPROTO_IPV6), IPV6_MINHOPCOUNT, CInt(minimum))
        }
    }

    /// A listener answers with the longest reach: a neighbour that checks it wants 255 of the
    /// first segment too.
    func setFullReach() throws {
        try self.set(timeToLive: 255, .ipv4)
        if self.isIPv6 { try self.set(timeToLive: 255, .ipv6) }
        // Who accepts learns how far the first segment came, from before it could say anything.
        try self.set(CInt(IPPROTO_TCP), CInt(martlet_tcp_save_syn_option), CInt(1))
    }

    /// The TTL that an accepted connection's first segment had left; nil where it isn't known.
    var firstTimeToLive: Int? {
        let headers: martlet_tcp_saved_syn? = try? self.outcome(
            self.provider.unsafeGetSocketOption(
                level: .tcp, name: NIOBSDSocket.Option(rawValue: CInt(martlet_tcp_saved_syn_option))
            ))
        return headers.flatMap { headers in
            switch headers.bytes.0 >> 4 {
            case 4: Int(headers.bytes.8)
            case 6: Int(headers.bytes.7)
            default: nil
            }
        }
    }

    private func set(timeToLive hops: Int, _ family: AddressFamily) throws {
        if family == .ipv4 {
            try self.set(CInt(IPPROTO_IP), IP_TTL, CInt(hops))
        } else {
            try self.set(CInt(IPPROTO_IPV6), IPV6_UNICAST_HOPS, CInt(hops))
        }
    }

    // MARK: Keys

    /// Has the segments of all addresses under a prefix signed, and unsigned ones dropped; in
    /// place of the key that was set for it. On a connection, which is no listener, it is used at
    /// once.
    func set(
        _ authentication: Authentication, for prefix: IPPrefix, isConnection: Bool
    ) throws(SocketKeyError) {
        do {
            switch authentication {
            case .md5(let secret): try self.setMD5(prefix, key: Array(secret.text.utf8))
            case .ao(let tuple): try self.setAO(prefix, tuple, isCurrent: isConnection)
            }
        } catch {
            throw SocketKeyError(authentication, (error as? IOError)?.errnoCode ?? EINVAL)
        }
    }

    /// Takes a key away, if it is there.
    func remove(_ authentication: Authentication, for prefix: IPPrefix) {
        switch authentication {
        case .md5: try? self.setMD5(prefix, key: [])
        case .ao(let tuple): try? self.removeAO(prefix, tuple)
        }
    }

    private func setMD5(_ prefix: IPPrefix, key: [UInt8]) throws {
        var value = martlet_tcp_md5()
        var endpoint = Self.endpoint(prefix)
        try Self.check(
            martlet_tcp_md5_fill(
                &value, &endpoint, CInt(prefix.length), self.isIPv6, key, key.count))
        let isHost = prefix.length == prefix.family.width
        let name = isHost ? martlet_tcp_md5_option : martlet_tcp_md5_ext_option
        try self.set(CInt(IPPROTO_TCP), CInt(name), value)
    }

    private func setAO(
        _ prefix: IPPrefix, _ tuple: Authentication.KeyTuple, isCurrent: Bool
    ) throws {
        var value = martlet_tcp_ao_add()
        var endpoint = Self.endpoint(prefix)
        let key = Array(tuple.key.text.utf8)
        try Self.check(
            martlet_tcp_ao_fill(
                &value, &endpoint, CInt(prefix.length), self.isIPv6,
                tuple.algorithm.kernelName, tuple.sendID, tuple.receiveID, isCurrent, key,
                key.count))
        try self.set(CInt(IPPROTO_TCP), CInt(martlet_tcp_ao_add_option), value)
    }

    private func removeAO(_ prefix: IPPrefix, _ tuple: Authentication.KeyTuple) throws {
        var value = martlet_tcp_ao_del()
        var endpoint = Self.endpoint(prefix)
        try Self.check(
            martlet_tcp_ao_delete_fill(
                &value, &endpoint, CInt(prefix.length), self.isIPv6, tuple.sendID,
                tuple.receiveID))
        try self.set(CInt(IPPROTO_TCP), CInt(martlet_tcp_ao_del_option), value)
    }

    private static func check(_ isFilled: Bool) throws {
        guard isFilled else { throw IOError(errnoCode: EINVAL, reason: "key") }
    }

    private static func endpoint(_ prefix: IPPrefix) -> martlet_endpoint {
        var endpoint = martlet_endpoint()
        endpoint.family = prefix.family == .ipv4 ? 4 : 6
        withUnsafeMutableBytes(of: &endpoint.bytes) { $0.copyBytes(from: prefix.address.bytes) }
        return endpoint
    }

    // MARK: Queues

    /// How a connection's queues stand; nil where the system doesn't say.
    var queues: TCPQueues? {
        let information: martlet_tcp_info? = try? self.outcome(
            self.provider.unsafeGetSocketOption(
                level: .tcp, name: NIOBSDSocket.Option(rawValue: TCP_INFO)))
        return information.map {
            TCPQueues(
                unreadBytes: self.unreadBytes, unsentBytes: Int($0.unsent),
                unacknowledgedSegments: Int($0.unacked), retransmissions: Int($0.more.7),
                roundTripMicroseconds: Int($0.sizes.2))
        }
    }

    /// Nil where the system doesn't say (SIOCINQ, tcp(7)).
    private var unreadBytes: Int? {
        var count: CInt = 0
        let isTold = try? self.channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(
            of: NIOBSDSocket.Handle.self
        ) { socket in
            ioctl(socket, UInt(FIONREAD), &count) == 0
        }
        return isTold == true ? Int(count) : nil
    }
}

/// Why a session's segments can't be signed.
struct SocketKeyError: Error, CustomStringConvertible {
    var description: String

    init(_ authentication: Authentication, _ number: CInt) {
        let kind =
            switch authentication {
            case .md5: "TCP MD5"
            case .ao: "TCP-AO"
            }
        self.description =
            switch number {
            case ENOMEM, ENOBUFS:
                "the kernel has no room for another \(kind) key on this socket: raise "
                    + "net.core.optmem_max"
            case ENOPROTOOPT: "this kernel has no \(kind)"
            case ENOENT: "this kernel doesn't have the algorithm that \(kind) is to use"
            case EKEYREJECTED, EEXIST:
                "the kernel refuses the \(kind) key: another one has its numbers"
            default: "can't set the \(kind) key: \(String(cString: strerror(number)))"
            }
    }
}

/// What the kernel holds of a connection.
public struct TCPQueues: Sendable, Hashable {
    /// Come, not read by us yet: where that lasts, the table has enough to do, and the sender waits.
    public var unreadBytes: Int?
    /// Written by us, not sent yet.
    public var unsentBytes: Int
    public var unacknowledgedSegments: Int
    /// Since the connection began.
    public var retransmissions: Int
    public var roundTripMicroseconds: Int
}
