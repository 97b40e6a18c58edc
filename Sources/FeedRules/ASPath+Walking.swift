// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// Walks over a path as it stands in its attribute. None of these allocates.
extension ASPath {
    /// Calls `body` with each number, in order, and the segment that it stands in, until it says
    /// true.
    ///
    /// - Returns: Whether it did.
    @inline(__always)
    func forEachNumber(
        _ body: (_ number: UInt32, _ kind: SegmentKind, _ index: Int) -> Bool
    ) -> Bool {
        let bytes = self.encoded.span
        var position = 0
        while position + 2 <= bytes.count {
            let kind = SegmentKind(rawValue: bytes[position]) ?? .sequence
            let count = Int(bytes[position + 1])
            position += 2
            for index in 0..<count {
                guard position + 4 <= bytes.count else { return false }
                let number =
                    UInt32(bytes[position]) << 24 | UInt32(bytes[position + 1]) << 16
                    | UInt32(bytes[position + 2]) << 8 | UInt32(bytes[position + 3])
                position += 4
                if body(number, kind, index) { return true }
            }
        }
        return false
    }

    func contains(anyOf numbers: NumberSet) -> Bool {
        self.forEachNumber { number, _, _ in numbers.contains(number) }
    }

    /// ``first`` and ``origin`` at once.
    var ends: (first: UInt32?, origin: UInt32?) {
        var first: UInt32?
        var origin: UInt32?
        var isFirst = true
        _ = self.forEachNumber { number, kind, _ in
            if isFirst { first = kind == .sequence ? number : nil }
            isFirst = false
            origin = kind == .sequence ? number : nil
            return false
        }
        return (first, origin)
    }

    /// ``length`` with an AS that stands several times in a row counted once.
    public var lengthWithoutPrepends: Int {
        var length = 0
        var last: UInt32?
        _ = self.forEachNumber { number, kind, index in
            switch kind {
            case .sequence:
                if number != last { length += 1 }
                last = number
            case .set:
                if index == 0 { length += 1 }
                last = nil
            case .confederationSequence, .confederationSet: break
            }
            return false
        }
        return length
    }
}
