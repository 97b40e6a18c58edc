// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// A protocol and ports of it (RFC 1035 §3.4.2): the protocol's number `u8`, then a bit for each port,
/// up to the last one that is set.
enum PortBitmap {
    static func text(_ bytes: ArraySlice<UInt8>) -> String? {
        guard let number = bytes.first, bytes.count <= 1 + 8192,
            bytes.count == 1 || bytes.last != 0
        else { return nil }
        var words = [String(number)]
        for (index, byte) in bytes.dropFirst().enumerated() {
            for bit in 0..<8 where byte & 0x80 >> UInt8(bit) != 0 {
                words.append(String(8 * index + bit))
            }
        }
        return words.joined(separator: " ")
    }

    static func wire(protocol number: UInt8, ports: [Int]) -> [UInt8] {
        var bits = [UInt8](repeating: 0, count: ports.max().map { $0 / 8 + 1 } ?? 0)
        for port in ports { bits[port / 8] |= 0x80 >> UInt8(port % 8) }
        return [number] + bits
    }

    static let protocols = ["ICMP": 1, "TCP": 6, "UDP": 17]

    /// What files of services call them.
    static let services = [
        "ECHO": 7, "DISCARD": 9, "SYSTAT": 11, "DAYTIME": 13, "NETSTAT": 15, "QOTD": 17,
        "CHARGEN": 19, "FTP-DATA": 20, "FTP": 21, "SSH": 22, "TELNET": 23, "SMTP": 25, "TIME": 37,
        "WHOIS": 43, "TACACS": 49, "DOMAIN": 53, "BOOTPS": 67, "BOOTPC": 68, "TFTP": 69,
        "GOPHER": 70, "FINGER": 79, "HTTP": 80, "WWW": 80, "KERBEROS": 88, "ISO-TSAP": 102,
        "POP3": 110, "SUNRPC": 111, "AUTH": 113, "NNTP": 119, "NTP": 123, "NETBIOS-NS": 137,
        "NETBIOS-DGM": 138, "NETBIOS-SSN": 139, "IMAP": 143, "IMAP2": 143, "SNMP": 161,
        "SNMP-TRAP": 162, "BGP": 179, "IRC": 194, "LDAP": 389, "HTTPS": 443,
    ]
}

/// What a HIP record holds (RFC 8005 §5): the length of a tag `u8`, the key's algorithm `u8`, the
/// length of the key `u16`, the tag, the key, and names of rendezvous servers, never compressed.
enum HostIdentity {
    static func text(_ bytes: ArraySlice<UInt8>) -> String? {
        guard bytes.count >= 4 else { return nil }
        let head = Array(bytes.prefix(4))
        let (tagLength, keyLength) = (Int(head[0]), Int(head[2]) << 8 | Int(head[3]))
        var rest = bytes.dropFirst(4)
        guard tagLength > 0, keyLength > 0, rest.count >= tagLength + keyLength else { return nil }
        var words = [String(head[1]), ByteText.hexadecimal(rest.prefix(tagLength))]
        rest = rest.dropFirst(tagLength)
        words.append(ByteText.base64(rest.prefix(keyLength)))
        let names = Array(rest.dropFirst(keyLength))
        var position = 0
        while position < names.count {
            guard let end = try? names.span.bytes.readLabels(at: position),
                let name = try? DomainName(wire: Array(names[position..<end]))
            else { return nil }
            words.append(name.description)
            position = end
        }
        return words.joined(separator: " ")
    }
}

/// Where a relay of multicast traffic is (RFC 8777 §4): a bit that tells whether it need not be
/// discovered, seven of the kind of the relay, and the relay.
enum MulticastRelay {
    static func text(_ bytes: ArraySlice<UInt8>) -> String? {
        guard let head = bytes.first else { return nil }
        let (kind, relay) = (head & 0x7f, bytes.dropFirst())
        let isWhole =
            switch kind {
            case 0: relay.isEmpty
            case 1: relay.count == 4
            case 2: relay.count == 16
            // The name is judged where it is read.
            case 3: true
            default: false
            }
        guard isWhole, let text = RecordData.gateway(relay, kind: kind) else { return nil }
        return "\(head >> 7) \(kind) \(text)"
    }
}

extension RecordTextParser {
    /// A protocol and ports, by name or number.
    mutating func ports(_ type: RecordType) throws(RecordTextError) -> [UInt8] {
        let number = try self.number(
            "\(type)'s protocol", maximum: 255, words: PortBitmap.protocols)
        var ports: [Int] = []
        while self.hasMore {
            ports.append(
                try self.number("\(type)'s port", maximum: 65_535, words: PortBitmap.services))
        }
        return PortBitmap.wire(protocol: UInt8(number), ports: ports)
    }

    /// `0x47.0005.80`.
    mutating func dottedHexadecimal(_ what: String) throws(RecordTextError) -> [UInt8] {
        let token = try self.take(what)
        let text = self.text(of: token)
        guard !token.isQuoted, text.starts(with: "0x".utf8) || text.starts(with: "0X".utf8),
            let bytes = ByteText.bytes(
                hexadecimal: text.dropFirst(2).filter { $0 != UInt8(ascii: ".") }),
            !bytes.isEmpty
        else { throw self.error(.expected("\(what), as 0x47.0005"), token) }
        return bytes
    }

    /// An algorithm, a tag, a key and names.
    mutating func hostIdentity(_ type: RecordType) throws(RecordTextError) -> [UInt8] {
        let algorithm = try self.number("\(type)'s algorithm", maximum: 255)
        let tag = try self.word("\(type)'s tag in hexadecimal", limit: 255) {
            ByteText.bytes(hexadecimal: $0)
        }
        let key = try self.word("\(type)'s key in base64", limit: 65_535) {
            ByteText.bytes(base64: $0)
        }
        var names: [UInt8] = []
        while self.hasMore { names += try self.name("\(type)'s rendezvous server").wire }
        return [UInt8(tag.count), UInt8(algorithm)] + bigEndian(UInt16(key.count)) + tag + key
            + names
    }

    /// Bytes in one word, not none.
    private mutating func word(
        _ what: String, limit: Int, _ decode: ([UInt8]) -> [UInt8]?
    ) throws(RecordTextError) -> [UInt8] {
        let token = try self.take(what)
        guard !token.isQuoted, let bytes = decode(Array(self.text(of: token))), !bytes.isEmpty,
            bytes.count <= limit
        else { throw self.error(.expected(what), token) }
        return bytes
    }

    /// Whether discovery is optional, the kind of the relay, and the relay.
    mutating func relay(_ type: RecordType) throws(RecordTextError) -> [UInt8] {
        let isOptional = try self.number("\(type)'s discovery", maximum: 1)
        let kind = try self.number("\(type)'s relay type", maximum: 3)
        return [UInt8(isOptional << 7 | kind)]
            + (try self.gateway("\(type)'s relay", kind: UInt8(kind)))
    }
}
