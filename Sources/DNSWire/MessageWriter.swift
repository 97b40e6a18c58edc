// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Writes messages, with names compressed against all that stand before (RFC 1035 §4.1.4).
///
/// For tools, tests and whatever is encoded once; the server's answers are copied from bytes that
/// were encoded when the zone was loaded.
public struct MessageWriter {
    public private(set) var bytes: [UInt8] = []
    private var offsets: [DomainName: Int] = [:]

    public init() {}

    /// The message as bytes.
    public static func encode(_ message: Message) -> [UInt8] {
        var writer = MessageWriter()
        writer.append(message.identifier)
        writer.append(message.flags.rawValue)
        for count in [
            message.questions.count, message.answers.count, message.authority.count,
            message.additional.count,
        ] {
            writer.append(UInt16(truncatingIfNeeded: count))
        }
        for question in message.questions {
            writer.append(question.name)
            writer.append(question.type.rawValue)
            writer.append(question.recordClass.rawValue)
        }
        for record in message.answers + message.authority + message.additional {
            writer.append(record)
        }
        return writer.bytes
    }

    public mutating func append(_ value: some FixedWidthInteger) {
        self.bytes += bigEndian(value)
    }

    /// Appends a name, as far as it can be with a pointer to where its end stood before.
    public mutating func append(_ name: DomainName, compressed: Bool = true) {
        var rest = name
        while let parent = rest.parent {
            if let offset = self.offsets[rest] {
                guard compressed else { break }
                self.append(UInt16(0xc000 | offset))
                return
            }
            if self.bytes.count < 0x4000 { self.offsets[rest] = self.bytes.count }
            self.bytes += rest.wire[0...Int(rest.wire[0])]
            rest = parent
        }
        self.bytes += rest.wire
    }

    public mutating func append(_ record: ResourceRecord) {
        self.append(record.owner)
        self.append(record.data.type.rawValue)
        self.append(record.recordClass.rawValue)
        self.append(record.timeToLive)
        let lengthAt = self.bytes.count
        self.append(UInt16(0))
        for field in record.data.fields {
            switch field {
            case .bytes(let bytes): self.bytes += bytes
            case .name(let name): self.append(name, compressed: false)
            case .compressibleName(let name): self.append(name)
            }
        }
        let length = UInt16(truncatingIfNeeded: self.bytes.count - lengthAt - 2)
        self.bytes.replaceSubrange(lengthAt..<lengthAt + 2, with: bigEndian(length))
    }
}
