// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire
import RouteFiles
import Testing

@Suite("What MRT records hold")
struct MRTContentTests {
    private let four = MRTPeer(address: IPAddress(ipv4: 0xc000_0201), asNumber: 64496)
    private let six = MRTPeer(
        address: IPAddress(ipv6High: 0x2001_0db8_0000_0000, low: 1), asNumber: 4_200_000_000)

    /// The body of the first record.
    private func body(_ build: (inout MRTBuilder) throws -> Void) rethrows -> [UInt8] {
        var builder = MRTBuilder()
        try build(&builder)
        return Array(builder.bytes.dropFirst(12))
    }

    private func entries(_ bytes: [UInt8], _ form: MRTRecord.RIBForm) throws -> [RIBEntry]? {
        var entries: [RIBEntry] = []
        let count = try RIBRecord.forEachEntry(in: bytes.span.bytes, form: form) {
            entries.append($0)
        }
        guard let count else { return nil }
        #expect(count == entries.count)
        return entries
    }

    @Test("peers of both families, AS numbers of two and four octets")
    func peers() throws {
        var body = self.body { $0.peerIndex([self.four, self.six], view: "rrc00") }
        var table = try PeerIndexTable(parsing: body.span.bytes)
        #expect(table.peers == [self.four, self.six])
        #expect(table.viewName == "rrc00" && table.collectorID == 0xc000_0201)
        #expect(table.identifiers == [0x0a00_0001, 0x0a00_0001])
        body = [1, 2, 3, 4, 0, 0, 0, 1, 0, 9, 9, 9, 9, 10, 0, 0, 1, 0xfb, 0xf0]
        table = try PeerIndexTable(parsing: body.span.bytes)
        #expect(table.peers == [MRTPeer(address: IPAddress(ipv4: 0x0a00_0001), asNumber: 64496)])
    }

    @Test(
        "routes by subtype",
        arguments: [
            (2, "10.0.0.0/8"), (3, "10.0.0.0/8"), (4, "2001:db8::/32"), (5, "2001:db8::/32"),
            (8, "10.0.0.0/8"), (9, "0.0.0.0/0"), (10, "::/0"), (11, "2001:db8::1/128"),
        ] as [(UInt16, String)])
    func subtypes(subtype: UInt16, prefix: String) throws {
        var builder = MRTBuilder()
        let withPaths = subtype >= 8
        builder.rib(
            subtype, try MRTBuilder.prefix(prefix),
            [
                (3, withPaths ? 5 : nil, [1, 2]), (4, withPaths ? 6 : nil, []),
            ])
        var reader = MRTReader(try ByteSource(bytes: builder.bytes))
        var entries: [RIBEntry]?
        _ = try reader.next { record, bytes in
            guard case .rib(let form) = record.content else { return }
            entries = try self.entries(bytes.bytes(in: 0..<bytes.byteCount), form)
        }
        #expect(entries?.map(\.prefix.description) == [prefix, prefix])
        #expect(entries?.map(\.peerIndex) == [3, 4])
        #expect(entries?.map(\.pathIdentifier) == (withPaths ? [5, 6] : [0, 0]))
        #expect(entries?.map(\.attributes.count) == [2, 0])
        #expect(entries?.map(\.originatedTime) == [1_400_000_000, 1_400_000_000])
        let isMulticast = [3, 5, 9, 11].contains(subtype)
        #expect(entries?.map(\.isMulticast) == [isMulticast, isMulticast])
    }

    @Test("routes of RIB_GENERIC, and none of families that aren't read")
    func generic() throws {
        for (family, subsequent, text) in [(1, 1, "10.0.0.0/8"), (2, 2, "2001:db8::/32")] {
            let head = [0, UInt8(family), UInt8(subsequent)] + (try MRTBuilder.prefix(text))
            let body = self.body { $0.rib(6, head, [(1, nil, [9])]) }
            let entries = try self.entries(body, .init())
            #expect(entries?.map(\.prefix.description) == [text])
            #expect(entries?.first?.isMulticast == (subsequent == 2))
            let paths = self.body { $0.rib(12, head, [(1, 44, [9])]) }
            let entry = try self.entries(paths, .init(hasPathIdentifiers: true))?.first
            #expect(entry?.pathIdentifier == 44 && entry?.attributes.count == 1)
        }
        for head in [[0, 1, 128, 1, 2, 3], [0, 25, 65, 0], [0x40, 4, 71, 0]] as [[UInt8]] {
            let body = self.body { $0.rib(6, head, [(1, nil, [9])]) }
            #expect(try self.entries(body, .init()) == nil)
        }
    }

