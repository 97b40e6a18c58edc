// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

package import Addressing
package import BGPWire

/// When the first transfer of a session is over: End-of-RIB of all families, or quiet.
///
/// A peer that said it sends End-of-RIB (RFC 4724) is given more time to do so than one that
/// didn't, for it may be waiting for its own neighbours. Both have a last moment: a peer with a
/// full table is never quiet, and stale routes must not stay for ever.
package struct TransferProgress {
    /// Times the quiet time: how long a peer that sends End-of-RIB may be silent before it, and
    /// how long one that doesn't may take in all.
    package static let patience = 12.0
    /// Times the quiet time: the longest first transfer of a peer that sends End-of-RIB.
    package static let lastMoment = 60.0

    let families: FamilySet
    let sendsEndOfRIB: Bool
    let quietTime: Duration
    /// Since the session was established.
    package private(set) var lastUpdate = Duration.zero
    package private(set) var ended: FamilySet = []
    package private(set) var isComplete = false

    package init(families: FamilySet, sendsEndOfRIB: Bool, quietTime: Duration) {
        self.families = families
        self.sendsEndOfRIB = sendsEndOfRIB
        self.quietTime = quietTime
    }

    package mutating func update(at time: Duration) {
        if !self.isComplete { self.lastUpdate = time }
    }

    /// - Returns: Whether the transfer is over by this, and wasn't before.
    package mutating func endOfRIB(_ family: AddressFamily) -> Bool {
        self.ended.insert(FamilySet(family))
        guard !self.isComplete, self.ended.isSuperset(of: self.families) else { return false }
        self.isComplete = true
        return true
    }

    /// Whether the peer has yet to say End-of-RIB of a family, as it said it would.
    package func awaitsEndOfRIB(of family: AddressFamily) -> Bool {
        self.sendsEndOfRIB && !self.isComplete && !self.ended.contains(family)
    }

    /// When to look again, unless all is over.
    package var nextLook: Duration? {
        guard !self.isComplete else { return nil }
        let quiet = self.quietTime * (self.sendsEndOfRIB ? Self.patience : 1)
        let last = self.quietTime * (self.sendsEndOfRIB ? Self.lastMoment : Self.patience)
        return min(self.lastUpdate + quiet, last)
    }

    /// - Returns: Whether the transfer is over by now, and wasn't before.
    package mutating func look(at time: Duration) -> Bool {
        guard let due = self.nextLook, time >= due else { return false }
        self.isComplete = true
        return true
    }
}
