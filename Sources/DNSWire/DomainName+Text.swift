// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

extension DomainName {
    /// Reads a name as master files write it (RFC 1035 §5.1): labels and dots, `\.` and `\065`
    /// for what can't stand as it is, with or without the last dot.
    ///
    /// A name without the last dot is relative to `origin`, which `@` stands for; without an
    /// origin, every name is absolute.
    public init(
        parsing text: some StringProtocol, relativeTo origin: DomainName? = nil
    ) throws(NameError) {
        let text = Array(text.utf8)
        guard !text.isEmpty else { throw .empty }
        if text == [UInt8(ascii: ".")] {
            self = .root
            return
        }
        if let origin, text == [UInt8(ascii: "@")] {
            self = origin
            return
        }
        var wire: [UInt8] = []
        var label: [UInt8] = []
        var labelStart = 0
        var position = 0
        var isAbsolute = false
        while position < text.count {
            let byte = text[position]
            if byte == UInt8(ascii: ".") {
                guard !label.isEmpty else { throw .emptyLabel(offset: position) }
                wire += [UInt8(label.count)] + label
                label.removeAll(keepingCapacity: true)
                position += 1
                labelStart = position
                isAbsolute = position == text.count
                continue
            }
            guard byte < 0x80 else { throw .notASCII(offset: position) }
            if byte == UInt8(ascii: "\\") {
                label.append(try Self.unescape(text, at: &position))
            } else {
                label.append(byte)
                position += 1
            }
            guard label.count <= Self.maximumLabelByteCount else {
                throw .labelTooLong(offset: labelStart)
            }
        }
        if !label.isEmpty { wire += [UInt8(label.count)] + label }
        wire += isAbsolute ? [0] : origin?.wire ?? [0]
        guard wire.count <= Self.maximumByteCount else { throw .nameTooLong }
        self.init(unchecked: wire)
    }

    private static func unescape(
        _ text: [UInt8], at position: inout Int
    ) throws(NameError) -> UInt8 {
        let start = position
        guard start + 1 < text.count else { throw .badEscape(offset: start) }
        let isDigit = { (byte: UInt8) in (0x30...0x39).contains(byte) }
        guard isDigit(text[start + 1]) else {
            position += 2
            return text[start + 1]
        }
        guard start + 3 < text.count, isDigit(text[start + 2]), isDigit(text[start + 3]) else {
            throw .badEscape(offset: start)
        }
        let value = text[start + 1...start + 3].reduce(0) { $0 * 10 + Int($1 - 0x30) }
        guard let byte = UInt8(exactly: value) else { throw .badEscape(offset: start) }
        position += 4
        return byte
    }

    /// Reads a mailbox as a name (RFC 1035 §8): `host.master@example.com` is
    /// `host\.master.example.com`. A name without an at sign is taken as it is.
    public init(mailbox text: some StringProtocol) throws(NameError) {
        guard let at = text.firstIndex(of: "@") else {
            self = try DomainName(parsing: text)
            return
        }
        let local = Array(text[..<at].utf8)
        if let foreign = local.firstIndex(where: { $0 >= 0x80 }) {
            throw .notASCII(offset: foreign)
        }
        self = try DomainName(parsing: text[text.index(after: at)...]).child(local)
    }
}

extension DomainName: CustomStringConvertible {
    /// With the last dot, and escapes where a byte could be misread.
    public var description: String {
        guard !self.isRoot else { return "." }
        var text = ""
        var position = 0
        while self.wire[position] != 0 {
            let end = position + 1 + Int(self.wire[position])
            for byte in self.wire[position + 1..<end] {
                switch byte {
                case UInt8(ascii: "."), UInt8(ascii: "\\"), UInt8(ascii: "\""),
                    UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: ";"),
                    UInt8(ascii: "@"), UInt8(ascii: "$"):
                    text.append("\\")
                    text.unicodeScalars.append(Unicode.Scalar(byte))
                case 0x21...0x7e: text.unicodeScalars.append(Unicode.Scalar(byte))
                default:
                    let digits = String(byte)
                    text += "\\" + String(repeating: "0", count: 3 - digits.count) + digits
                }
            }
            text.append(".")
            position = end
        }
        return text
    }
}

extension DomainName: LosslessStringConvertible {
    public init?(_ description: String) {
        guard let name = try? DomainName(parsing: description) else { return nil }
        self = name
    }
}
