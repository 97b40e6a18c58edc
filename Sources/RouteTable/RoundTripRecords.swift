// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// The average of a site's observations at a prefix, and when the last one came.
struct Observed {
    /// Microseconds; 0 for none.
    let average: Float
    /// Unix seconds.
    let time: UInt32

    static let none = Self(average: 0, time: 0)
    var isEmpty: Bool { self.average == 0 }
}

/// What files say of a site at a prefix: `microseconds` in 31 bits, and which of two readings in
/// turn said so in the last. 0 for nothing.
struct Filed {
    private let bits: UInt32

    static let none = Self(bits: 0)
    static let mark: UInt32 = 1 << 31

    private init(bits: UInt32) { self.bits = bits }

    /// `filing` is 0 or ``mark``.
    init(microseconds: UInt32, filing: UInt32) {
        self.bits = max(1, microseconds & ~Self.mark) | filing
    }

    var microseconds: UInt32? {
        let value = self.bits & ~Self.mark
        return value == 0 ? nil : value
    }

    func isOf(_ filing: UInt32) -> Bool { self.bits & Self.mark == filing }
}

/// What one site's codes come from, by the numbers of prefixes in their trees.
///
/// Twelve bytes a prefix, reserved: those that are never written cost nothing.
final class SiteRecords {
    private let nodeCapacity: Int
    /// Whether files have ever said something of the site.
    private var isFiled = false
    private let observedMemory: ReservedMemory
    private let filedMemory: ReservedMemory

    /// Nodes of each family are numbered below `nodeCapacity`.
    init(nodeCapacity: Int) throws(TableResourceError) {
        self.nodeCapacity = nodeCapacity
        self.observedMemory = try ReservedMemory(bytes: 2 * 8 * nodeCapacity)
        self.filedMemory = try ReservedMemory(bytes: 2 * 4 * nodeCapacity)
    }

    @inline(__always)
    private func index(_ family: AddressFamily, _ node: PrefixTree.Node) -> Int {
        family == .ipv4 ? Int(node) : Int(node) + self.nodeCapacity
    }

    func observed(_ family: AddressFamily, _ node: PrefixTree.Node) -> Observed {
        let record = self.observedMemory.base + 8 * self.index(family, node)
        return Observed(
            average: record.load(as: Float.self),
            time: record.load(fromByteOffset: 4, as: UInt32.self))
    }

    func setObserved(_ value: Observed, _ family: AddressFamily, _ node: PrefixTree.Node) {
        let record = self.observedMemory.base + 8 * self.index(family, node)
        record.storeBytes(of: value.average, as: Float.self)
        record.storeBytes(of: value.time, toByteOffset: 4, as: UInt32.self)
    }

    func filed(_ family: AddressFamily, _ node: PrefixTree.Node) -> Filed {
        (self.filedMemory.base + 4 * self.index(family, node)).load(as: Filed.self)
    }

    func setFiled(_ value: Filed, _ family: AddressFamily, _ node: PrefixTree.Node) {
        self.isFiled = true
        (self.filedMemory.base + 4 * self.index(family, node))
            .storeBytes(of: value, as: Filed.self)
    }

    /// Bytes touched, where so many nodes have been used.
    func byteCount(nodes: Int) -> Int { nodes * (self.isFiled ? 12 : 8) }
}
