// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import Foundation
import RouteFiles
import RouteTable
import Synchronization
import Testing

@Suite("Replaying recordings", .timeLimit(.minutes(5)))
struct ReplayTests {
    private typealias Files = LoaderFiles
    private let one = MRTPeer(address: IPAddress(ipv4: 0xc000_0201), asNumber: 64501)
    private let two = MRTPeer(address: IPAddress(ipv4: 0xc000_0202), asNumber: 64502)
    private static let start: UInt32 = 1_400_000_000

    /// A record at so many seconds.
    private func at(_ seconds: UInt32, _ record: [UInt8]) -> [UInt8] {
        Files.number(Self.start + seconds) + record.dropFirst(4)
    }

    private var announcement: [UInt8] {
        Files.update(self.one, path: [64501, 9], announced: Files.prefix("10.0.0.0/8"))
    }

    /// A table, its clock, and what plays to it.
    private struct Stage {
        let table: LoaderTable
        let clock = ReplayClock()
        let replay: Replay
        /// `seconds feed liveness`, as they came.
        let log = Log()

        final class Log: Sendable {
            private let lines = Mutex<[String]>([])
            func add(_ line: String) { self.lines.withLock { $0.append(line) } }
            var all: [String] { self.lines.withLock { $0 } }
        }

        init(_ peers: [PeerSelector], _ pace: ReplayPace) throws {
            self.table = try LoaderTable(feeds: peers.count)
            let log = self.log
            self.replay = Replay(
                feeds: peers.enumerated().map {
                    Replay.Feed(
                        id: FeedID(rawValue: UInt16($0)), peer: $1, staleTime: .seconds(60))
                }, into: self.table.owner, clock: self.clock, pace: pace,
                changed: { feed, status in
                    let seconds = (status.since ?? 0) - Int64(ReplayTests.start)
                    log.add("\(seconds) \(feed.rawValue) \(status.liveness)")
                })
        }
    }

    private func play(
        _ records: [[UInt8]], pace: ReplayPace = ReplayPace(factor: nil)
    ) throws -> Stage {
        let stage = try Stage(
            [PeerSelector(address: self.one.address), PeerSelector(address: self.two.address)],
            pace)
        let path = try Files.write(records.joined(), "updates")
        _ = try stage.replay.play([path])
        return stage
    }

    @Test("a record that begins in the middle of a session counts from its first message on")
    func middle() throws {
        let stage = try self.play([self.at(5, self.announcement)])
        defer { stage.table.owner.shutdown() }
        #expect(try stage.table.routes(of: 0) == ["10.0.0.0/8 64501 9"])
        #expect(try stage.table.distances("10.1.2.3") == [0: 2])
        #expect(stage.log.all == ["5 0 live"])
        #expect(stage.clock.seconds == Int64(Self.start) + 5)
        #expect(stage.replay.status(of: FeedID(rawValue: 1))?.since == nil)
    }

    @Test("a session that is lost leaves stale routes, which go when their time is over")
    func lost() throws {
        let stage = try self.play(
            [
                self.at(0, self.announcement), self.at(10, Files.stateChange(self.one, 6, 1)),
                self.at(
                    20, Files.update(self.two, path: [64502], announced: Files.prefix("10.0.0.0/8"))
                ),
            ])
        defer { stage.table.owner.shutdown() }
        #expect(try stage.table.routes(of: 0) == ["10.0.0.0/8 64501 9 stale"])
        #expect(stage.log.all == ["0 0 live", "10 0 stale", "20 1 live"])

        let later = try self.play(
            [
                self.at(0, self.announcement), self.at(10, Files.stateChange(self.one, 6, 1)),
                self.at(
                    75, Files.update(self.two, path: [64502], announced: Files.prefix("10.0.0.0/8"))
                ),
            ])
        defer { later.table.owner.shutdown() }
        #expect(try later.table.routes(of: 0) == [])
        #expect(later.log.all == ["0 0 live", "10 0 stale", "70 0 lost", "75 1 live"])
    }

