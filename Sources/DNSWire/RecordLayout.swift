// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// One part of a type's data, on the wire and in master files.
struct RecordPart: Sendable {
    enum Kind: Hashable, Sendable {
        /// A number of so many bytes, in decimal.
        case number(bytes: Int)
        /// Seconds, 32 bits: in master files units may follow.
        case seconds
        case ipv4, ipv6
        case name
        /// Only the types of RFC 1035 may have their names compressed (RFC 3597 §4).
        case compressibleName
        /// A length `u8` and so many bytes.
        case string
        /// The same, of letters and digits alone.
        case tag
        /// Strings to the end, one at least.
        case strings
        /// One text to the end, without a length.
        case text(isEmptyAllowed: Bool)
        /// Bytes to the end; in master files in any number of pieces.
        case hexadecimal, base64
        /// The same, or none.
        case optionalBase64
        /// Nothing, an address or a name, as the byte at a place of the data says (RFC 4025 §2.3).
        case gateway(kindAt: Int)
        /// Groups of so many bytes in hexadecimal, between them a separator.
        case groups(Int, bytes: Int, separator: UInt8)
        /// The types that there are at a name (RFC 4034 §4.1.2).
        case types
        /// One type, 16 bits.
        case type
        /// RFC 9460 §2.2.
        case serviceParameters
        /// RFC 1876.
        case location
        /// RFC 3123.
        case prefixes
        /// A protocol and its ports (RFC 1035 §3.4.2).
        case ports
        /// Bytes to the end: `0x` and hexadecimal, with dots anywhere (RFC 1706 §7).
        case dottedHexadecimal
        /// All of a HIP record (RFC 8005 §5).
        case hostIdentity
        /// All of an AMTRELAY record but its precedence (RFC 8777 §4).
        case relay
    }

    var kind: Kind
    /// What complaints call it.
    var name: String
    /// Words that stand for numbers.
    var words: [String: Int] = [:]

    init(_ kind: Kind, _ name: String, words: [String: Int] = [:]) {
        self.kind = kind
        self.name = name
        self.words = words
    }

    var isName: Bool { self.kind == .name || self.kind == .compressibleName }
}

extension RecordType {
    /// The types whose data have a form of their own in text, by number.
    public static let withText: [RecordType] = RecordLayout.types

    fileprivate static func isBefore(_ a: RecordType, _ b: RecordType) -> Bool {
        a.rawValue < b.rawValue
    }
}

/// What the data of each type consist of. A type that isn't here is bytes (RFC 3597).
enum RecordLayout {
    static func parts(of type: RecordType) -> [RecordPart]? { self.table[type] }

    static var types: [RecordType] { self.table.keys.sorted(by: RecordType.isBefore) }

    private static let u8 = RecordPart.Kind.number(bytes: 1)
    private static let u16 = RecordPart.Kind.number(bytes: 2)
    private static let u32 = RecordPart.Kind.number(bytes: 4)

    private static func names(_ kind: RecordPart.Kind) -> [RecordPart] {
        [RecordPart(kind, "target")]
    }

    private static func preferred(_ kind: RecordPart.Kind, _ what: String) -> [RecordPart] {
        [RecordPart(u16, "preference"), RecordPart(kind, what)]
    }

    private static let texts = [RecordPart(.strings, "text")]

    private static let digest = [
        RecordPart(u16, "key tag"), RecordPart(u8, "algorithm", words: algorithms),
        RecordPart(u8, "digest type"), RecordPart(.hexadecimal, "digest"),
    ]

    private static let key = [
        RecordPart(u16, "flags"), RecordPart(u8, "protocol"),
        RecordPart(u8, "algorithm", words: algorithms), RecordPart(.base64, "key"),
    ]

    private static let certificateUse = [
        RecordPart(u8, "certificate usage"), RecordPart(u8, "selector"),
        RecordPart(u8, "matching type"), RecordPart(.hexadecimal, "certificate data"),
    ]

    private static let service = [
        RecordPart(u16, "priority"), RecordPart(.name, "target"),
        RecordPart(.serviceParameters, "parameter"),
    ]

