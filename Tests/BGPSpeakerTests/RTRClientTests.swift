// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import Logging
import NIOPosix
import OriginValidation
import Synchronization
import Testing

@Suite("The client of RPKI caches", .serialized, .timeLimit(.minutes(2)))
struct RTRClientTests {
    /// A client, and all that it has handed on.
    private final class Validation: Sendable {
        let client: RTRClient
        private let log = Mutex<[VRPTable?]>([])
        private let running = Mutex<Task<Void, any Error>?>(nil)

        init(_ ports: [UInt16], _ settings: RTRSettings = RTRSettings()) {
            let box = Box()
            self.client = RTRClient(
                settings: Self.settings(ports, settings),
                group: MultiThreadedEventLoopGroup.singleton,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                now: { 1_700_000_000 }
            ) { table in
                box.validation?.note(table)
            }
            box.set(self)
            let client = self.client
            self.running.withLock { $0 = Task { try await client.run() } }
        }

        static func settings(
            _ ports: [UInt16], _ settings: RTRSettings = RTRSettings()
        ) -> RTRClientSettings {
            var settings = settings
            settings.retry = settings.retry ?? .milliseconds(50)
            return RTRClientSettings(
                caches: ports.map { RTRCache(address: IPAddress(ipv4: 0x7f00_0001), port: $0) },
                session: settings)
        }

        private final class Box: Sendable {
            struct Content { weak var validation: Validation? }
            private let content = Mutex(Content())
            var validation: Validation? { self.content.withLock { $0.validation } }
            func set(_ validation: Validation) {
                self.content.withLock { $0.validation = validation }
            }
        }

        private func note(_ table: VRPTable?) { self.log.withLock { $0.append(table) } }

        /// The payloads that count, in words; nil where there are none.
        var payloads: [String]? {
            self.log.withLock { $0.last ?? nil }.map { $0.map(\.description).sorted() }
        }

        /// How often they have changed.
        var changes: Int { self.log.withLock { $0.count } }

        func status(_ index: Int = 0) async throws -> RTRStatus.Cache {
            let caches = await self.client.status().caches
            return try #require(caches.indices.contains(index) ? caches[index] : nil)
        }

        func expect(
            _ payloads: [String]?, sourceLocation: SourceLocation = #_sourceLocation
        ) async throws {
            let isSo = try await eventually { self.payloads == payloads }
            #expect(isSo, "\(self.payloads ?? [])", sourceLocation: sourceLocation)
        }

        func stop() async throws {
            let running = self.running.withLock { $0 }
            running?.cancel()
            try await within { try await running?.value }
        }
    }

    private static let resetQuery = hex("01 02 0000 00000008")
    private static let first = [
        "192.0.2.0/24 AS64500", "198.51.100.0/24-25 AS64501", "2001:db8:1::/48 AS64502",
    ]
    private static let second = [
        "192.0.2.0/24 AS64500", "2001:db8:1::/48 AS64502", "203.0.113.0/24 AS64503",
    ]

    private static func serialQuery(_ session: UInt16, _ serial: UInt32) -> [UInt8] {
        CacheBytes.header(1, field: session, length: 12) + CacheBytes.number(serial)
    }

