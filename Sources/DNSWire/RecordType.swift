// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// A DNS record type (RFC 1035 §3.2.2). Any 16-bit value is legal on the wire.
public struct RecordType: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    public var rawValue: UInt16

    @inlinable
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    public static let a = Self(rawValue: 1)
    public static let ns = Self(rawValue: 2)
    public static let md = Self(rawValue: 3)
    public static let mf = Self(rawValue: 4)
    public static let cname = Self(rawValue: 5)
    public static let soa = Self(rawValue: 6)
    public static let mb = Self(rawValue: 7)
    public static let mg = Self(rawValue: 8)
    public static let mr = Self(rawValue: 9)
    public static let wks = Self(rawValue: 11)
    public static let ptr = Self(rawValue: 12)
    public static let hinfo = Self(rawValue: 13)
    public static let minfo = Self(rawValue: 14)
    public static let mx = Self(rawValue: 15)
    public static let txt = Self(rawValue: 16)
    public static let rp = Self(rawValue: 17)
    public static let afsdb = Self(rawValue: 18)
    public static let x25 = Self(rawValue: 19)
    public static let isdn = Self(rawValue: 20)
    public static let rt = Self(rawValue: 21)
    public static let nsap = Self(rawValue: 22)
    public static let nsapPointer = Self(rawValue: 23)
    public static let sig = Self(rawValue: 24)
    public static let key = Self(rawValue: 25)
    public static let px = Self(rawValue: 26)
    public static let gpos = Self(rawValue: 27)
    public static let aaaa = Self(rawValue: 28)
    public static let loc = Self(rawValue: 29)
    public static let nxt = Self(rawValue: 30)
    public static let eid = Self(rawValue: 31)
    public static let nimloc = Self(rawValue: 32)
    public static let srv = Self(rawValue: 33)
    public static let naptr = Self(rawValue: 35)
    public static let kx = Self(rawValue: 36)
    public static let cert = Self(rawValue: 37)
    public static let dname = Self(rawValue: 39)
    public static let sink = Self(rawValue: 40)
    /// The pseudo-record of EDNS (RFC 6891).
    public static let opt = Self(rawValue: 41)
    public static let apl = Self(rawValue: 42)
    public static let ds = Self(rawValue: 43)
    public static let sshfp = Self(rawValue: 44)
    public static let ipseckey = Self(rawValue: 45)
    public static let rrsig = Self(rawValue: 46)
    public static let nsec = Self(rawValue: 47)
    public static let dnskey = Self(rawValue: 48)
    public static let dhcid = Self(rawValue: 49)
    public static let nsec3 = Self(rawValue: 50)
    public static let nsec3param = Self(rawValue: 51)
    public static let tlsa = Self(rawValue: 52)
    public static let smimea = Self(rawValue: 53)
    public static let hip = Self(rawValue: 55)
    public static let ninfo = Self(rawValue: 56)
    public static let rkey = Self(rawValue: 57)
    public static let talink = Self(rawValue: 58)
    public static let cds = Self(rawValue: 59)
    public static let cdnskey = Self(rawValue: 60)
    public static let openpgpkey = Self(rawValue: 61)
    public static let csync = Self(rawValue: 62)
    public static let zonemd = Self(rawValue: 63)
    public static let svcb = Self(rawValue: 64)
    public static let https = Self(rawValue: 65)
    public static let dsync = Self(rawValue: 66)
    public static let hhit = Self(rawValue: 67)
    public static let brid = Self(rawValue: 68)
    public static let spf = Self(rawValue: 99)
    public static let nid = Self(rawValue: 104)
    public static let l32 = Self(rawValue: 105)
    public static let l64 = Self(rawValue: 106)
    public static let lp = Self(rawValue: 107)
    public static let eui48 = Self(rawValue: 108)
    public static let eui64 = Self(rawValue: 109)
    public static let tsig = Self(rawValue: 250)
    public static let ixfr = Self(rawValue: 251)
    public static let axfr = Self(rawValue: 252)
    public static let any = Self(rawValue: 255)
    public static let uri = Self(rawValue: 256)
    public static let caa = Self(rawValue: 257)
    public static let avc = Self(rawValue: 258)
    public static let amtrelay = Self(rawValue: 260)
    public static let resinfo = Self(rawValue: 261)
    public static let wallet = Self(rawValue: 262)
    public static let ta = Self(rawValue: 32_768)
    public static let dlv = Self(rawValue: 32_769)
}

