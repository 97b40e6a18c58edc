// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// All that is known of one feed, in sections as `show feed` has them.
public struct FeedDetail: Hashable, Sendable {
    /// A value before it is written for people, for programs or as JSON.
    public enum Datum: Hashable, Sendable {
        case unknown
        case text(String)
        case list([String])
        case number(Int)
        /// Rounded to tenths, but for JSON.
        case tenths(Double)
        case flag(Bool)
        /// Seconds since something happened.
        case age(Int)
        /// Unix seconds.
        case time(Int64)
    }

    public struct Fact: Hashable, Sendable {
        /// In small letters, without blanks: `hold_time`.
        public var key: String
        public var datum: Datum
        /// What people read in place of the key; nil: it, with blanks.
        public var label: String?

        public init(_ key: String, _ datum: Datum, label: String? = nil) {
            self.key = key
            self.datum = datum
            self.label = label
        }
    }

    public enum Content: Hashable, Sendable {
        case facts([Fact])
        /// Columns by their keys, and rows of as many values.
        case rows([String], [[Datum]])
    }

    public struct Section: Hashable, Sendable {
        /// In small letters, without blanks.
        public var key: String
        /// Its heading for people.
        public var title: String
        public var content: Content

        public init(_ key: String, _ title: String, facts: [Fact]) {
            self.key = key
            self.title = title
            self.content = .facts(facts)
        }

        public init(_ key: String, _ title: String, columns: [String], rows: [[Datum]]) {
            self.key = key
            self.title = title
            self.content = .rows(columns, rows)
        }
    }

    public var name: String
    public var sections: [Section]
    /// What looks misconfigured, a sentence each.
    public var hints: [String]

    public init(name: String, sections: [Section], hints: [String] = []) {
        self.name = name
        self.sections = sections
        self.hints = hints
    }
}

/// What passes on a feed's sessions, a line at a time, while somebody watches.
public struct FeedWatch: Sendable {
    /// Ends where the feed does. Where nobody takes the lines they are counted and left out.
    public var lines: AsyncStream<String>
    /// Nobody watches any more.
    public var end: @Sendable () -> Void
    /// What is said before anything has passed, to people.
    package var opening: String?

    public init(lines: AsyncStream<String>, end: @escaping @Sendable () -> Void) {
        self.lines = lines
        self.end = end
    }
}
