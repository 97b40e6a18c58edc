// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

extension RecordData {
    /// The data as they stand on the wire without compression.
    public var wire: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(self.byteCount)
        for field in self.fields {
            switch field {
            case .bytes(let part): bytes += part
            case .name(let name), .compressibleName(let name): bytes += name.wire
            }
        }
        return bytes
    }

    /// Data of a type as they go on the wire, without compression.
    ///
    /// Nil where they are none of that type: cut short, too long, or with a value that the type
    /// doesn't have. Of types that this module doesn't know, all bytes are good.
    public init?(type: RecordType, wire: [UInt8]) {
        guard wire.count <= 65_535 else { return nil }
        guard let parts = RecordLayout.parts(of: type) else {
            self = .opaque(type, wire)
            return
        }
        self.init(
            type: type, parts: parts, reading: wire.span.bytes, in: 0..<wire.count,
            allowsPointers: false)
        guard self.presentation(of: parts) != nil, self.isConsistent else { return nil }
    }

    /// Reads what a message holds; names may be compressed there.
    ///
    /// Data without names are kept as they are, whatever they hold. Nil where names don't read or
    /// the data don't fill their range.
    init?(type: RecordType, reading bytes: RawSpan, in range: Range<Int>) {
        guard let parts = RecordLayout.parts(of: type), parts.contains(where: \.isName) else {
            self = .opaque(type, bytes.copy(range))
            return
        }
        self.init(type: type, parts: parts, reading: bytes, in: range, allowsPointers: true)
    }

    private init?(
        type: RecordType, parts: [RecordPart], reading bytes: RawSpan, in range: Range<Int>,
        allowsPointers: Bool
    ) {
        guard
            let places = bytes.places(of: parts, in: range, allowsPointers: allowsPointers)
        else { return nil }
        var fields: [Field] = []
        var pending: [UInt8] = []
        for (part, place) in zip(parts, places) {
            guard part.isName else {
                pending += bytes.copy(place)
                continue
            }
            var position = place.lowerBound
            guard let name = try? DomainName(reading: bytes, at: &position) else { return nil }
            if !pending.isEmpty { fields.append(.bytes(pending)) }
            pending = []
            fields.append(part.kind == .name ? .name(name) : .compressibleName(name))
        }
        if !pending.isEmpty || fields.isEmpty { fields.append(.bytes(pending)) }
        self.init(type: type, fields: fields)
    }

    /// Whether digests have the length that their kind has, as far as it is known.
    var isConsistent: Bool { self.expectedDigest.map { $0.found == $0.wanted } ?? true }

    /// The length of the digest in the data, and the one that its kind has.
    var expectedDigest: (found: Int, wanted: Int)? {
        guard case .bytes(let bytes)? = self.fields.first else { return nil }
        let kind: Int
        let head: Int
        let lengths: [UInt8: Int]
        switch self.type {
        case .ds, .cds, .ta, .dlv: (kind, head, lengths) = (3, 4, [1: 20, 2: 32, 4: 48])
        case .sshfp: (kind, head, lengths) = (1, 2, [1: 20, 2: 32])
        case .tlsa, .smimea: (kind, head, lengths) = (2, 3, [1: 32, 2: 64])
        case .zonemd: (kind, head, lengths) = (5, 6, [1: 48, 2: 64])
        default: return nil
        }
        guard bytes.count >= head, let wanted = lengths[bytes[kind]] else { return nil }
        return (bytes.count - head, wanted)
    }
}

extension RawSpan {
    /// Where each part of the data in `range` stands; nil where they don't fill it exactly.
    func places(
        of parts: [RecordPart], in range: Range<Int>, allowsPointers: Bool
    ) -> [Range<Int>]? {
        var places: [Range<Int>] = []
        var position = range.lowerBound
        for part in parts {
            let end: Int
            switch part.kind {
            case .number(let bytes): end = position + bytes
            case .type: end = position + 2
            case .seconds, .ipv4: end = position + 4
            case .ipv6: end = position + 16
            case .location: end = position + 16
            case .groups(let count, let bytes, _): end = position + count * bytes
            case .name, .compressibleName:
                let found =
                    allowsPointers
                    ? try? self.skipName(at: position) : try? self.readLabels(at: position)
                guard let found else { return nil }
                end = found
            case .string, .tag:
                guard position < range.upperBound else { return nil }
                end = position + 1 + Int(self.byte(at: position))
            case .strings:
                var next = position
                repeat {
                    guard next < range.upperBound else { return nil }
                    next += 1 + Int(self.byte(at: next))
                } while next < range.upperBound
                end = next
            case .text(let isEmptyAllowed):
                guard isEmptyAllowed || position < range.upperBound else { return nil }
                end = range.upperBound
            case .hexadecimal, .base64, .dottedHexadecimal, .ports, .hostIdentity, .relay:
                guard position < range.upperBound else { return nil }
                end = range.upperBound
            case .types, .serviceParameters, .prefixes, .optionalBase64: end = range.upperBound
            case .gateway(let kindAt):
                switch self.byte(at: range.lowerBound + kindAt) {
                case 0: end = position
                case 1: end = position + 4
                case 2: end = position + 16
                case 3:
                    guard let found = try? self.readLabels(at: position) else { return nil }
                    end = found
                default: return nil
                }
            }
            guard end <= range.upperBound, end >= position else { return nil }
            places.append(position..<end)
            position = end
        }
        return position == range.upperBound ? places : nil
    }

    func copy(_ range: Range<Int>) -> [UInt8] { range.map { self.byte(at: $0) } }
}
