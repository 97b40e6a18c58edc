// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire
import Foundation
import Testing

/// Recorded sessions of public route collectors, each with what it is known to hold.
struct Recording: CustomTestStringConvertible, Sendable {
    var name: String
    var updates: Int
    var announced: Int
    var withdrawn: Int
    /// UPDATEs with AS 0 in their AS_PATH, whose routes are withdrawn (RFC 7607 §2).
    var ofZero = 0

    var testDescription: String { self.name }

    static let all: [Recording] = [
        .init(
            name: "updates.et-header.2015.gz", updates: 89679, announced: 577737, withdrawn: 3,
            ofZero: 1),
        .init(name: "updates.20160811.1600.gz", updates: 17216, announced: 39256, withdrawn: 1956),
        .init(name: "updates.20070211.0141.gz", updates: 23394, announced: 51236, withdrawn: 2270),
        .init(name: "updates.20100722.2015.gz", updates: 1822, announced: 5067, withdrawn: 547),
        .init(name: "updates.20020722.2238.gz", updates: 393, announced: 825, withdrawn: 2419),
        .init(
            name: "ris.rrc06.updates.1427846400.gz", updates: 761, announced: 1435, withdrawn: 122),
        .init(name: "updates.20240914.2230.et.bz2", updates: 85, announced: 159, withdrawn: 109),
    ]

    /// Where recordings are kept, and nil where they are not.
    static let folder: URL? = {
        let path =
            ProcessInfo.processInfo.environment["MARTLET_DATA"]
            ?? URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("../shared/data").standardized.path
        let folder = URL(fileURLWithPath: path).appendingPathComponent("mrt/updates")
        return FileManager.default.fileExists(atPath: folder.path) ? folder : nil
    }()

    func bytes() throws -> [UInt8] {
        let process = Process()
        let tool = self.name.hasSuffix(".gz") ? "gzip" : "bzip2"
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            tool, "-dc", Self.folder?.appendingPathComponent(self.name).path ?? "",
        ]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return [UInt8](data)
    }
}

@Suite("Recorded sessions")
struct RecordedUpdateTests {
    @Test(
        "every UPDATE is read, none resets its session",
        .enabled(
            if: Recording.folder != nil,
            "the recordings are not here: set MARTLET_DATA to their folder"),
        arguments: Recording.all)
    func replay(recording: Recording) throws {
        let bytes = try recording.bytes()
        let span = bytes.span.bytes
        var totals = Totals()
        // MRT (RFC 6396 §2): time `u32`, type `u16`, subtype `u16`, length `u32`, and a record.
        var position = 0
        while let type = span.uint16(at: position + 4),
            let subtype = span.uint16(at: position + 6),
            let length = span.uint32(at: position + 8)
        {
            let end = position + 12 + Int(length)
            try #require(end <= span.byteCount)
            // BGP4MP_ET (RFC 6397) has microseconds before the record.
            let start = position + 12 + (type == 17 ? 4 : 0)
            if type == 16 || type == 17 {
                try totals.add(span.extracting(start..<end), subtype: subtype)
            }
            position = end
        }
        #expect(totals.updates == recording.updates)
        #expect(totals.announced == recording.announced)
        #expect(totals.withdrawn == recording.withdrawn)
        #expect(totals.resets == 0)
        #expect(totals.treatedAsWithdrawn == recording.ofZero)
    }

    struct Totals {
        var updates = 0
        var announced = 0
        var withdrawn = 0
        var resets = 0
        var treatedAsWithdrawn = 0

        /// A BGP4MP record (RFC 6396 §4.4): two AS numbers, an interface, AFI, two addresses and
        /// a message.
        mutating func add(_ record: RawSpan, subtype: UInt16) throws {
            let isFour = subtype == 4
            guard subtype == 1 || isFour else { return }
            let size = isFour ? 4 : 2
            let peerAS =
                isFour ? record.uint32(at: 0) : record.uint16(at: 0).map(UInt32.init)
            let localAS =
                isFour ? record.uint32(at: 4) : record.uint16(at: 2).map(UInt32.init)
            let isIPv6 = record.uint16(at: 2 * size + 2) == 2
            let start = 2 * size + 4 + (isIPv6 ? 32 : 8)
            let read = try MessageFrame.read(record, at: start, extendedMessages: true)
            let frame = try #require(read)
            #expect(start + frame.length == record.byteCount)
            let body = record.extracting(start + 19..<start + frame.length)
            switch frame.type {
            case .update: break
            case .open:
                _ = try OpenMessage(body: body)
                return
            case .notification:
                let notification = Notification(body: body)
                #expect(notification != nil)
                return
            case .keepalive, .routeRefresh: return
            }
            let context = DecodeContext(fourOctetAS: isFour, isInternal: peerAS == localAS)
            let update = UpdateDecoding.decode(body, context: context)
            self.updates += 1
            if case .resetSession = update.disposition { self.resets += 1 }
            if update.disposition == .treatAsWithdraw {
                self.treatedAsWithdrawn += 1
                #expect(update.attributes.complaints.map(\.type) == [.asPath])
            }
            try update.forEachAnnounced(in: body, context: context) { _, _ in self.announced += 1 }
            try update.forEachWithdrawn(in: body, context: context) { _, _ in self.withdrawn += 1 }
        }
    }
}
