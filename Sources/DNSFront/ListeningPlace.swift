// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import CLinux
import Glibc

/// A listener with its sockets and whoever serves them.
struct ListeningPlace: Sendable {
    /// As the settings have it; a port of 0 is still 0 here.
    var listener: DNSListener
    /// Where it is.
    let endpoint: DNSEndpoint
    let onlyIPv6: Bool
    /// One for each thread.
    var udp: [BoundSocket]
    /// What connections are accepted on is a copy of it.
    let tcp: BoundSocket
    /// Once it serves.
    var workers: [UDPWorker] = []
    var stream: StreamListener?

    /// Takes the sockets that a listener needs: those that are inherited, then new ones.
    init(
        _ listener: DNSListener, _ settings: DNSSettings, _ inherited: inout InheritedSockets
    ) throws(DNSServerError) {
        self.listener = listener
        self.onlyIPv6 = settings.isOnlyIPv6(listener)
        let wanted = listener.endpoint
        let tcp = inherited.takeTCP(wanted, onlyIPv6: self.onlyIPv6)
        // The port that the system picks for UDP may be taken by somebody's TCP.
        var attempts = wanted.port == 0 && tcp == nil ? 16 : 1
        while true {
            attempts -= 1
            do throws(DNSServerError) {
                (self.endpoint, self.udp, self.tcp) = try Self.open(
                    wanted, self.onlyIPv6, settings, tcp, &inherited)
                return
            } catch {
                guard attempts > 0 else { throw error }
            }
        }
    }

    private static func open(
        _ wanted: DNSEndpoint, _ onlyIPv6: Bool, _ settings: DNSSettings, _ stream: BoundSocket?,
        _ inherited: inout InheritedSockets
    ) throws(DNSServerError) -> (DNSEndpoint, [BoundSocket], BoundSocket) {
        var endpoint = wanted
        endpoint.port = stream?.port() ?? wanted.port
        var udp = [try Self.udp(endpoint, onlyIPv6, settings, &inherited)]
        endpoint.port = udp[0].port() ?? endpoint.port
        let tcp: BoundSocket
        if let stream {
            tcp = stream
        } else {
            tcp = try BoundSocket.tcp(
                endpoint, onlyIPv6: onlyIPv6, sharesPort: settings.sharesPorts)
        }
        while udp.count < settings.threads {
            udp.append(try Self.udp(endpoint, onlyIPv6, settings, &inherited))
        }
        return (endpoint, udp, tcp)
    }

    private static func udp(
        _ endpoint: DNSEndpoint, _ onlyIPv6: Bool, _ settings: DNSSettings,
        _ inherited: inout InheritedSockets
    ) throws(DNSServerError) -> BoundSocket {
        if let socket = inherited.takeUDP(endpoint, onlyIPv6: onlyIPv6) { return socket }
        return try BoundSocket.udp(endpoint, onlyIPv6: onlyIPv6, buffer: settings.socketBuffer)
    }

    /// Another socket of the same port.
    func anotherUDP(_ settings: DNSSettings) throws(DNSServerError) -> BoundSocket {
        try BoundSocket.udp(
            self.endpoint, onlyIPv6: self.onlyIPv6, buffer: settings.socketBuffer)
    }

    /// Whether a listener of other settings is this one, perhaps with other rules.
    func isPlace(of other: DNSListener, _ settings: DNSSettings) -> Bool {
        other.endpoint == self.listener.endpoint
            && settings.isOnlyIPv6(other) == self.onlyIPv6
    }
}

extension DNSSettings {
    /// Whether `0.0.0.0` beside `::` on the same port takes IPv4 for itself.
    func isOnlyIPv6(_ listener: DNSListener) -> Bool {
        let wanted = listener.endpoint
        return wanted.isWildcard && wanted.address.family == .ipv6 && wanted.port != 0
            && self.listeners.map(\.endpoint).contains {
                $0.isWildcard && $0.address.family == .ipv4 && $0.port == wanted.port
            }
    }
}

/// Sockets that the process before this one has served: they stay bound, and keep what has arrived on
/// them, while the one takes over from the other.
struct InheritedSockets: ~Copyable {
    private struct Entry {
        var endpoint: DNSEndpoint
        var onlyIPv6: Bool
        var socket: BoundSocket
    }

    private var udp: [Entry]
    private var tcp: [Entry]

    init(_ sockets: DNSSockets = DNSSockets()) {
        self.udp = sockets.udp.compactMap(Self.entry)
        self.tcp = sockets.tcp.compactMap(Self.entry)
    }

    /// What isn't a bound socket is closed.
    private static func entry(_ descriptor: CInt) -> Entry? {
        let socket = BoundSocket(adopting: descriptor)
        return socket.endpoint().map {
            Entry(
                endpoint: $0, onlyIPv6: martlet_is_only_ipv6(descriptor) == 1, socket: socket)
        }
    }

    mutating func takeUDP(_ endpoint: DNSEndpoint, onlyIPv6: Bool) -> BoundSocket? {
        Self.take(endpoint, onlyIPv6, &self.udp)
    }

    mutating func takeTCP(_ endpoint: DNSEndpoint, onlyIPv6: Bool) -> BoundSocket? {
        Self.take(endpoint, onlyIPv6, &self.tcp)
    }

    private static func take(
        _ wanted: DNSEndpoint, _ onlyIPv6: Bool, _ entries: inout [Entry]
    ) -> BoundSocket? {
        // Only a wildcard can take IPv4 as well.
        let matters = wanted.isWildcard && wanted.address.family == .ipv6
        guard
            let index = entries.firstIndex(where: { entry in
                entry.endpoint.address == wanted.address
                    && (wanted.port == 0 || entry.endpoint.port == wanted.port)
                    && (!matters || entry.onlyIPv6 == onlyIPv6)
            })
        else { return nil }
        return entries.remove(at: index).socket
    }

    /// The UDP sockets that nobody has taken: what has arrived there wants answers yet.
    consuming func rest() -> [BoundSocket] { self.udp.map(\.socket) }
}

/// The open sockets of a server, as descriptors.
public struct DNSSockets: Hashable, Sendable {
    public var udp: [Int32]
    /// Those that listen.
    public var tcp: [Int32]

    public init(udp: [Int32] = [], tcp: [Int32] = []) {
        self.udp = udp
        self.tcp = tcp
    }
}