    private static let table: [RecordType: [RecordPart]] = [
        .a: [RecordPart(.ipv4, "address")], .aaaa: [RecordPart(.ipv6, "address")],
        .ns: names(.compressibleName), .cname: names(.compressibleName),
        .ptr: names(.compressibleName), .mb: names(.compressibleName),
        .mg: names(.compressibleName), .mr: names(.compressibleName), .dname: names(.name),
        .md: names(.compressibleName), .mf: names(.compressibleName),
        .minfo: [
            RecordPart(.compressibleName, "responsible mailbox"),
            RecordPart(.compressibleName, "error mailbox"),
        ],
        .soa: [
            RecordPart(.compressibleName, "primary server"),
            RecordPart(.compressibleName, "mailbox"), RecordPart(u32, "serial"),
            RecordPart(.seconds, "refresh"), RecordPart(.seconds, "retry"),
            RecordPart(.seconds, "expire"), RecordPart(.seconds, "minimum"),
        ],
        .mx: preferred(.compressibleName, "mail server"), .kx: preferred(.name, "exchanger"),
        .rt: preferred(.name, "intermediate host"), .lp: preferred(.name, "target"),
        .afsdb: [RecordPart(u16, "subtype"), RecordPart(.name, "server")],
        .rp: [RecordPart(.name, "mailbox"), RecordPart(.name, "text's name")],
        .hinfo: [RecordPart(.string, "processor"), RecordPart(.string, "system")],
        .txt: texts, .spf: texts, .ninfo: texts, .avc: texts, .isdn: texts, .resinfo: texts,
        .wallet: texts,
        .wks: [RecordPart(.ipv4, "address"), RecordPart(.ports, "port")],
        .nsap: [RecordPart(.dottedHexadecimal, "address")], .nsapPointer: names(.name),
        .talink: [RecordPart(.name, "previous name"), RecordPart(.name, "next name")],
        .eid: [RecordPart(.hexadecimal, "endpoint")],
        .nimloc: [RecordPart(.hexadecimal, "locator")],
        .sink: [
            RecordPart(u8, "meaning"), RecordPart(u8, "coding"), RecordPart(u8, "subcoding"),
            RecordPart(.optionalBase64, "data"),
        ],
        .hip: [RecordPart(.hostIdentity, "host identity")],
        .amtrelay: [RecordPart(u8, "precedence"), RecordPart(.relay, "relay")],
        .dsync: [
            RecordPart(.type, "type"), RecordPart(u8, "scheme", words: ["NOTIFY": 1]),
            RecordPart(u16, "port"), RecordPart(.name, "target"),
        ],
        .hhit: [RecordPart(.base64, "host identity")],
        .brid: [RecordPart(.base64, "identity")],
        .x25: [RecordPart(.string, "address")],
        .px: [
            RecordPart(u16, "preference"), RecordPart(.name, "domain"),
            RecordPart(.name, "X.400 domain"),
        ],
        .gpos: [
            RecordPart(.string, "longitude"), RecordPart(.string, "latitude"),
            RecordPart(.string, "altitude"),
        ],
        .loc: [RecordPart(.location, "location")],
        .srv: [
            RecordPart(u16, "priority"), RecordPart(u16, "weight"), RecordPart(u16, "port"),
            RecordPart(.name, "target"),
        ],
        .naptr: [
            RecordPart(u16, "order"), RecordPart(u16, "preference"), RecordPart(.string, "flags"),
            RecordPart(.string, "service"), RecordPart(.string, "regular expression"),
            RecordPart(.name, "replacement"),
        ],
        .cert: [
            RecordPart(u16, "certificate type", words: certificates), RecordPart(u16, "key tag"),
            RecordPart(u8, "algorithm", words: algorithms), RecordPart(.base64, "certificate"),
        ],
        .apl: [RecordPart(.prefixes, "prefix")],
        .ds: digest, .cds: digest, .ta: digest, .dlv: digest,
        .dnskey: key, .cdnskey: key, .key: key, .rkey: key,
        .ipseckey: [
            RecordPart(u8, "precedence"), RecordPart(u8, "gateway type"),
            RecordPart(u8, "algorithm"), RecordPart(.gateway(kindAt: 1), "gateway"),
            RecordPart(.optionalBase64, "key"),
        ],
        .sshfp: [
            RecordPart(u8, "algorithm"), RecordPart(u8, "fingerprint type"),
            RecordPart(.hexadecimal, "fingerprint"),
        ],
        .dhcid: [RecordPart(.base64, "digest")],
        .tlsa: certificateUse, .smimea: certificateUse,
        .openpgpkey: [RecordPart(.base64, "key")],
        .csync: [
            RecordPart(u32, "serial"), RecordPart(u16, "flags"), RecordPart(.types, "type"),
        ],
        .zonemd: [
            RecordPart(u32, "serial"), RecordPart(u8, "scheme"), RecordPart(u8, "hash algorithm"),
            RecordPart(.hexadecimal, "digest"),
        ],
        .svcb: service, .https: service,
        .nid: [
            RecordPart(u16, "preference"),
            RecordPart(.groups(4, bytes: 2, separator: UInt8(ascii: ":")), "node identifier"),
        ],
        .l32: preferred(.ipv4, "locator"),
        .l64: [
            RecordPart(u16, "preference"),
            RecordPart(.groups(4, bytes: 2, separator: UInt8(ascii: ":")), "locator"),
        ],
        .eui48: [RecordPart(.groups(6, bytes: 1, separator: UInt8(ascii: "-")), "address")],
        .eui64: [RecordPart(.groups(8, bytes: 1, separator: UInt8(ascii: "-")), "address")],
        .uri: [
            RecordPart(u16, "priority"), RecordPart(u16, "weight"),
            RecordPart(.text(isEmptyAllowed: false), "target"),
        ],
        .caa: [
            RecordPart(u8, "flags"), RecordPart(.tag, "property"),
            RecordPart(.text(isEmptyAllowed: true), "value"),
        ],
    ]

    /// IANA's DNS Security Algorithm Numbers.
    private static let algorithms = [
        "RSAMD5": 1, "DH": 2, "DSA": 3, "RSASHA1": 5, "DSA-NSEC3-SHA1": 6,
        "RSASHA1-NSEC3-SHA1": 7, "NSEC3RSASHA1": 7, "RSASHA256": 8, "RSASHA512": 10,
        "ECC-GOST": 12, "ECDSAP256SHA256": 13, "ECDSAP384SHA384": 14, "ED25519": 15, "ED448": 16,
        "INDIRECT": 252, "PRIVATEDNS": 253, "PRIVATEOID": 254,
    ]

    /// RFC 4398 §2.1.
    private static let certificates = [
        "PKIX": 1, "SPKI": 2, "PGP": 3, "IPKIX": 4, "ISPKI": 5, "IPGP": 6, "ACPKIX": 7,
        "IACPKIX": 8, "URI": 253, "OID": 254,
    ]
}
