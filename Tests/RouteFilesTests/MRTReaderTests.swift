// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire
import Glibc
import RouteFiles
import Testing

@Suite("Reading MRT records")
struct MRTReaderTests {
    /// A file with one of each kind of record.
    static func sample() throws -> MRTBuilder {
        var builder = MRTBuilder()
        let six = try MRTPeer(address: IPAddress(parsing: "2001:db8::1"), asNumber: 4_200_000_000)
        let four = try MRTPeer(address: IPAddress(parsing: "192.0.2.1"), asNumber: 64496)
        builder.peerIndex([four, six], view: "view")
        builder.rib(
            2, try MRTBuilder.prefix("10.0.0.0/8"),
            [
                (0, nil, MRTBuilder.attributes([64496, 1])),
                (1, nil, MRTBuilder.attributes([4_200_000_000, 64496, 1])),
            ])
        builder.rib(
            10, try MRTBuilder.prefix("2001:db8::/32"),
            [(1, 17, MRTBuilder.attributes([4_200_000_000]))])
        builder.record(48, 1, [1, 2, 3])
        let entry =
            [0, 0, 0, 1, 192, 0, 2, 0, 24, 1] + MRTBuilder.number(1_000_000_000 as UInt32)
            + [192, 0, 2, 9] + [0xfb, 0xf0]
        let attributes = MRTBuilder.attributes([64496], fourOctetAS: false)
        builder.record(12, 1, entry + MRTBuilder.number(UInt16(attributes.count)) + attributes)
        builder.record(
            17, 4,
            [0, 0, 0, 9] + MRTBuilder.session(six, local: six, fourOctetAS: true)
                + MRTBuilder.update(
                    withdrawn: try MRTBuilder.prefix("10.0.0.0/9"),
                    attributes: MRTBuilder.attributes([4_200_000_000]),
                    announced: try MRTBuilder.prefix("10.128.0.0/9")))
        builder.record(
            16, 0, MRTBuilder.session(four, local: four, fourOctetAS: false) + [0, 6, 0, 1])
        return builder
    }

    /// The numbers and offsets of the records, and the error at their end.
    private func records(
        _ bytes: [UInt8], maximum: Int = MRTReader.defaultMaximumRecordLength
    ) throws -> (offsets: [Int], error: MRTError?) {
        var reader = MRTReader(try ByteSource(bytes: bytes), maximumRecordLength: maximum)
        var offsets: [Int] = []
        do {
            try reader.forEachRecord { record, _ in
                offsets.append(record.offset)
                #expect(record.number == offsets.count)
            }
            #expect(reader.offset == bytes.count)
            return (offsets, nil)
        } catch let error as MRTError {
            // The error stands.
            #expect(throws: error) { try reader.next { _, _ in } }
            return (offsets, error)
        }
    }

