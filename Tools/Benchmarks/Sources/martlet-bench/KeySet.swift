// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Glibc
import RouteFiles

/// Addresses to look up, in the order in which they are asked.
///
/// IPv4 addresses are one word each, IPv6 addresses two, the network's end first; in files the
/// same, 4 and 8 bytes a word in the machine's order, for the peers' programs.
struct KeySet {
    enum Kind: String, CaseIterable {
        /// Anywhere: IPv4 as a whole, IPv6 in 2000::/4.
        case random
        /// A random address in a random prefix of the table.
        case prefix
        /// Of 200,000 such addresses, the nth as often as 1/n of the first.
        case zipf
    }

    let family: AddressFamily
    private(set) var ipv4: [UInt32] = []
    private(set) var ipv6: [UInt64] = []

    var count: Int { self.family == .ipv4 ? self.ipv4.count : self.ipv6.count / 2 }

    init(_ kind: Kind, family: AddressFamily, prefixes: [IPPrefix], count: Int) {
        self.family = family
        var random = RandomSource(seed: kind == .random ? 11 : kind == .prefix ? 12 : 13)
        let prefixes = prefixes.filter { $0.family == family }
        switch kind {
        case .random:
            for _ in 0..<count {
                let high = random.next()
                self.append(
                    family == .ipv4 ? high : high >> 4 | 0x2000_0000_0000_0000, random.next())
            }
        case .prefix:
            for _ in 0..<count { self.append(in: prefixes, &random) }
        case .zipf:
            var pool = KeySet(family: family)
            for _ in 0..<200_000 { pool.append(in: prefixes, &random) }
            var sums: [Double] = []
            var sum = 0.0
            for rank in 1...pool.count {
                sum += 1 / Double(rank)
                sums.append(sum)
            }
            for _ in 0..<count {
                let wanted = Double(random.next() >> 11) / 9_007_199_254_740_992 * sum
                var (low, high) = (0, sums.count - 1)
                while low < high {
                    let middle = (low + high) / 2
                    if sums[middle] < wanted { low = middle + 1 } else { high = middle }
                }
                let key = pool.address(low)
                self.append(key.high, key.low)
            }
        }
    }

    private init(family: AddressFamily) { self.family = family }

    private mutating func append(in prefixes: [IPPrefix], _ random: inout RandomSource) {
        let prefix = prefixes[random.below(prefixes.count)]
        let bits = UInt128(random.next()) << 64 | UInt128(random.next())
        let address =
            prefix.address.leftAligned | (prefix.length == 128 ? 0 : bits >> UInt128(prefix.length))
        self.append(UInt64(truncatingIfNeeded: address >> 64), UInt64(truncatingIfNeeded: address))
    }

    private mutating func append(_ high: UInt64, _ low: UInt64) {
        if self.family == .ipv4 {
            self.ipv4.append(UInt32(truncatingIfNeeded: high >> 32))
        } else {
            self.ipv6.append(high)
            self.ipv6.append(low)
        }
    }

    func address(_ index: Int) -> IPAddress {
        self.family == .ipv4
            ? IPAddress(ipv4: self.ipv4[index])
            : IPAddress(ipv6High: self.ipv6[2 * index], low: self.ipv6[2 * index + 1])
    }

    /// Reads what ``write(to:)`` wrote.
    init(reading path: String, family: AddressFamily) throws {
        self.family = family
        let bytes = try ByteSource.readAll(path: path)
        bytes.withUnsafeBytes { bytes in
            if family == .ipv4 {
                self.ipv4 = Array(bytes.bindMemory(to: UInt32.self))
            } else {
                self.ipv6 = Array(bytes.bindMemory(to: UInt64.self))
            }
        }
    }

    func write(to path: String) throws {
        let isWritten =
            self.family == .ipv4
            ? self.ipv4.withUnsafeBytes { Self.write($0, to: path) }
            : self.ipv6.withUnsafeBytes { Self.write($0, to: path) }
        guard isWritten else { throw UsageError("can't write \(path)") }
    }

    static func write(_ bytes: UnsafeRawBufferPointer, to path: String) -> Bool {
        guard let file = fopen(path, "w") else { return false }
        let written = fwrite(bytes.baseAddress, 1, bytes.count, file)
        return fclose(file) == 0 && written == bytes.count
    }
}
