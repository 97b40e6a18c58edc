// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// What the machine alone adds to a thread's CPU time: without a table, without a system call
/// between two looks at the clock. A virtual machine's host that has to find memory, or takes it
/// back, shows here.
enum MachinePass {
    private static let page = 4096
    private static let pages = 32_768

    static func run() throws -> Report {
        let bytes = Self.pages * Self.page
        let mapping = mmap(
            nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let mapping, mapping != UnsafeMutableRawPointer(bitPattern: -1) else {
            throw UsageError("there is no memory to try the machine with")
        }
        defer { munmap(mapping, bytes) }
        let words = mapping.assumingMemoryBound(to: UInt64.self)
        let stride = Self.page / 8
        let first = Self.longest(of: Self.pages) { words[$0 * stride] = 1 }
        var sum: UInt64 = 0
        var place: UInt64 = 1
        // About as long as a batch of updates takes, and as far apart as what it reads.
        let again = Self.longest(of: 20_000) { _ in
            for _ in 0..<500 {
                place = place &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                let index = Int(truncatingIfNeeded: place >> 40) % (Self.pages * stride)
                words[index] &+= 1
                sum &+= words[index]
            }
        }
        var report = Report()
        report.add("new page cpu_ms", first * 1e3)
        report.add("known pages cpu_ms", again * 1e3)
        report.add("sum", "\(sum)")
        return report
    }

    private static func longest(of count: Int, _ body: (Int) -> Void) -> Double {
        var longest = 0.0
        var before = Clock.thread()
        for number in 0..<count {
            body(number)
            let now = Clock.thread()
            longest = max(longest, now - before)
            before = now
        }
        return longest
    }
}
