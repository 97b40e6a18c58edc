// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
import RouteFiles
public import RouteTable

/// Reads route maps into the table's pins.
public enum RouteMapLoader {
    /// A site that route maps may name.
    public struct Site: Hashable, Sendable {
        public var id: SiteID
        public var name: String
        public var asNumber: ASNumber

        public init(id: SiteID, name: String, asNumber: ASNumber) {
            self.id = id
            self.name = name
            self.asNumber = asNumber
        }
    }

    public struct Pins: Sendable {
        /// For `TableCommand.setPins`: of equal prefixes the last counts.
        public var pins: [(IPPrefix, [SiteID])] = []
        /// Sentences that name file and line, some of each file.
        public var warnings: [String] = []
    }

    /// Where a pin stands.
    public struct Place: Hashable, Sendable {
        public var prefix: IPPrefix
        public var path: String
        /// Counted from 1.
        public var line: Int
    }

    /// The line of some maps that decides at an address, as they are now: the longest prefix's, of
    /// the last file that has it. They are read anew: nobody has to remember the lines of a million
    /// pins.
    ///
    /// - Throws: As ``load(paths:sites:)``.
    public static func place(covering address: IPAddress, in paths: [String]) throws -> Place? {
        var found: Place?
        for path in paths {
            let map = try RouteMap(path: path, sites: nil)
            for entry in map.entries where entry.prefix.contains(address) {
                guard entry.prefix.length >= found?.prefix.length ?? 0 else { continue }
                found = Place(prefix: entry.prefix, path: path, line: entry.line)
            }
        }
        return found
    }

    /// Reads all maps, or none: later files win over earlier ones where both have a prefix.
    ///
    /// Where several sites share an AS number, the first of them is meant.
    ///
    /// - Throws: ``InputFileError`` or ``BadLines``, of the first file that is bad.
    public static func load(paths: [String], sites: [Site]) throws -> Pins {
        let names = Dictionary(
            sites.map { ($0.asNumber, $0.name) }, uniquingKeysWith: { first, _ in first })
        let numbers = Dictionary(
            sites.map { ($0.asNumber, $0.id) }, uniquingKeysWith: { first, _ in first })
        var result = Pins()
        for path in paths {
            let map = try RouteMap(path: path, sites: names)
            let preferences = map.preferences.map { $0.compactMap { numbers[$0] } }
            result.pins.reserveCapacity(result.pins.count + map.entries.count)
            for entry in map.entries {
                result.pins.append((entry.prefix, preferences[Int(entry.preference)]))
            }
            result.warnings += map.warnings.map { "\(path):\($0)" }
            if map.warningCount > map.warnings.count {
                result.warnings.append(
                    "\(path): and \(map.warningCount - map.warnings.count) more of the kind")
            }
        }
        return result
    }
}
