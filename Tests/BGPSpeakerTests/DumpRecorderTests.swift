// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPSpeaker
import BGPWire
import Foundation
import Logging
import NIOPosix
import RouteFiles
import RouteTable
import Synchronization
import Testing

@Suite("Recording sessions", .timeLimit(.minutes(5)))
struct DumpRecorderTests {
    /// A folder that is gone with the value, a clock that is set by hand, and a recorder.
    private final class Bench: Sendable {
        let folder: URL
        let time = Atomic<Int64>(1_700_000_000_000_000)
        let pool = NIOThreadPool(numberOfThreads: 1)

        init() throws {
            self.folder = FileManager.default.temporaryDirectory
                .appendingPathComponent("martlet-dump-\(UUID().uuidString)")
            try FileManager.default.createDirectory(
                at: self.folder, withIntermediateDirectories: true)
            self.pool.start()
        }

        deinit {
            try? FileManager.default.removeItem(at: self.folder)
            self.pool.shutdownGracefully { _ in }
        }

        func recorder(_ settings: DumpSettings) -> DumpRecorder {
            DumpRecorder(
                DumpRecording(name: "sydney", settings: settings), pool: self.pool,
                logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }),
                now: { [self] in self.time.load(ordering: .relaxed) })
        }

        func pattern(_ name: String) -> String { self.folder.appendingPathComponent(name).path }

        func pass(seconds: Int64) {
            self.time.add(seconds * 1_000_000, ordering: .relaxed)
        }

        /// Waits until the pool has done what it was given.
        func settle() async throws { try await self.pool.runIfActive {} }

        var names: [String] {
            (try? FileManager.default.contentsOfDirectory(atPath: self.folder.path).sorted()) ?? []
        }

        /// `time type`, or `time old>new`, of all records of a file.
        func records(_ name: String) throws -> [String] {
            var found: [String] = []
            var reader = try MRTReader(path: self.folder.appendingPathComponent(name).path)
            try reader.forEachRecord { record, bytes in
                switch record.content {
                case .message(let form):
                    let message = try BGP4MPMessage(parsing: bytes, form: form)
                    let paths = form.hasPathIdentifiers ? "+" : ""
                    found.append(
                        "\(record.timestamp - 1_700_000_000) \(message.messageType)\(paths)")
                case .stateChange(let wide):
                    let change = try BGP4MPStateChange(parsing: bytes, fourOctetAS: wide)
                    found.append(
                        "\(record.timestamp - 1_700_000_000) \(change.oldState)>\(change.newState)")
                default: found.append("?")
                }
            }
            return found
        }
    }

    private func session(_ context: DecodeContext? = nil) -> TappedSession {
        TappedSession(
            feed: FeedID(rawValue: 0), name: "sydney",
            peerAddress: IPAddress(ipv4: 0xcb00_7101), localAddress: IPAddress(ipv4: 0xcb00_7102),
            peerAS: 64500, localAS: 65000, context: context)
    }

    private func message(_ type: UInt8, _ body: [UInt8] = []) -> [UInt8] {
        [UInt8](repeating: 0xff, count: 16)
            + [UInt8((19 + body.count) >> 8), UInt8((19 + body.count) & 0xff), type] + body
    }

    private static let context = DecodeContext(
        fourOctetAS: true, isInternal: false, addPath: .ipv4, extendedMessages: false)

    @Test("what the peer sends and the changes of state are in the file once it is complete")
    func whole() async throws {
        let bench = try Bench()
        let recorder = bench.recorder(DumpSettings(pattern: bench.pattern("a.%Y%m%d.mrt")))
        recorder.message(self.message(1).span.bytes, .sent, of: self.session())
        recorder.message(self.message(1).span.bytes, .received, of: self.session())
        recorder.changed(from: .openConfirm, to: .established, reason: nil, of: self.session())
        bench.pass(seconds: 1)
        recorder.message(
            self.message(2, [0, 0, 0, 0]).span.bytes, .received, of: self.session(Self.context))
        try await bench.settle()
        #expect(bench.names == ["a.20231114.mrt.part"])
        #expect(recorder.status.records == 3 && recorder.status.dropped == 0)
        await recorder.close()
        #expect(bench.names == ["a.20231114.mrt"])
        #expect(try bench.records("a.20231114.mrt") == ["0 1", "0 5>6", "1 2"])
    }

    @Test("messages with path identifiers are recorded as such, by the families in them")
    func addPath() async throws {
        let bench = try Bench()
        let recorder = bench.recorder(DumpSettings(pattern: bench.pattern("a.mrt")))
        let session = self.session(Self.context)
        // IPv4 with a path identifier; IPv6 without; both in one message have no record.
        let mp: [UInt8] = [0x80, 15, 8, 0, 2, 1, 32, 0x20, 1, 0x0d, 0xb8]
        recorder.message(
            self.message(2, [0, 6, 0, 0, 0, 1, 8, 10, 0, 0]).span.bytes, .received, of: session)
        recorder.message(
            self.message(2, [0, 0, 0, 11] + mp).span.bytes, .received, of: session)
        recorder.message(
            self.message(2, [0, 6, 0, 0, 0, 1, 8, 10, 0, 11] + mp).span.bytes, .received,
            of: session)
        await recorder.close()
        #expect(try bench.records("a.mrt") == ["0 2+", "0 2"])
        #expect(recorder.status.dropped == 1)
    }

    @Test("another file begins when one is large enough, at a record's end")
    func bySize() async throws {
        let bench = try Bench()
        let recorder = bench.recorder(
            DumpSettings(pattern: bench.pattern("a.%s"), rotateSize: 200))
        for _ in 0..<10 {
            recorder.message(self.message(4).span.bytes, .received, of: self.session())
        }
        await recorder.close()
        // 12 + 4 + 20 + 19 bytes a record: three in 200 bytes.
        #expect(
            bench.names == [
                "a.1700000000", "a.1700000000.1", "a.1700000000.2", "a.1700000000.3",
            ])
        #expect(try bench.records("a.1700000000").count == 3)
        #expect(try bench.records("a.1700000000.3").count == 1)
    }

    @Test("another file begins by the clock, also when nothing comes; old ones leave")
    func byTime() async throws {
        let bench = try Bench()
        try Data("keep".utf8).write(to: bench.folder.appendingPathComponent("a.other.mrt"))
        // 22:13:20 is the time; hours begin on the hour.
        let recorder = bench.recorder(
            DumpSettings(
                pattern: bench.pattern("a.%H%M%S.mrt"), rotateEvery: .seconds(3600), keep: 2))
        for hour in 0..<4 {
            recorder.message(self.message(4).span.bytes, .received, of: self.session())
            try await bench.settle()
            #expect(bench.names.filter { $0.hasSuffix(".part") }.count == 1)
            bench.pass(seconds: hour == 0 ? 2800 : 3600)
            recorder.tick()
            try await bench.settle()
            #expect(!bench.names.contains { $0.hasSuffix(".part") })
        }
        #expect(bench.names == ["a.000000.mrt", "a.010000.mrt", "a.other.mrt"])
        await recorder.close()
    }

    @Test("a folder that is not there stops nothing, is said, and is tried again")
    func noFolder() async throws {
        let bench = try Bench()
        let recorder = bench.recorder(
            DumpSettings(pattern: bench.pattern("later/a.mrt")))
        recorder.message(self.message(4).span.bytes, .received, of: self.session())
        try await bench.settle()
        #expect(recorder.status.dropped == 1)
        #expect(recorder.status.lastError?.contains("can't open") == true)
        try FileManager.default.createDirectory(
            at: bench.folder.appendingPathComponent("later"), withIntermediateDirectories: true)
        recorder.message(self.message(4).span.bytes, .received, of: self.session())
        try await bench.settle()
        #expect(recorder.status.dropped == 2, "not before its pause is over")
        bench.pass(seconds: 11)
        recorder.message(self.message(4).span.bytes, .received, of: self.session())
        await recorder.close()
        #expect(recorder.status.lastError == nil && recorder.status.records == 1)
        #expect(try bench.records("later/a.mrt") == ["11 4"])
    }

    @Test(
        "a writer that can't keep up loses records, which are counted; the session waits for nothing"
    )
    func slow() async throws {
        let bench = try Bench()
        var settings = DumpSettings(pattern: bench.pattern("a.mrt"))
        settings.queuedBytes = 200
        let recorder = bench.recorder(settings)
        // The pool's only thread is held up.
        let gate = DispatchSemaphore(value: 0)
        bench.pool.submit { _ in gate.wait() }
        for _ in 0..<100 {
            recorder.message(self.message(4).span.bytes, .received, of: self.session())
        }
        gate.signal()
        await recorder.close()
        #expect(recorder.status.records == 4)
        #expect(recorder.status.dropped == 96)
        #expect(try bench.records("a.mrt").count == 4)
    }
}
