// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// One record of a cache's answer.
public struct VRPChange: Hashable, Sendable {
    public var payload: VRP
    /// Else it is withdrawn.
    public var isAnnounced: Bool

    public init(_ payload: VRP, isAnnounced: Bool) {
        self.payload = payload
        self.isAnnounced = isAnnounced
    }
}

/// A record that contradicts what there is (RFC 8210 §5.6, §12).
public enum VRPConflict: Error, Hashable, Sendable {
    /// Announced although it is there.
    case duplicate(VRP)
    /// Withdrawn although it isn't there.
    case unknown(VRP)
}

extension VRPTable {
    /// The table after a cache's answer.
    ///
    /// - Parameter changes: In the order in which they came: the last record of a payload counts.
    /// - Returns: The new table.
    /// - Throws: The first conflict in tree order; this table is as it was.
    /// - Complexity: Linear in the table, and a sort of the changes.
    public func applying(_ changes: [VRPChange]) throws(VRPConflict) -> VRPTable {
        // Records are told apart by their place too, so that those of one payload stay in order.
        let order = changes.indices.sorted {
            let (a, b) = (changes[$0].payload, changes[$1].payload)
            return a != b ? a < b : $0 < $1
        }
        var result = Builder()
        let announced = changes.count
        result.reserveCapacity(
            ipv4: self.count(.ipv4) + announced, ipv6: self.count(.ipv6))
        var known = self.makeIterator()
        var next = known.next()
        var position = 0
        while position < order.count {
            let payload = changes[order[position]].payload
            while let old = next, old < payload {
                result.append(old)
                next = known.next()
            }
            var isThere = next == payload
            if isThere { next = known.next() }
            while position < order.count, changes[order[position]].payload == payload {
                let announces = changes[order[position]].isAnnounced
                guard announces != isThere else {
                    throw announces ? .duplicate(payload) : .unknown(payload)
                }
                isThere = announces
                position += 1
            }
            if isThere { result.append(payload) }
        }
        while let old = next {
            result.append(old)
            next = known.next()
        }
        return result.table
    }

    /// The prefixes under which another table may judge routes otherwise: those of payloads that
    /// only one of the two has, without prefixes that another of them holds.
    ///
    /// - Parameters:
    ///   - other: The other table.
    ///   - limit: So many at most.
    /// - Returns: In tree order; nil where there are more.
    public func changedPrefixes(to other: VRPTable, limit: Int) -> [IPPrefix]? {
        var prefixes: [IPPrefix] = []
        /// In tree order a prefix that holds another comes before it.
        func note(_ prefix: IPPrefix) {
            if prefixes.last?.contains(prefix) != true { prefixes.append(prefix) }
        }
        var ours = self.makeIterator()
        var theirs = other.makeIterator()
        var a = ours.next()
        var b = theirs.next()
        while a != nil || b != nil {
            if let old = a, let new = b, old == new {
                a = ours.next()
                b = theirs.next()
                continue
            }
            if let old = a, b.map({ old < $0 }) ?? true {
                note(old.prefix)
                a = ours.next()
            } else if let new = b {
                note(new.prefix)
                b = theirs.next()
            }
            if prefixes.count > limit { return nil }
        }
        return prefixes
    }
}
