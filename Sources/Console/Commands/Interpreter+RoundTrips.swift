// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import RouteTable

extension Interpreter {
    /// Takes an observation in at once.
    ///
    /// - Returns: Nil where it has to wait, or to be looked at further: ``observe(_:)`` does.
    func observeAtOnce(_ observation: Command.Observation) -> Reply? {
        let owner = self.backend.owner
        guard !owner.roundTripsAreFull, !owner.classesAreFull, !owner.isFull else { return nil }
        guard let trip = self.roundTrip(observation) else {
            return .failure(Self.unknown(site: observation.site))
        }
        owner.submit(.observe([trip]))
        return .done("ok", wantsJSON: false)
    }

    /// Takes an observation in when there is room.
    func observe(_ observation: Command.Observation, wantsJSON: Bool) async throws -> Reply {
        let owner = self.backend.owner
        guard let trip = self.roundTrip(observation) else {
            throw Self.unknown(site: observation.site)
        }
        if owner.roundTripsAreFull {
            let isKnown = try await owner.query { $0.hasRoundTrip(at: trip.prefix) }
            guard isKnown else {
                throw CommandFailure(
                    .tooMuch,
                    "round trips are known of \(owner.limits.roundTripPrefixes) prefixes, "
                        + "as many as may be")
            }
        }
        let lacksClasses = owner.classesAreFull
        // Submitted in any case: it is the writer who counts what is refused, and who looks whether
        // classes have become free.
        if !owner.submit(.observe([trip])) {
            await withCheckedContinuation { continuation in
                owner.whenDrained { continuation.resume() }
            }
        }
        guard !lacksClasses else {
            throw CommandFailure(
                .tooMuch,
                "the table has \(owner.limits.classes) classes, as many as may be: "
                    + "observations are refused")
        }
        return .done("ok", wantsJSON: wantsJSON)
    }

    private func roundTrip(_ observation: Command.Observation) -> RoundTrip? {
        self.backend.oracle.world.sites.first { $0.name == observation.site }.map {
            RoundTrip(
                prefix: observation.prefix, site: $0.id, microseconds: observation.microseconds)
        }
    }

    private static func unknown(site: String) -> CommandFailure {
        CommandFailure(.noSuchThing, "there is no site '\(site)'")
    }

    /// Measured round trips, in slices that hold the owner of the table for well under a
    /// millisecond each.
    func roundTrips(within: IPPrefix?, limit: Int?, wantsJSON: Bool) -> RowStream {
        let names = Dictionary(
            self.backend.oracle.world.sites.map { ($0.id, $0.name) },
            uniquingKeysWith: { first, _ in first })
        let isLong = within?.family == .ipv6
        // Rows stream, so that widths are chosen before the first is seen.
        let table = Table(
            "round_trips",
            columns: [
                .alone("prefix", width: isLong ? 32 : 18),
                Table.Column("site", width: max(4, names.values.map(\.count).max() ?? 0)),
                Table.Column("rtt", right: true, width: 6),
                Table.Column("average", right: true, width: 8),
                Table.Column("observed", right: true, width: 10),
                Table.Column("file", right: true, width: 8),
            ])
        let (owner, now) = (self.backend.owner, self.now)
        let slice = {
            @Sendable (cursor: RowCursor?, wanted: Int) async throws -> RowStream.Slice in
            let limit = min(wanted, 256)
            let (found, next) = try await owner.query {
                let slice = $0.roundTrips(
                    after: cursor?.roundTrips, within: within, limit: limit)
                return (slice.roundTrips, slice.next)
            }
            let time = now()
            let rows: [[Value]] = found.map { report in
                [
                    .text(report.prefix.description),
                    .text(names[report.site] ?? "\(report.site.rawValue)"),
                    .tenths(report.used / .milliseconds(1)),
                    .tenths(report.average.map { $0 / 1000 }),
                    .age(report.observed.map { Int(max(0, time - $0)) }),
                    .tenths(report.filed.map { $0 / 1000 }),
                ]
            }
            return RowStream.Slice(rows: rows, next: next.map { .roundTrips($0) })
        }
        return RowStream(table: table, wantsJSON: wantsJSON, slice: slice, limit: limit)
    }
}
