// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import DNSWire

extension Zone {
    /// Checks the zone by itself.
    ///
    /// - Throws: The first of ``problems()``.
    public func check() throws(ZoneError) {
        if let problem = self.problems().first { throw problem }
    }

    /// All that keeps the zone from being served, by owner.
    public func problems() -> [ZoneError] {
        guard self.isAvailable else { return [] }
        var problems: [ZoneError] = []
        if self.records(of: self.apex, .ns) == nil {
            problems.append(.noNameServers(apex: self.apex))
        }
        for (owner, sets) in self.inOrder(self.records) {
            guard owner.isInside(self.apex) else {
                problems.append(.outsideZone(owner: owner, apex: self.apex))
                continue
            }
            for set in sets { self.check(set, among: sets, of: owner, &problems) }
        }
        self.checkRedirections(&problems)
        for (owner, record) in self.inOrder(self.nearest) {
            guard owner.isInside(self.apex) else {
                problems.append(.outsideZone(owner: owner, apex: self.apex))
                continue
            }
            if record.answers <= 0 { problems.append(.noAnswers(owner: owner)) }
            if record.minimumTimeToLive > record.timeToLive {
                problems.append(.minimumAboveTimeToLive(owner: owner))
            }
            if record.isAlias, owner == self.apex {
                problems.append(.nearestAliasAtApex(apex: self.apex))
            }
            Self.check(record.timeToLive, of: owner, &problems)
        }
        Self.check(self.timeToLive, of: self.apex, &problems)
        Self.check(self.startOfAuthority.minimum, of: self.apex, &problems)
        return problems
    }

    /// The same order on every run.
    private func inOrder<T>(_ values: [DomainName: T]) -> [(DomainName, T)] {
        values.map { ($0.key.lowercased.wire, $0.key, $0.value) }
            .sorted { $0.0.lexicographicallyPrecedes($1.0) }.map { ($0.1, $0.2) }
    }

    private func check(
        _ set: ResourceRecordSet, among sets: [ResourceRecordSet], of owner: DomainName,
        _ problems: inout [ZoneError]
    ) {
        switch set.type {
        case .soa: problems.append(.unexpectedStartOfAuthority(owner: owner))
        case .cname:
            if set.data.count > 1 { problems.append(.severalAliases(owner: owner)) }
            if sets.count > 1 || owner == self.apex {
                problems.append(.aliasWithOthers(owner: owner))
            }
        case .dname:
            if set.data.count > 1 { problems.append(.severalRedirections(owner: owner)) }
            if owner != self.apex, sets.contains(where: { $0.type == .ns }) {
                problems.append(.redirectionWithDelegation(owner: owner))
            }
        case .ns:
            for server in set.data.compactMap(\.target)
            where self.records(of: server, .cname) != nil {
                problems.append(.aliasAsNameServer(owner: owner, server: server))
            }
        case .ds where owner == self.apex: problems.append(.signerAtApex(apex: owner))
        case let type where type.isProof || type.isForMessagesOnly:
            problems.append(.notServed(owner: owner, type: type))
        default: break
        }
        if owner.isWildcard, set.type == .ns || set.type == .dname {
            problems.append(.wildcardWithout(owner: owner, type: set.type))
        }
        if let record = self.nearest[owner] {
            let isCut = set.type == .ns && owner != self.apex
            let isAddress = set.type == .a || set.type == .aaaa || set.type == .cname
            // An alias can't stand at the apex at all, which is said below.
            if record.isAlias && owner != self.apex || isAddress || isCut {
                problems.append(.nearestWithOthers(owner: owner, type: set.type))
            }
        }
        // Each record: a pointer to its owner, type, class, TTL and length.
        let size = set.data.reduce(0) { $0 + 12 + $1.byteCount }
        if size > EncodedBlock.maximumByteCount {
            problems.append(.tooLarge(owner: owner, type: set.type, byteCount: size))
        }
        Self.check(set.timeToLive, of: owner, &problems)
    }

    private static func check(
        _ seconds: UInt32, of owner: DomainName, _ problems: inout [ZoneError]
    ) {
        if seconds > 0x7fff_ffff {
            problems.append(.timeToLiveTooLarge(owner: owner, seconds: seconds))
        }
    }

    private func checkRedirections(_ problems: inout [ZoneError]) {
        let redirections = Set(
            self.records.filter { $0.value.contains { $0.type == .dname } }.keys)
        guard !redirections.isEmpty else { return }
        for owner in Set(self.records.keys).union(self.nearest.keys)
            .sorted(by: { $0.lowercased.wire.lexicographicallyPrecedes($1.lowercased.wire) })
        {
            if let above = self.firstAbove(owner, where: redirections.contains) {
                problems.append(.belowRedirection(owner: owner, redirection: above))
            }
        }
    }

