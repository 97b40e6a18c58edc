// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import DNSWire
import RouteTable

/// A zone's record sets as they go into answers.
extension ZoneSetBuilder {
    mutating func add(_ set: ResourceRecordSet, of owner: DomainName, in zone: Zone) {
        let (block, positions) = self.encoder.encode([(.question, set)], apex: zone.apex)
        var encoded = EncodedSet(type: set.type, block: block, additional: .none)
        switch set.type {
        case .ns, .mx, .srv, .kx, .svcb, .https:
            encoded.additional = self.addresses(of: set, at: positions, in: zone)
        case .cname:
            if let name = set.data.first?.target {
                (encoded.target, encoded.targetByteCount) = self.resolve(name, in: zone)
            }
        case .dname:
            if let name = set.data.first?.target {
                encoded.targetByteCount = UInt8(name.wire.count)
                encoded.target =
                    name.isInside(zone.apex)
                    ? .name(UInt32(self.encoder.append(name: name.lowercased))) : .elsewhere
            }
        default: break
        }
        if zone.isSteered(owner, set.type) {
            encoded.service = Int32(self.services.count)
            for data in set.data { self.services.append(self.service(data, set.timeToLive)) }
        }
        self.sets.append(encoded)
    }

    /// The A and AAAA records of the names in a set that are inside the zone; each owner points to
    /// its name in the set. What lies below a delegation goes along with name servers alone.
    private mutating func addresses(
        of set: ResourceRecordSet, at positions: [Int], in zone: Zone
    ) -> EncodedBlock {
        var found: [(BlockEncoder.Owner, ResourceRecordSet)] = []
        var seen: Set<DomainName> = []
        for (data, position) in zip(set.data, positions) {
            guard let name = data.target, !name.isRoot, name.isInside(zone.apex),
                zone.nearest[name] == nil, seen.insert(name).inserted,
                let target = EncodedBlock.Target.beside(position + data.targetPosition)
            else { continue }
            if set.type != .ns {
                guard !self.isOccluded(name, by: zone.apex), let node = self.numbers[name],
                    self.nodes[node].cut < 0
                else { continue }
            }
            for set in zone.records[name] ?? [] where set.type == .a || set.type == .aaaa {
                found.append((.target(target), set))
            }
        }
        let size = found.reduce(0) { $0 + 28 * $1.1.data.count }
        guard !found.isEmpty, size <= EncodedBlock.maximumByteCount else { return .none }
        return self.encoder.encode(found, apex: zone.apex).block
    }

    /// Where an alias leads: to a name, to a wildcard that makes it, or out of the zone.
    private mutating func resolve(
        _ name: DomainName, in zone: Zone
    ) -> (EncodedSet.Target, UInt8) {
        let count = UInt8(name.wire.count)
        guard name.isInside(zone.apex), !self.isOccluded(name, by: zone.apex) else {
            return (.elsewhere, count)
        }
        var closest = name
        while self.numbers[closest] == nil, let parent = closest.parent { closest = parent }
        guard let number = self.numbers[closest] else { return (.elsewhere, count) }
        let node = self.nodes[number]
        if node.cut >= 0 { return (.cut(UInt32(node.cut)), count) }
        if closest == name { return (.node(UInt32(number)), count) }
        if zone.records(of: closest, .dname) != nil {
            return (.name(UInt32(self.encoder.append(name: name.lowercased))), count)
        }
        return (node.wildcard >= 0 ? .node(UInt32(node.wildcard)) : .missing, count)
    }

    // MARK: Nearest names

    mutating func encode(_ record: NearestRecord, in zone: Zone) -> EncodedNearest {
        let firstAlias = UInt32(self.aliases.count)
        for (site, name) in record.aliases.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            let set = ResourceRecordSet(timeToLive: 0, [.alias(name)])
            let (target, count) = self.resolve(name, in: zone)
            self.aliases.append(
                EncodedAlias(
                    site: site.rawValue,
                    block: self.encoder.encode([(.question, set)], apex: zone.apex).block,
                    target: target, targetByteCount: count))
        }
        return EncodedNearest(
            policy: record.policy, timeToLive: record.timeToLive,
            minimumTimeToLive: record.minimumTimeToLive, answers: record.answers,
            rotates: record.rotates, usesClientSubnet: record.usesClientSubnet,
            firstAlias: firstAlias,
            aliasCount: UInt16(record.aliases.count))
    }

    /// One record cut where hints go in. Its owner is the question's name.
    private mutating func service(_ data: RecordData, _ timeToLive: UInt32) -> EncodedService {
        let set = ResourceRecordSet(timeToLive: timeToLive, [data])
        let block = self.encoder.encode([(.question, set)], apex: .root).block
        let start = Int(block.offset)
        let end = start + Int(block.byteCount)
        // Owner, type, class, TTL, length; priority and the target, which is the root or whole.
        var position = start + 12 + 2 + (data.target?.wire.count ?? 1)
        var marks: [Int] = []
        for key in [ServiceParameters.Key.ipv4Hint, .ipv6Hint] {
            while position < end, self.encoder.word(at: position) < key.rawValue {
                position += 4 + Int(self.encoder.word(at: position + 2))
            }
            marks.append(position)
        }
        func piece(_ from: Int, _ to: Int) -> EncodedService.Piece {
            EncodedService.Piece(offset: UInt32(from), byteCount: UInt16(to - from))
        }
        return EncodedService(
            head: piece(start, marks[0]), middle: piece(marks[0], marks[1]),
            tail: piece(marks[1], end), takesHints: data.takesHints)
    }
}

extension RecordData {
    /// Where the target's name stands in the data.
    fileprivate var targetPosition: Int {
        guard case .bytes(let bytes)? = self.fields.first else { return 0 }
        return bytes.count
    }
}
