// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

package import Choice
import JSON
package import RouteTable

/// What a command answers, before it is written for a face.
package enum Reply: Sendable {
    /// Nothing but the prompt.
    case silence
    /// One line.
    case line(String)
    /// One line, in other words for programs.
    case spoken(forPeople: String, forPrograms: String)
    /// Lines that are the same for people and programs.
    case lines([String])
    /// Lines, others for programs.
    case page(forPeople: [String], forPrograms: [String])
    case table(Table)
    /// One JSON object, without a line end.
    case json(String)
    case failure(CommandFailure)
    case stream(RowStream)
    /// Lines that come until somebody has enough.
    case live(FeedWatch)

    /// What was done, where that is all there is to say.
    static func done(_ words: String, wantsJSON: Bool) -> Reply {
        guard wantsJSON else { return .line(words) }
        var json = JSONText()
        json.object { $0.key("result", .text(words)) }
        return .json(json.text)
    }

    package static func failure(_ code: CommandFailure.Code, _ sentence: String) -> Reply {
        .failure(CommandFailure(code, sentence))
    }
}

/// Where a stream of rows goes on.
package enum RowCursor: Hashable, Sendable {
    case routes(RouteCursor)
    case roundTrips(RoundTripCursor)
    case answers(AnswerCursor)

    var routes: RouteCursor? {
        if case .routes(let cursor) = self { cursor } else { nil }
    }

    var roundTrips: RoundTripCursor? {
        if case .roundTrips(let cursor) = self { cursor } else { nil }
    }

    var answers: AnswerCursor? {
        if case .answers(let cursor) = self { cursor } else { nil }
    }
}

/// Rows that are fetched a slice at a time, while they are being sent.
package struct RowStream: Sendable {
    package struct Slice: Sendable {
        package var rows: [[Value]]
        /// Where the next slice begins; nil at the end.
        package var next: RowCursor?

        package init(rows: [[Value]], next: RowCursor?) {
            self.rows = rows
            self.next = next
        }
    }

    /// Heads and widths; its own rows stay empty.
    package var table: Table
    package var wantsJSON: Bool
    /// The rows after a cursor; the limit is how many more are wanted.
    package var slice: @Sendable (RowCursor?, Int) async throws -> Slice
    package var limit: Int?

    package init(
        table: Table, wantsJSON: Bool,
        slice: @escaping @Sendable (RowCursor?, Int) async throws -> Slice, limit: Int?
    ) {
        self.table = table
        self.wantsJSON = wantsJSON
        self.slice = slice
        self.limit = limit
    }
}
