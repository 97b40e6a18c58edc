// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import BGPWire

/// A community of any of the three kinds, with wildcards.
///
/// `65000:666` is one of RFC 1997's, `65000:1:2` a large one (RFC 8092), `rt:65000:1` and
/// `ro:65000:1` extended ones (RFC 4360: route target and route origin; `soo` is `ro`). In place of
/// each number may stand `*`, any, or a range `100-199`; before an extended one's second number also
/// an IPv4 address. `no-export` and its like stand for RFC 1997's well-known ones; `0x` and sixteen
/// hexadecimal digits for an extended one of any type, as `show` prints it.
public struct CommunityPattern: Hashable, Sendable {
    enum Kind: Hashable, Sendable {
        case standard(ClosedRange<UInt32>, ClosedRange<UInt32>)
        case large(ClosedRange<UInt32>, ClosedRange<UInt32>, ClosedRange<UInt32>)
        /// Of the subtype, with an administrator that is an AS number, an address, or either.
        case extended(
            subtype: UInt8, number: ClosedRange<UInt32>?, address: UInt32?, isAny: Bool,
            ClosedRange<UInt32>)
        case exactly(UInt64)
    }

    /// As it was written.
    public let text: String
    let kind: Kind

    init(text: String, kind: Kind) {
        self.text = text
        self.kind = kind
    }

    /// The three lists of a route, as they stand in their attributes.
    enum List: Int, CaseIterable {
        case standard, extended, large
    }

    var list: List {
        switch self.kind {
        case .standard: .standard
        case .large: .large
        case .extended, .exactly: .extended
        }
    }

    /// Whether the list of its kind has such a community. What is left over at the list's end is
    /// passed by.
    func matches(in bytes: RawSpan) -> Bool {
        var offset = 0
        switch self.kind {
        case .standard(let high, let low):
            while let word = bytes.uint32(at: offset) {
                if high.contains(word >> 16), low.contains(word & 0xffff) { return true }
                offset += 4
            }
        case .large(let global, let local1, let local2):
            while let a = bytes.uint32(at: offset), let b = bytes.uint32(at: offset + 4),
                let c = bytes.uint32(at: offset + 8)
            {
                if global.contains(a), local1.contains(b), local2.contains(c) { return true }
                offset += 12
            }
        case .extended, .exactly:
            while let word = bytes.uint64(at: offset) {
                if self.matchesExtended(word) { return true }
                offset += 8
            }
        }
        return false
    }

    private func matchesExtended(_ word: UInt64) -> Bool {
        guard case .extended(let subtype, let number, let address, let isAny, let value) = self.kind
        else {
            if case .exactly(let exact) = self.kind { return word == exact }
            return false
        }
        guard UInt8(truncatingIfNeeded: word >> 48) == subtype else { return false }
        // RFC 4360 §3, RFC 5668 §2: whether it is transitive is not asked.
        switch UInt8(truncatingIfNeeded: word >> 56) & 0xbf {
        case 0:
            return (isAny || number?.contains(UInt32(word >> 32 & 0xffff)) == true)
                && value.contains(UInt32(truncatingIfNeeded: word))
        case 1:
            return (isAny || address == UInt32(truncatingIfNeeded: word >> 16))
                && value.contains(UInt32(word & 0xffff))
        case 2:
            return (isAny || number?.contains(UInt32(truncatingIfNeeded: word >> 16)) == true)
                && value.contains(UInt32(word & 0xffff))
        default: return false
        }
    }
}

extension CommunityPattern: CustomStringConvertible {
    public var description: String { self.text }
}
