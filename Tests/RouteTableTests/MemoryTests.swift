// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Foundation
import RouteTable
import Testing

@Suite("The table's memory")
struct MemoryTests {
    /// Memory of the process that no file backs, in bytes.
    static func anonymousBytes() -> Int {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("RssAnon") } ?? ""
        return (line.split { !$0.isNumber }.first.flatMap { Int($0) } ?? 0) * 1024
    }

    /// In a process of its own, so that nothing else comes and goes. Not with sanitizers, which
    /// need memory themselves: they go with debug builds.
    @Test(
        "is what the kernel says, to the twentieth part",
        .enabled(if: !_isDebugAssertConfiguration()))
    func accounts() async {
        let result = await #expect(
            processExitsWith: .success, observing: [\.standardOutputContent]
        ) {
            let before = Self.anonymousBytes()
            let owner = try TableOwner()
            var random = SplitMix(seed: 1)
            for feed in 0..<3 as Range<UInt16> {
                owner.submit(.defineSite(SiteID(UInt8(feed)), name: "\(feed)"))
                owner.submit(
                    .addFeed(
                        FeedDefinition(
                            id: FeedID(feed), name: "\(feed)", site: SiteID(UInt8(feed)),
                            order: Int(feed))))
                for chunk in 0..<900 {
                    var batch = RouteBatch(feed: FeedID(feed))
                    for number in 0..<1000 {
                        let hops = 1 + random.below(6)
                        let index = batch.intern(
                            RouteAttributes(
                                asPath: ASPath([ASNumber](repeating: 64_500, count: hops))))
                        let block = UInt128(0x0100_0000 + (chunk * 1000 + number) << 8)
                        let prefix =
                            number % 8 == 0
                            ? IPPrefix(
                                masking: IPAddress(
                                    family: .ipv6, leftAligned: 0x2001 << 112 | block << 64),
                                length: 48)
                            : IPPrefix(
                                masking: IPAddress(family: .ipv4, leftAligned: block << 96),
                                length: 24)
                        batch.announce(prefix, attributes: index)
                    }
                    owner.submitAndWait(.routes(batch))
                    if chunk % 4 == 3 { owner.flushAndWait() }
                }
                owner.submit(.feedComplete(FeedID(feed)))
                owner.flushAndWait()
            }
            let parts = try owner.querySync { $0.memory() }
            let table = parts.reduce(0) { $0 + $1.bytes }
            let cost = Self.anonymousBytes() - before
            print("table \(table), kernel \(cost)")
            for part in parts { print(part.name, part.bytes) }
            fflush(nil)
            try #require(abs(table - cost) * 20 < cost)
            exit(EXIT_SUCCESS)
        }
        print(String(decoding: result?.standardOutputContent ?? [], as: UTF8.self))
    }
}
