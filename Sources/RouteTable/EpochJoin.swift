// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Makes the numbers of a feed's old epochs free again, a few pages of its routes at a time.
///
/// Routes keep their epoch modulo 16, and a feed whose sessions end before their End-of-RIB begins
/// one after the other. So when six have begun, older routes are given the numbers just before
/// the epoch that is current then: one for those that stay as stale, one for those that a walk is
/// taking out. That takes five visits, one as each further epoch begins: no more than thirteen
/// numbers are ever in use.
///
/// Pages that came later have only routes of later epochs.
package struct EpochJoin {
    /// Epochs after which it begins.
    package static let epochsBefore = 6
    /// Visits after which it is done.
    package static let visits = 5

    /// The epoch that it began in: those before it are joined. Modulo 16, as all here.
    package let first: UInt32
    private let end: Int
    private var position = 0
    private var visitsLeft = EpochJoin.visits

    /// - Parameters:
    ///   - first: The current epoch.
    ///   - pages: Pages that the feed has.
    package init(first: UInt32, pages: Int) {
        self.first = first
        self.end = pages
    }

    package var isDone: Bool { self.visitsLeft == 0 }

    /// Whether a page's routes have their new numbers.
    @inline(__always)
    package func hasVisited(page: Int) -> Bool { page < self.position }

    /// The pages to visit as the feed is about to begin another epoch.
    package mutating func takePages() -> Range<Int> {
        let start = self.position
        let parts = max(1, self.visitsLeft)
        self.position += (self.end - start + parts - 1) / parts
        self.visitsLeft -= 1
        return start..<self.position
    }

    /// Epochs in use once all pages are visited.
    package func epochsInUse(at current: UInt32) -> Int { Int((current &- self.first) & 15) + 2 }

    /// What becomes of each number, in the four bits at its place.
    ///
    /// - Parameters:
    ///   - current: The feed's epoch.
    ///   - keptSince: Routes of older epochs are on their way out; nil where none are.
    /// - Returns: Sixteen new numbers.
    package func numbers(at current: UInt32, keptSince: UInt32?) -> UInt64 {
        let newest = (current &- self.first) & 15
        var numbers: UInt64 = 0
        for number in 0..<16 as Range<UInt32> {
            let age = (current &- number) & 15
            var new = number
            if age > newest {
                let isLeaving = keptSince.map { age > (current &- $0) & 15 } ?? false
                new = (self.first &- (isLeaving ? 2 : 1)) & 15
            }
            numbers |= UInt64(new) &<< UInt64(4 &* number)
        }
        return numbers
    }

    /// The epoch from which on routes stay, as visited pages number them.
    package func keptSince(_ since: UInt32, at current: UInt32) -> UInt32 {
        (current &- since) & 15 > (current &- self.first) & 15 ? (self.first &- 1) & 15 : since
    }
}
