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
        var ofRecords: [ZoneError] = []
        for (owner, sets) in self.records {
            guard owner.isInside(self.apex) else {
                ofRecords.append(.outsideZone(owner: owner, apex: self.apex))
                continue
            }
            for set in sets { self.check(set, among: sets, of: owner, &ofRecords) }
        }
        problems += Self.inOrder(ofRecords, by: \.owner)
        problems += Self.inOrder(self.belowRedirections(), by: \.owner)
        var ofNearest: [ZoneError] = []
        for (owner, record) in self.nearest {
            guard owner.isInside(self.apex) else {
                ofNearest.append(.outsideZone(owner: owner, apex: self.apex))
                continue
            }
            if record.answers <= 0 { ofNearest.append(.noAnswers(owner: owner)) }
            if record.minimumTimeToLive > record.timeToLive {
                ofNearest.append(.minimumAboveTimeToLive(owner: owner))
            }
            if record.isAlias, owner == self.apex {
                ofNearest.append(.nearestAliasAtApex(apex: self.apex))
            }
            Self.check(record.timeToLive, of: owner, &ofNearest)
        }
        problems += Self.inOrder(ofNearest, by: \.owner)
        Self.check(self.timeToLive, of: self.apex, &problems)
        Self.check(self.startOfAuthority.minimum, of: self.apex, &problems)
        return problems
    }

    /// The same order on every run: names come from a dictionary, of which there are many more.
    private static func inOrder<T>(_ found: [T], by owner: (T) -> DomainName) -> [T] {
        found.enumerated().map { (name: owner($1), place: $0, value: $1) }
            .sorted { $0.name == $1.name ? $0.place < $1.place : $0.name.precedes($1.name) }
            .map(\.value)
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
        case .ns where owner == self.apex:
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

    private func belowRedirections() -> [ZoneError] {
        var redirections: Set<DomainName> = []
        for (owner, sets) in self.records where sets.contains(where: { $0.type == .dname }) {
            redirections.insert(owner)
        }
        guard !redirections.isEmpty else { return [] }
        let owners = Set(self.records.keys).union(self.nearest.keys)
        return owners.compactMap { owner in
            self.firstAbove(owner, where: redirections.contains).map {
                .belowRedirection(owner: owner, redirection: $0)
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

    /// What is odd about the zone, by owner, where it has no ``problems()``.
    public func notes() -> [ZoneNote] {
        guard self.isAvailable else { return [] }
        var notes: [ZoneNote] = []
        var cuts: Set<DomainName> = []
        var servers: Set<DomainName> = []
        for (owner, sets) in self.records {
            for set in sets where set.type == .ns {
                if owner != self.apex { cuts.insert(owner) }
                servers.formUnion(set.data.compactMap(\.target))
            }
        }
        for (owner, sets) in self.records {
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
        for (owner, record) in self.nearest {
            if !cuts.isEmpty, let cut = self.firstAbove(owner, where: cuts.contains) {
                notes.append(.hidden(owner: owner, type: .a, delegation: cut))
                continue
            }
            for target in Set(record.aliases.values).sorted(by: { $0.precedes($1) })
            where self.leadsNowhere(target, cuts) {
                notes.append(.targetWithoutAddress(owner: owner, type: .cname, target: target))
            }
        }
        self.noteLoops(&notes)
        return Self.inOrder(notes, by: \.owner)
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
        var targets: [DomainName: DomainName] = [:]
        for (owner, sets) in self.records {
            for set in sets where set.type == .cname { targets[owner] = set.data.first?.target }
        }
        var done: Set<DomainName> = []
        for owner in targets.keys {
            var path: [DomainName: Int] = [:]
            var name = owner
            while let next = targets[name], !done.contains(name), path[name] == nil {
                path[name] = path.count
                name = next
            }
            if let start = path[name] {
                let circle = path.filter { $0.value >= start }.keys
                if let first = circle.min(by: { $0.precedes($1) }) {
                    notes.append(.aliasLoop(owner: first))
                }
            }
            done.formUnion(path.keys)
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
            guard cut == nil || needsGlue else { continue }
            if set.type == .ns {
                if self.records(of: target, .cname) != nil {
                    notes.append(.aliasAsNameServer(owner: owner, server: target))
                }
                if self.nearest[target] != nil {
                    notes.append(.nearestAsNameServer(owner: owner, server: target))
                }
            }
            guard !self.hasAddress(target) else { continue }
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
