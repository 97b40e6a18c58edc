// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

extension RecordData: CustomStringConvertible {
    /// The data as master files have them: names whole, with the last dot, and RFC 3597's form
    /// (`\# 4 c0000201`) where the type has none of its own or the bytes are none of the type's.
    public var description: String {
        if let parts = RecordLayout.parts(of: self.type), let text = self.presentation(of: parts) {
            return text
        }
        let bytes = self.wire
        return "\\# \(bytes.count)" + (bytes.isEmpty ? "" : " " + ByteText.hexadecimal(bytes))
    }

    /// The data in the type's own form; nil where they are none of the type.
    func presentation(of parts: [RecordPart]) -> String? {
        let wire = self.wire
        guard
            let places = wire.span.bytes.places(
                of: parts, in: 0..<wire.count, allowsPointers: false)
        else { return nil }
        var words: [String] = []
        for (part, place) in zip(parts, places) {
            let text: String?
            if case .gateway(let kindAt) = part.kind {
                text = Self.gateway(wire[place], kind: wire[kindAt])
            } else {
                text = Self.text(of: part.kind, wire[place])
            }
            guard let text else { return nil }
            // Lists may be empty.
            if !text.isEmpty { words.append(text) }
        }
        return words.joined(separator: " ")
    }

    private static func text(of kind: RecordPart.Kind, _ bytes: ArraySlice<UInt8>) -> String? {
        switch kind {
        case .number, .seconds: return String(bytes.reduce(0) { $0 << 8 | Int($1) })
        case .ipv4, .ipv6: return IPAddress(bytes: Array(bytes))?.description
        case .name, .compressibleName: return (try? DomainName(wire: Array(bytes)))?.description
        case .string: return ByteText.quoted(bytes.dropFirst())
        case .tag:
            let tag = bytes.dropFirst()
            return Self.isTag(tag) ? String(decoding: tag, as: UTF8.self) : nil
        case .strings:
            var texts: [String] = []
            var rest = bytes
            while let count = rest.popFirst() {
                texts.append(ByteText.quoted(rest.prefix(Int(count))))
                rest = rest.dropFirst(Int(count))
            }
            return texts.joined(separator: " ")
        case .text: return ByteText.quoted(bytes)
        case .hexadecimal: return ByteText.hexadecimal(bytes)
        case .base64, .optionalBase64: return ByteText.base64(bytes)
        case .gateway: return nil
        case .groups(_, let size, let separator):
            var groups: [String] = []
            var rest = bytes
            while !rest.isEmpty {
                groups.append(ByteText.hexadecimal(rest.prefix(size)))
                rest = rest.dropFirst(size)
            }
            return groups.joined(separator: String(Character(UnicodeScalar(separator))))
        case .types: return TypeBitmap.text(bytes)
        case .type:
            return RecordType(rawValue: bytes.reduce(0) { $0 << 8 | UInt16($1) }).description
        case .serviceParameters: return ServiceParameters(wire: bytes)?.description
        case .location: return Location(wire: bytes)?.description
        case .prefixes: return PrefixList.text(bytes)
        case .ports: return PortBitmap.text(bytes)
        case .dottedHexadecimal: return "0x" + ByteText.hexadecimal(bytes)
        case .hostIdentity: return HostIdentity.text(bytes)
        case .relay: return MulticastRelay.text(bytes)
        }
    }

    /// A gateway of an IPSECKEY record (RFC 4025 §3.1), or a relay of an AMTRELAY record.
    static func gateway(_ bytes: ArraySlice<UInt8>, kind: UInt8) -> String? {
        switch kind {
        case 0: "."
        case 1, 2: IPAddress(bytes: Array(bytes))?.description
        default: (try? DomainName(wire: Array(bytes)))?.description
        }
    }

