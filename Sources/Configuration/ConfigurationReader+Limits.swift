// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import RouteTable

extension ConfigurationReader {
    mutating func readLimits(_ value: Value) {
        let keys = ["prefixes", "prefixes-per-feed", "classes", "memory"]
        guard let limits = value.mapping(allowed: keys) else { return }
        func number(_ key: String) -> Int? { limits[key]?.integer(1...16_777_216) }
        let usual = TableLimits()
        self.result.limits = TableLimits(
            prefixes: number("prefixes") ?? usual.prefixes,
            routesPerFeed: number("prefixes-per-feed") ?? usual.routesPerFeed,
            classes: number("classes") ?? usual.classes,
            memory: limits["memory"]?.byteCount(16 << 20...1 << 40))
    }
}

extension Configuration {
    /// What the limits are where they aren't the usual ones, a line for `martlet check`.
    var limitLines: [String] {
        let usual = TableLimits()
        var words: [String] = []
        func compare(_ name: String, _ limit: KeyPath<TableLimits, Int>) {
            guard self.limits[keyPath: limit] != usual[keyPath: limit] else { return }
            words.append("\(self.limits[keyPath: limit]) \(name)")
        }
        compare("prefixes", \.prefixes)
        compare("prefixes per feed", \.routesPerFeed)
        compare("classes", \.classes)
        if let memory = self.limits.memory {
            words.append("\(Value.words(byteCount: memory)) of memory")
        }
        return words.isEmpty ? [] : ["the table holds at most " + words.joined(separator: ", ")]
    }
}

extension Value {
    /// A number of bytes, as `512M` (MiB), `2G`, `65536K`, or a plain number.
    func byteCount(_ range: ClosedRange<Int>) -> Int? {
        let bytes = self.plainText.flatMap(Self.byteCount)
        guard let bytes, range.contains(bytes) else {
            self.mustBe(
                "from \(Self.words(byteCount: range.lowerBound)) to "
                    + "\(Self.words(byteCount: range.upperBound)), as 512M or 2G")
            return nil
        }
        return bytes
    }

    private static let units: [(suffix: String, shift: Int)] = [
        ("T", 40), ("G", 30), ("M", 20), ("K", 10),
    ]

    private static func byteCount(_ text: String) -> Int? {
        for (suffix, shift) in self.units where text.hasSuffix(suffix) {
            guard let number = Int(text.dropLast()), number >= 0, number <= Int.max >> shift
            else { return nil }
            return number << shift
        }
        return Int(text)
    }

    static func words(byteCount: Int) -> String {
        for (suffix, shift) in self.units where byteCount >= 1 << shift {
            let number = byteCount >> shift
            if number << shift == byteCount { return "\(number)\(suffix)" }
        }
        return "\(byteCount) bytes"
    }
}
