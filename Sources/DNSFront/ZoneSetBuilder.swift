// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import DNSWire

/// Makes the memory of a ``ZoneSet`` from zones.
struct ZoneSetBuilder {
    private var encoder = BlockEncoder()
    private var nodes: [ZoneNode] = []
    private var sets: [EncodedSet] = []
    private var nearest: [EncodedNearest] = []
    private var zones: [EncodedZone] = []
    private var numbers: [DomainName: Int] = [:]
    private var apexes: Set<DomainName> = []

    static func build(_ zones: [Zone]) throws(ZoneError) -> ZoneIndex {
        var builder = ZoneSetBuilder()
        for zone in zones {
            guard builder.apexes.insert(zone.apex).inserted else {
                throw .twoZones(apex: zone.apex)
            }
            try zone.check()
        }
        for zone in zones { builder.add(zone) }
        return builder.finish()
    }

    static func empty() -> ZoneIndex {
        var builder = ZoneSetBuilder()
        return builder.finish()
    }

    // MARK: Names

    /// Whether a zone that is served too begins at the name or between it and this apex; then
    /// that zone has the name.
    private func isOccluded(_ name: DomainName, by apex: DomainName) -> Bool {
        var name = name
        while name != apex, let parent = name.parent {
            if self.apexes.contains(name) { return true }
            name = parent
        }
        return false
    }

    /// The node of a name, made with those between it and the apex: names without records that
    /// have names below them exist (RFC 4592 §2.2.2).
    private mutating func node(_ name: DomainName, zone: Int, apex: DomainName) -> Int {
        if let node = self.numbers[name] { return node }
        let small = name.lowercased
        let number = self.nodes.count
        self.numbers[name] = number
        self.nodes.append(
            ZoneNode(
                nameOffset: UInt32(self.encoder.append(name: small)),
                nameByteCount: UInt8(small.wire.count), zone: UInt32(zone), firstSet: 0,
                setCount: 0))
        if name != apex, let parent = name.parent {
            let above = self.node(parent, zone: zone, apex: apex)
            if name.isWildcard { self.nodes[above].wildcard = Int32(number) }
        }
        return number
    }

    // MARK: Zones

    private mutating func add(_ zone: Zone) {
        let number = self.zones.count
        let soa = ResourceRecordSet(
            timeToLive: zone.timeToLive, [.startOfAuthority(zone.startOfAuthority)])
        let negative = ResourceRecordSet(
            timeToLive: min(zone.timeToLive, zone.startOfAuthority.minimum),
            [.startOfAuthority(zone.startOfAuthority)])
        self.zones.append(
            EncodedZone(
                apexByteCount: UInt8(zone.apex.wire.count),
                negative: self.encoder.encode([(.target(.apex), negative)], apex: zone.apex).block
            ))

        var records = zone.records
        records[zone.apex, default: []].insert(soa, at: 0)
        // Sorted, so that equal zones make equal memory.
        let owners = Set(records.keys).union(zone.nearest.keys)
            .filter { !self.isOccluded($0, by: zone.apex) }
            .sorted { $0.lowercased.wire.lexicographicallyPrecedes($1.lowercased.wire) }
        _ = self.node(zone.apex, zone: number, apex: zone.apex)
        for owner in owners { _ = self.node(owner, zone: number, apex: zone.apex) }
        self.markCuts(owners.filter { $0 != zone.apex }, records, zone: number)
        for owner in owners {
            let node = self.node(owner, zone: number, apex: zone.apex)
            let sets = records[owner] ?? []
            self.nodes[node].firstSet = UInt32(self.sets.count)
            self.nodes[node].setCount = UInt16(sets.count)
            for set in sets { self.add(set, of: owner, in: zone, records) }
            if let record = zone.nearest[owner] {
                self.nodes[node].nearest = Int32(self.nearest.count)
                self.nearest.append(
                    EncodedNearest(
                        policy: record.policy, timeToLive: record.timeToLive,
                        answers: record.answers, usesClientSubnet: record.usesClientSubnet))
            }
        }
    }

    /// Marks delegations and what lies below them; the highest counts.
    private mutating func markCuts(
        _ owners: [DomainName], _ records: [DomainName: [ResourceRecordSet]], zone: Int
    ) {
        let cuts = Set(owners.filter { records[$0]?.contains { $0.type == .ns } == true })
        guard !cuts.isEmpty else { return }
        for (name, node) in self.numbers where self.nodes[node].zone == zone {
            var above: DomainName? = name
            while let ancestor = above {
                if cuts.contains(ancestor), let cut = self.numbers[ancestor] {
                    self.nodes[node].cut = Int32(cut)
                }
                above = ancestor.parent
            }
        }
    }

    private mutating func add(
        _ set: ResourceRecordSet, of owner: DomainName, in zone: Zone,
        _ records: [DomainName: [ResourceRecordSet]]
    ) {
        let (block, positions) = self.encoder.encode([(.question, set)], apex: zone.apex)
        var additional = EncodedBlock.none
        if set.type == .ns {
            additional = self.addresses(of: set, at: positions, in: zone, records)
        }
        var target = EncodedSet.Target.none
        if set.type == .cname, let name = set.data.first?.target {
            target = self.resolve(name, in: zone)
        }
        self.sets.append(
            EncodedSet(type: set.type, block: block, additional: additional, target: target))
    }

    /// The A and AAAA records of name servers inside the zone; each owner points to its name in
    /// the NS record.
    private mutating func addresses(
        of set: ResourceRecordSet, at positions: [Int], in zone: Zone,
        _ records: [DomainName: [ResourceRecordSet]]
    ) -> EncodedBlock {
        var found: [(BlockEncoder.Owner, ResourceRecordSet)] = []
        for (data, position) in zip(set.data, positions) {
            guard let name = data.target, name.isInside(zone.apex),
                let target = EncodedBlock.Target.beside(position)
            else { continue }
            for set in records[name] ?? [] where set.type == .a || set.type == .aaaa {
                found.append((.target(target), set))
            }
        }
        let size = found.reduce(0) { $0 + 28 * $1.1.data.count }
        guard !found.isEmpty, size <= EncodedBlock.maximumByteCount else { return .none }
        return self.encoder.encode(found, apex: zone.apex).block
    }

    /// Where an alias leads: to a name, to a wildcard that makes it, or out of the zone.
    private func resolve(_ name: DomainName, in zone: Zone) -> EncodedSet.Target {
        guard name.isInside(zone.apex), !self.isOccluded(name, by: zone.apex) else {
            return .elsewhere
        }
        var closest = name
        while self.numbers[closest] == nil, let parent = closest.parent { closest = parent }
        guard let node = self.numbers[closest] else { return .elsewhere }
        if self.nodes[node].cut >= 0 { return .elsewhere }
        if closest == name { return .node(UInt32(node)) }
        let wildcard = self.nodes[node].wildcard
        return wildcard >= 0 ? .node(UInt32(wildcard)) : .missing
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
            nearest: Self.keep(self.nearest), zones: Self.keep(self.zones),
            patches: Self.keep(self.encoder.patches), bytes: Self.keep(self.encoder.bytes),
            maximumLabelCount: self.numbers.keys.reduce(0) { max($0, $1.labelCount) },
            any: block)
    }

    private static func keep<T: BitwiseCopyable>(
        _ values: [T]
    ) -> UnsafeMutableBufferPointer<T> {
        let buffer = UnsafeMutableBufferPointer<T>.allocate(capacity: max(values.count, 1))
        _ = buffer.initialize(from: values)
        return buffer
    }
}
