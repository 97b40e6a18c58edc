// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import Foundation
import RouteTable
import Testing

@Suite("A checkpoint's file")
struct CheckpointStoreTests {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
        "martlet-checkpoint-\(UInt64.random(in: 0...(.max)))"
    ).path

    init() throws {
        try FileManager.default.createDirectory(
            atPath: self.folder, withIntermediateDirectories: true)
    }

    private var store: CheckpointStore { CheckpointStore(path: self.folder + "/table") }

    private func table() throws -> TableOwner {
        let owner = try TableOwner()
        owner.submit(.defineSite(SiteID(0), name: "here"))
        owner.submit(
            .addFeed(FeedDefinition(id: FeedID(0), name: "feed", site: SiteID(0), order: 0)))
        return owner
    }

    private func announce(_ count: Int, to owner: TableOwner) {
        var batch = RouteBatch(feed: FeedID(0))
        for number in 0..<count {
            let attributes = batch.intern(RouteAttributes(asPath: ASPath([64_500])))
            batch.announce(
                IPPrefix(masking: IPAddress(ipv4: UInt32(number) << 16), length: 16),
                attributes: attributes)
        }
        owner.submit(.routes(batch))
        owner.submit(.feedComplete(FeedID(0)))
        owner.flushAndWait()
    }

    private var files: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: self.folder).sorted() }
    }

    @Test("comes whole in place of the one before, and nothing is left beside it")
    func saving() throws {
        defer { try? FileManager.default.removeItem(atPath: self.folder) }
        let owner = try self.table()
        defer { owner.shutdown() }
        #expect(try self.store.load() == nil)
        self.announce(3, to: owner)
        // What a crash has left.
        try Data([1]).write(to: URL(fileURLWithPath: self.store.path + ".new"))
        for count in [3, 5] {
            self.announce(count, to: owner)
            let saved = try self.store.save(owner, time: 77)
            #expect(saved.counts.routes == count)
            #expect(try self.files == ["table"])
            let checkpoint = try #require(try self.store.load())
            #expect(checkpoint.counts == saved.counts && checkpoint.byteCount == saved.bytes)
            #expect(checkpoint.written == 77 && checkpoint.feedNames == ["feed"])
        }
        let mode = try FileManager.default.attributesOfItem(atPath: self.store.path)
        #expect((mode[.posixPermissions] as? Int).map { $0 & 0o007 } == 0)
    }

    @Test("stays as it was where another can't be written")
    func failing() throws {
        defer { try? FileManager.default.removeItem(atPath: self.folder) }
        let owner = try self.table()
        defer { owner.shutdown() }
        // Nothing to write: whatever the file is, it is worth more.
        try Data("old".utf8).write(to: URL(fileURLWithPath: self.store.path))
        #expect(throws: CheckpointRefusal.isEmpty) { try self.store.save(owner, time: 1) }
        #expect(try self.files == ["table"])
        #expect(throws: CheckpointError.self) { try self.store.load() }
        self.announce(2, to: owner)
        let away = CheckpointStore(path: self.folder + "/away/table")
        #expect(throws: CheckpointFileError.self) { try away.save(owner, time: 1) }
        #expect(away.problem != nil && self.store.problem == nil)
        #expect(try away.load() == nil)
        // A device that is always full, by way of a name beside it.
        try FileManager.default.createSymbolicLink(
            atPath: self.store.path + ".new", withDestinationPath: "/dev/full")
        #expect(throws: CheckpointFileError.self) { try self.store.save(owner, time: 1) }
        #expect(
            throws: CheckpointFileError(path: self.folder, action: "read", code: nil)
        ) { try CheckpointStore(path: self.folder).load() }
        #expect(
            "\(CheckpointFileError(path: "x", action: "open", code: EACCES))"
                == "can't open x: Permission denied")
    }

    @Test("keeps up with a table that changes while it is written")
    func underUpdates() async throws {
        defer { try? FileManager.default.removeItem(atPath: self.folder) }
        let owner = try self.table()
        defer { owner.shutdown() }
        self.announce(20_000, to: owner)
        let churn = Task.detached {
            var round = 0
            while !Task.isCancelled {
                round += 1
                var batch = RouteBatch(feed: FeedID(0))
                for number in 0..<500 {
                    let prefix = IPPrefix(
                        masking: IPAddress(ipv4: UInt32(number * 40 % 65_536) << 16), length: 16)
                    let path = [ASNumber](repeating: 64_501, count: 1 + (round + number) % 5)
                    let attributes = batch.intern(RouteAttributes(asPath: ASPath(path)))
                    batch.announce(prefix, attributes: attributes)
                }
                owner.submitAndWait(.routes(batch))
            }
        }
        for time in 0..<5 as Range<Int64> {
            _ = try self.store.save(owner, time: time)
            let checkpoint = try #require(try self.store.load())
            #expect(checkpoint.counts.routes == 20_000)
            let copy = try self.table()
            defer { copy.shutdown() }
            #expect(try copy.beginRestore(checkpoint).run() == 20_000)
        }
        churn.cancel()
        await churn.value
        // What the checkpoints held on to is free again.
        owner.submit(.feedFlush(FeedID(0)))
        owner.flushAndWait()
        #expect(try owner.querySync { $0.counts() }.attributeSets == 0)
    }
}
