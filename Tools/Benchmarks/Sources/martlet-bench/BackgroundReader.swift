// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Glibc
import RouteTable
import Synchronization

/// A thread that looks addresses up without pause, 64 to a snapshot.
///
/// Unchecked: what is not atomic doesn't change after `init`.
final class BackgroundReader: @unchecked Sendable {
    private let keys: [UInt32]
    private let lookup: LookupTable
    private let lookups = Atomic<Int>(0)
    private let cpuNanoseconds = Atomic<Int>(0)
    private let isStopped = Atomic<Bool>(false)
    private let hasEnded = Atomic<Bool>(false)

    init(_ lookup: LookupTable, keys: KeySet) {
        precondition(keys.family == .ipv4 && keys.count >= 1 << 16, "many IPv4 addresses")
        self.lookup = lookup
        self.keys = keys.ipv4
        var thread = pthread_t()
        let box = Unmanaged.passRetained(self).toOpaque()
        pthread_create(
            &thread, nil,
            { box in
                if let box { Unmanaged<BackgroundReader>.fromOpaque(box).takeRetainedValue().run() }
                return nil
            }, box)
        pthread_detach(thread)
    }

    private func run() {
        defer { self.hasEnded.store(true, ordering: .releasing) }
        guard var reader = try? self.lookup.makeReader() else { return }
        var sum: UInt64 = 0
        var position = 0
        while !self.isStopped.load(ordering: .acquiring) {
            let before = Clock.thread()
            self.keys.withUnsafeBufferPointer { keys in
                for _ in 0..<64 {
                    let start = position
                    reader.withSnapshot { snapshot in
                        for index in start..<start + 64 {
                            sum &+= UInt64(snapshot.classID(of: IPAddress(ipv4: keys[index])))
                        }
                    }
                    position = (position + 64) & 0xffff
                }
            }
            let spent = Int((Clock.thread() - before) * 1e9)
            self.cpuNanoseconds.add(spent &+ Int(sum & opaqueZero), ordering: .relaxed)
            self.lookups.add(64 * 64, ordering: .relaxed)
        }
    }

    /// Lookups and the CPU time they took so far.
    var work: (lookups: Int, nanoseconds: Int) {
        (
            self.lookups.load(ordering: .relaxed),
            self.cpuNanoseconds.load(ordering: .relaxed)
        )
    }

    /// Nanoseconds a lookup between two moments.
    static func cost(
        _ from: (lookups: Int, nanoseconds: Int), _ to: (lookups: Int, nanoseconds: Int)
    ) -> Double {
        Double(to.nanoseconds - from.nanoseconds) / Double(max(1, to.lookups - from.lookups))
    }

    /// The cost of a lookup while nothing else is done, over a million of them.
    func idleCost() -> Double {
        let before = self.work
        while self.work.lookups - before.lookups < 1 << 21 { usleep(1_000) }
        return Self.cost(before, self.work)
    }

    func stop() {
        self.isStopped.store(true, ordering: .releasing)
        while !self.hasEnded.load(ordering: .acquiring) { usleep(1_000) }
    }
}
