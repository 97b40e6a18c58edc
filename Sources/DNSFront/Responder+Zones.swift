// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import DNSWire

/// Names, aliases, wildcards and delegations.
extension Responder {
    /// The name that is looked for: the question's at first, then where aliases lead.
    ///
    /// The name itself stands in small letters in ``Responder/name``, unless `isHere`: then it is
    /// known already which node it has.
    struct Walk {
        var byteCount: Int
        var labelCount: Int
        /// Where the name stands in the message: its labels at least as far as the apex.
        var owner = MessageHeader.byteCount
        /// Where the zone's apex stands in the message: at the end of the question.
        var apex = 0
        var zone: UInt32 = 0
        /// A longer chain of aliases is the querier's to follow, from its last name on.
        var stepsLeft = 16

        var isAtQuestion: Bool { self.owner == MessageHeader.byteCount }
    }

    /// Finds the name, or what stands for it, and answers from there.
    @inline(__always)
    mutating func resolve(
        _ message: QueryMessage, from client: IPAddress, using batch: inout OracleBatch,
        _ writer: inout ResponseWriter, _ verdict: inout Verdict
    ) {
        var walk = Walk(byteCount: message.nameByteCount, labelCount: message.labelCount)
        while self.look(
            message, from: client, using: &batch, &walk, &writer, &verdict)
        {}
    }

    /// Looks the name up and answers; true where there is another to look up.
    @inline(__always)
    private mutating func look(
        _ message: QueryMessage, from client: IPAddress, using batch: inout OracleBatch,
        _ walk: inout Walk, _ writer: inout ResponseWriter, _ verdict: inout Verdict
    ) -> Bool {
        let name = UnsafeRawPointer(self.name)
        let length = walk.byteCount
        if walk.labelCount <= self.index.maximumLabelCount,
            let number = self.index.find(name, byteCount: length)
        {
            let node = self.index.nodes[number]
            guard self.enter(node, at: number, message, &walk, &verdict) else { return false }
            if message.type == .ds,
                self.refersSigners(number, message, &walk, &writer, &verdict)
            {
                return false
            }
            // The parent has the DS records of a delegation (RFC 4035 §3.1.4.1).
            if node.cut >= 0, !(Int(node.cut) == number && message.type == .ds) {
                self.refer(to: Int(node.cut), walk, &writer, &verdict)
                return false
            }
            return self.answer(
                number, message, from: client, using: &batch, &walk, &writer, &verdict)
        }
        // The closest name there is.
        var position = 0
        var labels = walk.labelCount
        var closest: Int?
        while labels > 0 {
            position += 1 + Int(name.load(fromByteOffset: position, as: UInt8.self))
            labels -= 1
            guard labels <= self.index.maximumLabelCount else { continue }
            closest = self.index.find(name + position, byteCount: length - position)
            if closest != nil { break }
        }
        guard let closest else {
            if walk.isAtQuestion { verdict.code = .refused }
            return false
        }
        let node = self.index.nodes[closest]
        guard self.enter(node, at: closest, message, &walk, &verdict) else { return false }
        if node.cut >= 0 {
            self.refer(to: Int(node.cut), walk, &writer, &verdict)
            return false
        }
        if node.redirection >= 0 {
            return self.redirect(
                Int(node.redirection), prefix: position, message, &walk, &writer, &verdict)
        }
        // What a wildcard makes counts for it, and what isn't there for no name.
        if walk.isAtQuestion { verdict.node = node.wildcard }
        if node.wildcard >= 0 {
            return self.answer(
                Int(node.wildcard), message, from: client, using: &batch, &walk, &writer, &verdict)
        }
        verdict.code = .nameError
        self.appendNegative(walk.apex, walk.zone, &writer)
        return false
    }

    /// Enters the zone of the question's name; false where a name further on is in another zone, or
    /// the zone has nothing to answer with.
    @inline(__always)
    private func enter(
        _ node: ZoneNode, at number: Int, _ message: QueryMessage, _ walk: inout Walk,
        _ verdict: inout Verdict
    ) -> Bool {
        guard walk.isAtQuestion else { return node.zone == walk.zone }
        let zone = self.index.zones[Int(node.zone)]
        walk.zone = node.zone
        walk.apex =
            MessageHeader.byteCount + message.nameByteCount - Int(zone.apexByteCount)
        verdict.zone = Int32(truncatingIfNeeded: node.zone)
        verdict.node = Int32(truncatingIfNeeded: number)
        // DS records of the apex itself may be had: there may be any names below it.
        guard
            zone.isAvailable
                || message.type == .ds && walk.byteCount == Int(zone.apexByteCount)
                    && zone.parent >= 0
        else {
            verdict.code = .serverFailure
            verdict.error = .invalidData
            return false
        }
        verdict.isAuthoritative = true
        return true
    }