    @Test("nothing of a table's record that is cut short or too long")
    func damagedTables() throws {
        let head = try MRTBuilder.prefix("2001:db8::/32")
        for hasPaths in [false, true] {
            let body = self.body { builder in
                builder.rib(
                    hasPaths ? 10 : 4, head,
                    [
                        (0, hasPaths ? 1 : nil, MRTBuilder.attributes([1])),
                        (1, hasPaths ? 2 : nil, MRTBuilder.attributes([2])),
                    ])
            }
            let form = MRTRecord.RIBForm(family: .ipv6, hasPathIdentifiers: hasPaths)
            #expect(try self.entries(body, form)?.count == 2)
            for count in 0..<body.count {
                var called = false
                let error = #expect(throws: MRTFormatError.self) {
                    try RIBRecord.forEachEntry(
                        in: Array(body.prefix(count)).span.bytes, form: form
                    ) { _ in called = true }
                }
                #expect(error?.reason == .truncated)
                #expect(!called, "all or nothing")
            }
            let error = #expect(throws: MRTFormatError.self) {
                try self.entries(body + [0, 0], form)
            }
            #expect(error == MRTFormatError(.trailingBytes(2), offset: body.count))
        }
        let long = [0, 0, 0, 7, 33, 1, 2, 3, 4, 5, 0, 0] as [UInt8]
        let error = #expect(throws: MRTFormatError.self) {
            try self.entries(long, .init(family: .ipv4))
        }
        #expect(error == MRTFormatError(.prefixLengthOutOfRange(33), offset: 4))
    }

    @Test("messages in all eight forms", arguments: [1, 4, 6, 7, 8, 9, 10, 11] as [UInt16])
    func messages(subtype: UInt16) throws {
        let fourOctetAS = [4, 7, 9, 11].contains(subtype)
        let hasPaths = subtype >= 8
        let peer = fourOctetAS ? self.six : self.four
        let identifier: [UInt8] = hasPaths ? [0, 0, 0, 5] : []
        var builder = MRTBuilder()
        builder.record(
            16, subtype,
            MRTBuilder.session(peer, local: peer, fourOctetAS: fourOctetAS)
                + MRTBuilder.update(
                    withdrawn: identifier + (try MRTBuilder.prefix("10.0.0.0/8")),
                    attributes: MRTBuilder.attributes([64496, 2], fourOctetAS: fourOctetAS),
                    announced: identifier + (try MRTBuilder.prefix("192.0.2.0/24"))))
        var reader = MRTReader(try ByteSource(bytes: builder.bytes))
        var prefixes: [String] = []
        _ = try reader.next { record, bytes in
            guard case .message(let form) = record.content else { return }
            #expect(form.isLocal == [6, 7, 10, 11].contains(subtype))
            let message = try BGP4MPMessage(parsing: bytes, form: form)
            #expect(message.peer == peer && message.local == peer && message.isUpdate)
            let body = bytes.extracting(message.body)
            let update = UpdateDecoding.decode(body, context: message.context)
            #expect(update.disposition == .accept)
            #expect(update.attributes.attributes.asPath == ASPath([64496, 2]))
            try update.forEachWithdrawn(in: body, context: message.context) {
                prefixes.append("-\($1) \($0)")
            }
            try update.forEachAnnounced(in: body, context: message.context) {
                prefixes.append("+\($1) \($0)")
            }
        }
        let number = hasPaths ? 5 : 0
        #expect(prefixes == ["-10.0.0.0/8 \(number)", "+192.0.2.0/24 \(number)"])
    }

    @Test("states before and after")
    func stateChanges() throws {
        for fourOctetAS in [false, true] {
            let session = MRTBuilder.session(
                self.four, local: self.four, fourOctetAS: fourOctetAS)
            let bytes = session + [0, 6, 0, 1]
            let change = try BGP4MPStateChange(parsing: bytes.span.bytes, fourOctetAS: fourOctetAS)
            #expect(change.peer == self.four && change.oldState == 6 && change.newState == 1)
            for count in 0..<bytes.count {
                #expect(throws: MRTFormatError.self) {
                    try BGP4MPStateChange(
                        parsing: Array(bytes.prefix(count)).span.bytes, fourOctetAS: fourOctetAS)
                }
            }
            #expect(throws: MRTFormatError(.trailingBytes(1), offset: bytes.count)) {
                try BGP4MPStateChange(
                    parsing: (bytes + [0]).span.bytes, fourOctetAS: fourOctetAS)
            }
        }
    }

    @Test("messages that are damaged say how")
    func damagedMessages() throws {
        let session = MRTBuilder.session(self.six, local: self.six, fourOctetAS: true)
        let bytes = session + MRTBuilder.message(4, [])
        let form = MRTRecord.MessageForm(fourOctetAS: true)
        let start = session.count
        func error(_ bytes: [UInt8]) -> MRTFormatError? {
            #expect(throws: MRTFormatError.self) {
                try BGP4MPMessage(parsing: bytes.span.bytes, form: form)
            }
        }
        for count in 0..<bytes.count {
            #expect(error(Array(bytes.prefix(count)))?.reason == .truncated)
        }
        #expect(error(bytes + [1, 2])?.reason == .trailingBytes(2))
        var damaged = bytes
        damaged[start + 3] = 0xfe
        #expect(error(damaged) == MRTFormatError(.noMarker, offset: start))
        damaged = bytes
        damaged[start + 17] = 18
        #expect(error(damaged) == MRTFormatError(.messageLengthOutOfRange(18), offset: start + 16))
        damaged = bytes
        damaged[11] = 3
        #expect(error(damaged) == MRTFormatError(.unknownAddressFamily(3), offset: 10))
    }

    @Test("no bytes whatsoever stop them: bits flipped, seeded")
    func fuzzed() throws {
        let good = try MRTReaderTests.sample().bytes
        for seed in 0..<3000 as Range<UInt64> {
            var random = SeededGenerator(seed: seed)
            var bytes = good
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = UInt8(
                    truncatingIfNeeded: random.next())
            }
            var reader = MRTReader(try ByteSource(bytes: bytes))
            var line = RouteLine()
            while true {
                do {
                    let isThere = try reader.next { record, bytes in
                        switch record.content {
                        case .message(let form):
                            let message = try BGP4MPMessage(parsing: bytes, form: form)
                            _ = UpdateDecoding.decode(
                                bytes.extracting(message.body), context: message.context)
                        case .stateChange(let fourOctetAS):
                            _ = try BGP4MPStateChange(parsing: bytes, fourOctetAS: fourOctetAS)
                        default: try line.lines(of: record, bytes) { _ in }
                        }
                    }
                    if !isThere { break }
                } catch is MRTFormatError {
                } catch is MRTError {
                    break
                }
            }
        }
    }

    @Test("their errors are placed in the file")
    func places() {
        var record: MRTRecord?
        var builder = MRTBuilder()
        builder.record(48, 0, [1, 2, 3])
        builder.record(17, 4, [0, 0, 0, 1, 9, 9])
        var error: MRTError?
        #expect(throws: Never.self) {
            var reader = MRTReader(try ByteSource(bytes: builder.bytes, path: "updates.gz"))
            try reader.forEachRecord { header, bytes in
                guard case .message(let form) = header.content else { return }
                record = header
                do throws(MRTFormatError) {
                    _ = try BGP4MPMessage(parsing: bytes, form: form)
                } catch let malformed {
                    error = header.error(malformed, path: "updates.gz")
                }
            }
        }
        // 15 bytes of the first record, 12 of header, 4 of microseconds, and all 2 that are there.
        #expect(record?.number == 2 && record?.offset == 15)
        #expect(
            error?.description
                == "updates.gz: record 2, byte 33: the record ends before its contents do")
    }
}
