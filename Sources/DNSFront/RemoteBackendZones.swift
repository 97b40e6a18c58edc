// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import DNSWire

/// The zones as PowerDNS asks for them: by number, and by the names in them.
struct RemoteBackendZones {
    struct Entry {
        /// The same for a zone's name in every process, so that PowerDNS may keep it over a restart
        /// or a reload.
        var number: Int
        var zone: Zone
        /// Names without records that have names below them (RFC 4592 §2.2.2).
        var emptyNames: Set<DomainName>
    }

    /// Sorted by apex.
    let entries: [Entry]
    private let byApex: [DomainName: Int]
    private let byNumber: [Int: Int]

    init(_ zones: [Zone]) {
        var entries: [Entry] = []
        var byApex: [DomainName: Int] = [:]
        var byNumber: [Int: Int] = [:]
        let sorted = zones.sorted {
            $0.apex.lowercased.wire.lexicographicallyPrecedes($1.apex.lowercased.wire)
        }
        for zone in sorted {
            var number = Self.hash(zone.apex)
            while byNumber[number] != nil { number = number % 0x7fff_ffff + 1 }
            byApex[zone.apex] = entries.count
            byNumber[number] = entries.count
            entries.append(
                Entry(number: number, zone: zone, emptyNames: Self.emptyNames(of: zone)))
        }
        self.entries = entries
        self.byApex = byApex
        self.byNumber = byNumber
    }

    /// The zone that begins at a name.
    subscript(apex: DomainName) -> Entry? { self.byApex[apex].map { self.entries[$0] } }

    /// The zone of a number, if the name is in it; without a number, the one nearest to the name.
    func zone(of name: DomainName, number: Int?) -> Entry? {
        if let number, number >= 0 {
            return self.byNumber[number].map { self.entries[$0] }
                .flatMap { name.isInside($0.zone.apex) ? $0 : nil }
        }
        var above: DomainName? = name
        while let apex = above {
            if let entry = self[apex] { return entry }
            above = apex.parent
        }
        return nil
    }

    /// FNV-1a, cut to what PowerDNS holds in a signed number: 1 and up.
    private static func hash(_ apex: DomainName) -> Int {
        var hash: UInt32 = 0x811c_9dc5
        for byte in apex.lowercased.wire { hash = (hash ^ UInt32(byte)) &* 0x0100_0193 }
        return Int(hash % 0x7fff_ffff) + 1
    }

    private static func emptyNames(of zone: Zone) -> Set<DomainName> {
        var empty: Set<DomainName> = []
        func note(above owner: DomainName) {
            var name = owner
            while name != zone.apex, let parent = name.parent, parent != zone.apex {
                name = parent
                guard zone.records[name] == nil, zone.nearest[name] == nil,
                    empty.insert(name).inserted
                else { return }
            }
        }
        for owner in zone.records.keys { note(above: owner) }
        for owner in zone.nearest.keys { note(above: owner) }
        return empty
    }
}

extension Zone {
    /// Whether the zone's own data at a name are its to vouch for: what lies below a delegation
    /// isn't, nor is the delegation itself, but for its DS records (RFC 4035 §2.2).
    func isAuthoritative(for name: DomainName, _ type: RecordType) -> Bool {
        var above: DomainName? = name
        while let ancestor = above, ancestor != self.apex {
            if self.records[ancestor]?.contains(where: { $0.type == .ns }) == true {
                return ancestor == name && type == .ds
            }
            above = ancestor.parent
        }
        return true
    }
}
