// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

package import Addressing

/// Where the answers to one question change, over all addresses of both families.
package final class AnswerIndex: Sendable {
    /// What readers use: plain addresses, nothing to count.
    struct View: Sendable {
        let ipv4: AnswerIntervals<UInt32>
        /// One of the two is there.
        let ipv6: AnswerIntervals<UInt64>?
        let wideIPv6: AnswerIntervals<UInt128>?

        /// The length of the largest block around an address in which all get the same answer.
        @inline(__always)
        func scope(of address: IPAddress) -> Int {
            if address.family == .ipv4 {
                return self.ipv4.scope(of: UInt32(truncatingIfNeeded: address.high &>> 32))
            }
            if let ipv6 = self.ipv6 { return ipv6.scope(of: address.high) }
            return self.wideIPv6?.scope(of: address.leftAligned) ?? 128
        }
    }

    let view: View

    package init(_ draft: AnswerDraft) {
        let ipv6IsNarrow = draft.ipv6.allSatisfy { $0 & UInt128(UInt64.max) == 0 }
        self.view = View(
            ipv4: AnswerIntervals(starts: draft.ipv4),
            ipv6: ipv6IsNarrow
                ? AnswerIntervals(
                    starts: draft.ipv6.lazy.map { UInt64(truncatingIfNeeded: $0 >> 64) })
                : nil,
            wideIPv6: ipv6IsNarrow ? nil : AnswerIntervals(starts: draft.ipv6))
    }

    deinit {
        self.view.ipv4.deallocate()
        self.view.ipv6?.deallocate()
        self.view.wideIPv6?.deallocate()
    }

    package func scope(of address: IPAddress) -> Int { self.view.scope(of: address) }

    package var intervalCount: Int {
        self.view.ipv4.intervalCount + (self.view.ipv6?.intervalCount ?? 0)
            + (self.view.wideIPv6?.intervalCount ?? 0)
    }

    package var byteCount: Int {
        self.view.ipv4.byteCount + (self.view.ipv6?.byteCount ?? 0)
            + (self.view.wideIPv6?.byteCount ?? 0)
    }
}

/// An ``AnswerIndex`` that is put together in address order, family by family.
package struct AnswerDraft: Sendable {
    private(set) var ipv4: [UInt32] = []
    private(set) var ipv6: [UInt128] = []
    /// The answer so far in the family that is walked.
    private var answer: UInt32?

    package init() {}

    /// The family's next addresses begin.
    package mutating func begin() { self.answer = nil }

    /// Takes in what a slice of a walk has found; `answers` are by class id.
    package mutating func append(_ walk: AnswerWalk, by answers: [UInt32]) {
        for run in walk.runs {
            let answer = answers[Int(run.classID)]
            guard answer != self.answer else { continue }
            defer { self.answer = answer }
            guard self.answer != nil else { continue }
            if walk.family == .ipv4 {
                self.ipv4.append(UInt32(truncatingIfNeeded: run.start &>> 96))
            } else {
                self.ipv6.append(run.start)
            }
        }
    }

    package var byteCount: Int { self.ipv4.count * 4 + self.ipv6.count * 16 }
}
