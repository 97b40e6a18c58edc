// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable
import Synchronization

/// Which questions are asked: a mark for each policy, family and number of places, set by readers
/// and looked at by the keeper of scopes.
///
/// Unchecked: the marks are atomics in memory that lives as long as this object.
final class AskedQuestions: @unchecked Sendable {
    let policyCount: Int
    private let signal: ChangeSignal
    private let marks: UnsafeMutablePointer<Atomic<UInt8>>

    /// Asked since the keeper last looked.
    private static let asked: UInt8 = 1
    /// The keeper knows of it.
    private static let known: UInt8 = 2
    /// Numbers of places that are told apart; the last one stands for all places.
    private static let widths = 9
    private static let slotsPerPolicy = 3 * AskedQuestions.widths

    init(policyCount: Int, signal: ChangeSignal) {
        self.policyCount = policyCount
        self.signal = signal
        let count = policyCount * Self.slotsPerPolicy
        self.marks = .allocate(capacity: max(1, count))
        for slot in 0..<count { (self.marks + slot).initialize(to: Atomic(0)) }
    }

    deinit { self.marks.deallocate() }

    var slotCount: Int { self.policyCount * Self.slotsPerPolicy }

    /// The slot of a question under a policy that there is.
    @inline(__always)
    static func slot(policy: Int, family: AddressFamily?, places: Int) -> Int {
        let width = places < Self.widths ? max(places, 1) : Self.widths
        return (policy &* 3 &+ Int(family?.rawValue ?? 0)) &* Self.widths &+ width &- 1
    }

    /// What a slot stands for.
    static func question(_ slot: Int) -> (policy: Int, family: AddressFamily?, places: Int) {
        let width = slot % Self.widths + 1
        let rest = slot / Self.widths
        return (
            rest / 3, AddressFamily(rawValue: UInt8(rest % 3)),
            width < Self.widths ? width : SiteOrder.capacity
        )
    }

    /// The marks, for readers that keep this object alive.
    struct Marks {
        fileprivate let first: UnsafeMutablePointer<Atomic<UInt8>>

        /// Whether a question was noted before the keeper looked again.
        @inline(__always)
        func isNoted(_ slot: Int) -> Bool {
            self.first[slot].load(ordering: .relaxed) & AskedQuestions.asked != 0
        }
    }

    var view: Marks { Marks(first: self.marks) }

    /// Notes that a question is asked. Once for each question, this wakes the keeper.
    func note(_ slot: Int) {
        let mark = self.marks[slot].load(ordering: .relaxed)
        let (isFirst, _) = self.marks[slot].compareExchange(
            expected: mark, desired: mark | Self.asked, ordering: .relaxed)
        if isFirst, mark == 0 { self.signal.wake(.questionAsked) }
    }

    /// The slots of all questions that were asked, ascending.
    func take() -> [Int] {
        (0..<self.slotCount).filter { slot in
            guard self.marks[slot].load(ordering: .relaxed) != 0 else { return false }
            self.marks[slot].bitwiseOr(Self.known, ordering: .relaxed)
            return true
        }
    }

    /// Forgets what was not asked since this was called before.
    func age() {
        for slot in 0..<self.slotCount {
            let mark = self.marks[slot].load(ordering: .relaxed)
            guard mark & Self.known != 0 else { continue }
            _ = self.marks[slot].compareExchange(
                expected: mark, desired: mark & Self.asked != 0 ? Self.known : 0,
                ordering: .relaxed)
        }
    }
}
