// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Finds what a misspelt word was probably meant to be.
enum Spelling {
    /// The nearest of the words, if it is near enough to be meant: at most one edit in three
    /// characters. The first of equally near ones.
    static func nearest(to word: String, among words: some Sequence<String>) -> String? {
        let small = word.lowercased()
        guard small.count <= 64 else { return nil }
        // Of two letters every other word of two is near.
        let limit = small.count < 3 ? 0 : small.count / 3
        var best: (distance: Int, word: String)?
        for candidate in words {
            let distance = Self.distance(small, candidate.lowercased())
            if distance <= limit, distance < best?.distance ?? .max {
                best = (distance, candidate)
            }
        }
        return best?.word
    }

    /// How many letters are put in, left out, replaced or swapped with their neighbour.
    static func distance(_ a: String, _ b: String) -> Int {
        let a = Array(a)
        let b = Array(b)
        guard !a.isEmpty, !b.isEmpty else { return max(a.count, b.count) }
        var before = [Int](repeating: 0, count: b.count + 1)
        var last = Array(0...b.count)
        for i in 1...a.count {
            var row = [Int](repeating: i, count: b.count + 1)
            for j in 1...b.count {
                let cost = a[i - 1] == b[j - 1] ? 0 : 1
                row[j] = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + cost)
                if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
                    row[j] = min(row[j], before[j - 2] + 1)
                }
            }
            before = last
            last = row
        }
        return last[b.count]
    }

    /// `; did you mean 'x'?`, or nothing.
    static func hint(_ word: String, among words: some Sequence<String>) -> String {
        Self.nearest(to: word, among: words).map { "; did you mean '\($0)'?" } ?? ""
    }
}