    /// The first name above, no higher than the apex, that is as asked.
    private func firstAbove(
        _ owner: DomainName, where isWanted: (DomainName) -> Bool
    ) -> DomainName? {
        var name = owner
        while name != self.apex, let parent = name.parent {
            if isWanted(parent) { return parent }
            name = parent
        }
        return nil
    }

    // MARK: Notes

    /// What is odd about the zone, by owner; empty where it has problems.
    public func notes() -> [ZoneNote] {
        guard self.isAvailable, self.problems().isEmpty else { return [] }
        var notes: [ZoneNote] = []
        let cuts = Set(
            self.records.filter { $0.key != self.apex && $0.value.contains { $0.type == .ns } }
                .keys)
        let servers = Set(
            self.records.values.flatMap { $0 }.filter { $0.type == .ns }
                .flatMap { $0.data.compactMap(\.target) })
        for (owner, sets) in self.inOrder(self.records) {
            let cut = cuts.isEmpty ? nil : self.firstAbove(owner, where: cuts.contains)
            for set in sets {
                if let cut {
                    let isAddress = set.type == .a || set.type == .aaaa
                    if !isAddress || !servers.contains(owner) {
                        notes.append(.hidden(owner: owner, type: set.type, delegation: cut))
                    }
                    continue
                }
                if set.type == .ds, !cuts.contains(owner) {
                    notes.append(.signerWithoutDelegation(owner: owner))
                }
                self.noteTargets(of: set, of: owner, cuts, &notes)
            }
        }
        for (owner, record) in self.inOrder(self.nearest) {
            if !cuts.isEmpty, let cut = self.firstAbove(owner, where: cuts.contains) {
                notes.append(.hidden(owner: owner, type: .a, delegation: cut))
                continue
            }
            for target in Set(record.aliases.values).sorted(by: Self.isBefore)
            where self.leadsNowhere(target, cuts) {
                notes.append(.targetWithoutAddress(owner: owner, type: .cname, target: target))
            }
        }
        self.noteLoops(&notes)
        return notes
    }

    private static func isBefore(_ one: DomainName, _ other: DomainName) -> Bool {
        one.lowercased.wire.lexicographicallyPrecedes(other.lowercased.wire)
    }

    /// Whether a name is the zone's own, and nothing there has an address for it.
    private func leadsNowhere(_ target: DomainName, _ cuts: Set<DomainName>) -> Bool {
        func isAnothers(_ name: DomainName) -> Bool {
            cuts.contains(name) || self.records(of: name, .dname) != nil
        }
        return target.isInside(self.apex) && !cuts.contains(target)
            && self.firstAbove(target, where: isAnothers) == nil && !self.hasAddress(target)
    }

    /// Notes one alias of each circle of them.
    private func noteLoops(_ notes: inout [ZoneNote]) {
        let targets = self.records.compactMapValues { sets in
            sets.first { $0.type == .cname }?.data.first?.target
        }
        var done: Set<DomainName> = []
        for (owner, _) in self.inOrder(targets) {
            var path: Set<DomainName> = []
            var name = owner
            while let next = targets[name], !done.contains(name), path.insert(name).inserted {
                name = next
            }
            if path.contains(name), targets[name] != nil { notes.append(.aliasLoop(owner: name)) }
            done.formUnion(path)
        }
    }

    private func noteTargets(
        of set: ResourceRecordSet, of owner: DomainName, _ cuts: Set<DomainName>,
        _ notes: inout [ZoneNote]
    ) {
        guard [.ns, .mx, .srv].contains(set.type) else { return }
        for target in set.data.compactMap(\.target) where target.isInside(self.apex) {
            // No service (RFC 7505, RFC 2782), and no name in another's hands, but for glue.
            guard !target.isRoot else { continue }
            let cut =
                cuts.contains(target) ? target : self.firstAbove(target, where: cuts.contains)
            let needsGlue = set.type == .ns && cut == owner
            guard cut == nil || needsGlue, !self.hasAddress(target) else { continue }
            notes.append(
                set.type == .ns
                    ? .serverWithoutAddress(owner: owner, server: target)
                    : .targetWithoutAddress(owner: owner, type: set.type, target: target))
        }
    }

    /// Whether the name has an address, be it by an alias, a wildcard or the sites.
    private func hasAddress(_ name: DomainName) -> Bool {
        func has(_ name: DomainName) -> Bool {
            self.nearest[name] != nil
                || self.records[name]?.contains {
                    $0.type == .a || $0.type == .aaaa || $0.type == .cname
                } == true
        }
        if has(name) { return true }
        var above = name.parent
        while let parent = above, parent.isInside(self.apex) {
            if let star = try? parent.child([UInt8(ascii: "*")]), has(star) { return true }
            above = self.records[parent] == nil ? parent.parent : nil
        }
        return false
    }
}