    private static func payload(_ number: UInt32) throws -> VRP {
        try #require(
            VRP(
                IPPrefix(masking: IPAddress(ipv4: number << 8), length: 24), maximumLength: 24,
                asNumber: 64500))
    }

    /// A cache that has told what StayRTR did, and a client that knows it.
    private static func synchronised(
        _ settings: RTRSettings = RTRSettings()
    ) async throws -> (LoopbackServer, LoopbackConnection, Validation) {
        let server = try await LoopbackServer.listen()
        let validation = Validation([server.port], settings)
        let cache = try await server.accept()
        #expect(try await cache.read(8) == Self.resetQuery)
        try await cache.send(RecordedRTR.Version1.everything)
        try await validation.expect(Self.first)
        return (server, cache, validation)
    }

    @Test("a notification brings the changes since the last serial number, and no more")
    func serialRefresh() async throws {
        let (server, cache, validation) = try await Self.synchronised()
        var status = try await validation.status()
        #expect(status.state == .synchronised)
        #expect(status.session == RecordedRTR.Version1.session)
        #expect(status.serial == 0)
        #expect(status.ipv4Payloads == 2 && status.ipv6Payloads == 1)
        #expect(status.isInForce)
        try await cache.send(RecordedRTR.Version1.notify)
        #expect(try await cache.read(12) == Self.serialQuery(RecordedRTR.Version1.session, 0))
        try await cache.send(RecordedRTR.Version1.changes)
        try await validation.expect(Self.second)
        status = try await validation.status()
        #expect(status.serial == 1)
        #expect(validation.changes == 2)
        try await validation.stop()
        try await cache.end()
        await server.close()
    }

    @Test("the refresh interval asks without a notification")
    func refresh() async throws {
        let (server, cache, validation) = try await Self.synchronised(
            RTRSettings(refresh: .milliseconds(100)))
        #expect(try await cache.read(12) == Self.serialQuery(RecordedRTR.Version1.session, 0))
        try await cache.send(RecordedRTR.Version1.changes)
        try await validation.expect(Self.second)
        #expect(try await cache.read(12) == Self.serialQuery(RecordedRTR.Version1.session, 1))
        try await validation.stop()
        await server.close()
    }

    @Test("a cache that can't tell the changes is asked for all; what it told counts until then")
    func cacheReset() async throws {
        let (server, cache, validation) = try await Self.synchronised()
        try await cache.send(RecordedRTR.Version1.notify)
        _ = try await cache.read(12)
        try await cache.send(RecordedRTR.Version1.reset)
        #expect(try await cache.read(8) == Self.resetQuery)
        #expect(validation.payloads == Self.first)
        try await cache.send(
            CacheBytes.response() + CacheBytes.record(try Self.payload(0x0a_00_00))
                + CacheBytes.end(9))
        try await validation.expect(["10.0.0.0/24 AS64500"])
        try await validation.stop()
        await server.close()
    }

    @Test("another session's notification ends the connection; the next one asks for all")
    func sessionChange() async throws {
        let (server, cache, validation) = try await Self.synchronised()
        try await cache.send(CacheBytes.notify(5, session: 99))
        // An Error Report of corrupt data, and the end.
        #expect(try await cache.read(4) == [1, 10, 0, 0])
        try await cache.end()
        #expect(validation.payloads == Self.first)
        let again = try await server.accept()
        #expect(try await again.read(8) == Self.resetQuery)
        try await again.send(
            CacheBytes.response(99) + CacheBytes.record(try Self.payload(0x0a_00_00))
                + CacheBytes.end(5, session: 99))
        try await validation.expect(["10.0.0.0/24 AS64500"])
        #expect(validation.changes == 2, "there was no moment without payloads")
        try await validation.stop()
        await server.close()
    }

    @Test("payloads of a cache that is gone count until they expire")
    func expiry() async throws {
        let (server, cache, validation) = try await Self.synchronised(
            RTRSettings(expire: .milliseconds(400)))
        await server.close()
        await cache.close()
        let hasFailed = try await eventually { try await validation.status().lastError != nil }
        #expect(hasFailed)
        #expect(validation.payloads == Self.first)
        try await validation.expect(nil)
        let status = try await validation.status()
        #expect(status.ipv4Payloads == 0 && !status.isInForce && status.expires == nil)
        try await validation.stop()
    }

    @Test("of several caches the first that answers counts, and a preferred one when it is back")
    func order() async throws {
        let preferred = try await LoopbackServer.freePort()
        let second = try await LoopbackServer.listen()
        let third = try await LoopbackServer.listen()
        let validation = Validation([preferred, second.port, third.port])
        let cache = try await second.accept()
        #expect(try await cache.read(8) == Self.resetQuery)
        try await cache.send(RecordedRTR.Version1.everything)
        try await validation.expect(Self.first)
        #expect(try await validation.status(1).isInForce)
        #expect(try await validation.status(2).state == .idle, "nobody asks it")

        let first = try await LoopbackServer.listen(port: preferred)
        let best = try await first.accept()
        #expect(try await best.read(8) == Self.resetQuery)
        #expect(validation.payloads == Self.first, "it has told nothing yet")
        try await best.send(
            CacheBytes.response() + CacheBytes.record(try Self.payload(0x0a_00_00))
                + CacheBytes.end(1))
        try await validation.expect(["10.0.0.0/24 AS64500"])
        try await cache.end()

        // It goes; the second is asked again, and until it answers what was told last counts.
        await first.close()
        await best.close()
        let again = try await second.accept()
        _ = try await again.read(8)
        #expect(validation.payloads == ["10.0.0.0/24 AS64500"])
        try await again.send(RecordedRTR.Version1.everything)
        try await validation.expect(Self.first)
        #expect(validation.changes == 3)
        try await validation.stop()
        for server in [second, third] { await server.close() }
    }

    @Test("a cache that speaks version 0 only is understood")
    func oldVersion() async throws {
        let server = try await LoopbackServer.listen()
        let validation = Validation([server.port])
        let cache = try await server.accept()
        #expect(try await cache.read(8) == Self.resetQuery)
        try await cache.send(RecordedRTR.Version0.everything)
        try await validation.expect(Self.first)
        #expect(try await validation.status().version == 0)
        try await cache.send(
            CacheBytes.notify(3, session: RecordedRTR.Version0.session, version: 0))
        #expect(
            try await cache.read(12) == hex("00 01 7eab 0000000c 00000000"), "in its own version")
        try await cache.send(RecordedRTR.Version0.mismatch)
        try await cache.end()
        let hasFailed = try await eventually {
            try await validation.status().lastError
                == "the cache reports: corrupt data: Session ID mismatch: client is desynchronized"
        }
        #expect(hasFailed)
        #expect(validation.payloads == Self.first)
        try await validation.stop()
        await server.close()
    }

    @Test(
        "a cache that talks nonsense is told so and left, and what another told stays",
        arguments: [
            Array("GET / HTTP/1.1\r\n\r\n".utf8), hex("01 07 0007 00000018"),
            hex("01 04 0000 00000014 01 21 18 00 c0000200 0000fbf4"), hex("01 09 0000 00001001"),
            RecordedRTR.Version1.changes, [UInt8](repeating: 0, count: 4096),
        ])
    func nonsense(bytes: [UInt8]) async throws {
        let bad = try await LoopbackServer.listen()
        let good = try await LoopbackServer.listen()
        let validation = Validation([bad.port, good.port])
        let first = try await bad.accept()
        _ = try await first.read(8)
        try await first.send(bytes + CacheBytes.end(1))
        // An Error Report, in the version that it was asked in.
        #expect(try await first.read(2) == [1, 10])
        try await first.end()
        let cache = try await good.accept()
        _ = try await cache.read(8)
        try await cache.send(RecordedRTR.Version1.everything)
        try await validation.expect(Self.first)
        for _ in 0..<3 {
            let again = try await bad.accept()
            _ = try await again.read(8)
            try? await again.send(bytes + CacheBytes.end(1))
            try await again.end()
        }
        #expect(validation.payloads == Self.first)
        #expect(try await validation.status(0).lastError != nil)
        #expect(try await validation.status(1).state == .synchronised)
        try await validation.stop()
        for server in [bad, good] { await server.close() }
    }

    @Test("an answer that comes byte by byte is read")
    func byteByByte() async throws {
        let server = try await LoopbackServer.listen()
        let validation = Validation([server.port])
        let cache = try await server.accept()
        _ = try await cache.read(8)
        try await cache.sendByteByByte(RecordedRTR.Version1.everything)
        try await validation.expect(Self.first)
        try await validation.stop()
        await server.close()
    }

    @Test("a cache that says nothing, or never ends its answer, holds up neither stop nor reload")
    func silence() async throws {
        let silent = try await LoopbackServer.listen()
        let validation = Validation([silent.port])
        let first = try await silent.accept()
        _ = try await first.read(8)
        #expect(try await validation.status().state == .asking)
        try await first.send(CacheBytes.response() + [1, 4, 0])
        let isReceiving = try await eventually {
            try await validation.status().state == .receiving
        }
        #expect(isReceiving)
        let good = try await LoopbackServer.listen()
        await validation.client.apply(Validation.settings([good.port]))
        try await first.end()
        let cache = try await good.accept()
        _ = try await cache.read(8)
        #expect(validation.payloads == nil)
        try await validation.stop()
        try await cache.end()
        for server in [silent, good] { await server.close() }
    }

    @Test("an answer without end is refused at the bound, and costs nobody its payloads")
    func endless() async throws {
        let endless = try await LoopbackServer.listen()
        let good = try await LoopbackServer.listen()
        let validation = Validation(
            [endless.port, good.port], RTRSettings(maximumPayloads: 1000))
        let first = try await endless.accept()
        _ = try await first.read(8)
        let sending = Task {
            try await first.send(CacheBytes.response())
            var number: UInt32 = 0
            while true {
                try await first.send(CacheBytes.record(try Self.payload(number & 0xff_ffff)))
                number += 1
            }
        }
        let cache = try await good.accept()
        _ = try await cache.read(8)
        try await cache.send(RecordedRTR.Version1.everything)
        try await validation.expect(Self.first)
        #expect(
            try await validation.status(0).lastError?.contains(
                "more than 1000 records in an answer") == true)
        await #expect(throws: (any Error).self, "the connection ended") { try await sending.value }
        try await validation.stop()
        for server in [endless, good] { await server.close() }
    }
}
