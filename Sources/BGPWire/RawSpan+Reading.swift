// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

package import Addressing

/// Big-endian fields at an offset, checked: nil where they reach beyond the span.
///
/// A `RawSpan` can't be kept in a cursor of our own, so that parsers take a span and an offset,
/// and cut a sub-span of exactly a field's length before they parse inside it.
extension RawSpan {
    @inlinable
    package func uint8(at offset: Int) -> UInt8? {
        guard offset >= 0, offset < self.byteCount else { return nil }
        return self.unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self)
    }

    @inlinable
    package func uint16(at offset: Int) -> UInt16? {
        guard offset >= 0, offset <= self.byteCount - 2 else { return nil }
        return UInt16(
            bigEndian: self.unsafeLoadUnaligned(
                fromUncheckedByteOffset: offset, as: UInt16.self))
    }

    @inlinable
    package func uint32(at offset: Int) -> UInt32? {
        guard offset >= 0, offset <= self.byteCount - 4 else { return nil }
        return UInt32(
            bigEndian: self.unsafeLoadUnaligned(
                fromUncheckedByteOffset: offset, as: UInt32.self))
    }

    @inlinable
    package func uint64(at offset: Int) -> UInt64? {
        guard offset >= 0, offset <= self.byteCount - 8 else { return nil }
        return UInt64(
            bigEndian: self.unsafeLoadUnaligned(
                fromUncheckedByteOffset: offset, as: UInt64.self))
    }

    /// An address of `family` in network order.
    package func address(_ family: AddressFamily, at offset: Int) -> IPAddress? {
        switch family {
        case .ipv4: return self.uint32(at: offset).map { IPAddress(ipv4: $0) }
        case .ipv6:
            guard let high = self.uint64(at: offset), let low = self.uint64(at: offset + 8) else {
                return nil
            }
            return IPAddress(ipv6High: high, low: low)
        }
    }

    /// The bytes of a range, copied; less of them where the range reaches beyond the span.
    package func bytes(in range: Range<Int>) -> [UInt8] {
        let range = range.clamped(to: 0..<self.byteCount)
        return self.extracting(range).withUnsafeBytes { [UInt8]($0) }
    }
}
