// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import OriginValidation

/// The RPKI caches, as the configuration says.
public struct RTRClientSettings: Sendable, Hashable {
    /// In order of preference. None: there is no validation.
    public var caches: [RTRCache]
    public var session: RTRSettings

    public init(caches: [RTRCache] = [], session: RTRSettings = RTRSettings()) {
        self.caches = caches
        self.session = session
    }
}

/// What `show` tells of the caches.
public struct RTRStatus: Sendable {
    public struct Cache: Sendable {
        public var cache: RTRCache
        public var state: RTRState
        /// Of the protocol, in the session or the next one.
        public var version: UInt8
        /// Of the payloads; nil where the next answer brings all.
        public var session: UInt16?
        public var serial: UInt32?
        public var ipv4Payloads: Int
        public var ipv6Payloads: Int
        /// Its payloads count.
        public var isInForce: Bool
        /// When the last answer was complete; Unix seconds.
        public var answered: Int64?
        /// When it will be asked again, and when its payloads count no more; Unix seconds.
        public var refreshes: Int64?
        public var expires: Int64?
        public var lastError: String?
    }

    public var caches: [Cache] = []
}
