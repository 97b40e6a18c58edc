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
        try self.init(parsing: Array(text.utf8)[...], relativeTo: origin)
    }

    /// Reads the same from bytes; an error's offset counts from the first of them.
    init(parsing text: ArraySlice<UInt8>, relativeTo origin: DomainName?) throws(NameError) {
        let start = text.startIndex
        guard let first = text.first else { throw .empty }
        if text.count == 1, first == UInt8(ascii: ".") {
            self = .root
            return
        }
        if let origin, text.count == 1, first == UInt8(ascii: "@") {
            self = origin
            return
        }
        // Each label's length stands before it once it is known.
        var wire: [UInt8] = [0]
        wire.reserveCapacity(text.count + (origin?.wire.count ?? 1) + 1)
        var lengthAt = 0
        var labelStart = start
        var position = start
        while position < text.endIndex {
            let byte = text[position]
            if byte == UInt8(ascii: ".") {
                guard wire.count > lengthAt + 1 else {
                    throw .emptyLabel(offset: position - start)
                }
                wire[lengthAt] = UInt8(wire.count - lengthAt - 1)
                lengthAt = wire.count
                wire.append(0)
                position += 1
                labelStart = position
                continue
            }
            guard byte < 0x80 else { throw .notASCII(offset: position - start) }
            if byte == UInt8(ascii: "\\") {
                guard let escaped = ByteText.unescape(text, at: &position) else {
                    throw .badEscape(offset: position - start)
                }
                wire.append(escaped)
            } else {
                wire.append(byte)
                position += 1
            }
            guard wire.count - lengthAt - 1 <= Self.maximumLabelByteCount else {
                throw .labelTooLong(offset: labelStart - start)
            }
        }
        // A name with a last dot ends with the root already.
        if wire.count > lengthAt + 1 {
            wire[lengthAt] = UInt8(wire.count - lengthAt - 1)
            wire += origin?.wire ?? [0]
        }
        guard wire.count <= Self.maximumByteCount else { throw .nameTooLong }
        self.init(unchecked: wire)
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
