// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// What is left to do of taking out routes whose classes are beyond the limit.
struct ClassTrim {
    /// Addresses in such classes whose prefixes are still to be found.
    var addresses: [IPAddress]
    /// The prefixes that were found, which are all known before any is taken out: what covers them
    /// stays.
    var prefixes: Set<IPPrefix> = []
    var refused = 0
}

/// ``TableLimits/classes``: refused is what would make more, be it at once or by what comes in whole.
///
/// How many classes a first transfer makes shows when they are built. Those that come last in address
/// order are too many then: the longest prefixes in them lose their routes, and another image is built.
extension TableEngine {
    /// Times in a row that routes are taken out for one image: each leaves fewer.
    private static let mostTrims = 64

    /// Whether announcements that can change a distance are refused: so many classes were alive
    /// when they were last counted. Dead ones are no reason, but to count again; while that goes
    /// on, as many again are let in, unless that has been too many before.
    var classesAreFull: Bool {
        guard self.image.classes.count >= self.limits.classes else { return false }
        if self.distanceChanges > 0 { self.wantsReclaim = true }
        return self.hasNoClassLeft
    }

    var hasNoClassLeft: Bool {
        let (count, limit) = (self.image.classes.count, self.limits.classes)
        return count >= 2 * limit
            || count >= limit && (self.wasTrimmed || self.classesAtRebuild >= limit)
    }

    /// An image has too many classes: it is given up, unless nothing can be done about them.
    func considerTrim(of shadow: ShadowBuild) {
        guard !shadow.excess.isEmpty, shadow.isComplete || shadow.isHopeless else { return }
        guard !self.trimIsVain, self.trims < Self.mostTrims else {
            // What pins and locations alone make can't be refused here.
            shadow.ignoresExcess()
            return
        }
        self.trim = ClassTrim(addresses: shadow.excess)
        self.trims += 1
        self.abandonShadow()
    }

    /// The image that is shown has as many classes as it has.
    func noteTrims() {
        let isNear = self.classesAtRebuild > self.limits.classes - self.limits.classes / 16
        self.wasTrimmed = self.trims > 0 || self.wasTrimmed && isNear
        self.trims = 0
        self.trimIsVain = false
    }

    /// Goes on until the slice ends.
    func stepTrim(_ slice: inout WorkSlice) {
        while !slice.isSpent, let address = self.trim?.addresses.popLast() {
            slice.spend(64)
            if let prefix = self.countingPrefix(covering: address) {
                self.trim?.prefixes.insert(prefix)
            }
        }
        while !slice.isSpent, let prefix = self.trim?.prefixes.popFirst() {
            self.trim?.refused += self.refuseAll(at: prefix)
            slice.spend(256)
        }
        guard !slice.isSpent, let trim = self.trim else { return }
        self.trimIsVain = trim.refused == 0
        self.trim = nil
    }

    /// The longest prefix around an address that has a say in a distance.
    private func countingPrefix(covering address: IPAddress) -> IPPrefix? {
        let tree = self.tree(address.family)
        let distances = tree.distances
        var found: PrefixTree.Node = 0
        tree.forEachPrefix(covering: address.leftAligned) { node in
            for column in 0..<distances.count where distances.value(node, column) != 0 {
                found = node
            }
        }
        return found == 0 ? nil : tree.prefix(found)
    }

    /// Takes out the routes of a prefix that count, as if they had been refused when they came.
    ///
    /// - Returns: How many there were.
    private func refuseAll(at prefix: IPPrefix) -> Int {
        let tree = self.tree(prefix.family)
        var count = 0
        for feed in self.feeds.compactMap({ $0 }) {
            let routes = feed.routes(prefix.family)
            guard self.counts(feed, routes) else { continue }
            // The prefix goes with the last of its routes.
            while true {
                let node = tree.find(key: prefix.address.leftAligned, length: prefix.length)
                guard node != 0, let path = routes.first(node) else { break }
                if !routes.isStale(path.slot) { feed.loss.excuse() }
                self.drop(feed, routes, node, path, sites: feed.changingSites)
                self.refuse(feed, for: .classes)
                count += 1
            }
        }
        return count
    }
}
