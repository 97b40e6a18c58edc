// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Foundation
import RouteTable
import Testing

/// Eight full tables, made from real prefixes and simulated path lengths.
///
/// `MARTLET_SCALE=1` runs it; the data is found by `MARTLET_DATA`, in a release build it prints
/// seconds, memory and nanoseconds.
@Suite("Eight full tables", .serialized)
struct ScaleTests {
    static let data =
        ProcessInfo.processInfo.environment["MARTLET_DATA"] ?? "../shared/data"
    static let isWanted =
        ProcessInfo.processInfo.environment["MARTLET_SCALE"] == "1"
        && FileManager.default.fileExists(atPath: Self.data + "/sim")

    /// The lines of a gzipped file.
    static func lines(_ path: String) throws -> [Substring] {
        let zcat = Process()
        zcat.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        zcat.arguments = ["zcat", self.data + path]
        let pipe = Pipe()
        zcat.standardOutput = pipe
        try zcat.run()
        let bytes = pipe.fileHandleForReading.readDataToEndOfFile()
        zcat.waitUntilExit()
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    }

    static func residentMegabytes() -> Int {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS") } ?? ""
        return (line.split { !$0.isNumber }.first.flatMap { Int($0) } ?? 0) / 1024
    }

    static func cpuSeconds() -> Double { Double(clock()) / Double(CLOCKS_PER_SEC) }

    struct Input {
        var prefixes: [(prefix: IPPrefix, origin: UInt32)] = []
        /// Path lengths by origin, one a site; 0 where there is none.
        var lengths: [UInt32: [UInt8]] = [:]
    }

    static func read() throws -> Input {
        var input = Input()
        for line in try self.lines("/prefixes/prefix-origin.derived.txt.gz") {
            let parts = line.split(separator: " ")
            guard parts.count == 2, let prefix = IPPrefix(String(parts[0])),
                let origin = UInt32(parts[1])
            else { continue }
            input.prefixes.append((prefix, origin))
        }
        for line in try self.lines("/sim/aspath-len.20250901.32-sites.csv.gz").dropFirst() {
            let parts = line.split(separator: ",", omittingEmptySubsequences: false)
            guard let origin = UInt32(parts[0]) else { continue }
            input.lengths[origin] = parts.dropFirst().map { UInt8($0) ?? 0 }
        }
        return input
    }

    static func submit(_ input: Input, feed: Int, to owner: TableOwner) -> Int {
        var routes = 0
        var batch = RouteBatch(feed: FeedID(UInt16(feed)))
        var known: [UInt32: Int] = [:]
        for (prefix, origin) in input.prefixes {
            guard let length = input.lengths[origin]?[feed], length > 0 else { continue }
            let index: Int
            if let old = known[origin] {
                index = old
            } else {
                var path = [ASNumber(UInt32(64_600 + feed))]
                while path.count + 1 < Int(length) {
                    path.append(ASNumber(UInt32(path.count) * 1_000 + origin % 1_000))
                }
                if length > 1 { path.append(ASNumber(origin)) }
                index = batch.intern(
                    RouteAttributes(
                        asPath: ASPath(path), nextHop: IPAddress(ipv4: UInt32(feed) + 1)))
                known[origin] = index
            }
            batch.announce(prefix, attributes: index)
            routes += 1
            if batch.count == 4096 {
                owner.submitAndWait(.routes(batch))
                batch = RouteBatch(feed: FeedID(UInt16(feed)))
                known = [:]
            }
        }
        owner.submitAndWait(.routes(batch))
        return routes
    }

