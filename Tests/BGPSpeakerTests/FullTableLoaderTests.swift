// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import Foundation
import Glibc
import RouteFiles
import RouteTable
import Testing

/// Eight full feeds of a simulated table, as `simrib` writes them: MARTLET_FULL_TABLE names the
/// file. Too large to stand among the data; it takes seconds in a release build, minutes else.
@Suite(
    "A full simulated table",
    .enabled(if: ProcessInfo.processInfo.environment["MARTLET_FULL_TABLE"] != nil), .serialized)
struct FullTableLoaderTests {
    private let path = ProcessInfo.processInfo.environment["MARTLET_FULL_TABLE"] ?? ""

    /// CPU seconds of the process, and its greatest size so far in MiB.
    private static func usage() -> (seconds: Double, mebibytes: Int) {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        func seconds(_ time: timeval) -> Double {
            Double(time.tv_sec) + Double(time.tv_usec) / 1e6
        }
        return (seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss / 1024)
    }

    private func peers() throws -> [MRTPeer] {
        var reader = try MRTReader(path: self.path)
        var peers: [MRTPeer] = []
        _ = try reader.next { record, bytes in
            guard record.content == .peerIndexTable else { return }
            peers = try PeerIndexTable(parsing: bytes).peers
        }
        return peers
    }

    @Test("is read, and loaded as eight feeds of eight sites")
    func load() throws {
        let peers = try self.peers()
        try #require(peers.count <= 64)
        let loader = DumpLoader(
            path: self.path,
            feeds: peers.enumerated().map { index, peer in
                (
                    FeedID(rawValue: UInt16(index)),
                    PeerSelector(address: peer.address, asNumber: peer.asNumber)
                )
            })
        let start = (clock: ContinuousClock.now, cpu: Self.usage().seconds)
        try loader.check()
        let checked = (clock: ContinuousClock.now, cpu: Self.usage().seconds)
        let owner = try TableOwner()
        defer { owner.shutdown() }
        for (index, peer) in peers.enumerated() {
            let site = SiteID(rawValue: UInt8(index))
            owner.submit(.defineSite(site, name: "site\(index)"))
            owner.submit(
                .addFeed(
                    FeedDefinition(
                        id: FeedID(rawValue: UInt16(index)), name: "\(peer)", site: site,
                        order: index)))
        }
        let report = try loader.load(into: owner, replacing: false)
        let loaded = (clock: ContinuousClock.now, cpu: Self.usage().seconds)
        owner.flushAndWait()
        let end = (clock: ContinuousClock.now, usage: Self.usage())
        let routes = report.feeds.reduce(0) { $0 + $1.announced }
        print(
            """
            \(routes) routes of \(report.feeds.count) feeds, \(report.records) records
            check: \(checked.clock - start.clock), \(checked.cpu - start.cpu) s CPU
            load: \(loaded.clock - checked.clock), \(loaded.cpu - checked.cpu) s CPU
            visible: \(end.clock - checked.clock), \(end.usage.seconds - checked.cpu) s CPU
            greatest size: \(end.usage.mebibytes) MiB
            """)
        let counts = try owner.querySync { $0.counts() }
        print(counts)
        #expect(counts.routes == routes)
        #expect(report.feeds.allSatisfy { $0.malformed == 0 })
    }
}
