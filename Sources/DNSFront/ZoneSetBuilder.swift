// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import DNSWire

/// Makes the memory of a ``ZoneSet`` from zones.
struct ZoneSetBuilder {
    var encoder = BlockEncoder()
    var nodes: [ZoneNode] = []
    var sets: [EncodedSet] = []
    var nearest: [EncodedNearest] = []
    var aliases: [EncodedAlias] = []
    var services: [EncodedService] = []
    var zones: [EncodedZone] = []
    var numbers: [DomainName: Int] = [:]
    private var apexes: [DomainName: Int] = [:]
    /// DS sets of zones that are served too, in their parents, by apex.
    private var signers: [DomainName: Int] = [:]

    static func build(_ zones: [Zone]) throws(ZoneError) -> ZoneIndex {
        var builder = ZoneSetBuilder()
        for (number, zone) in zones.enumerated() {
            guard builder.apexes.updateValue(number, forKey: zone.apex) == nil else {
                throw .twoZones(apex: zone.apex)
            }
            try zone.check()
        }
        for zone in zones { builder.add(zone) }
        for zone in zones { builder.findParent(of: zone.apex) }
        return builder.finish()
    }

    static func empty() -> ZoneIndex {
        var builder = ZoneSetBuilder()
        return builder.finish()
    }

    // MARK: Names

    /// Whether a zone that is served too begins at the name or between it and this apex; then
    /// that zone has the name.
    func isOccluded(_ name: DomainName, by apex: DomainName) -> Bool {
        var name = name
        while name != apex, let parent = name.parent {
            if self.apexes[name] != nil { return true }
            name = parent
        }
        return false
    }

    /// The name itself where it belongs to the zone of this apex; else the lowest above it that does:
    /// that one exists still.
    private func ownName(_ name: DomainName, of apex: DomainName) -> DomainName {
        var own = name
        var name = name
        while name != apex, let parent = name.parent {
            if self.apexes[name] != nil { own = parent }
            name = parent
        }
        return own
    }

    /// The node of a name, made with those between it and the apex: names without records that
    /// have names below them exist (RFC 4592 §2.2.2). `cuts` are the zone's delegations.
    private mutating func node(_ name: DomainName, in zone: ZoneNames) -> Int {
        if let node = self.numbers[name] { return node }
        var cut: Int32 = -1
        var above: Int?
        if name != zone.apex, let parent = name.parent {
            let node = self.node(parent, in: zone)
            above = node
            // The highest delegation counts.
            cut = self.nodes[node].cut
        }
        let small = name.lowercased
        let number = self.nodes.count
        if cut < 0, zone.cuts.contains(name) { cut = Int32(number) }
        self.numbers[name] = number
        self.nodes.append(
            ZoneNode(
                nameOffset: UInt32(self.encoder.append(name: small)),
                nameByteCount: UInt8(small.wire.count), zone: UInt32(zone.number), firstSet: 0,
                setCount: 0, cut: cut))
        if let above, name.isWildcard { self.nodes[above].wildcard = Int32(number) }
        return number
    }

    /// What making a zone's nodes takes.
    struct ZoneNames {
        var apex: DomainName
        var number: Int
        var cuts: Set<DomainName>
    }

    // MARK: Zones

    private mutating func add(_ zone: Zone) {
        let number = self.zones.count
        self.zones.append(EncodedZone(apexByteCount: UInt8(zone.apex.wire.count)))
        self.zones[number].isAvailable = zone.isAvailable
        let soa = ResourceRecordSet(
            timeToLive: zone.timeToLive, [.startOfAuthority(zone.startOfAuthority)])
        var negative = soa
        negative.timeToLive = min(zone.timeToLive, zone.startOfAuthority.minimum)
        self.zones[number].negative =
            self.encoder.encode([(.target(.apex), negative)], apex: zone.apex).block

        let isCut = { (sets: [ResourceRecordSet]) in sets.contains { $0.type == .ns } }
        let names = ZoneNames(
            apex: zone.apex, number: number,
            cuts: Set(zone.records.filter { $0.key != zone.apex && isCut($0.value) }.keys))
        self.zones[number].apexNode = UInt32(self.node(zone.apex, in: names))
        guard zone.isAvailable else { return }
        // Sorted, so that equal zones make equal memory.
        let owners = Set(zone.records.keys).union(zone.nearest.keys).union([zone.apex])
            .sorted { $0.precedes($1) }
        let own = owners.filter { !self.isOccluded($0, by: zone.apex) }
        for owner in owners { _ = self.node(self.ownName(owner, of: zone.apex), in: names) }
        for owner in own {
            var sets = zone.records[owner] ?? []
            if owner == zone.apex { sets.insert(soa, at: 0) }
            self.add(sets, of: owner, in: zone)
        }
        for owner in owners where self.apexes[owner] != nil && owner != zone.apex {
            guard let set = zone.records(of: owner, .ds), let above = owner.parent,
                !self.isOccluded(above, by: zone.apex)
            else { continue }
            self.signers[owner] = self.sets.count
            self.add(set, of: owner, in: zone)
        }
    }

