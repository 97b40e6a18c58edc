// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import DNSFront
import Glibc
import RouteTable
import Testing

@Suite("Priorities of threads")
struct ThreadStarterTests {
    private struct Seen {
        var before: Int32
        var given: Int32
        var inherited: Int32
        var started: Int32
    }

    @Test("who gives way starts others that don't")
    func startsAtTheProcessesOwn() async throws {
        try ThreadStarter.start()
        let seen = try await withCheckedThrowingContinuation { continuation in
            do {
                try startThread(name: "gives way") {
                    let before = ThreadStarter.run { Self.nice }
                    giveWay()
                    let given = Self.nice
                    let inherited = Self.niceOfNewThread()
                    let started = ThreadStarter.run { Self.niceOfNewThread() }
                    continuation.resume(
                        returning: Seen(
                            before: before, given: given, inherited: inherited, started: started))
                }
            } catch {
                continuation.resume(throwing: error)
            }
        }
        #expect(seen.given == min(19, Self.niceOfProcess + 10))
        #expect(seen.inherited == seen.given)
        #expect(seen.started == seen.before)
        #expect(seen.started < seen.given)
    }

    private static var nice: Int32 { Self.nice(of: 0) }
    private static var niceOfProcess: Int32 { Self.nice(of: getpid()) }

    private static func nice(of thread: pid_t) -> Int32 {
        getpriority(__priority_which_t(PRIO_PROCESS.rawValue), id_t(thread))
    }

    /// That of a plain thread which the calling one starts.
    private static func niceOfNewThread() -> Int32 {
        var thread = pthread_t()
        var result: UnsafeMutableRawPointer?
        let failure = pthread_create(
            &thread, nil,
            { _ in UnsafeMutableRawPointer(bitPattern: Int(ThreadStarterTests.nice) + 100) }, nil)
        guard failure == 0 else { return .min }
        pthread_join(thread, &result)
        return Int32(Int(bitPattern: result) - 100)
    }
}
