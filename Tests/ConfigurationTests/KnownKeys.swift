// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// All keys that the readers know, found out from the readers themselves: a key that none can know
/// is put into every mapping, and the complaint lists those that are allowed there.
///
/// A path is the keys on the way to a mapping, with dots between them; `*` stands for a name that
/// the operator chooses. That of the whole file is empty.
struct KnownKeys {
    /// The keys of each mapping, by its path.
    private(set) var mappings: [String: Set<String>] = [:]
    /// Keys whose readers were not reached: what has to stand beside them is missing below.
    private(set) var unreached: [String] = []

    /// Far from every word, so that no other is meant.
    private static let bogus = String(repeating: "q", count: 40)

    /// What has to stand in a mapping for its other keys to be read; what is being looked at
    /// takes the place of its own line.
    private static let companions: [String: [(key: String, line: String)]] = [
        "": [
            ("router", "router: { as: 65000, id: 192.0.2.9 }"),
            ("sites", "sites: { here: { as: 64600, addresses: [192.0.2.1] } }"),
        ],
        "feeds.*": [
            ("site", "site: here"), ("bgp", "bgp: { peer: 192.0.2.2, as: 65001 }"),
        ],
        "feeds.*.bgp": [("peer", "peer: 192.0.2.2"), ("as", "as: 65001")],
        "feeds.*.bmp": [("router", "router: 192.0.2.2")],
        "zones.*": [("ns", "ns: [ns.example.net]")],
        "zones.*.records.*": [("nearest", "nearest: [here]")],
        "zones.*.records.*.ttl": [("minimum", "minimum: 1"), ("maximum", "maximum: 2")],
        "sites.*.location": [("latitude", "latitude: 1"), ("longitude", "longitude: 1")],
        "listen.console": [("address", "address: 192.0.2.1:1")],
        "listen.dns": [("address", "address: 192.0.2.1:2")],
        "listen.dns.tls": [("certificate", "certificate: x"), ("key", "key: x")],
        "rpki.caches": [("address", "address: 192.0.2.1")],
        "powerdns": [("socket", "socket: x")],
    ]

    /// Keys of which a mapping has one.
    private static let alternatives: Set<String> = ["bgp", "bmp", "mrt", "text"]

    init() {
        self.look([])
    }

    /// Finds the keys of the mapping at a path, and those of the mappings in it.
    private mutating func look(_ path: [String]) {
        let place = path.joined(separator: ".")
        let complaints = Self.complaints(path)
        if let keys = complaints.lazy.compactMap(Self.allowed).first {
            self.mappings[place] = keys
            for key in keys.sorted() { self.look(path + [key]) }
        } else if path.last != "*" {
            self.look(path + ["*"])
            let isMapping = self.mappings.keys.contains { $0.hasPrefix(place + ".*") }
            if complaints.isEmpty, !isMapping { self.unreached.append(place) }
        }
    }

    /// The keys that a complaint lists.
    private static func allowed(_ complaint: String) -> Set<String>? {
        guard complaint.contains("unknown key '\(self.bogus)'"),
            let start = complaint.firstRange(of: "(allowed: ")?.upperBound
        else { return nil }
        return Set(complaint[start...].dropLast().split(separator: ", ").map(String.init))
    }

    /// What is complained of where a mapping with an unknown key stands at the path.
    private static func complaints(_ path: [String]) -> [String] {
        var lines: [String] = []
        for (depth, key) in path.enumerated() {
            let indent = String(repeating: "  ", count: depth)
            let place = path[..<depth].joined(separator: ".")
            for (other, line) in self.companions[place] ?? []
            where other != key
                && !(self.alternatives.contains(other) && self.alternatives.contains(key))
            {
                lines.append(indent + line)
            }
            lines.append("\(indent)\(key == "*" ? "name\(depth)" : key):")
        }
        let first = lines.count
        lines.append("\(String(repeating: "  ", count: path.count))\(self.bogus): \(self.bogus)")
        return Reading.complaints(lines.joined(separator: "\n") + "\n").filter { complaint in
            // Of the key itself, or of what stands in it; not of what is missing beside it.
            guard !complaint.contains(" has no "),
                let line = complaint.prefixMatch(of: /(\d+):/).flatMap({ Int($0.1) })
            else { return false }
            return line >= first
        }
    }
}