    @Test("gives each record's header, place and body")
    func headers() throws {
        let bytes = try Self.sample().bytes
        var reader = MRTReader(try ByteSource(bytes: bytes))
        var contents: [MRTRecord.Content] = []
        var microseconds: [UInt32] = []
        try reader.forEachRecord { record, body in
            contents.append(record.content)
            if let value = record.microseconds { microseconds.append(value) }
            #expect(record.timestamp == 1_400_824_800)
            #expect(body.byteCount > 0)
        }
        #expect(microseconds == [9])
        #expect(
            contents == [
                .peerIndexTable, .rib(.init(family: .ipv4)),
                .rib(.init(family: .ipv6, hasPathIdentifiers: true)),
                .notRead, .tableDump(.ipv4), .message(.init(fourOctetAS: true)),
                .stateChange(fourOctetAS: false),
            ])
    }

    @Test("finds the end of the file wherever it is cut, with record number and byte offset")
    func truncations() throws {
        let bytes = try Self.sample().bytes
        let (offsets, error) = try self.records(bytes)
        #expect(error == nil && offsets.count == 7)
        for count in 0..<bytes.count {
            let (read, error) = try self.records(Array(bytes.prefix(count)))
            #expect(offsets.starts(with: read))
            let next = (offsets + [bytes.count])[read.count]
            if count == next {
                #expect(error == nil)
                continue
            }
            #expect(error?.record == read.count + 1)
            #expect(error?.offset == next)
            if count - next < 12 {
                #expect(error?.reason == .truncatedHeader(have: count - next))
            } else if case .truncatedRecord(let need, let have)? = error?.reason {
                #expect(have == count - next - 12 && have < need)
            } else {
                Issue.record("no error at \(count)")
            }
        }
    }

    @Test("refuses a length that no record has, without the memory for it")
    func tooLong() throws {
        var bytes = try Self.sample().bytes
        let second = try self.records(bytes).offsets[1]
        bytes.replaceSubrange(second + 8..<second + 12, with: [0xff, 0xff, 0xff, 0xff])
        let (offsets, error) = try self.records(bytes)
        #expect(offsets.count == 1)
        #expect(
            error
                == MRTError(
                    path: "(memory)", record: 2, offset: second,
                    reason: .recordTooLong(length: 4_294_967_295, maximum: 1 << 24)))
        #expect(
            error?.description
                == "(memory): record 2, byte \(second): a record of 4294967295 bytes is more than "
                + "16777216: damaged, or not an MRT file")
        #expect(try self.records(Array("10.0.0.0/8 64600\n10.0.0.0/9".utf8)).error != nil)
    }

    @Test("gives records larger than its buffer, and small ones after them")
    func large() throws {
        var builder = MRTBuilder()
        for count in [10, 300_000, 3, 700_000, 262_132, 262_133, 0] {
            builder.record(48, 1, [UInt8](repeating: UInt8(count & 0xff), count: count))
        }
        var counts: [Int] = []
        var reader = MRTReader(try ByteSource(bytes: Packed.bzip2(builder.bytes)))
        try reader.forEachRecord { _, body in
            counts.append(body.byteCount)
            #expect(body.uint8(at: body.byteCount - 1) ?? 0 == UInt8(body.byteCount & 0xff))
        }
        #expect(counts == [10, 300_000, 3, 700_000, 262_132, 262_133, 0])
    }

    @Test("says where a compressed file is damaged, in the uncompressed stream")
    func compressed() throws {
        var builder = try Self.sample()
        var random = SeededGenerator(seed: 77)
        for _ in 0..<200 {
            builder.record(48, 1, (0..<1000).map { _ in UInt8(truncatingIfNeeded: random.next()) })
        }
        let packed = Packed.gzip(builder.bytes)
        let whole = try self.records(builder.bytes).offsets
        var reader = MRTReader(try ByteSource(bytes: Array(packed.prefix(packed.count / 2))))
        var count = 0
        let error = #expect(throws: MRTError.self) {
            try reader.forEachRecord { record, _ in
                #expect(record.offset == whole[count])
                count += 1
            }
        }
        #expect(count > 50)
        #expect(error?.record == count + 1)
        #expect(error?.offset == whole[count])
        #expect(error?.reason == .input(.truncated(.gzip)))
    }

    @Test("goes on after a record that the caller didn't like")
    func callerThrows() throws {
        struct Refused: Error {}
        var reader = MRTReader(try ByteSource(bytes: try Self.sample().bytes))
        #expect(throws: Refused.self) { try reader.next { _, _ in throw Refused() } }
        var numbers: [Int] = []
        try reader.forEachRecord { record, _ in numbers.append(record.number) }
        #expect(numbers == [2, 3, 4, 5, 6, 7])
    }

    @Test("needs room for microseconds in extended records")
    func shortExtended() throws {
        var builder = MRTBuilder()
        builder.record(17, 4, [0, 0, 0])
        #expect(try self.records(builder.bytes).error?.reason == .malformed(.truncated))
    }
}