extension RecordType: CustomStringConvertible {
    /// The mnemonic, or RFC 3597's form: `TYPE65280`.
    public var description: String { Self.names[self.rawValue] ?? "TYPE\(self.rawValue)" }

    /// Reads a mnemonic or RFC 3597's form, in any case. Nil for what is neither.
    public init?(parsing text: some StringProtocol) {
        let word = text.uppercased()
        if let value = Self.values[word] {
            self.init(rawValue: value)
        } else if word.hasPrefix("TYPE"), let value = Self.number(word.dropFirst(4)) {
            self.init(rawValue: value)
        } else {
            return nil
        }
    }

    /// Digits alone: no sign.
    fileprivate static func number(_ text: Substring) -> UInt16? {
        text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? UInt16(text) : nil
    }

    private static let values: [String: UInt16] = Dictionary(
        names.map { ($1, $0) }, uniquingKeysWith: { first, _ in first })

    /// All that IANA has a mnemonic for and that somebody may meet.
    private static let names: [UInt16: String] = [
        1: "A", 2: "NS", 3: "MD", 4: "MF", 5: "CNAME", 6: "SOA", 7: "MB", 8: "MG", 9: "MR",
        10: "NULL", 11: "WKS", 12: "PTR", 13: "HINFO", 14: "MINFO", 15: "MX", 16: "TXT", 17: "RP",
        18: "AFSDB", 19: "X25", 20: "ISDN", 21: "RT", 22: "NSAP", 23: "NSAP-PTR", 24: "SIG",
        25: "KEY", 26: "PX", 27: "GPOS", 28: "AAAA", 29: "LOC", 30: "NXT", 31: "EID", 32: "NIMLOC",
        33: "SRV", 34: "ATMA", 35: "NAPTR", 36: "KX", 37: "CERT", 38: "A6", 39: "DNAME",
        40: "SINK", 41: "OPT", 42: "APL", 43: "DS", 44: "SSHFP", 45: "IPSECKEY", 46: "RRSIG",
        47: "NSEC", 48: "DNSKEY", 49: "DHCID", 50: "NSEC3", 51: "NSEC3PARAM", 52: "TLSA",
        53: "SMIMEA", 55: "HIP", 56: "NINFO", 57: "RKEY", 58: "TALINK", 59: "CDS", 60: "CDNSKEY",
        61: "OPENPGPKEY", 62: "CSYNC", 63: "ZONEMD", 64: "SVCB", 65: "HTTPS",
        66: "DSYNC", 67: "HHIT", 68: "BRID", 99: "SPF", 104: "NID", 105: "L32", 106: "L64",
        107: "LP", 108: "EUI48", 109: "EUI64", 128: "NXNAME", 249: "TKEY", 250: "TSIG",
        251: "IXFR", 252: "AXFR", 253: "MAILB", 254: "MAILA", 255: "ANY", 256: "URI", 257: "CAA",
        258: "AVC", 259: "DOA", 260: "AMTRELAY", 261: "RESINFO", 262: "WALLET", 263: "CLA",
        264: "IPN", 32768: "TA", 32769: "DLV",
    ]
}

extension RecordType {
    /// Whether the type has a meaning in messages only (RFC 6895 §3.1): no zone has such records.
    public var isForMessagesOnly: Bool {
        self == .opt || (128...255).contains(self.rawValue) || self.rawValue == 0
    }

    /// Whether records of the type prove others or their absence (RFC 4034, RFC 5155, RFC 2535):
    /// they mean something only where a server finds and adds them by itself.
    public var isProof: Bool {
        [.rrsig, .nsec, .nsec3, .nsec3param, .sig, .nxt].contains(self)
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

    /// Reads `IN` and the like, or RFC 3597's form: `CLASS3`. Nil for what is neither.
    init?(parsing text: some StringProtocol) {
        let word = text.uppercased()
        switch word {
        case "IN": self = .internet
        case "CH": self = .chaos
        case "CS": self.init(rawValue: 2)
        case "HS": self.init(rawValue: 4)
        case "ANY": self = .any
        default:
            guard word.hasPrefix("CLASS"), let value = RecordType.number(word.dropFirst(5)) else {
                return nil
            }
            self.init(rawValue: value)
        }
    }
}
