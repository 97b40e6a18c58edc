// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// What was read of a feed that is a file, or a recording that is played.
public struct FileFeedReport: Hashable, Sendable {
    /// The files, as they are called.
    public var paths: [String]
    /// In a word: `loaded`, `loading`, `failed`.
    public var state: String
    /// Since when, in Unix seconds.
    public var since: Int64?
    public var peerAddress: IPAddress?
    public var peerAS: ASNumber?
    /// The peer's BGP identifier, as an IPv4 address.
    public var peerIdentifier: IPAddress?
    /// Records of the file, of all its peers; nil where they aren't counted by feed.
    public var records: Int?
    /// Messages of the peer's, of a recording.
    public var messages: Int?
    public var announced = 0
    public var withdrawn = 0
    /// UPDATEs, or routes of a table, whose attributes RFC 7606 doesn't let pass.
    public var malformed = 0
    /// Announcements in such UPDATEs, which were taken for withdrawals.
    public var treatedAsWithdrawn = 0
    /// Lines of a text that couldn't be read.
    public var badLines: Int?
    /// What went wrong last, in words.
    public var lastError: String?

    public init(paths: [String], state: String) {
        self.paths = paths
        self.state = state
    }

    /// The same in the sections of `show feed`.
    public func detail(of name: String) -> FeedDetail {
        typealias Fact = FeedDetail.Fact
        func number(_ value: Int?) -> FeedDetail.Datum { value.map { .number($0) } ?? .unknown }
        func text(_ value: (some CustomStringConvertible)?) -> FeedDetail.Datum {
            value.map { .text($0.description) } ?? .unknown
        }
        return FeedDetail(
            name: name,
            sections: [
                FeedDetail.Section(
                    "file", "File",
                    facts: [
                        Fact("file", .list(self.paths)), Fact("state", .text(self.state)),
                        Fact("since", self.since.map { .time($0) } ?? .unknown),
                        Fact("peer", text(self.peerAddress)),
                        Fact("as", number(self.peerAS.map { Int($0.rawValue) })),
                        Fact("identifier", text(self.peerIdentifier)),
                        Fact("last_error", text(self.lastError)),
                    ]),
                FeedDetail.Section(
                    "counters", "Counters",
                    facts: [
                        Fact("records", number(self.records)),
                        Fact("messages", number(self.messages)),
                        Fact("announced", .number(self.announced)),
                        Fact("withdrawn", .number(self.withdrawn)),
                        Fact("malformed", .number(self.malformed)),
                        Fact("treated_as_withdrawn", .number(self.treatedAsWithdrawn)),
                        Fact("bad_lines", number(self.badLines)),
                    ]),
            ])
    }
}
