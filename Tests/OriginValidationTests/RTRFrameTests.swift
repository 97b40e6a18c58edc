// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import OriginValidation
import Testing

@Suite("Reading what a cache says")
struct RTRFrameTests {
    private func read(_ bytes: [UInt8], at offset: Int = 0) throws(RTRFault) -> RTRFrame? {
        try RTRFrame.read(bytes.span.bytes, at: offset)
    }

    static func messages() throws -> [([UInt8], RTRMessage)] {
        let ipv4 = try vrp("192.0.2.0/24", 26, 64500)
        let ipv6 = try vrp("2001:db8::/32", 48, 4_200_000_000)
        return [
            (CacheBytes.notify(5), .serialNotify(session: 7, serial: 5)),
            (CacheBytes.response(), .cacheResponse(session: 7)),
            (CacheBytes.record(ipv4), .record(VRPChange(ipv4, isAnnounced: true))),
            (
                CacheBytes.record(ipv6, announced: false),
                .record(VRPChange(ipv6, isAnnounced: false))
            ),
            (
                CacheBytes.end(9, (1800, 300, 3600)),
                .endOfData(
                    session: 7, serial: 9,
                    RTRIntervals(
                        refresh: .seconds(1800), retry: .seconds(300), expire: .seconds(3600)))
            ),
            (CacheBytes.end(9, version: 0), .endOfData(session: 7, serial: 9, nil)),
            (CacheBytes.reset(), .cacheReset),
            (
                CacheBytes.header(9, length: 64) + [UInt8](repeating: 1, count: 56), .routerKey
            ),
            (
                CacheBytes.error(2, "later\u{1b}[2J", quote: [1, 2, 0, 0, 0, 0, 0, 8]),
                .errorReport(RTRErrorReport(.noDataAvailable, text: "later[2J"))
            ),
        ]
    }

    @Test("reads every message, and every truncation of one as not there yet")
    func messages() throws {
        for (bytes, message) in try Self.messages() {
            let frame = try #require(try self.read([9, 9] + bytes + [9], at: 2))
            #expect(frame.message == message)
            #expect(frame.length == bytes.count)
            for count in 0..<bytes.count { #expect(try self.read(Array(bytes[..<count])) == nil) }
        }
    }

    @Test("bits beyond the prefix's length are cleared")
    func hostBits() throws {
        var bytes = CacheBytes.record(try vrp("192.0.2.0/24", 64500))
        bytes[15] = 77
        let change = VRPChange(try vrp("192.0.2.0/24", 64500), isAnnounced: true)
        #expect(try self.read(bytes)?.message == .record(change))
    }

    @Test("intervals are brought within what RFC 8210 §6 allows")
    func intervals() throws {
        guard
            case .endOfData(_, _, let wild?) = try self.read(CacheBytes.end(1, (0, 9000, 1)))?
                .message
        else { throw BadPayload() }
        #expect(wild.refresh == .seconds(1))
        #expect(wild.retry == .seconds(7200))
        #expect(wild.expire == .seconds(7200))
    }

    @Test(
        "refuses what can't be, with the code of RFC 8210 §12",
        arguments: [
            (CacheBytes.header(3, length: 8, version: 3), RTRErrorCode.unsupportedVersion),
            (CacheBytes.header(5, length: 8), .unsupportedType),
            (CacheBytes.header(9, length: 64, version: 0), .unsupportedType),
            (CacheBytes.header(1, length: 12) + [0, 0, 0, 0], .invalidRequest),
            (CacheBytes.header(2, length: 8), .invalidRequest),
            (CacheBytes.header(3, length: 9), .corruptData),
            (CacheBytes.header(4, length: 0xffff_ffff), .corruptData),
            (CacheBytes.header(7, length: 12), .corruptData),
            (CacheBytes.header(7, length: 24, version: 0), .corruptData),
            (CacheBytes.header(10, length: 70_000), .corruptData),
            (
                CacheBytes.header(10, length: 16) + CacheBytes.number(1) + [0, 0, 0, 0],
                .corruptData
            ),
            (
                CacheBytes.header(10, length: 16) + [0, 0, 0, 0] + CacheBytes.number(9),
                .corruptData
            ),
            (
                CacheBytes.header(4, length: 20) + [1, 33, 33, 0] + [0, 0, 0, 0] + [0, 0, 0, 1],
                .corruptData
            ),
            (
                CacheBytes.header(4, length: 20) + [1, 24, 23, 0] + [0, 0, 0, 0] + [0, 0, 0, 1],
                .corruptData
            ),
        ])
    func faults(bytes: [UInt8], code: RTRErrorCode) throws {
        let error = #expect(throws: RTRFault.self) { try self.read(bytes) }
        #expect(error?.code == code)
        #expect(error?.quote == Array(bytes.prefix(64)))
    }

    @Test("requests are written as RFC 8210 §5 has them")
    func requests() {
        #expect(
            RTRRequest.serialQuery(session: 0x0102, serial: 0x0304_0506).encoded(version: 1)
                == [1, 1, 1, 2, 0, 0, 0, 12, 3, 4, 5, 6])
        #expect(RTRRequest.resetQuery.encoded(version: 0) == [0, 2, 0, 0, 0, 0, 0, 8])
        let fault = RTRFault(.corruptData, "no", quoting: [1, 2])
        #expect(
            RTRRequest.errorReport(fault).encoded(version: 1)
                == [1, 10, 0, 0, 0, 0, 0, 20, 0, 0, 0, 2, 1, 2, 0, 0, 0, 2, 110, 111])
    }
}