    @Test("load within a gibibyte and answer", .enabled(if: isWanted), .timeLimit(.minutes(10)))
    func load() throws {
        let input = try Self.read()
        let before = Self.residentMegabytes()
        let owner = try TableOwner()
        var routes = 0
        let started = Self.cpuSeconds()
        for feed in 0..<8 {
            let begun = Self.cpuSeconds()
            owner.submit(.defineSite(SiteID(UInt8(feed)), name: "site \(feed)"))
            owner.submit(
                .addFeed(
                    FeedDefinition(
                        id: FeedID(UInt16(feed)), name: "\(feed)", site: SiteID(UInt8(feed)),
                        order: feed)))
            owner.submit(.feedUp(FeedID(UInt16(feed))))
            routes += Self.submit(input, feed: feed, to: owner)
            owner.submit(.feedComplete(FeedID(UInt16(feed))))
            owner.flushAndWait()
            print("feed \(feed): \(Self.cpuSeconds() - begun) s CPU")
        }
        let seconds = Self.cpuSeconds() - started
        let resident = Self.residentMegabytes() - before
        let counts = try owner.querySync { $0.counts() }
        print("\(routes) routes, \(seconds) s CPU with the making of them, \(resident) MB more")
        print(counts)
        for part in try owner.querySync({ $0.memory() }) {
            print(part.name, Double(part.bytes) / 1e6, "MB")
        }
        #expect(counts.routes == routes)
        #expect(resident < 1024)

        var random = SplitMix(seed: 1)
        for family in AddressFamily.allCases {
            let prefixes = input.prefixes.filter { $0.prefix.family == family }
            let addresses = (0..<1_000_000).map { _ in
                let prefix = prefixes[random.below(prefixes.count)].prefix
                let host =
                    UInt128.random(in: 0...(.max), using: &random)
                    & (prefix.last.leftAligned ^ prefix.address.leftAligned)
                return IPAddress(family: family, leftAligned: prefix.address.leftAligned | host)
            }
            var reader = try owner.lookup.makeReader()
            for round in 0..<3 {
                var sum = 0
                var begun = Self.cpuSeconds()
                reader.withSnapshot { snapshot in
                    for address in addresses { sum &+= Int(snapshot.classID(of: address)) }
                }
                let plain = (Self.cpuSeconds() - begun) * 1000
                begun = Self.cpuSeconds()
                reader.withSnapshot { snapshot in
                    for address in addresses {
                        let match = snapshot.lookup(address)
                        sum &+= Int(match.classID) &+ Int(match.scope)
                    }
                }
                let full = (Self.cpuSeconds() - begun) * 1000
                print(
                    "\(family) round \(round): class \(plain) ns, and scope \(full) ns, \(sum & 1)")
            }
        }

        try Self.checkpoint(owner)

        // Churn: withdrawn and announced again, with other lengths.
        let churn = 1_000_000
        let begun = Self.cpuSeconds()
        var batch = RouteBatch(feed: FeedID(3))
        for number in 0..<churn {
            let prefix = input.prefixes[random.below(input.prefixes.count)].prefix
            if number % 2 == 0 {
                batch.withdraw(prefix)
            } else {
                let path = (0..<(2 + random.below(5))).map { ASNumber(UInt32($0 + 1)) }
                batch.announce(
                    prefix, attributes: batch.intern(RouteAttributes(asPath: ASPath(path))))
            }
            if batch.count == 1000 {
                owner.submitAndWait(.routes(batch))
                batch = RouteBatch(feed: FeedID(3))
            }
        }
        owner.flushAndWait()
        print("churn: \((Self.cpuSeconds() - begun) * 1e9 / Double(churn)) ns CPU a change")
        let loss = Date()
        owner.submit(.feedFlush(FeedID(5)))
        owner.flushAndWait()
        let lost = Date().timeIntervalSince(loss)
        print("a feed's loss: \(lost) s")
        #expect(lost < 1, "readers see a feed's loss within a second")
        try Self.flap(owner)
        Self.revise(owner)
        Self.beginAgain(owner)
        let steps = try owner.querySync { $0.counts() }.longestSteps
        for kind in StepKind.allCases {
            print("longest step, \(kind): \(steps[kind])")
            #expect(steps[kind].processor <= 5000, "\(kind) held others up")
        }
        print(try owner.querySync { $0.counts() })
    }

