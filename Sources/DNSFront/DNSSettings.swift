// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// An address and a port that a server listens on.
public struct DNSEndpoint: Hashable, Sendable {
    /// `0.0.0.0` and `::` stand for all addresses; `::` takes IPv4 too, unless `0.0.0.0` is listened
    /// on as well.
    public var address: IPAddress
    /// 0 for one that the system picks.
    public var port: UInt16

    public init(address: IPAddress, port: UInt16 = 53) {
        self.address = address
        self.port = port
    }

    var isWildcard: Bool { self.address.high == 0 && self.address.low == 0 }
}

extension DNSEndpoint: CustomStringConvertible {
    public var description: String {
        self.address.family == .ipv4
            ? "\(self.address):\(self.port)" : "[\(self.address)]:\(self.port)"
    }
}

/// Where a server listens, and what holds for those who ask there.
public struct DNSListener: Hashable, Sendable {
    public var endpoint: DNSEndpoint
    /// Else a Client Subnet is passed over, and the resolver's address decides.
    public var usesClientSubnet: Bool

    public init(_ endpoint: DNSEndpoint, usesClientSubnet: Bool = true) {
        self.endpoint = endpoint
        self.usesClientSubnet = usesClientSubnet
    }
}

/// How DNS is served.
public struct DNSSettings: Hashable, Sendable {
    /// Each is listened on by UDP and by TCP.
    public var listeners: [DNSListener]
    /// Threads for UDP, each with a socket of its own for every listener's address.
    public var threads = 1
    /// Binds each thread to a processor of its own.
    public var pinsThreads = false
    /// Datagrams that a thread takes at once. More than 64 gain nothing.
    public var batch = 64
    /// The longest answer by UDP, 512 to 4096. 1232 is the most that passes everywhere unfragmented;
    /// more lets answers be forged by fragments.
    public var payloadSize = 1232
    /// Bytes of each UDP socket's buffers, to outlive a burst; 0 for the system's default. The
    /// kernel grants no more than `net.core.rmem_max`.
    public var socketBuffer = 4 << 20
    /// A TCP connection without a whole query for this long is closed. RFC 7766 §6.2.3 wants
    /// seconds.
    public var idleTimeout = Duration.seconds(10)
    /// TCP connections at once; more are closed as they come.
    public var maximumConnections = 1000
    /// Lets another process listen by TCP beside this one, as UDP always does.
    public var sharesPorts = false
    /// What holds at the start; ``DNSServer/apply(_:)`` changes it.
    public var rules = AnswerRules()

    public init(listeners: [DNSListener]) { self.listeners = listeners }
}

/// Why a server couldn't start.
public enum DNSServerError: Error, Hashable, Sendable {
    case cannotBind(DNSEndpoint, transport: String, errno: Int32)
    case outOfMemory
    case cannotStartThread(errno: Int32)
    case cannotCopySocket(errno: Int32)
    /// ``DNSServer/run()`` was called before ``DNSServer/bind()``, or twice.
    case notBound
}
