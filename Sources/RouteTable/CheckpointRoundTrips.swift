// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// The averages of what was observed. What files say of round trips is read from them again.
///
/// A record: the family (4 or 6) and the length of a prefix `u8` each, the prefix's bytes as far as
/// they are not zero, counted; the position of the site, the average in microseconds, and when the
/// last observation came in Unix seconds.
enum CheckpointRoundTrips {
    static func write(_ report: RoundTripReport, site: Int, to block: inout [UInt8]) -> Bool {
        guard let average = report.average, let observed = report.observed, observed >= 0 else {
            return false
        }
        let address = report.prefix.address
        block.append(address.family == .ipv4 ? 4 : 6)
        block.append(UInt8(report.prefix.length))
        var bytes = (0..<address.family.byteCount).map { address.byte(at: $0) }
        while bytes.last == 0 { bytes.removeLast() }
        block.appendBytes(bytes)
        block.appendNumber(site)
        block.appendNumber(
            UInt32(max(1, min(average, Double(RoundTrip.mostMicroseconds)).rounded())))
        block.appendNumber(UInt64(observed))
        return true
    }

    /// All of them, for the sites that there still are.
    static func read(
        _ checkpoint: Checkpoint, columns: [Int?]
    ) throws(CheckpointError) -> [RoundTripReport] {
        var reports: [RoundTripReport] = []
        for block in checkpoint.cursors(.roundTrips) {
            var cursor = block
            while !cursor.isAtEnd {
                let report = try self.read(&cursor, columns)
                if let report { reports.append(report) }
            }
        }
        return reports
    }

    private static func read(
        _ cursor: inout CheckpointCursor, _ columns: [Int?]
    ) throws(CheckpointError) -> RoundTripReport? {
        let family: AddressFamily
        switch try cursor.byte() {
        case 4: family = .ipv4
        case 6: family = .ipv6
        default: throw cursor.malformed
        }
        let length = Int(try cursor.byte())
        let given = try cursor.takeCounted()
        guard length <= family.width, given.count <= family.byteCount else {
            throw cursor.malformed
        }
        var bytes = [UInt8](repeating: 0, count: family.byteCount)
        for (index, byte) in given.enumerated() { bytes[index] = byte }
        guard let address = bytes.withUnsafeBytes({ IPAddress(bytes: $0) }) else {
            throw cursor.malformed
        }
        let site = try cursor.count(atMost: SiteID.limit)
        let microseconds: UInt32 = try cursor.number()
        let observed = try cursor.count(atMost: 1 << 40)
        guard site < columns.count, microseconds > 0,
            microseconds <= RoundTrip.mostMicroseconds
        else { throw cursor.malformed }
        guard let column = columns[site] else { return nil }
        return RoundTripReport(
            prefix: IPPrefix(masking: address, length: length), site: SiteID(UInt8(column)),
            average: Double(microseconds), observed: Int64(observed),
            used: .microseconds(microseconds))
    }
}
