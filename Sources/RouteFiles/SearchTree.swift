// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import CMaxMindDB

/// The binary tree of a MaxMind database: from the bits of addresses to records.
///
/// In a database of IPv6 addresses those of IPv4 are under `::/96`, and other blocks may lead to
/// the same node: they are aliases.
struct SearchTree {
    private let database: UnsafePointer<MMDB_s>
    private let path: String
    private let nodeCount: UInt64
    private let isIPv6: Bool
    /// Where IPv4 begins; a number that no node has where that isn't a node.
    private var ipv4Node: UInt64 = 0
    /// A record that stands for the whole of IPv4 in a database of IPv6.
    private var ipv4Record: MMDB_entry_s?

    /// - Parameters:
    ///   - database: Stays where it is as long as this is used.
    ///   - path: For errors.
    /// - Throws: Where the way to IPv4 leads nowhere.
    init(
        _ database: UnsafePointer<MMDB_s>, path: String
    ) throws(LocationDatabaseError) {
        self.database = database
        self.path = path
        self.nodeCount = UInt64(database.pointee.metadata.node_count)
        self.isIPv6 = database.pointee.metadata.ip_version == 6
        guard self.isIPv6 else { return }
        for _ in 0..<96 {
            let node = try self.read(self.ipv4Node)
            switch Int32(node.left_record_type) {
            case MMDB_RECORD_TYPE_SEARCH_NODE: self.ipv4Node = node.left_record
            case MMDB_RECORD_TYPE_DATA:
                self.ipv4Record = node.left_record_entry
                self.ipv4Node = .max
                return
            default:
                self.ipv4Node = .max
                return
            }
        }
    }

    private func read(_ number: UInt64) throws(LocationDatabaseError) -> MMDB_search_node_s {
        var node = MMDB_search_node_s()
        guard number < self.nodeCount,
            MMDB_read_node(self.database, UInt32(truncatingIfNeeded: number), &node)
                == MMDB_SUCCESS
        else { throw LocationDatabaseError(path: self.path, reason: .badTree) }
        return node
    }

    /// Blocks of IPv6 that stand for IPv4, left-aligned, with their lengths.
    private static let aliases: [(bits: UInt128, depth: Int)] = [
        (0, 96), (0xffff &<< 32, 96), (0x2002 &<< 112, 16), (0x2001 &<< 112, 32),
    ]

    /// Calls `body` with every record and its block's ends, left-aligned in 128 bits, in order.
    func walk(
        _ family: AddressFamily, _ body: (MMDB_entry_s, UInt128, UInt128) -> Void
    ) throws(LocationDatabaseError) {
        // A good tree comes by no node twice.
        var steps = self.nodeCount
        if family == .ipv4, self.isIPv6 {
            if let record = self.ipv4Record {
                body(record, 0, .max)
            } else if self.ipv4Node != .max {
                try self.walk(.ipv4, self.ipv4Node, 0, 0, &steps, body)
            }
        } else if family == .ipv4 || self.isIPv6 {
            try self.walk(family, 0, 0, 0, &steps, body)
        }
    }

    private func walk(
        _ family: AddressFamily, _ number: UInt64, _ bits: UInt128, _ depth: Int,
        _ steps: inout UInt64, _ body: (MMDB_entry_s, UInt128, UInt128) -> Void
    ) throws(LocationDatabaseError) {
        guard steps > 0 else {
            throw LocationDatabaseError(path: self.path, reason: .endlessTree)
        }
        steps -= 1
        let node = try self.read(number)
        let half = UInt128(1) &<< UInt128(127 - depth)
        for (type, record, entry, bits) in [
            (node.left_record_type, node.left_record, node.left_record_entry, bits),
            (node.right_record_type, node.right_record, node.right_record_entry, bits | half),
        ] {
            let depth = depth + 1
            let isNode = Int32(type) == MMDB_RECORD_TYPE_SEARCH_NODE
            if family == .ipv6, isNode && record == self.ipv4Node || Self.isAlias(bits, depth) {
                continue
            }
            switch Int32(type) {
            case MMDB_RECORD_TYPE_EMPTY: break
            case MMDB_RECORD_TYPE_DATA: body(entry, bits, bits | (half &- 1))
            case MMDB_RECORD_TYPE_SEARCH_NODE where depth < family.width:
                try self.walk(family, record, bits, depth, &steps, body)
            default: throw LocationDatabaseError(path: self.path, reason: .badTree)
            }
        }
    }

    private static func isAlias(_ bits: UInt128, _ depth: Int) -> Bool {
        self.aliases.contains { $0.depth == depth && $0.bits == bits }
    }
}
