// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// Writes the files that the peers' programs read, so that all look up the same keys in the same
/// table.
///
/// `keys4.KIND` and `keys6.KIND` as ``KeySet`` says; `routes4` and `routes6`: the `single` table, a
/// record a prefix. IPv4: address `u32`, next hop `u16`, length `u8`, `u8` nothing. IPv6: address 16
/// bytes in network order, next hop `u16`, length `u8`, 5 bytes nothing. Words are in the machine's
/// order. The same as text in `routes.txt`: prefix and next hop.
enum Preparing {
    static func run(_ source: SampleTable.Source, folder: String, every: Int, keys: Int) throws {
        let table = try SampleTable.named("single", from: source, every: every)
        for family in AddressFamily.allCases {
            for kind in KeySet.Kind.allCases {
                let set = KeySet(
                    kind, family: family, prefixes: table.prefixes,
                    count: family == .ipv4 ? keys : keys / 4)
                try set.write(to: "\(folder)/keys\(family == .ipv4 ? 4 : 6).\(kind.rawValue)")
            }
        }
        var ipv4: [UInt8] = []
        var ipv6: [UInt8] = []
        var text = ""
        for (prefix, stored) in zip(table.prefixes, table.stored) {
            let hop = UInt16(stored) - 1
            text += "\(prefix) \(hop)\n"
            if prefix.family == .ipv4 {
                Self.append(prefix.address.ipv4Value, to: &ipv4)
                Self.append(hop, to: &ipv4)
                ipv4 += [UInt8(prefix.length), 0]
            } else {
                ipv6 += prefix.address.bytes
                Self.append(hop, to: &ipv6)
                ipv6 += [UInt8(prefix.length), 0, 0, 0, 0, 0]
            }
        }
        let lines = Array(text.utf8)
        for (name, bytes) in [("routes4", ipv4), ("routes6", ipv6), ("routes.txt", lines)] {
            guard bytes.withUnsafeBytes({ KeySet.write($0, to: "\(folder)/\(name)") }) else {
                throw UsageError("can't write \(folder)/\(name)")
            }
        }
        var report = Report()
        report.add("ipv4_prefixes", ipv4.count / 8)
        report.add("ipv6_prefixes", ipv6.count / 24)
        report.send()
    }

    private static func append<T: FixedWidthInteger>(_ value: T, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
    }
}
