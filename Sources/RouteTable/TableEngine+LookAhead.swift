// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import CLinux

/// An update's time is spent waiting for memory: the leaf of its prefix, its route, the attributes
/// of the one before, its distances, the entry of the lookup trie. For one prefix each of these
/// tells where the next one is. For many prefixes at once the same steps are done side by side,
/// and the processor waits for all of them together.
extension TableEngine {
    /// Changes whose memory is fetched at once: about as many as a processor has misses under way.
    private static var window: Int { 16 }

    /// Has the memory that the next changes of a batch will need brought near. Nothing is changed
    /// by it, and nothing depends on it.
    ///
    /// A feed's first transfer comes in the order of the prefixes, and is left out: what it needs
    /// is near.
    func lookAhead(_ reader: inout BatchReader, of feed: Feed) {
        withUnsafeTemporaryAllocation(of: Prospect.self, capacity: Self.window) { prospects in
            var count = 0
            while count < Self.window, let change = reader.next() {
                let routes = change.isIPv4 ? feed.ipv4 : feed.ipv6
                if routes.isHidden { continue }
                (change.isIPv4 ? self.ipv4 : self.ipv6).fetchLeaf(change.key)
                prospects.initializeElement(
                    at: count,
                    to: Prospect(key: change.key, length: change.length, isIPv4: change.isIPv4))
                count &+= 1
            }
            guard count > 1 else { return }
            for number in 0..<count {
                let prospect = prospects[number]
                let tree = prospect.isIPv4 ? self.ipv4 : self.ipv6
                let node = tree.find(key: prospect.key, length: prospect.length)
                prospects[number].node = node
                if node != 0 {
                    tree.fetch(node)
                    (prospect.isIPv4 ? feed.ipv4 : feed.ipv6).fetch(node)
                }
                (prospect.isIPv4 ? self.image.ipv4 : self.image.ipv6).fetchRoot(prospect.key)
            }
            for number in 0..<count {
                let prospect = prospects[number]
                (prospect.isIPv4 ? self.image.ipv4 : self.image.ipv6).fetchLeaf(prospect.key)
                guard prospect.node != 0 else { continue }
                let slot = (prospect.isIPv4 ? feed.ipv4 : feed.ipv6).load(prospect.node)
                if !slot.isEmpty, !slot.isList { self.attributes.fetch(slot.attributes) }
            }
        }
    }
}

/// What is known of a change that comes soon.
private struct Prospect: BitwiseCopyable {
    var key: UInt128
    var length: Int
    var isIPv4: Bool
    /// 0 where the prefix isn't there.
    var node: PrefixTree.Node = 0
}
