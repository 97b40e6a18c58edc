// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

package import Addressing

/// `show ip bgp summary` in Zebra's columns.
package struct ZebraSummary: Sendable {
    package struct Neighbor: Sendable {
        package var address: String
        package var asNumber: ASNumber?
        package var received: Int
        package var sent: Int
        /// Seconds in this state; nil for never.
        package var age: Int?
        /// The number of prefixes where the session is up, else the state.
        package var prefixes: Int?
        package var state: String
        package var site: String
        package var feed: String
        package var ipv4: Int?
        package var ipv6: Int?
        package var stale: Int?
        /// Bytes that wait to be read, and to leave: what Zebra counts as messages, we can't tell
        /// apart before they are read. Nil where nobody knows.
        package var unreadBytes: Int?
        package var unsentBytes: Int?
        package var lastError: String?
        /// Seconds since then; nil where it is still so.
        package var errorAge: Int?
    }

    package var router: RouterReport
    package var paths: Int
    package var neighbors: [Neighbor]
    /// Connections of addresses that no peer has.
    package var strangers = 0
    package var hints: [String] = []

    package var lines: [String] {
        var lines = [
            "BGP router identifier \(self.router.identifier), "
                + "local AS number \(self.router.asNumber)",
            "\(self.paths) BGP AS-PATH entries",
            "",
        ]
        guard !self.neighbors.isEmpty else { return lines + ["No BGP neighbor is configured"] }
        lines.append(
            "Neighbor        V         AS MsgRcvd MsgSent   TblVer  InQ OutQ Up/Down  State/PfxRcd"
                + "     IPv4     IPv6    Stale Feed")
        for neighbor in self.neighbors {
            var line = neighbor.address
            if line.count > 15 {
                lines.append(line)
                line = ""
            }
            line = Self.left(line, 16)
            line += "4 " + Self.right(neighbor.asNumber?.description ?? "-", 10)
            line += " " + Self.right("\(neighbor.received)", 7)
            line += " " + Self.right("\(neighbor.sent)", 7)
            line += " " + Self.right("0", 8) + " "
            for bytes in [neighbor.unreadBytes, neighbor.unsentBytes] {
                line += Self.right(bytes.map { "\($0)" } ?? "-", 4) + " "
            }
            line += Self.left(neighbor.age.map(Value.clock) ?? "never", 8)
            line +=
                neighbor.prefixes.map { " " + Self.right("\($0)", 10) }
                ?? " " + neighbor.state.prefix(1).uppercased() + neighbor.state.dropFirst()
            line = Self.left(line, 85)
            for count in [neighbor.ipv4, neighbor.ipv6, neighbor.stale] {
                line += " " + Self.right(count.map { "\($0)" } ?? "-", 8)
            }
            lines.append(line + " " + neighbor.feed)
        }
        lines += ["", "Total number of neighbors \(self.neighbors.count)"]
        if self.strangers > 0 {
            lines.append("Connections of strangers closed \(self.strangers)")
        }
        let errors = self.neighbors.compactMap { neighbor in
            neighbor.lastError.map { error in
                "  \(neighbor.feed): \(error)"
                    + (neighbor.errorAge.map { " (\(Value.clock($0)) ago)" } ?? "")
            }
        }
        if !errors.isEmpty { lines += ["", "Last errors"] + errors }
        return lines + self.hints.map { "hint: \($0)" }
    }

    package var table: Table {
        var table = Table(
            "neighbors",
            columns: [
                .alone("address"), Table.Column("as"), Table.Column("received"),
                Table.Column("sent"), Table.Column("since"), Table.Column("prefixes"),
                Table.Column("state"), Table.Column("site"), Table.Column("feed"),
                Table.Column("ipv4"), Table.Column("ipv6"), Table.Column("stale"),
                Table.Column("error"), Table.Column("error_age"), Table.Column("unread_bytes"),
                Table.Column("unsent_bytes"),
            ])
        table.fields = [
            ("router_id", .text(self.router.identifier.description)),
            ("as", .integer(Int(self.router.asNumber.rawValue))),
        ]
        table.rows = self.neighbors.map { neighbor in
            [
                .text(neighbor.address),
                .integer(neighbor.asNumber.map { Int($0.rawValue) }),
                .integer(neighbor.received), .integer(neighbor.sent), .age(neighbor.age),
                .integer(neighbor.prefixes), .text(neighbor.state), .text(neighbor.site),
                .text(neighbor.feed), .integer(neighbor.ipv4), .integer(neighbor.ipv6),
                .integer(neighbor.stale), .text(neighbor.lastError), .age(neighbor.errorAge),
                .integer(neighbor.unreadBytes), .integer(neighbor.unsentBytes),
            ]
        }
        table.trailingFields = [
            ("strangers", .integer(self.strangers)), ("hints", .list(self.hints)),
        ]
        return table
    }

    private static func left(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    private static func right(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }
}
