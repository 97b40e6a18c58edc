// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// A `nearest` as programs write it: in small letters, with single blanks. All else is left to the
/// grammar, which understands it too.
struct QuickQuestion {
    var client: IPAddress
    /// Where the name stands in the line; nil without one.
    var name: Range<Int>?

    init?(_ line: Span<UInt8>) {
        guard line.count > 8, Self.matches(line, at: 0, "nearest ") else { return nil }
        var end = 8
        while end < line.count, line[end] != 0x20 { end += 1 }
        guard let client = (try? IPAddress(parsing: line.extracting(8..<end)))?.unmapped else {
            return nil
        }
        self.client = client
        guard end < line.count else { return }
        let start = end + 5
        guard start < line.count, Self.matches(line, at: end, " for ") else { return nil }
        for index in start..<line.count where line[index] <= 0x20 || line[index] == 0x3f {
            return nil
        }
        self.name = start..<line.count
    }

    @inline(__always)
    private static func matches(_ line: Span<UInt8>, at start: Int, _ word: StaticString) -> Bool {
        guard line.count >= start + word.utf8CodeUnitCount else { return false }
        for index in 0..<word.utf8CodeUnitCount where line[start + index] != word.utf8Start[index] {
            return false
        }
        return true
    }
}
