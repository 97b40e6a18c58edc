// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import RouteTable

extension Interpreter {
    /// What clients are answered, prefix after prefix, in slices of one state of things each.
    func answers(_ filter: Command.AnswerFilter, wantsJSON: Bool) throws -> RowStream {
        _ = try self.policy(for: filter.name)
        let spaces =
            filter.within.map { [$0] }
            ?? AddressFamily.allCases.filter { filter.clients == nil || $0 == filter.clients }
            .map { IPPrefix.all($0) }
        let isLong = spaces.first?.family == .ipv6
        // Rows stream, so that widths are chosen before the first is seen.
        let table = Table(
            "answers",
            columns: [
                .alone("prefix", width: isLong ? 32 : 18), Table.Column("hashed", width: 6),
                Table.Column("sites"),
            ])
        let slice = {
            @Sendable (cursor: RowCursor?, wanted: Int) async throws -> RowStream.Slice in
            // A reload may have given the name another number.
            let policy = try self.policy(for: filter.name)
            let next = cursor?.answers
            let family = next?.address.family ?? spaces.first?.family
            guard let index = spaces.firstIndex(where: { $0.family == family }) else {
                return RowStream.Slice(rows: [], next: nil)
            }
            let listing = AnswerListing(
                policy: policy, family: filter.addresses, within: spaces[index])
            let (found, rest, names) = self.answerer.withBatch { batch, _ in
                let (found, rest) = batch.answers(listing, after: next, limit: min(wanted, 1024))
                return (found, rest, batch.world.sites.map { ($0.id, $0.name) })
            }
            let siteNames = Dictionary(names, uniquingKeysWith: { first, _ in first })
            let rows: [[Value]] = found.map { answer in
                [
                    .text(answer.prefix.description), .flag(answer.isHashed),
                    .list(answer.sites.map { siteNames[$0] ?? "\($0.rawValue)" }),
                ]
            }
            // After the last address of one family come those of the other.
            let following = spaces[(index + 1)...].first.map { AnswerCursor($0.address) }
            return RowStream.Slice(rows: rows, next: (rest ?? following).map { .answers($0) })
        }
        return RowStream(
            table: table, wantsJSON: wantsJSON, slice: slice, limit: filter.limit)
    }
}
