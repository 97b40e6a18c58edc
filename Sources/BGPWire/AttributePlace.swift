// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Where one path attribute stands among others, as offsets into their bytes.
public struct AttributePlace: Hashable, Sendable {
    public var flags: AttributeFlags
    public var type: AttributeType
    /// With its header.
    public var whole: Range<Int>
    public var value: Range<Int>

    @inlinable
    init(flags: AttributeFlags, type: AttributeType, whole: Range<Int>, value: Range<Int>) {
        self.flags = flags
        self.type = type
        self.whole = whole
        self.value = value
    }

    /// Cuts an attribute out: flags `u8`, type `u8`, a length of `u8`, or `u16` where the flags
    /// say so, and the value (RFC 4271 §4.3). The next one begins where `whole` ends.
    ///
    /// - Returns: Nil at the end, and where what is left is no whole attribute.
    @inlinable
    public static func read(_ bytes: RawSpan, at position: Int) -> AttributePlace? {
        guard let rawFlags = bytes.uint8(at: position),
            let rawType = bytes.uint8(at: position + 1)
        else { return nil }
        let flags = AttributeFlags(rawValue: rawFlags)
        let isLong = flags.contains(.extendedLength)
        let length =
            isLong
            ? bytes.uint16(at: position + 2).map(Int.init)
            : bytes.uint8(at: position + 2).map(Int.init)
        let start = position + (isLong ? 4 : 3)
        guard let length, length <= bytes.byteCount - start else { return nil }
        return AttributePlace(
            flags: flags, type: AttributeType(rawValue: rawType),
            whole: position..<start + length, value: start..<start + length)
    }

    /// The attributes that nothing here looks into, but passes by their lengths; up to the first
    /// that can't be cut out.
    public static func passedBy(in bytes: RawSpan) -> [AttributePlace] {
        var places: [AttributePlace] = []
        var position = 0
        while let place = self.read(bytes, at: position) {
            if !place.type.isKnown { places.append(place) }
            position = place.whole.upperBound
        }
        return places
    }
}

/// `AIGP (type 26, optional, 11 bytes)`.
extension AttributePlace: CustomStringConvertible {
    public var description: String {
        let bits: [(AttributeFlags, String)] = [
            (.optional, "optional"), (.transitive, "transitive"), (.partial, "partial"),
        ]
        let flags = bits.filter { self.flags.contains($0.0) }.map(\.1).joined(separator: " ")
        let name = self.type.description
        let number = self.type.isNamed ? "type \(self.type.rawValue), " : ""
        let count = self.value.count
        return "\(name) (\(number)\(flags.isEmpty ? "no flags" : flags), "
            + "\(count) \(count == 1 ? "byte" : "bytes"))"
    }
}
