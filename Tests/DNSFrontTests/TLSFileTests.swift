// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import DNSFront
import Testing

@Suite("For how long a certificate is good")
struct TLSFileTests {
    private static let day: Int64 = 86_400

    @Test(
        "is told in days",
        arguments: [
            (0, 90), (1, 89), (day - 1, 89), (day, 89), (89 * day, 1), (90 * day - 1, 0),
            (90 * day, 0), (90 * day + 1, -1), (91 * day, -1), (91 * day + 1, -2),
        ] as [(Int64, Int)])
    func days(now: Int64, days: Int) {
        #expect(TLSValidity(start: 0, end: 90 * Self.day).days(from: now) == days)
    }

    @Test("is a concern before it begins, near its end and after it")
    func concern() {
        // From 2026-11-21 16:02 on, for 90 days.
        let start: Int64 = 1_795_276_920
        let validity = TLSValidity(start: start, end: start + 90 * Self.day)
        #expect(validity.endText == "2027-02-19 16:02 UTC")
        #expect(validity.concern(at: start - 1) == "is good from 2026-11-21 16:02 UTC on")
        #expect(validity.concern(at: start) == nil)
        #expect(validity.concern(at: start + 76 * Self.day) == nil)
        #expect(
            validity.concern(at: start + 76 * Self.day + 1)
                == "expires on 2027-02-19 16:02 UTC, in 13 days")
        #expect(
            validity.concern(at: start + 89 * Self.day)
                == "expires on 2027-02-19 16:02 UTC, in 1 day")
        #expect(
            validity.concern(at: start + 90 * Self.day)
                == "has expired on 2027-02-19 16:02 UTC")
    }

    @Test("errors name the file at fault")
    func errors() {
        let files = TLSFiles(certificate: "dot.pem", key: "dot.key")
        #expect(TLSFileError.mismatch(files).path == "dot.key")
        #expect(TLSFileError.noCertificate("dot.pem").path == "dot.pem")
        #expect(TLSFileError.notBuilt.path == nil)
        #expect(
            throws: TLSFileError.cannotRead("/nonexistent/dot.pem", errno: 2),
            performing: {
                try TLSFiles(certificate: "/nonexistent/dot.pem", key: "x").validity()
            })
    }
}
