// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPWire
import Logging
import NIOCore
import NIOPosix
import RouteTable

/// Connections: those that are dialled, and those that come.
extension SpeakerCore {
    /// How long the kernel tries to connect for us.
    static let connectTimeout = TimeAmount.seconds(30)
    /// Bytes taken from a socket at once. A few such reads are one turn of the loop.
    static let readSize = 1 << 16

    static var allocator: AdaptiveRecvByteBufferAllocator {
        AdaptiveRecvByteBufferAllocator(minimum: 2048, initial: 4096, maximum: Self.readSize)
    }

    // MARK: Accepted

    /// Closes connections of strangers, gives the others to their peers.
    func accepted(_ handler: ConnectionHandler) {
        self.handlers[ObjectIdentifier(handler)] = handler
        let remote = IPAddress(handler.channel?.remoteAddress)
        guard self.isRunning, let remote else {
            self.refuse(handler, remote, "not running")
            return
        }
        switch self.find(remote, handler.localAddress) {
        case .failure(let refusal): self.refuse(handler, remote, refusal.reason)
        case .success(let peer):
            if let problem = self.prepare(handler, for: peer) {
                peer.turnedAway(problem)
                handler.channel?.close(promise: nil)
                self.changed(peer)
                return
            }
            handler.adopt(by: peer)
            peer.accepted(handler)
            self.changed(peer)
        }
    }

    private struct Refusal: Error {
        var reason: String
    }

    private func find(_ remote: IPAddress, _ local: IPAddress?) -> Result<Peer, Refusal> {
        if let peer = self.peers.peer(from: remote, to: local) { return .success(peer) }
        let ranges = self.settings.ranges.filter { range in
            range.prefix.contains(remote)
                && (range.template.localAddress.map { $0 == local } ?? true)
        }
        guard let range = ranges.max(by: { $0.prefix.length < $1.prefix.length }) else {
            return .failure(Refusal(reason: "no peer has this address"))
        }
        let taken = Set(self.peers.guests(of: range).map(\.settings.feed))
        guard let slot = range.slots.first(where: { !taken.contains($0) }) else {
            return .failure(
                Refusal(
                    reason: "\(range.template.name) has its \(range.slots.count) peers already"))
        }
        return .success(self.addGuest(remote, of: range, feed: slot))
    }

    private func refuse(_ handler: ConnectionHandler, _ remote: IPAddress?, _ reason: String) {
        self.strangers += 1
        if let suppressed = self.strangerLines.admit(at: self.now()) {
            self.logger.info(
                "connection of a stranger closed",
                metadata: [
                    "address": "\(remote.map(\.description) ?? "unknown")",
                    "reason": "\(reason)", "strangers": "\(self.strangers)",
                    "suppressed": "\(suppressed)",
                ])
        }
        handler.channel?.close(promise: nil)
    }

    /// Makes an accepted connection as safe as the peer's settings say, before a byte of it is
    /// read. Its key is set once more: the connection may have waited since before the listener
    /// had it.
    ///
    /// - Returns: Why that can't be.
    private func prepare(_ handler: ConnectionHandler, for peer: Peer) -> String? {
        let settings = peer.settings
        if let problem = self.keyProblem(of: peer) { return problem }
        guard let options = handler.options else { return nil }
        // What was sent before the kernel looks at TTLs came as far as its first segment.
        if let minimum = settings.reach.minimumTimeToLive, let first = options.firstTimeToLive,
            first < minimum
        {
            return "it comes from farther than ttl-security allows: a TTL of \(first) is left"
        }
        do {
            try options.set(
                settings.reach, peer: settings.peerAddress, isInternal: settings.isInternal)
            if case .md5? = settings.authentication, let authentication = settings.authentication {
                try options.set(
                    authentication, for: IPPrefix(host: settings.peerAddress), isConnection: true)
            }
            return nil
        } catch let error as SocketKeyError {
            return error.description
        } catch {
            return "TTL security can't be had: \(error.inWords)"
        }
    }

    // MARK: Dialled

    func dial(
        _ settings: PeerSettings, for peer: Peer,
        _ done: @escaping (Result<ConnectionHandler, any Error>) -> Void
    ) {
        let handler = ConnectionHandler(core: self, peer: peer, slot: .outgoing)
        let bound = NIOLoopBound(handler, eventLoop: self.loop)
        do {
            var bootstrap = ClientBootstrap(group: self.loop)
                .connectTimeout(Self.connectTimeout)
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .channelOption(.allowRemoteHalfClosure, value: true)
                .channelOption(.recvAllocator, value: Self.allocator)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try Self.prepare(channel, settings)
                        try channel.pipeline.syncOperations.addHandler(bound.value)
                    }
                }
            if let local = settings.localAddress {
                bootstrap = bootstrap.bind(to: try SocketAddress(local, port: 0))
            }
            bootstrap.connect(to: try SocketAddress(settings.peerAddress, port: settings.port))
                .hop(to: self.loop).assumeIsolated().whenComplete { result in
                    switch result {
                    case .success:
                        self.handlers[ObjectIdentifier(handler)] = handler
                        done(.success(handler))
                    case .failure(let error): done(.failure(error))
                    }
                }
        } catch {
            // Never from within the caller's own turn.
            self.loop.assumeIsolated().execute { done(.failure(error)) }
        }
    }

    /// Before the first segment: how far it goes, and how it is signed.
    private static func prepare(_ channel: any Channel, _ settings: PeerSettings) throws {
        let isIPv6 = settings.peerAddress.family == .ipv6
        guard let options = SocketOptions(channel, isIPv6: isIPv6) else { return }
        try options.set(
            settings.reach, peer: settings.peerAddress, isInternal: settings.isInternal)
        if let authentication = settings.authentication {
            try options.set(
                authentication, for: IPPrefix(host: settings.peerAddress), isConnection: true)
        }
    }
}
