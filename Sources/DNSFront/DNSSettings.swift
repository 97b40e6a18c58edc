// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
import Glibc

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
    /// Who puts a PROXY header (version 2) before each datagram and at the front of each connection.
    /// The client that it names counts from there on: for the choice, the limits and who may ask
    /// what. Without the header, what comes from here is not answered.
    public var proxies: [IPPrefix]
    /// Not nil: DNS over TLS (RFC 7858), with this certificate, and nothing else.
    public var tls: TLSFiles?

    public init(
        _ endpoint: DNSEndpoint, usesClientSubnet: Bool = true, proxies: [IPPrefix] = [],
        tls: TLSFiles? = nil
    ) {
        self.endpoint = endpoint
        self.usesClientSubnet = usesClientSubnet
        self.proxies = proxies
        self.tls = tls
    }

    func isProxy(_ address: IPAddress) -> Bool {
        self.proxies.contains { $0.contains(address) }
    }
}

/// How DNS is served.
public struct DNSSettings: Hashable, Sendable {
    /// Each is listened on by UDP and by TCP, or by TLS alone.
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
    /// A connection on which for so long no whole query comes and no answers are taken is closed.
    /// RFC 7766 §6.2.3 wants seconds.
    public var idleTimeout = Duration.seconds(10)
    /// Connections at once, by TCP, and as many by TLS. One more takes the place of the one that is quiet for longest, if that
    /// is ``quietTime``; else it is closed as it comes.
    public var maximumConnections = 1000
    /// The same for those of one client, a /24 or a /56.
    public var connectionsPerClient = 100
    /// For how long a connection must have been asked nothing to give way to another.
    public var quietTime = Duration.seconds(1)
    /// How often certificates' files are looked at. A change is taken in at the second look.
    public var certificateInterval = Duration.seconds(10)
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
    case badCertificate(DNSEndpoint, TLSFileError)
    /// ``DNSServer/run()`` was called before ``DNSServer/bind()``, or twice.
    case notBound
}

extension DNSServerError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .cannotBind(let endpoint, let transport, let reason):
            "DNS can't have \(endpoint) by \(transport): \(String(cString: strerror(reason)))"
                + (reason == EACCES
                    ? " (a port below 1024 may be had at the start only, as root)" : "")
        case .outOfMemory: "there is no memory for DNS"
        case .cannotStartThread(let reason):
            "a thread for DNS doesn't start: \(String(cString: strerror(reason)))"
        case .cannotCopySocket(let reason):
            "a socket of DNS can't be copied: \(String(cString: strerror(reason)))"
        case .badCertificate(let endpoint, let error): "DNS over TLS at \(endpoint): \(error)"
        case .notBound: "DNS has no ports yet, or no longer"
        }
    }
}