    /// Writes the table, and restores it into another.
    static func checkpoint(_ owner: TableOwner) throws {
        let collected = Collected()
        var begun = self.cpuSeconds()
        let counts = try owner.writeCheckpoint(time: 0) {
            collected.bytes.append(contentsOf: $0)
        }
        print(
            "checkpoint: \(collected.bytes.count) bytes in \(self.cpuSeconds() - begun) s CPU,",
            counts)
        let again = try TableOwner()
        for feed in 0..<8 {
            again.submit(.defineSite(SiteID(UInt8(feed)), name: "site \(feed)"))
            again.submit(
                .addFeed(
                    FeedDefinition(
                        id: FeedID(UInt16(feed)), name: "\(feed)", site: SiteID(UInt8(feed)),
                        order: feed)))
        }
        begun = self.cpuSeconds()
        let checkpoint = try Checkpoint(bytes: collected.bytes)
        let verified = self.cpuSeconds()
        let restore = try again.beginRestore(checkpoint)
        let answering = self.cpuSeconds()
        try restore.run()
        again.flushAndWait()
        print(
            "verified in \(verified - begun) s CPU, answering in \(answering - begun),",
            "whole in \(self.cpuSeconds() - begun)")
        #expect(restore.isAnswering)
        #expect(try again.querySync { $0.counts() }.routes == counts.routes)
    }

    /// All routes are looked at again, and most change.
    static func revise(_ owner: TableOwner) {
        for showsAtOnce in [true, false] {
            let begun = self.cpuSeconds()
            owner.submit(
                .revise(
                    TableRevision(showsAtOnce: showsAtOnce) { _, prefix, held in
                        var revised = held
                        revised.penalty = showsAtOnce ? UInt8(prefix.length % 4) : 0
                        return revised
                    }))
            owner.flushAndWait()
            print("revision: \(self.cpuSeconds() - begun) s CPU")
        }
    }

    /// Sessions of a feed begin again and again before it is complete.
    static func beginAgain(_ owner: TableOwner) {
        let feed = FeedID(6)
        for round in 0..<40 {
            owner.submit(.feedUp(feed))
            var batch = RouteBatch(feed: feed)
            let index = batch.intern(RouteAttributes(asPath: ASPath([7, 8])))
            for number in 0..<100 {
                let address = IPAddress(ipv4: UInt32(round * 100 + number) << 12)
                batch.announce(IPPrefix(masking: address, length: 20), attributes: index)
            }
            owner.submitAndWait(.routes(batch))
        }
        owner.submit(.feedComplete(feed))
        owner.flushAndWait()
    }

    /// Default routes come and go beside updates of single routes, and layers are replaced.
    static func flap(_ owner: TableOwner) throws {
        for round in 0..<50 {
            for family in AddressFamily.allCases {
                var batch = RouteBatch(feed: FeedID(2))
                if round % 2 == 0 {
                    let path = ASPath([ASNumber](repeating: 1, count: 1 + round % 7))
                    batch.announce(
                        .all(family), attributes: batch.intern(RouteAttributes(asPath: path)))
                } else {
                    batch.withdraw(.all(family))
                }
                owner.submitAndWait(.routes(batch))
            }
            var batch = RouteBatch(feed: FeedID(3))
            let index = batch.intern(RouteAttributes(asPath: ASPath([2, 3])))
            for number in 0..<100 {
                let address = IPAddress(ipv4: UInt32(round * 100 + number) << 12)
                batch.announce(IPPrefix(masking: address, length: 20), attributes: index)
            }
            owner.submitAndWait(.routes(batch))
            if round % 10 == 0 {
                owner.submit(.setPins([(.all(.ipv4), [SiteID(UInt8(round / 10))])]))
            }
            if round % 10 == 5 { owner.flushAndWait() }
        }
        owner.flushAndWait()
    }
}