    /// Answers for the DS records of a zone's apex from the zone above, if that is this server's too;
    /// where that one delegates a name between them, they are with the servers of the delegation.
    @inline(never)
    private func refersSigners(
        _ number: Int, _ message: QueryMessage, _ walk: inout Walk,
        _ writer: inout ResponseWriter, _ verdict: inout Verdict
    ) -> Bool {
        let zone = self.index.zones[Int(walk.zone)]
        guard walk.isAtQuestion, number == Int(zone.apexNode), zone.parent >= 0 else {
            return false
        }
        let parent = self.index.zones[Int(zone.parent)]
        guard parent.isAvailable else {
            verdict.code = .serverFailure
            verdict.error = .invalidData
            verdict.isAuthoritative = false
            return true
        }
        walk.zone = UInt32(zone.parent)
        walk.apex =
            MessageHeader.byteCount + message.nameByteCount - Int(parent.apexByteCount)
        if zone.cutAbove >= 0 {
            self.refer(to: Int(zone.cutAbove), walk, &writer, &verdict)
        } else if zone.signers >= 0 {
            _ = self.append(self.index.sets[Int(zone.signers)], walk, &writer)
        } else {
            self.appendNegative(walk.apex, walk.zone, &writer)
        }
        return true
    }

    /// Answers for the name at `number`, following aliases; true where one leads to a name that
    /// is to be looked up.
    @inline(__always)
    private mutating func answer(
        _ start: Int, _ message: QueryMessage, from client: IPAddress,
        using batch: inout OracleBatch, _ walk: inout Walk, _ writer: inout ResponseWriter,
        _ verdict: inout Verdict
    ) -> Bool {
        let type = message.type
        var number = start
        while walk.stepsLeft > 0 {
            walk.stepsLeft -= 1
            if self.isRound(walk, message, writer) { return false }
            let node = self.index.nodes[number]
            var next = EncodedSet.Target.none
            steering: if node.nearest >= 0 {
                let record = self.index.nearest[Int(node.nearest)]
                guard self.isSteered(node, record, type) else { break steering }
                // With a subnet, an alias stands alone: it holds for all clients, what it leads
                // to for some (RFC 7871 §7.2.1).
                if !walk.isAtQuestion, record.usesClientSubnet, message.edns?.clientSubnet != nil {
                    return false
                }
                verdict.nearest = node.nearest
                next = self.appendSteered(
                    record, node, message, from: client, using: &batch, &walk, &writer, &verdict)
                guard self.follow(next, message.type, &number, &walk, &writer, &verdict) else {
                    return false
                }
                if case .name = next { return true }
                continue
            }
            var isFound = false
            let first = Int(node.firstSet)
            for index in first..<first + Int(node.setCount) {
                let set = self.index.sets[index]
                guard set.type == type || set.type == .cname else { continue }
                isFound = true
                // A DNAME may have led to its own name.
                if type == .dname, !walk.isAtQuestion, set.type == .dname,
                    writer.answer(.dname, ownedBy: walk.owner, since: message.echoedByteCount)
                        != nil
                {
                    return false
                }
                guard let place = self.append(set, walk, &writer) else { return false }
                if set.type == .cname, type != .cname, type != .any {
                    next = set.target
                    // The alias's target stands first in its data.
                    walk.owner = place + 12
                    walk.byteCount = Int(set.targetByteCount)
                }
                break
            }
            guard isFound else {
                if type == .any, node.setCount > 0 || node.nearest >= 0 {
                    if writer.append(self.index.any, of: self.index, apex: walk.apex) == nil {
                        writer.isTruncated = true
                    }
                    writer.answerCount += 1
                } else {
                    self.appendNegative(walk.apex, walk.zone, &writer)
                }
                return false
            }
            guard self.follow(next, message.type, &number, &walk, &writer, &verdict) else {
                return false
            }
            if case .name = next { return true }
        }
        return false
    }

    /// Whether aliases have led back to a name that has been looked up. The answer ends there: each
    /// record stands in it once.
    @inline(__always)
    private func isRound(
        _ walk: Walk, _ message: QueryMessage, _ writer: ResponseWriter
    ) -> Bool {
        !walk.isAtQuestion
            && writer.answer(.cname, ownedBy: walk.owner, since: message.echoedByteCount) != nil
    }

    /// Goes where an alias leads; false where the answer ends there. A name that is to be looked
    /// up is put in place for that.
    @inline(__always)
    private func follow(
        _ target: EncodedSet.Target, _ type: RecordType, _ number: inout Int,
        _ walk: inout Walk, _ writer: inout ResponseWriter, _ verdict: inout Verdict
    ) -> Bool {
        switch target {
        case .none, .elsewhere: return false
        case .missing:
            // The code tells of the last name of the chain (RFC 6604 §3).
            verdict.code = .nameError
            self.appendNegative(walk.apex, walk.zone, &writer)
            return false
        case .node(let node):
            number = Int(node)
            return true
        // Of the delegated name itself: its DS records are this zone's.
        case .cut(let cut)
        where type == .ds
            && Int(self.index.nodes[Int(cut)].nameByteCount) == walk.byteCount:
            number = Int(cut)
            return true
        case .cut(let cut):
            self.refer(to: Int(cut), walk, &writer, &verdict)
            return false
        case .name(let offset):
            self.name.copyMemory(
                from: self.index.start(of: offset), byteCount: walk.byteCount)
            walk.labelCount = self.countLabels()
            return true
        }
    }

