// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import CLinux

/// How the segments of a session are signed.
public enum Authentication: Sendable, Hashable {
    /// TCP MD5 (RFC 2385): at most ``keyLimit`` bytes.
    case md5(Secret)
    /// TCP-AO (RFC 5925), where the kernel has it.
    case ao(KeyTuple)

    /// Bytes that the kernel takes for a key.
    public static let keyLimit = Int(MARTLET_TCP_KEY_LIMIT)

    /// Whether this kernel has TCP-AO.
    public static var hasTCPAO: Bool { martlet_has_tcp_ao() }

    /// A master key tuple (RFC 5925 §3.1): a key, what is computed with it, and its two numbers.
    public struct KeyTuple: Sendable, Hashable {
        public var key: Secret
        public var algorithm: Algorithm
        /// What stands in segments that we send, and in those that we take.
        public var sendID: UInt8
        public var receiveID: UInt8

        public init(key: Secret, algorithm: Algorithm, sendID: UInt8, receiveID: UInt8) {
            self.key = key
            self.algorithm = algorithm
            self.sendID = sendID
            self.receiveID = receiveID
        }
    }

    /// RFC 5926 §3; the raw value is the configuration's word.
    public enum Algorithm: String, Sendable, Hashable, CaseIterable {
        case hmacSHA1 = "hmac-sha-1-96"
        case aes128CMAC = "aes-128-cmac-96"

        /// The kernel's name of it.
        var kernelName: String {
            switch self {
            case .hmacSHA1: "hmac(sha1)"
            case .aes128CMAC: "cmac(aes128)"
            }
        }
    }

    /// In a word, without the key.
    public var words: String {
        switch self {
        case .md5: "TCP MD5"
        case .ao(let tuple):
            "TCP-AO \(tuple.algorithm.rawValue), ids \(tuple.sendID) and \(tuple.receiveID)"
        }
    }
}

/// How far a neighbour may be, in routers on the way to it.
public enum Reach: Sendable, Hashable {
    /// A neighbour of our own AS may be anywhere; another's is on our own wire: what we send
    /// has a TTL of 1, as all routers do it.
    case usual
    /// At most so many hops: the TTL of what we send.
    case multihop(Int)
    /// At most so many hops, and what comes from farther is dropped by the kernel (RFC 5082): we
    /// send with a TTL of 255, and take from 256 less the hops on.
    case secured(hops: Int)

    /// The TTL, or hop limit, of what we send; nil: the system's.
    func timeToLive(isInternal: Bool) -> Int? {
        switch self {
        case .usual: isInternal ? nil : 1
        case .multihop(let hops): hops
        case .secured: 255
        }
    }

    /// The least TTL of what we take; nil: any.
    var minimumTimeToLive: Int? {
        if case .secured(let hops) = self { 256 - hops } else { nil }
    }
}
