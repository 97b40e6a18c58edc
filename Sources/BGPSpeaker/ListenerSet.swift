// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Glibc
import NIOCore
import NIOPosix

/// Where the speaker listens, and the keys by which it knows who may connect there.
///
/// A key stands on a listener before it listens. All of it stays on the event loop.
final class ListenerSet {
    /// Whose segments a key signs.
    struct Key: Hashable {
        var prefix: IPPrefix
        var authentication: Authentication
    }

    private struct Listener {
        var channel: any Channel
        var takesIPv4: Bool
        var isIPv6: Bool
    }

    private let loop: any EventLoop
    /// The handler of a connection that was accepted.
    private let makeHandler: () -> ConnectionHandler
    private(set) var addresses: [ListenAddress] = []
    private var listeners: [ListenAddress: Listener] = [:]
    private var keys: [IPPrefix: Authentication] = [:]
    /// Keys that are missing on a listener, and why: whoever should have to use one is not let in.
    private(set) var problems: [IPPrefix: String] = [:]
    /// Connections are accepted.
    private(set) var isOpen = false

    init(loop: any EventLoop, makeHandler: @escaping () -> ConnectionHandler) {
        self.loop = loop
        self.makeHandler = makeHandler
    }

    var localAddresses: [SocketAddress] {
        self.addresses.compactMap { self.listeners[$0]?.channel.localAddress }
    }

    // MARK: Life

    /// Accepts from now on; who called before has waited in the backlog.
    func open() {
        self.isOpen = true
        for listener in self.listeners.values { self.accept(on: listener.channel) }
    }

    func close() {
        self.isOpen = false
        for listener in self.listeners.values { listener.channel.close(promise: nil) }
        self.listeners.removeAll()
    }

    private func accept(on channel: any Channel) {
        channel.setOption(.autoRead, value: true).whenFailure { _ in }
    }

    // MARK: Keys

    /// The keys from now on. One that is there already is not touched.
    func set(_ keys: [IPPrefix: Authentication]) {
        let old = self.keys
        self.keys = keys
        for (prefix, authentication) in old where keys[prefix] != authentication {
            self.problems[prefix] = nil
            // The new key of the same kind takes its place.
            if case .md5 = authentication, case .md5? = keys[prefix] { continue }
            for listener in self.listeners.values {
                self.options(listener)?.remove(authentication, for: prefix)
            }
        }
        for (prefix, authentication) in keys where old[prefix] != authentication {
            for listener in self.listeners.values {
                self.set(authentication, for: prefix, on: listener)
            }
        }
    }

    private func options(_ listener: Listener) -> SocketOptions? {
        SocketOptions(listener.channel, isIPv6: listener.isIPv6)
    }

    private func set(
        _ authentication: Authentication, for prefix: IPPrefix, on listener: Listener
    ) {
        guard prefix.family == .ipv4 ? listener.takesIPv4 : listener.isIPv6 else { return }
        do throws(SocketKeyError) {
            try self.options(listener)?.set(authentication, for: prefix, isConnection: false)
        } catch {
            self.problems[prefix] = error.description
        }
    }

    // MARK: Binding

    /// Binds what is listed and not bound yet, and closes what is listed no more.
    ///
    /// - Returns: What can't be bound.
    func listen(on addresses: [ListenAddress]) -> EventLoopFuture<[BGPSpeaker.BindError]> {
        self.addresses = addresses
        for (address, listener) in self.listeners where !addresses.contains(address) {
            listener.channel.close(promise: nil)
            self.listeners[address] = nil
        }
        let bound = NIOLoopBound(self, eventLoop: self.loop)
        let futures = addresses.filter { self.listeners[$0] == nil }.map { address in
            self.bind(address).map { channel -> BGPSpeaker.BindError? in
                // It may have begun to run meanwhile.
                if bound.value.isOpen { bound.value.accept(on: channel) }
                return nil
            }.flatMapErrorThrowing { error in
                bound.value.listeners[address] = nil
                return BGPSpeaker.BindError(address: address, reason: error.inWords)
            }
        }
        return EventLoopFuture.whenAllSucceed(futures, on: self.loop).map { errors in
            errors.compactMap { $0 }
        }
    }

    /// One socket serves both families, unless IPv4 has one of its own on that port.
    private func isDual(_ address: ListenAddress) -> Bool {
        address.address.family == .ipv6
            && !self.addresses.contains {
                $0.address.family == .ipv4 && $0.port == address.port && address.port != 0
            }
    }

    private func bind(_ address: ListenAddress) -> EventLoopFuture<any Channel> {
        let bound = NIOLoopBound(self, eventLoop: self.loop)
        let isIPv6 = address.address.family == .ipv6
        let isDual = self.isDual(address)
        var bootstrap = ServerBootstrap(group: self.loop, childGroup: self.loop)
            .serverChannelOption(.backlog, value: 64)
            .serverChannelOption(.autoRead, value: self.isOpen)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                // Before it is bound: nobody gets in unsigned meanwhile.
                channel.eventLoop.makeCompletedFuture {
                    let listener = Listener(
                        channel: channel, takesIPv4: !isIPv6 || isDual, isIPv6: isIPv6)
                    bound.value.prepare(listener, at: address)
                }
            }
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.recvAllocator, value: SpeakerCore.allocator)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(bound.value.makeHandler())
                }
            }
        if isIPv6 {
            bootstrap = bootstrap.serverChannelOption(
                ChannelOptions.Types.SocketOption(
                    level: .ipv6, name: NIOBSDSocket.Option(rawValue: IPV6_V6ONLY)),
                value: isDual ? 0 : 1)
        }
        do {
            return bootstrap.bind(to: try SocketAddress(address.address, port: address.port))
        } catch {
            return self.loop.makeFailedFuture(error)
        }
    }

    private func prepare(_ listener: Listener, at address: ListenAddress) {
        self.listeners[address] = listener
        // A system that refuses this has neighbours that check TTLs time out.
        try? self.options(listener)?.setFullReach()
        for (prefix, authentication) in self.keys {
            self.set(authentication, for: prefix, on: listener)
        }
    }
}