    private mutating func add(_ sets: [ResourceRecordSet], of owner: DomainName, in zone: Zone) {
        guard let node = self.numbers[owner] else { return }
        self.nodes[node].firstSet = UInt32(self.sets.count)
        self.nodes[node].setCount = UInt16(sets.count)
        for set in sets {
            if set.type == .dname { self.nodes[node].redirection = Int32(self.sets.count) }
            self.add(set, of: owner, in: zone)
        }
        if let record = zone.nearest[owner] {
            self.nodes[node].nearest = Int32(self.nearest.count)
            self.nearest.append(self.encode(record, in: zone))
        }
    }

    /// Notes the closest zone above, which answers for the zone's DS records.
    private mutating func findParent(of apex: DomainName) {
        guard let number = self.apexes[apex] else { return }
        var above = apex.parent
        while let name = above {
            // The highest is noted last, and the nodes below it have it, too.
            if let node = self.numbers[name], self.nodes[node].cut >= 0 {
                self.zones[number].cutAbove = self.nodes[node].cut
            }
            if let parent = self.apexes[name] {
                // What stands in a zone further up is not seen.
                self.zones[number].parent = Int32(parent)
                if let set = self.signers[apex] { self.zones[number].signers = Int32(set) }
                return
            }
            above = name.parent
        }
    }

    // MARK: Memory

    private mutating func finish() -> ZoneIndex {
        let any = ResourceRecordSet(
            timeToLive: 3600, [.opaque(.hinfo, [7] + Array("RFC8482".utf8) + [0])])
        let block = self.encoder.encode([(.question, any)], apex: .root).block
        var capacity = 16
        while capacity < 2 * self.nodes.count { capacity *= 2 }
        var slots = [ZoneIndex.Slot](
            repeating: ZoneIndex.Slot(tag: 0, node: 0), count: capacity)
        for (name, node) in self.numbers {
            let wire = name.lowercased.wire
            let hash = (wire + [UInt8](repeating: 0, count: 8)).withUnsafeBytes {
                $0.baseAddress.map { ZoneIndex.hash($0, byteCount: wire.count) } ?? 0
            }
            var at = Int(truncatingIfNeeded: hash) & (capacity - 1)
            while slots[at].node != 0 { at = (at + 1) & (capacity - 1) }
            slots[at] = ZoneIndex.Slot(
                tag: UInt32(truncatingIfNeeded: hash >> 32), node: UInt32(node + 1))
        }
        return ZoneIndex(
            slots: Self.keep(slots), nodes: Self.keep(self.nodes), sets: Self.keep(self.sets),
            nearest: Self.keep(self.nearest), aliases: Self.keep(self.aliases),
            services: Self.keep(self.services), zones: Self.keep(self.zones),
            patches: Self.keep(self.encoder.patches), bytes: Self.keep(self.encoder.bytes),
            maximumLabelCount: self.numbers.keys.reduce(0) { max($0, $1.labelCount) },
            any: block)
    }

    private static func keep<T: BitwiseCopyable>(
        _ values: [T]
    ) -> UnsafeMutableBufferPointer<T> {
        // Of nothing, too, there is an address.
        let buffer = UnsafeMutableBufferPointer<T>.allocate(capacity: max(values.count, 1))
        _ = buffer.initialize(from: values)
        return UnsafeMutableBufferPointer(start: buffer.baseAddress, count: values.count)
    }
}
