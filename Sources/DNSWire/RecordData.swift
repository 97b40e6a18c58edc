// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// The data of a record: its type, and bytes and names in order.
///
/// Every type on the wire is a row of these, so types that this module doesn't name are carried
/// as bytes (RFC 3597) and lose nothing.
public struct RecordData: Hashable, Sendable {
    public enum Field: Hashable, Sendable {
        case bytes([UInt8])
        case name(DomainName)
        /// Only the types of RFC 1035 may have their names compressed (RFC 3597 §4).
        case compressibleName(DomainName)
    }

    public let type: RecordType
    public let fields: [Field]

    public init(type: RecordType, fields: [Field]) {
        self.type = type
        self.fields = fields
    }

    /// An A or AAAA record.
    public static func address(_ address: IPAddress) -> RecordData {
        RecordData(
            type: address.family == .ipv4 ? .a : .aaaa, fields: [.bytes(address.bytes)])
    }

    public static func nameServer(_ name: DomainName) -> RecordData {
        RecordData(type: .ns, fields: [.compressibleName(name)])
    }

    public static func alias(_ name: DomainName) -> RecordData {
        RecordData(type: .cname, fields: [.compressibleName(name)])
    }

    public static func pointer(_ name: DomainName) -> RecordData {
        RecordData(type: .ptr, fields: [.compressibleName(name)])
    }

    public static func mailExchange(_ preference: UInt16, _ name: DomainName) -> RecordData {
        RecordData(
            type: .mx, fields: [.bytes(bigEndian(preference)), .compressibleName(name)])
    }

    public static func service(
        priority: UInt16, weight: UInt16, port: UInt16, _ name: DomainName
    ) -> RecordData {
        RecordData(
            type: .srv,
            fields: [
                .bytes(bigEndian(priority) + bigEndian(weight) + bigEndian(port)), .name(name),
            ])
    }

    /// A TXT record of one text, cut into strings of 255 bytes (RFC 1035 §3.3.14).
    public static func text(_ text: some StringProtocol) -> RecordData {
        .text(strings: [Array(text.utf8)])
    }

    /// A TXT record. A string of more than 255 bytes is cut, and readers join the parts again.
    public static func text(strings: [[UInt8]]) -> RecordData {
        var bytes: [UInt8] = []
        for string in strings {
            var rest = string[...]
            repeat {
                let part = rest.prefix(255)
                rest = rest.dropFirst(255)
                bytes.append(UInt8(part.count))
                bytes += part
            } while !rest.isEmpty
        }
        return RecordData(type: .txt, fields: [.bytes(bytes.isEmpty ? [0] : bytes)])
    }

    public static func startOfAuthority(_ soa: StartOfAuthority) -> RecordData {
        RecordData(
            type: .soa,
            fields: [
                .compressibleName(soa.host), .compressibleName(soa.mailbox),
                .bytes(
                    [soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum]
                        .flatMap(bigEndian)),
            ])
    }

    /// Any type, its data as it goes on the wire (RFC 3597).
    public static func opaque(_ type: RecordType, _ bytes: [UInt8]) -> RecordData {
        RecordData(type: type, fields: [.bytes(bytes)])
    }

    /// What an SOA record holds; nil for other types.
    public var startOfAuthority: StartOfAuthority? {
        guard self.type == .soa, self.fields.count == 3,
            case .compressibleName(let host) = self.fields[0],
            case .compressibleName(let mailbox) = self.fields[1],
            case .bytes(let bytes) = self.fields[2], bytes.count == 20
        else { return nil }
        let numbers = stride(from: 0, to: 20, by: 4).map { at in
            bytes[at..<at + 4].reduce(0) { $0 << 8 | UInt32($1) }
        }
        return StartOfAuthority(
            host: host, mailbox: mailbox, serial: numbers[0], refresh: numbers[1],
            retry: numbers[2], expire: numbers[3], minimum: numbers[4])
    }

    /// The name that NS, CNAME, PTR, MX, SRV, DNAME, SVCB and HTTPS records lead to: the first.
    public var target: DomainName? {
        guard self.type != .soa else { return nil }
        for field in self.fields {
            switch field {
            case .name(let name), .compressibleName(let name): return name
            case .bytes: continue
            }
        }
        return nil
    }

    /// All names in the data, in order.
    public var names: [DomainName] {
        self.fields.compactMap { field in
            switch field {
            case .name(let name), .compressibleName(let name): name
            case .bytes: nil
            }
        }
    }

    /// Bytes of the data without compression.
    public var byteCount: Int {
        self.fields.reduce(0) { sum, field in
            switch field {
            case .bytes(let bytes): sum + bytes.count
            case .name(let name), .compressibleName(let name): sum + name.wire.count
            }
        }
    }
}

/// What an SOA record holds (RFC 1035 §3.3.13).
public struct StartOfAuthority: Hashable, Sendable {
    /// The server where the zone is kept.
    public var host: DomainName
    /// The responsible person's mailbox, as a name.
    public var mailbox: DomainName
    public var serial: UInt32
    public var refresh: UInt32
    public var retry: UInt32
    public var expire: UInt32
    /// How long negative answers are kept, in seconds (RFC 2308 §4).
    public var minimum: UInt32

    public init(
        host: DomainName, mailbox: DomainName, serial: UInt32 = 1, refresh: UInt32 = 3600,
        retry: UInt32 = 600, expire: UInt32 = 86400, minimum: UInt32 = 60
    ) {
        self.host = host
        self.mailbox = mailbox
        self.serial = serial
        self.refresh = refresh
        self.retry = retry
        self.expire = expire
        self.minimum = minimum
    }
}

@usableFromInline
func bigEndian<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    withUnsafeBytes(of: value.bigEndian) { Array($0) }
}