    /// Labels of the name that is to be looked up, the root's not counted.
    private func countLabels() -> Int {
        var count = 0
        var position = 0
        while true {
            let length = Int(self.name.load(fromByteOffset: position, as: UInt8.self))
            if length == 0 { return count }
            count += 1
            position += 1 + length
        }
    }

    /// Appends a DNAME and the alias that it makes of the name, whose first `prefix` bytes lie
    /// below the DNAME's owner (RFC 6672 §3.2); true where that is to be looked up.
    @inline(never)
    private func redirect(
        _ number: Int, prefix: Int, _ message: QueryMessage, _ walk: inout Walk,
        _ writer: inout ResponseWriter, _ verdict: inout Verdict
    ) -> Bool {
        guard walk.stepsLeft > 0, !self.isRound(walk, message, writer) else { return false }
        walk.stepsLeft -= 1
        let set = self.index.sets[number]
        let owner = walk.owner + prefix
        // An alias may have led below the same DNAME before, which stands in the answer once.
        var before: Int?
        if !walk.isAtQuestion {
            before = writer.answer(.dname, ownedBy: owner, since: message.echoedByteCount)
        }
        guard let start = before ?? writer.append(set.block, of: self.index, apex: walk.apex)
        else {
            writer.isTruncated = true
            return false
        }
        if before == nil {
            writer.setOwner(owner, start: start, recordCount: 1)
            writer.answerCount += 1
        }
        let suffix = Int(set.targetByteCount)
        guard prefix + suffix <= DomainName.maximumByteCount else {
            verdict.code = .nameExists
            return false
        }
        // The target stands whole at the DNAME's end.
        let target = self.index.start(of: set.block.offset) + Int(set.block.byteCount) - suffix
        guard
            let alias = writer.appendAlias(
                prefixAt: walk.owner, byteCount: prefix, target, byteCount: suffix,
                likeRecordAt: start, owner: walk.owner)
        else {
            writer.isTruncated = true
            return false
        }
        writer.answerCount += 1
        walk.owner = alias
        walk.byteCount = prefix + suffix
        guard message.type != .cname, message.type != .any, case .name(let offset) = set.target
        else { return false }
        (self.name + prefix).copyMemory(from: self.index.start(of: offset), byteCount: suffix)
        walk.labelCount = self.countLabels()
        return true
    }

    /// Appends a set to the answers, and addresses for it while there is room. Gives where the set
    /// stands; nil where it didn't fit.
    @inline(__always)
    func append(_ set: EncodedSet, _ walk: Walk, _ writer: inout ResponseWriter) -> Int? {
        guard let start = writer.append(set.block, of: self.index, apex: walk.apex) else {
            writer.isTruncated = true
            return nil
        }
        if !walk.isAtQuestion {
            writer.setOwner(walk.owner, start: start, recordCount: Int(set.block.recordCount))
        }
        writer.answerCount += set.block.recordCount
        if set.additional.recordCount > 0,
            writer.append(set.additional, of: self.index, apex: walk.apex, beside: start) != nil
        {
            writer.additionalCount += set.additional.recordCount
        }
        return start
    }

    /// Appends the SOA that says how long a negative answer holds (RFC 2308 §3): no longer than
    /// `maximumTTL` seconds.
    @inline(__always)
    func appendNegative(
        _ apex: Int, _ zone: UInt32, maximumTTL: UInt32 = .max, _ writer: inout ResponseWriter
    ) {
        let block = self.index.zones[Int(zone)].negative
        if let start = writer.append(block, of: self.index, apex: apex) {
            if maximumTTL != .max { writer.limitTimeToLive(at: start, to: maximumTTL) }
            writer.authorityCount += block.recordCount
        } else {
            writer.isTruncated = true
        }
    }

    /// Sends the querier on to the servers of a delegation, with their addresses; those must not
    /// be missing (RFC 9471 §2). Behind an alias the answer has authority still: for the alias.
    private func refer(
        to cut: Int, _ walk: Walk, _ writer: inout ResponseWriter, _ verdict: inout Verdict
    ) {
        if walk.isAtQuestion { verdict.isAuthoritative = false }
        let node = self.index.nodes[cut]
        let owner = walk.owner + walk.byteCount - Int(node.nameByteCount)
        let first = Int(node.firstSet)
        for number in first..<first + Int(node.setCount) {
            let set = self.index.sets[number]
            guard set.type == .ns else { continue }
            guard let start = writer.append(set.block, of: self.index, apex: walk.apex) else {
                writer.isTruncated = true
                return
            }
            writer.setOwner(owner, start: start, recordCount: Int(set.block.recordCount))
            writer.authorityCount += set.block.recordCount
            guard set.additional.recordCount > 0 else { return }
            if writer.append(set.additional, of: self.index, apex: walk.apex, beside: start) == nil
            {
                writer.isTruncated = true
            } else {
                writer.additionalCount += set.additional.recordCount
            }
            return
        }
    }
}
