// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// How many messages come a second, over the last ten whole seconds.
struct MessageRate {
    static let window = 10

    /// Counts of the last seconds, by the second modulo their number.
    private var counts = [Int](repeating: 0, count: MessageRate.window + 1)
    private var latest: Int64 = 0

    mutating func count(_ messages: Int, at second: Int64) {
        self.moveOn(to: second)
        self.counts[Self.index(second)] += messages
    }

    func perSecond(at second: Int64) -> Double {
        var copy = self
        copy.moveOn(to: second)
        let sum = copy.counts.reduce(0, +) - copy.counts[Self.index(second)]
        return Double(sum) / Double(Self.window)
    }

    private static func index(_ second: Int64) -> Int {
        Int(second % Int64(Self.window + 1))
    }

    private mutating func moveOn(to second: Int64) {
        guard second > self.latest else { return }
        let first = max(self.latest + 1, second - Int64(Self.window))
        for passed in first...second { self.counts[Self.index(passed)] = 0 }
        self.latest = second
    }
}