    @Test(
        "a session that comes up is complete after End-of-RIB or quiet; what it didn't say leaves")
    func up() throws {
        let other = Files.update(
            self.one, path: [64501, 8, 9], announced: Files.prefix("11.0.0.0/8"))
        let stage = try self.play(
            [
                self.at(0, self.announcement), self.at(10, Files.stateChange(self.one, 6, 1)),
                self.at(12, Files.stateChange(self.one, 5, 6)), self.at(13, other),
                self.at(14, Files.update(self.one)),
                self.at(
                    16, Files.update(self.two, path: [64502], announced: Files.prefix("10.0.0.0/8"))
                ),
            ])
        defer { stage.table.owner.shutdown() }
        #expect(stage.log.all == ["0 0 live", "10 0 stale", "15 0 live", "16 1 live"])
        #expect(try stage.table.routes(of: 0) == ["11.0.0.0/8 64501 8 9"])

        // Without End-of-RIB after ten seconds of quiet.
        let quiet = try self.play(
            [
                self.at(0, Files.stateChange(self.one, 5, 6)), self.at(1, self.announcement),
                self.at(5, other),
                self.at(
                    14, Files.update(self.two, path: [64502], announced: Files.prefix("10.0.0.0/8"))
                ),
                self.at(15, Files.update(self.two, withdrawn: Files.prefix("10.0.0.0/8"))),
            ])
        defer { quiet.table.owner.shutdown() }
        #expect(quiet.log.all == ["14 1 live", "15 0 live"])
    }

    @Test("nothing is played after the time that was asked for")
    func until() throws {
        let stage = try self.play(
            [
                self.at(0, self.announcement),
                self.at(10, Files.update(self.one, withdrawn: Files.prefix("10.0.0.0/8"))),
                self.at(
                    11, Files.update(self.one, path: [1], announced: Files.prefix("10.0.0.0/8"))),
            ], pace: ReplayPace(factor: nil, until: Int64(Self.start) + 10))
        defer { stage.table.owner.shutdown() }
        #expect(try stage.table.routes(of: 0) == [])
        #expect(stage.clock.seconds == Int64(Self.start) + 10)
    }

    @Test("the pace is kept, but for what is to be skipped")
    func pace() throws {
        let records = [
            self.at(0, self.announcement), self.at(1000, self.announcement),
            self.at(1003, self.announcement),
        ]
        // Three seconds at ten a second; a thousand before them at once.
        let begin = ContinuousClock.now
        let stage = try self.play(
            records, pace: ReplayPace(factor: 10, from: Int64(Self.start) + 1000))
        defer { stage.table.owner.shutdown() }
        let time = ContinuousClock.now - begin
        #expect(time >= .milliseconds(290), "\(time)")
        #expect(time < .seconds(30), "\(time)")
    }

    @Test("a table dump is taken in at once, and updates follow on it")
    func dump() throws {
        let stage = try Stage([PeerSelector(address: self.one.address)], ReplayPace(factor: nil))
        defer { stage.table.owner.shutdown() }
        let rib = try Files.write(
            self.at(
                0,
                Files.peerIndex([self.one, self.two])
            )
                + self.at(
                    0,
                    Files.rib(
                        "10.0.0.0/8",
                        [
                            (0, nil, Files.attributes([64501, 9])),
                            (1, nil, Files.attributes([64502])),
                        ]))
                + self.at(0, Files.rib("12.0.0.0/8", [(0, nil, Files.attributes([64501]))])),
            "rib")
        let updates = try Files.write(
            self.at(60, Files.update(self.one, withdrawn: Files.prefix("12.0.0.0/8"))), "updates")
        let report = try stage.replay.play([rib, updates])
        #expect(report.feeds.map(\.announced) == [2] && report.feeds.map(\.withdrawn) == [1])
        #expect(try stage.table.routes(of: 0) == ["10.0.0.0/8 64501 9"])
        #expect(stage.log.all == ["0 0 live"])
        #expect(stage.replay.status(of: FeedID(rawValue: 0))?.liveness == .live)
    }

    @Test("what came before a damaged place has been played when the error is thrown")
    func damage() throws {
        let stage = try Stage([PeerSelector(address: self.one.address)], ReplayPace(factor: nil))
        defer { stage.table.owner.shutdown() }
        let path = try Files.write(self.at(0, self.announcement) + [1, 2, 3], "updates")
        #expect(throws: MRTError.self) { try stage.replay.play([path]) }
        #expect(try stage.table.routes(of: 0) == ["10.0.0.0/8 64501 9"])
    }

    @Test("a selector that two peers fit is an error that names the file")
    func ambiguous() throws {
        let stage = try Stage([PeerSelector()], ReplayPace(factor: nil))
        defer { stage.table.owner.shutdown() }
        let path = try Files.write(
            self.at(0, self.announcement)
                + self.at(
                    1, Files.update(self.two, path: [64502], announced: Files.prefix("10.0.0.0/8"))),
            "updates")
        let error = #expect(throws: DumpSelectionError.self) { try stage.replay.play([path]) }
        #expect("\(error.map { "\($0)" } ?? "")".hasPrefix("\(path): "))
    }
}
