// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// A DNS record type (RFC 1035 §3.2.2). Any 16-bit value is legal on the wire.
public struct RecordType: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    public var rawValue: UInt16

    @inlinable
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    public static let a = Self(rawValue: 1)
    public static let ns = Self(rawValue: 2)
    public static let cname = Self(rawValue: 5)
    public static let soa = Self(rawValue: 6)
    public static let ptr = Self(rawValue: 12)
    public static let hinfo = Self(rawValue: 13)
    public static let mx = Self(rawValue: 15)
    public static let txt = Self(rawValue: 16)
    public static let aaaa = Self(rawValue: 28)
    public static let srv = Self(rawValue: 33)
    public static let naptr = Self(rawValue: 35)
    public static let dname = Self(rawValue: 39)
    /// The pseudo-record of EDNS (RFC 6891).
    public static let opt = Self(rawValue: 41)
    public static let ds = Self(rawValue: 43)
    public static let sshfp = Self(rawValue: 44)
    public static let rrsig = Self(rawValue: 46)
    public static let nsec = Self(rawValue: 47)
    public static let dnskey = Self(rawValue: 48)
    public static let tlsa = Self(rawValue: 52)
    public static let svcb = Self(rawValue: 64)
    public static let https = Self(rawValue: 65)
    public static let tsig = Self(rawValue: 250)
    public static let ixfr = Self(rawValue: 251)
    public static let axfr = Self(rawValue: 252)
    public static let any = Self(rawValue: 255)
    public static let caa = Self(rawValue: 257)

    static let names: [(RecordType, String)] = [
        (.a, "A"), (.ns, "NS"), (.cname, "CNAME"), (.soa, "SOA"), (.ptr, "PTR"),
        (.hinfo, "HINFO"), (.mx, "MX"), (.txt, "TXT"), (.aaaa, "AAAA"), (.srv, "SRV"),
        (.naptr, "NAPTR"), (.dname, "DNAME"), (.opt, "OPT"), (.ds, "DS"), (.sshfp, "SSHFP"),
        (.rrsig, "RRSIG"), (.nsec, "NSEC"), (.dnskey, "DNSKEY"), (.tlsa, "TLSA"),
        (.svcb, "SVCB"), (.https, "HTTPS"), (.tsig, "TSIG"), (.ixfr, "IXFR"), (.axfr, "AXFR"),
        (.any, "ANY"), (.caa, "CAA"),
    ]
}

extension RecordType: CustomStringConvertible {
    /// The mnemonic, or RFC 3597's form: `TYPE65280`.
    public var description: String {
        Self.names.first { $0.0 == self }?.1 ?? "TYPE\(self.rawValue)"
    }
}

/// A DNS class (RFC 1035 §3.2.4).
public struct RecordClass: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    public var rawValue: UInt16

    @inlinable
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    public static let internet = Self(rawValue: 1)
    public static let chaos = Self(rawValue: 3)
    public static let any = Self(rawValue: 255)
}
