// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
public import DNSFront

extension Configuration {
    /// Where DNS is served, and what holds there.
    public struct DNSListenEntry: Hashable, Sendable, CustomStringConvertible {
        public var endpoint: Endpoint
        public var usesClientSubnet = true
        /// Who puts a PROXY header before what it sends.
        public var proxies: [IPPrefix] = []
        /// DNS over TLS, with this certificate; nil: UDP and TCP.
        public var tls: TLSFiles?

        public var description: String {
            var words: [String] = []
            if let tls { words.append("tls by \(tls.certificate)") }
            if !self.proxies.isEmpty {
                words.append("proxy \(self.proxies.map(\.description).joined(separator: " "))")
            }
            if !self.usesClientSubnet { words.append("client-subnet off") }
            return words.isEmpty
                ? self.endpoint.description
                : "\(self.endpoint) (\(words.joined(separator: "; ")))"
        }
    }

    public struct DNSOptions: Hashable, Sendable {
        /// Threads for UDP.
        public var threads = 1
        /// Binds each thread to a processor of its own.
        public var pinsThreads = false
        public var maximumUDPSize = 1232
        public var maximumConnections = 1000
        public var connectionsPerClient = 100
        public var idleTimeout = Duration.seconds(10)
        /// Who this server is; the usual answer is the host's name.
        public var identity = Told.usual
        /// The usual answer is Martlet's own.
        public var version = Told.usual
        /// But for the identity, the version and the cookies' secrets.
        public var rules: AnswerRules = {
            var rules = AnswerRules()
            rules.rateLimit = RateLimitRules()
            return rules
        }()
        /// The file that the cookies' secrets are read from, when the configuration is loaded.
        public var cookieFile: String?

        public init() {}
    }

    /// What a server tells of itself.
    public enum Told: Hashable, Sendable {
        case usual
        case hidden
        case text(String)

        /// The text that is told, where the usual one is `usual`; nil for none.
        func text(usual: String?) -> String? {
            switch self {
            case .usual: usual
            case .hidden: nil
            case .text(let text): text
            }
        }

        var words: String {
            switch self {
            case .usual: "as usual"
            case .hidden: "hidden"
            case .text(let text): "'\(text)'"
            }
        }
    }
}
