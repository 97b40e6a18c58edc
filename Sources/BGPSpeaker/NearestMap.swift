// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
public import RouteFiles
public import RouteTable

/// Which sites are nearest to every address, by hops alone, as the fewest lines of a route map.
///
/// A site's distance to an address is that of its own longest match, as it is for a daemon that reads
/// the same files as feeds. Sites that are equally near stand in the order in which they were given.
/// Where no site has a route, the map has no prefix.
public struct NearestMap: Sendable {
    /// A prefix, and which of ``preferences`` its addresses have where no longer prefix has them.
    public private(set) var entries: [PrefixAggregation.Entry] = []
    /// The different lists of sites.
    public private(set) var preferences: [[ASNumber]] = []

    /// Reads all of a table.
    ///
    /// - Parameters:
    ///   - owner: The table. What it has been given before is waited for.
    ///   - sites: Its sites, and the AS number that stands for each.
    ///   - maximum: Sites in a list at most; nil: all that have a route.
    /// - Throws: Where the table has no place for another reader.
    public init(
        of owner: TableOwner, sites: [(id: SiteID, asNumber: ASNumber)], maximum: Int? = nil
    ) throws {
        owner.flushAndWait()
        var reader = try owner.lookup.makeReader()
        for family in [AddressFamily.ipv4, .ipv6] {
            var runs: [AnswerWalk.Run] = []
            var walk = AnswerWalk(family)
            let classCount = reader.withSnapshot { snapshot in
                while !walk.isDone {
                    walk.step(snapshot, entries: 1 << 20)
                    runs += walk.runs
                }
                return snapshot.classCount
            }
            let answers = reader.withSnapshot { snapshot in
                var answers = [UInt32?](repeating: nil, count: classCount)
                var isKnown = [Bool](repeating: false, count: classCount)
                for run in runs where !isKnown[Int(run.classID)] {
                    isKnown[Int(run.classID)] = true
                    answers[Int(run.classID)] = self.number(
                        of: snapshot.values(ofClass: run.classID), sites, maximum)
                }
                return answers
            }
            self.entries +=
                PrefixAggregation(
                    family,
                    runs: runs.lazy.map { run in
                        .init(start: run.start, answer: answers[Int(run.classID)])
                    }
                ).entries
        }
    }

    private var numbers: [[ASNumber]: UInt32] = [:]

    /// The number of the list of sites for a class; nil where none has a route.
    private mutating func number(
        of values: ClassValues, _ sites: [(id: SiteID, asNumber: ASNumber)], _ maximum: Int?
    ) -> UInt32? {
        var ranked: [(distance: Int, order: Int)] = []
        for (order, site) in sites.enumerated() {
            if let distance = values.distance(of: site.id) { ranked.append((distance, order)) }
        }
        guard !ranked.isEmpty else { return nil }
        ranked.sort { $0 < $1 }
        let list = ranked.prefix(maximum ?? ranked.count).map { sites[$0.order].asNumber }
        if let known = self.numbers[list] { return known }
        let number = UInt32(self.preferences.count)
        self.preferences.append(list)
        self.numbers[list] = number
        return number
    }

    /// Adds all lines to a route map.
    public func write(to writer: inout RouteMapWriter) throws {
        for entry in self.entries {
            try writer.add(entry.prefix, self.preferences[Int(entry.answer)])
        }
    }
}
