// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteFiles

/// A table to measure with: prefixes, and each site's distance to each of them.
struct SampleTable {
    /// Where tables come from.
    struct Source {
        /// The folder of routing data.
        var data: String
        /// A TABLE_DUMP_V2 file of simulated peers.
        var dump: String

        var prefixes: String { "\(self.data)/prefixes/prefixes.txt.gz" }
        var origins: String { "\(self.data)/prefixes/prefix-origin.derived.txt.gz" }
        var vantages: String { "\(self.data)/sim/aspath-len.20250901.32-sites.csv.gz" }
    }

    let prefixes: [IPPrefix]
    let sites: Int
    /// A row for each prefix, a byte for each site: the distance + 1, or 0 where the site lacks
    /// the prefix.
    let stored: [UInt8]

    var routes: Int { self.stored.reduce(0) { $0 + ($1 == 0 ? 0 : 1) } }

    /// Reads or makes a table.
    ///
    /// - Parameters:
    ///   - name: `single`: one site, each prefix at a random one of 250 distances, so that nothing
    ///     merges. `sim1`, `sim8`: the first or all peers of the simulated dump. `sim32`: 32
    ///     vantages, one vector for each origin AS. `harsh1`, `harsh8`, `harsh32`, `harsh64`:
    ///     runs of 8 neighbours share a random vector, and each site lacks 3 % of the prefixes.
    ///   - source: The files.
    ///   - every: Keep one prefix in as many.
    /// - Returns: The table.
    /// - Throws: ``UsageError`` for another name, and what reading the files throws.
    static func named(_ name: String, from source: Source, every: Int) throws -> SampleTable {
        switch name {
        case "single": return try Self.single(source, every)
        case "sim1": return try Self.dump(source, every, sites: 1)
        case "sim8": return try Self.dump(source, every, sites: 8)
        case "sim32": return try Self.vantages(source, every)
        case "harsh1": return try Self.harsh(source, every, sites: 1)
        case "harsh8": return try Self.harsh(source, every, sites: 8)
        case "harsh32": return try Self.harsh(source, every, sites: 32)
        case "harsh64": return try Self.harsh(source, every, sites: 64)
        default: throw UsageError("there is no table \(name)")
        }
    }

    /// Of the `single` table: a prefix's distance, 1 to 250, for the peers' next hops too.
    static func singleDistance(_ random: inout RandomSource) -> Int { 1 + random.below(250) }

    private static func single(_ source: Source, _ every: Int) throws -> SampleTable {
        let prefixes = try Self.prefixes(source, every)
        var random = RandomSource(seed: 1)
        return SampleTable(
            prefixes: prefixes, sites: 1,
            stored: prefixes.map { _ in UInt8(Self.singleDistance(&random) + 1) })
    }

    private static func harsh(_ source: Source, _ every: Int, sites: Int) throws -> SampleTable {
        let prefixes = try Self.prefixes(source, every)
        var random = RandomSource(seed: 2)
        var stored = [UInt8](repeating: 0, count: prefixes.count * sites)
        var vector = [UInt8](repeating: 0, count: sites)
        for row in prefixes.indices {
            if row % 8 == 0 { for site in 0..<sites { vector[site] = UInt8(2 + random.below(8)) } }
            for site in 0..<sites where random.below(100) >= 3 {
                stored[row * sites + site] = vector[site]
            }
        }
        return SampleTable(prefixes: prefixes, sites: sites, stored: stored)
    }

    /// The prefixes of a real table, in the order of their addresses.
    private static func prefixes(_ source: Source, _ every: Int) throws -> [IPPrefix] {
        var prefixes: [IPPrefix] = []
        try TextLines.read(source.prefixes) { line in
            if let prefix = IPPrefix(line) { prefixes.append(prefix) }
        }
        prefixes.sort(by: Self.precedes)
        return every > 1
            ? stride(from: 0, to: prefixes.count, by: every).map { prefixes[$0] } : prefixes
    }

    private static func precedes(_ a: IPPrefix, _ b: IPPrefix) -> Bool {
        if a.family != b.family { return a.family == .ipv4 }
        return (a.address.high, a.address.low, a.length)
            < (b.address.high, b.address.low, b.length)
    }

    private static func vantages(_ source: Source, _ every: Int) throws -> SampleTable {
        var vectors: [Substring: [UInt8]] = [:]
        var sites = 0
        try TextLines.read(source.vantages) { line in
            let fields = line.split(separator: ",", omittingEmptySubsequences: false)
            if fields.first == "origin" {
                sites = fields.count - 1
            } else {
                vectors[fields[0]] = fields.dropFirst().map { UInt8($0).map { $0 + 1 } ?? 0 }
            }
        }
        var rows: [(IPPrefix, [UInt8])] = []
        var count = 0
        try TextLines.read(source.origins) { line in
            let words = line.split(separator: " ")
            guard words.count == 2, let prefix = IPPrefix(String(words[0])),
                let vector = vectors[words[1]]
            else { return }
            count += 1
            if count % every == 0 { rows.append((prefix, vector)) }
        }
        rows.sort { Self.precedes($0.0, $1.0) }
        return SampleTable(
            prefixes: rows.map(\.0), sites: sites, stored: rows.flatMap(\.1))
    }

    private static func dump(_ source: Source, _ every: Int, sites: Int) throws -> SampleTable {
        var reader = try MRTReader(path: source.dump)
        var prefixes: [IPPrefix] = []
        var stored: [UInt8] = []
        var count = 0
        while try reader.next({ record, bytes in
            guard case .rib(let form) = record.content else { return }
            count += 1
            guard count % every == 0 else { return }
            let start = stored.count
            stored.append(contentsOf: repeatElement(0, count: sites))
            var prefix: IPPrefix?
            _ = try RIBRecord.forEachEntry(in: bytes, form: form) { entry in
                guard Int(entry.peerIndex) < sites else { return }
                prefix = entry.prefix
                stored[start + Int(entry.peerIndex)] =
                    Self.pathLength(bytes.extracting(entry.attributes)) + 1
            }
            if let prefix {
                prefixes.append(prefix)
            } else {
                stored.removeLast(sites)
            }
        }) {}
        return SampleTable(prefixes: prefixes, sites: sites, stored: stored)
    }

    /// AS numbers in the first segment of the AS_PATH among path attributes, which is all of the
    /// path in a simulated dump.
    private static func pathLength(_ bytes: RawSpan) -> UInt8 {
        func byte(_ offset: Int) -> Int {
            Int(bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self))
        }
        var position = 0
        while position + 4 < bytes.byteCount {
            let isExtended = byte(position) & 0x10 != 0
            let length =
                isExtended ? byte(position + 2) << 8 | byte(position + 3) : byte(position + 2)
            let body = position + (isExtended ? 4 : 3)
            if byte(position + 1) == 2 {
                return length < 2 || body + 1 >= bytes.byteCount ? 0 : UInt8(byte(body + 1))
            }
            position = body + length
        }
        return 0
    }
}

/// Goes through a text file, compressed or not.
enum TextLines {
    static func read(_ path: String, _ body: (String) -> Void) throws {
        for line in try ByteSource.readAll(path: path).split(separator: UInt8(ascii: "\n")) {
            // Some lines end as on Windows.
            let bytes = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
            body(String(decoding: bytes, as: UTF8.self))
        }
    }
}

/// What was asked for can't be.
struct UsageError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
