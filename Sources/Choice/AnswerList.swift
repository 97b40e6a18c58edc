// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

package import Addressing
package import RouteTable

/// A prefix whose addresses all get the same answer.
package struct AnswerPrefix: Hashable, Sendable {
    package var prefix: IPPrefix
    /// Those that may be answered, best first.
    package var sites: [SiteID]
    /// Among some of them a hash of the client's own address decides; `sites` is as the prefix's
    /// first address has it.
    package var isHashed: Bool
}

/// Where a list of answers goes on: the address after the last prefix of it.
package struct AnswerCursor: Hashable, Sendable {
    package var address: IPAddress

    package init(_ address: IPAddress) { self.address = address }
}

/// What is listed.
package struct AnswerListing: Hashable, Sendable {
    package var policy: Int
    /// The family that an answer must have; nil for any.
    package var family: AddressFamily?
    package var within: IPPrefix

    package init(policy: Int, family: AddressFamily?, within: IPPrefix) {
        self.policy = policy
        self.family = family
        self.within = within
    }
}

extension OracleBatch {
    /// The answers to all addresses of a prefix, a slice at a time: disjoint prefixes in address
    /// order, as few as say it, that leave no address out.
    ///
    /// What changes between two slices is seen or not, prefix by prefix.
    ///
    /// - Parameters:
    ///   - listing: What is asked for.
    ///   - cursor: What the slice before gave; nil at the start.
    ///   - limit: Prefixes at most.
    /// - Returns: The slice, and where the next one begins; nil at the end.
    package mutating func answers(
        _ listing: AnswerListing, after cursor: AnswerCursor?, limit: Int
    ) -> (answers: [AnswerPrefix], next: AnswerCursor?) {
        let first = cursor?.address ?? listing.within.address
        let last = listing.within.last
        var walk = AnswerWalk(first.family, from: first.leftAligned)
        var block: Block?
        var found: [AnswerPrefix] = []
        walk: while !walk.isDone {
            self.step(&walk, entries: 256)
            for run in walk.runs {
                let start = IPAddress(family: first.family, leftAligned: run.start)
                guard start <= last else { break walk }
                // Of the runs that begin before what is asked for the last one reaches into it.
                guard let before = block, start > first else {
                    block = self.block(ofClass: run.classID, from: first, listing)
                    continue
                }
                guard run.classID != before.classID else { continue }
                let next = self.block(ofClass: run.classID, from: start, listing)
                if !before.isHashed, !next.isHashed, next.sites == before.sites { continue }
                if let end = start.previous,
                    let rest = self.list(before, through: end, listing, limit, &found)
                {
                    return (found, rest)
                }
                block = next
                guard found.count < limit else { return (found, AnswerCursor(start)) }
            }
        }
        guard let block else { return (found, nil) }
        let rest = self.list(block, through: last, listing, limit, &found)
        return (found, rest)
    }

    /// Neighbouring addresses with one answer, from the first on.
    private struct Block {
        var first: IPAddress
        var classID: UInt32
        var sites: [SiteID]
        var isHashed: Bool
    }

    private mutating func block(
        ofClass classID: UInt32, from first: IPAddress, _ listing: AnswerListing
    ) -> Block {
        let match = ClientMatch(classID: classID, scope: 0)
        return Block(
            first: first, classID: classID, sites: self.sites(of: classID, at: first, listing),
            isHashed: self.isHashed(
                match, policy: listing.policy, family: listing.family,
                places: SiteOrder.capacity))
    }

    /// Lists a block's prefixes.
    ///
    /// - Returns: Where the limit has stopped it.
    private mutating func list(
        _ block: Block, through last: IPAddress, _ listing: AnswerListing, _ limit: Int,
        _ found: inout [AnswerPrefix]
    ) -> AnswerCursor? {
        for prefix in IPPrefix.covering(from: block.first, through: last) {
            guard found.count < limit else { return AnswerCursor(prefix.address) }
            found.append(
                AnswerPrefix(
                    prefix: prefix,
                    sites: block.isHashed
                        ? self.sites(of: block.classID, at: prefix.address, listing)
                        : block.sites,
                    isHashed: block.isHashed))
        }
        return nil
    }

    private mutating func sites(
        of classID: UInt32, at address: IPAddress, _ listing: AnswerListing
    ) -> [SiteID] {
        var order = SiteOrder()
        // Without a scope the question leaves no trace: it isn't a client's.
        _ = self.order(
            policy: listing.policy, family: listing.family, client: address,
            match: ClientMatch(classID: classID, scope: 0), into: &order)
        return order.sites
    }
}

extension IPAddress {
    fileprivate var previous: IPAddress? {
        let unit: UInt128 = 1 << UInt128(128 - self.family.width)
        let (difference, overflows) = self.leftAligned.subtractingReportingOverflow(unit)
        return overflows ? nil : IPAddress(family: self.family, leftAligned: difference)
    }
}