    static func isTag(_ bytes: some Collection<UInt8>) -> Bool {
        !bytes.isEmpty
            && bytes.allSatisfy {
                (0x30...0x39).contains($0) || (0x41...0x5a).contains($0)
                    || (0x61...0x7a).contains($0)
            }
    }
}

/// The types that there are at a name (RFC 4034 §4.1.2): windows of up to 256 bits.
enum TypeBitmap {
    static func text(_ bytes: ArraySlice<UInt8>) -> String? {
        var words: [String] = []
        var rest = bytes
        var last = -1
        while !rest.isEmpty {
            guard let window = rest.popFirst(), Int(window) > last, let count = rest.popFirst(),
                (1...32).contains(count), rest.count >= Int(count)
            else { return nil }
            last = Int(window)
            let bits = rest.prefix(Int(count))
            rest = rest.dropFirst(Int(count))
            guard bits.last != 0 else { return nil }
            for (index, byte) in bits.enumerated() {
                for bit in 0..<8 where byte & 0x80 >> UInt8(bit) != 0 {
                    let value = UInt16(window) << 8 | UInt16(8 * index + bit)
                    words.append(RecordType(rawValue: value).description)
                }
            }
        }
        return words.joined(separator: " ")
    }

    static func wire(_ types: [RecordType]) -> [UInt8] {
        var windows: [UInt8: [UInt8]] = [:]
        for type in types {
            let (index, bit) = (Int(type.rawValue & 0xff) / 8, type.rawValue & 7)
            var bits = windows[UInt8(type.rawValue >> 8)] ?? []
            while bits.count <= index { bits.append(0) }
            bits[index] |= 0x80 >> UInt8(bit)
            windows[UInt8(type.rawValue >> 8)] = bits
        }
        return windows.sorted { $0.key < $1.key }.flatMap { [$0, UInt8($1.count)] + $1 }
    }
}

/// Prefixes, each perhaps negated (RFC 3123): `1:192.0.2.0/24 !2:2001:db8::/32`.
enum PrefixList {
    static func text(_ bytes: ArraySlice<UInt8>) -> String? {
        var words: [String] = []
        var rest = Array(bytes)[...]
        while !rest.isEmpty {
            guard rest.count >= 4 else { return nil }
            let head = Array(rest.prefix(4))
            let count = Int(head[3] & 0x7f)
            rest = rest.dropFirst(4)
            guard head[0] == 0, head[1] == 1 || head[1] == 2, rest.count >= count else {
                return nil
            }
            let width = head[1] == 1 ? 4 : 16
            let address = Array(rest.prefix(count))
            rest = rest.dropFirst(count)
            guard count <= width, Int(head[2]) <= 8 * width, address.last != 0,
                let text = IPAddress(
                    bytes: address + [UInt8](repeating: 0, count: width - count))
            else { return nil }
            words.append("\(head[3] & 0x80 != 0 ? "!" : "")\(head[1]):\(text)/\(head[2])")
        }
        return words.joined(separator: " ")
    }

    static func wire(_ word: ArraySlice<UInt8>) -> [UInt8]? {
        let isNegated = word.first == UInt8(ascii: "!")
        let word = isNegated ? word.dropFirst() : word
        guard let colon = word.firstIndex(of: UInt8(ascii: ":")),
            let slash = word.lastIndex(of: UInt8(ascii: "/")), colon < slash,
            let family = ByteText.number(word[..<colon], maximum: 2), family > 0,
            let length = ByteText.number(word[(slash + 1)...], maximum: family == 1 ? 32 : 128),
            let address = try? IPAddress(
                parsing: String(decoding: word[(colon + 1)..<slash], as: UTF8.self)),
            (address.family == .ipv4) == (family == 1)
        else { return nil }
        var bytes = address.bytes
        while bytes.last == 0 { bytes.removeLast() }
        return [0, UInt8(family), UInt8(length), UInt8(bytes.count) | (isNegated ? 0x80 : 0)]
            + bytes
    }
}
