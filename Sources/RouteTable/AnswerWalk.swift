// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

package import Addressing
import Synchronization

/// A walk over a lookup's leaves in address order, a slice at a time: where classes change.
///
/// It ends slices between root entries. What is changed meanwhile is seen or not; the marks of
/// the round say where that may be.
package struct AnswerWalk {
    /// From an address on, left-aligned, this is the class.
    package struct Run {
        package var start: UInt128
        package var classID: UInt32
    }

    package let family: AddressFamily
    /// The runs of the slice that was walked last.
    package private(set) var runs: [Run] = []
    private var rootIndex = 0
    private var last: UInt32?

    /// A walk over all of a family, or from the root entry on that holds an address.
    package init(_ family: AddressFamily, from address: UInt128 = 0) {
        self.family = family
        self.rootIndex = Int(address >> UInt128(128 - LookupBase.rootBits))
    }

    package var isDone: Bool { self.rootIndex == 1 << LookupBase.rootBits }

    /// Walks on until it has seen as many entries, or is done.
    package mutating func step(_ snapshot: borrowing TableSnapshot, entries budget: Int) {
        self.runs.removeAll(keepingCapacity: true)
        let base = self.family == .ipv4 ? snapshot.ipv4 : snapshot.ipv6
        var left = budget
        while !self.isDone, left > 0 {
            let start = UInt128(self.rootIndex) << UInt128(128 - LookupBase.rootBits)
            let entry = base.root[self.rootIndex].load(ordering: .acquiring)
            left -= 1
            self.visit(entry, base, depth: LookupBase.rootBits, start, &left)
            self.rootIndex += 1
        }
    }

    private mutating func visit(
        _ entry: UInt32, _ base: LookupBase, depth: Int, _ start: UInt128, _ left: inout Int
    ) {
        guard entry >= LookupBase.nodeFlag else {
            if entry != self.last {
                self.runs.append(Run(start: start, classID: entry))
                self.last = entry
            }
            return
        }
        let entries = base.nodes + Int(entry & ~LookupBase.nodeFlag) * 16
        left -= 16
        for slot in 0..<16 {
            self.visit(
                entries[slot].load(ordering: .acquiring), base, depth: depth + 4,
                start | UInt128(slot) << UInt128(124 - depth), &left)
        }
    }
}
