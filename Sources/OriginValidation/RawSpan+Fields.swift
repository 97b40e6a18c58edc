// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// Big-endian fields at an offset, checked: nil where they reach beyond the span.
extension RawSpan {
    func uint8(at offset: Int) -> UInt8? {
        guard offset >= 0, offset < self.byteCount else { return nil }
        return self.unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self)
    }

    func uint16(at offset: Int) -> UInt16? { self.number(at: offset) }
    func uint32(at offset: Int) -> UInt32? { self.number(at: offset) }

    private func number<Number: FixedWidthInteger & BitwiseCopyable>(
        at offset: Int
    ) -> Number? {
        guard offset >= 0, offset <= self.byteCount - MemoryLayout<Number>.size else {
            return nil
        }
        return Number(
            bigEndian: self.unsafeLoadUnaligned(
                fromUncheckedByteOffset: offset, as: Number.self))
    }

    /// An address of `family` in network order.
    func address(_ family: AddressFamily, at offset: Int) -> IPAddress? {
        switch family {
        case .ipv4: return self.uint32(at: offset).map { IPAddress(ipv4: $0) }
        case .ipv6:
            guard let high: UInt64 = self.number(at: offset),
                let low: UInt64 = self.number(at: offset + 8)
            else { return nil }
            return IPAddress(ipv6High: high, low: low)
        }
    }

    /// The bytes of a range, copied; less of them where the range reaches beyond the span.
    func bytes(in range: Range<Int>) -> [UInt8] {
        let range = range.clamped(to: 0..<self.byteCount)
        return self.extracting(range).withUnsafeBytes { [UInt8]($0) }
    }
}
