// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// What the payloads say of a route (RFC 6811 §2).
public enum ValidationState: String, Hashable, Sendable, CaseIterable {
    /// No payload covers its prefix.
    case notFound = "not-found"
    /// One that covers it names its origin, and allows its length.
    case valid
    /// Some cover it, none allows it.
    case invalid
}

extension ASPath {
    /// The AS that a route with this path is from, as origin validation counts it (RFC 6811 §2):
    /// the last member of a closing sequence, or the speaker's own AS where the path is empty or
    /// closes within the confederation. Allocates nothing.
    ///
    /// - Parameter local: The AS of the speaker that has the route.
    /// - Returns: Nil where the path closes with a set: such a route is never valid.
    public func originAS(local: ASNumber) -> ASNumber? {
        let encoded = self.encoded
        var position = 0
        var last = 0
        while position + 2 <= encoded.count {
            last = position
            position += 2 + 4 * Int(encoded[position + 1])
        }
        guard position > 0, position == encoded.count else { return local }
        switch SegmentKind(rawValue: encoded[last]) {
        case .set, nil: return nil
        case .confederationSequence, .confederationSet: return local
        case .sequence:
            let number =
                UInt32(encoded[position - 4]) << 24 | UInt32(encoded[position - 3]) << 16
                | UInt32(encoded[position - 2]) << 8 | UInt32(encoded[position - 1])
            return ASNumber(number)
        }
    }
}
