// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteFiles
import Testing

@Suite("Writing MRT")
struct MRTWriterTests {
    private static let sessions = [
        RecordedSession(
            peer: MRTPeer(address: IPAddress(ipv4: 0xcb00_7101), asNumber: 64500),
            local: MRTPeer(address: IPAddress(ipv4: 0xcb00_7102), asNumber: 65000)),
        RecordedSession(
            peer: MRTPeer(
                address: IPAddress(ipv6High: 0x2001_0db8_0000_0000, low: 1), asNumber: 65536),
            local: MRTPeer(
                address: IPAddress(ipv6High: 0x2001_0db8_0000_0000, low: 2), asNumber: 65537)),
    ]
    /// End-of-RIB: any message would do.
    private static let message: [UInt8] =
        [UInt8](repeating: 0xff, count: 16) + [0, 23, 2, 0, 0, 0, 0]

    private func records(
        _ bytes: [UInt8], _ body: (MRTRecord, RawSpan) throws -> Void
    ) throws {
        var reader = MRTReader(try ByteSource(bytes: bytes))
        try reader.forEachRecord(body)
    }

    @Test(
        "gives each message as it came, with its peer, time and form", arguments: sessions,
        [
            MRTRecord.MessageForm(), .init(fourOctetAS: true), .init(isLocal: true),
            .init(fourOctetAS: true, isLocal: true), .init(hasPathIdentifiers: true),
            .init(fourOctetAS: true, hasPathIdentifiers: true),
            .init(isLocal: true, hasPathIdentifiers: true),
            .init(fourOctetAS: true, isLocal: true, hasPathIdentifiers: true),
        ])
    func messages(session: RecordedSession, form: MRTRecord.MessageForm) throws {
        var bytes: [UInt8] = []
        for _ in 0..<2 {
            MRTWriter.append(
                message: Self.message.span.bytes, at: 1_445_565_678_509_481, form: form,
                of: session, to: &bytes)
        }
        var count = 0
        try self.records(bytes) { record, body in
            count += 1
            #expect(record.type == .bgp4mpET && record.content == .message(form))
            #expect(record.timestamp == 1_445_565_678 && record.microseconds == 509_481)
            let message = try BGP4MPMessage(parsing: body, form: form)
            var peer = session.peer
            if !form.fourOctetAS, !peer.asNumber.isTwoOctet { peer.asNumber = 23456 }
            #expect(message.peer == peer && message.isUpdate)
            #expect(message.local.address == session.local.address)
            #expect(message.body.upperBound == body.byteCount && message.body.count == 4)
        }
        #expect(count == 2)
    }

    @Test("gives changes of state", arguments: sessions)
    func stateChanges(session: RecordedSession) throws {
        var bytes: [UInt8] = []
        MRTWriter.append(
            stateChangeFrom: 5, to: 6, at: 1_000_001, of: session, to: &bytes)
        try self.records(bytes) { record, body in
            #expect(record.content == .stateChange(fourOctetAS: true))
            #expect(record.timestamp == 1 && record.microseconds == 1)
            let change = try BGP4MPStateChange(parsing: body, fourOctetAS: true)
            #expect(change.peer == session.peer && change.local == session.local)
            #expect(change.oldState == 5 && change.newState == 6)
        }
    }

    @Test("writes zeros for an address of ours that isn't known")
    func unknownLocal() throws {
        var session = Self.sessions[1]
        session.local.address = IPAddress(ipv4: 0)
        var bytes: [UInt8] = []
        MRTWriter.append(
            message: Self.message.span.bytes, at: 0, form: .init(fourOctetAS: true), of: session,
            to: &bytes)
        try self.records(bytes) { _, body in
            let message = try BGP4MPMessage(parsing: body, form: .init(fourOctetAS: true))
            #expect(message.local.address == IPAddress(ipv6High: 0, low: 0))
        }
    }
}
