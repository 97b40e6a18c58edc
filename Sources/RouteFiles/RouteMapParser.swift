// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// Reads a route map line by line, and remembers what is bad in it.
struct RouteMapParser {
    var map = RouteMap()
    var bad: BadLines

    private let known: [ASNumber: String]?
    private var index = PrefixIndex()
    private var preferenceNumbers: [[ASNumber]: UInt32] = [:]
    /// The line's sites: kept between lines for its storage.
    private var sites: [ASNumber] = []
    private var lastPreference: UInt32?

    init(sites: [ASNumber: String]?) {
        self.known = sites
        self.bad = BadLines(sites: sites ?? [:])
    }

    mutating func parse(_ bytes: Span<UInt8>) {
        TextLines.forEach(in: bytes) { number, line in
            self.parse(bytes, line, number)
        }
    }

    private mutating func parse(_ bytes: Span<UInt8>, _ line: Range<Int>, _ number: Int) {
        func column(_ position: Int) -> Int { position - line.lowerBound + 1 }
        let field = TextLines.field(of: bytes, in: line)
        guard !field.isEmpty else { return }
        let prefix: IPPrefix
        let wasMasked: Bool
        do throws(AddressSyntaxError) {
            (prefix, wasMasked) = try IPPrefix.lenient(parsing: bytes.extracting(field))
        } catch {
            self.bad.add(
                line: number, column: column(field.lowerBound), error,
                in: bytes.extracting(field))
            return
        }
        self.sites.removeAll(keepingCapacity: true)
        var rest = field.upperBound..<line.upperBound
        while true {
            let field = TextLines.field(of: bytes, in: rest)
            if field.isEmpty { break }
            do throws(AddressSyntaxError) {
                let site = try ASNumber(parsing: bytes.extracting(field))
                if let known, known[site] == nil {
                    self.bad.add(
                        line: number, column: column(field.lowerBound), .unknownSite(site))
                    return
                }
                if self.sites.contains(site) {
                    self.map.warn(.repeatedSite(site, line: number))
                } else {
                    self.sites.append(site)
                }
            } catch {
                self.bad.add(
                    line: number, column: column(field.lowerBound), error,
                    in: bytes.extracting(field))
                return
            }
            rest = field.upperBound..<line.upperBound
        }
        guard !self.sites.isEmpty else {
            self.bad.add(line: number, column: column(rest.lowerBound), .noSites)
            return
        }
        if wasMasked { self.map.warn(.masked(prefix, line: number)) }
        self.insert(
            RouteMap.Entry(
                prefix: prefix, lineNumber: UInt32(truncatingIfNeeded: number),
                preference: self.preference()))
    }

    private mutating func insert(_ entry: RouteMap.Entry) {
        if let place = self.index.insert(entry.prefix, entries: self.map.entries) {
            self.map.warn(
                .duplicate(
                    entry.prefix, line: entry.line, earlierLine: self.map.entries[place].line))
            self.map.entries[place] = entry
        } else {
            self.map.entries.append(entry)
        }
    }

    /// The number of the line's list of sites.
    private mutating func preference() -> UInt32 {
        // Neighbouring lines mostly agree.
        if let last = self.lastPreference, self.map.preferences[Int(last)] == self.sites {
            return last
        }
        let number: UInt32
        if let known = self.preferenceNumbers[self.sites] {
            number = known
        } else {
            number = UInt32(self.map.preferences.count)
            self.map.preferences.append(self.sites)
            self.preferenceNumbers[self.sites] = number
        }
        self.lastPreference = number
        return number
    }
}

/// Lines of blank-separated fields, LF or CR LF at their ends, comments from `#` on.
enum TextLines {
    /// Calls `body` with each line's number, from 1, and place, without its comment and end. A
    /// byte order mark at the start isn't part of the first line.
    static func forEach(
        in bytes: Span<UInt8>, _ body: (_ number: Int, _ line: Range<Int>) -> Void
    ) {
        var start = 0
        if bytes.count >= 3, bytes[0] == 0xef, bytes[1] == 0xbb, bytes[2] == 0xbf { start = 3 }
        var number = 1
        while start < bytes.count {
            var end = start
            var contentEnd: Int?
            while end < bytes.count, bytes[end] != UInt8(ascii: "\n") {
                if bytes[end] == UInt8(ascii: "#"), contentEnd == nil { contentEnd = end }
                end += 1
            }
            var content = contentEnd ?? end
            if contentEnd == nil, content > start, bytes[content - 1] == UInt8(ascii: "\r") {
                content -= 1
            }
            body(number, start..<content)
            start = end + 1
            number += 1
        }
    }

    /// The first field of a range: empty, and at the range's end, where there is none.
    static func field(of bytes: Span<UInt8>, in range: Range<Int>) -> Range<Int> {
        var start = range.lowerBound
        while start < range.upperBound, Self.isBlank(bytes[start]) { start += 1 }
        var end = start
        while end < range.upperBound, !Self.isBlank(bytes[end]) { end += 1 }
        return start..<end
    }

    /// A range without the blanks at its ends.
    static func trimmed(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Range<Int> {
        var range = range
        while let first = range.first, Self.isBlank(bytes[first]) {
            range = first + 1..<range.upperBound
        }
        while let last = range.last, Self.isBlank(bytes[last]) {
            range = range.lowerBound..<last
        }
        return range
    }

    static func isBlank(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t")
    }
}

/// Finds a prefix's entry: an open table of entry numbers, a quarter to half full.
struct PrefixIndex {
    /// An entry's number and one, or 0.
    private var slots: [UInt32] = [UInt32](repeating: 0, count: 1024)
    private var count = 0

    /// Looks for the prefix, and puts it in as the next entry where it isn't there.
    ///
    /// - Returns: The entry that has it already.
    mutating func insert(_ prefix: IPPrefix, entries: [RouteMap.Entry]) -> Int? {
        if 2 * self.count >= self.slots.count { self.grow(entries) }
        var slot = Self.hash(prefix) & (self.slots.count - 1)
        while self.slots[slot] != 0 {
            let entry = Int(self.slots[slot]) - 1
            if entries[entry].prefix == prefix { return entry }
            slot = (slot + 1) & (self.slots.count - 1)
        }
        self.slots[slot] = UInt32(entries.count + 1)
        self.count += 1
        return nil
    }

    private mutating func grow(_ entries: [RouteMap.Entry]) {
        let mask = 2 * self.slots.count - 1
        var slots = [UInt32](repeating: 0, count: mask + 1)
        for number in entries.indices {
            var slot = Self.hash(entries[number].prefix) & mask
            while slots[slot] != 0 { slot = (slot + 1) & mask }
            slots[slot] = UInt32(number + 1)
        }
        self.slots = slots
    }

    private static func hash(_ prefix: IPPrefix) -> Int {
        var value = prefix.address.high ^ (prefix.address.low &* 0x9e37_79b9_7f4a_7c15)
        value ^= UInt64(prefix.length) << 1 ^ (prefix.family == .ipv4 ? 0 : 1)
        value = (value ^ value >> 32) &* 0xd6e8_feb8_6659_fd93
        value = (value ^ value >> 32) &* 0xd6e8_feb8_6659_fd93
        return Int(truncatingIfNeeded: (value ^ value >> 32) & 0x7fff_ffff_ffff_ffff)
    }
}
