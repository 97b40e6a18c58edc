// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

package import Addressing

/// What looks misconfigured about feeds by BGP, found by a look at all of them beside each other.
package struct FeedHints: Sendable {
    /// One feed whose first transfer is over.
    package struct Subject: Hashable, Sendable {
        package var name: String
        package var isInternal: Bool
        /// Prefixes by family; nil for a family that was not negotiated.
        package var ipv4: Int?
        package var ipv6: Int?
        /// Families that the configuration wants.
        package var wanted: Set<AddressFamily>
        /// Announcements of this session that came by way of a route reflector.
        package var reflected: Int
        /// Prefixes that are allowed for, by family: about so many were expected.
        package var limits: [AddressFamily: Int]
        /// Announcements that the table has refused and that have not been asked for since.
        package var missing: Int
        /// Announcements that the feed's rules and options have turned down.
        package var rejected: Int

        package init(
            name: String, isInternal: Bool, ipv4: Int?, ipv6: Int?,
            wanted: Set<AddressFamily> = Set(AddressFamily.allCases), reflected: Int = 0,
            limits: [AddressFamily: Int] = [:], missing: Int = 0, rejected: Int = 0
        ) {
            self.rejected = rejected
            self.missing = missing
            self.limits = limits
            self.name = name
            self.isInternal = isInternal
            self.ipv4 = ipv4
            self.ipv6 = ipv6
            self.wanted = wanted
            self.reflected = reflected
        }

        subscript(family: AddressFamily) -> Int? { family == .ipv4 ? self.ipv4 : self.ipv6 }

        /// It has nothing in the table, and nothing of it was turned down here.
        var isEmpty: Bool {
            (self.ipv4 ?? 0) + (self.ipv6 ?? 0) + self.missing + self.rejected == 0
        }
    }

    /// From so many prefixes on a feed is what others are compared with.
    static let comparable = 1000
    /// A feed with so many times fewer looks cut short.
    static let suspicious = 100

    package var subjects: [Subject]

    package init(_ subjects: [Subject]) { self.subjects = subjects }

    /// Sentences about one feed.
    package func hints(about name: String) -> [String] {
        guard let subject = self.subjects.first(where: { $0.name == name }) else { return [] }
        var hints: [String] = []
        for family in AddressFamily.allCases where subject.wanted.contains(family) {
            if let hint = self.hint(about: subject, family) { hints.append(hint) }
        }
        if subject.missing > 0 { hints.append(Self.hint(missing: subject.missing)) }
        if subject.isInternal, subject.reflected == 0 {
            hints.append(
                (subject.isEmpty ? "it has no route" : "no route came through a route reflector")
                    + ": a router tells an internal peer only what it learnt outside itself, "
                    + "unless that is its route-reflector client")
        } else if subject.isEmpty {
            hints.append(
                "it has no route: does the router's export policy allow any? (Without one, "
                    + "routers that follow RFC 8212 announce nothing.)")
        }
        return hints
    }

    /// About announcements that the table has refused.
    static func hint(missing count: Int) -> String {
        "\(count) of its announcements were refused: the table is at its limits, or was "
            + "('show memory'). When there is room, a router with route refresh is asked for them "
            + "again; else 'clear feed' brings them"
    }

    /// Sentences about all feeds, each with its name.
    package var all: [String] {
        self.subjects.flatMap { subject in
            self.hints(about: subject.name).map { "\(subject.name): \($0)" }
        }
    }

    private func hint(about subject: Subject, _ family: AddressFamily) -> String? {
        let others = self.subjects.filter { $0.name != subject.name }
        let largest = others.max { ($0[family] ?? 0) < ($1[family] ?? 0) }
        let most = largest?[family] ?? 0
        guard let count = subject[family] else {
            return "the peer offers no \(family) unicast, which it is asked for"
        }
        // What is missing may be what we refused; that all is missing is said once.
        guard subject.missing == 0, !subject.isEmpty else { return nil }
        if count == 0, most > 0 || (subject.ipv4 ?? 0) + (subject.ipv6 ?? 0) > 0 {
            return "no \(family) prefix has come, though the session carries \(family)"
        }
        if let largest, most >= Self.comparable, count * Self.suspicious <= most {
            return "\(Self.prefixes(count, family)), where \(largest.name) has \(most): is "
                + "the router to send all that it knows?"
        }
        if let limit = subject.limits[family], limit >= Self.comparable,
            count * Self.suspicious <= limit
        {
            return "\(Self.prefixes(count, family)), where limits allow for \(limit): is the "
                + "router to send all that it knows?"
        }
        return nil
    }

    private static func prefixes(_ count: Int, _ family: AddressFamily) -> String {
        "\(count) \(family) \(count == 1 ? "prefix" : "prefixes")"
    }
}
