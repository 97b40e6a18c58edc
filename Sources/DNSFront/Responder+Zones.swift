// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import DNSWire

/// Names, aliases, wildcards and delegations.
extension Responder {
    /// Finds the name, or what stands for it, and answers from there.
    @inline(__always)
    mutating func resolve(
        _ message: QueryMessage, from client: IPAddress, using batch: inout OracleBatch,
        _ writer: inout ResponseWriter, _ verdict: inout Verdict
    ) {
        let name = UnsafeRawPointer(self.name)
        let length = message.nameByteCount
        if message.labelCount <= self.index.maximumLabelCount,
            let node = self.index.find(name, byteCount: length)
        {
            let cut = self.index.nodes[node].cut
            // The parent has the DS records of a delegation (RFC 4035 §3.1.4.1).
            if cut >= 0, !(Int(cut) == node && message.type == .ds) {
                self.refer(to: Int(cut), message, &writer, &verdict)
                return
            }
            self.answer(node, message, from: client, using: &batch, &writer, &verdict)
            return
        }
        // The closest name there is.
        var position = 0
        var labels = message.labelCount
        var closest: Int?
        while labels > 0 {
            position += 1 + Int(name.load(fromByteOffset: position, as: UInt8.self))
            labels -= 1
            guard labels <= self.index.maximumLabelCount else { continue }
            closest = self.index.find(name + position, byteCount: length - position)
            if closest != nil { break }
        }
        guard let closest else {
            verdict.code = .refused
            return
        }
        let node = self.index.nodes[closest]
        if node.cut >= 0 {
            self.refer(to: Int(node.cut), message, &writer, &verdict)
        } else if node.wildcard >= 0 {
            self.answer(
                Int(node.wildcard), message, from: client, using: &batch, &writer, &verdict)
        } else {
            verdict.isAuthoritative = true
            verdict.code = .nameError
            verdict.zone = Int32(node.zone)
            self.appendNegative(self.apex(of: node, message), node.zone, &writer)
        }
    }

    /// Where the apex of the node's zone stands in the message: at the end of the question.
    @inline(__always)
    private func apex(of node: ZoneNode, _ message: QueryMessage) -> Int {
        MessageHeader.byteCount + message.nameByteCount
            - Int(self.index.zones[Int(node.zone)].apexByteCount)
    }

    /// Answers for the name at `number`, following aliases.
    @inline(__always)
    private mutating func answer(
        _ number: Int, _ message: QueryMessage, from client: IPAddress,
        using batch: inout OracleBatch, _ writer: inout ResponseWriter,
        _ verdict: inout Verdict
    ) {
        verdict.isAuthoritative = true
        let type = message.type
        var number = number
        var owner = MessageHeader.byteCount
        var node = self.index.nodes[number]
        verdict.zone = Int32(node.zone)
        verdict.node = Int32(number)
        let apex = self.apex(of: node, message)
        // A loop of aliases ends here, with what it gave.
        for _ in 0..<16 {
            node = self.index.nodes[number]
            if node.nearest >= 0, type == .a || type == .aaaa {
                // With a subnet, an alias stands alone: it holds for all clients, what it leads
                // to for some (RFC 7871 §7.2.1).
                let record = self.index.nearest[Int(node.nearest)]
                if owner != MessageHeader.byteCount, record.usesClientSubnet,
                    message.edns?.clientSubnet != nil
                {
                    return
                }
                verdict.nearest = node.nearest
                self.appendNearest(
                    record, owner: owner, apex: apex, node.zone, message, from: client,
                    using: &batch, &writer, &verdict)
                return
            }
            var next: EncodedSet.Target?
            var isFound = false
            let first = Int(node.firstSet)
            for set in first..<first + Int(node.setCount) {
                let found = self.index.sets[set].type
                guard found == type || found == .cname else { continue }
                isFound = true
                guard let start = self.append(self.index.sets[set], owner, apex, &writer) else {
                    return
                }
                // The alias's target stands first in its data.
                owner = start + 12
                if found == .cname, type != .cname, type != .any {
                    next = self.index.sets[set].target
                }
                break
            }
            guard isFound else {
                if type == .any, node.setCount > 0 || node.nearest >= 0 {
                    if writer.append(self.index.any, of: self.index, apex: apex) == nil {
                        writer.isTruncated = true
                    }
                    writer.answerCount += 1
                } else {
                    self.appendNegative(apex, node.zone, &writer)
                }
                return
            }
            switch next {
            case nil, .some(.none), .elsewhere: return
            case .missing:
                // The code tells of the last name of the chain (RFC 6604 §3).
                verdict.code = .nameError
                self.appendNegative(apex, node.zone, &writer)
                return
            case .node(let target): number = Int(target)
            }
        }
    }

    /// Appends a set to the answers, and addresses for it while there is room.
    @inline(__always)
    private func append(
        _ set: EncodedSet, _ owner: Int, _ apex: Int, _ writer: inout ResponseWriter
    ) -> Int? {
        guard let start = writer.append(set.block, of: self.index, apex: apex) else {
            writer.isTruncated = true
            return nil
        }
        if owner != MessageHeader.byteCount {
            writer.setOwner(owner, start: start, recordCount: Int(set.block.recordCount))
        }
        writer.answerCount += set.block.recordCount
        if set.additional.recordCount > 0,
            writer.append(set.additional, of: self.index, apex: apex, beside: start) != nil
        {
            writer.additionalCount += set.additional.recordCount
        }
        return start
    }

    /// Appends the SOA that says how long a negative answer holds (RFC 2308 §3).
    @inline(__always)
    func appendNegative(_ apex: Int, _ zone: UInt32, _ writer: inout ResponseWriter) {
        let block = self.index.zones[Int(zone)].negative
        if writer.append(block, of: self.index, apex: apex) == nil {
            writer.isTruncated = true
        } else {
            writer.authorityCount += block.recordCount
        }
    }

    /// Sends the querier on to the servers of a delegation, with their addresses; those must not
    /// be missing (RFC 9471 §2).
    private func refer(
        to cut: Int, _ message: QueryMessage, _ writer: inout ResponseWriter,
        _ verdict: inout Verdict
    ) {
        let node = self.index.nodes[cut]
        verdict.zone = Int32(node.zone)
        verdict.node = Int32(cut)
        let apex = self.apex(of: node, message)
        let owner =
            MessageHeader.byteCount + message.nameByteCount - Int(node.nameByteCount)
        let first = Int(node.firstSet)
        for number in first..<first + Int(node.setCount) {
            let set = self.index.sets[number]
            guard set.type == .ns else { continue }
            guard let start = writer.append(set.block, of: self.index, apex: apex) else {
                writer.isTruncated = true
                return
            }
            writer.setOwner(owner, start: start, recordCount: Int(set.block.recordCount))
            writer.authorityCount += set.block.recordCount
            guard set.additional.recordCount > 0 else { return }
            if writer.append(set.additional, of: self.index, apex: apex, beside: start) == nil {
                writer.isTruncated = true
            } else {
                writer.additionalCount += set.additional.recordCount
            }
            return
        }
    }
}
