// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// Validated payloads, for lookups (RFC 6811) and as the set that a cache's deltas change.
///
/// An immutable value of one reference: it may be copied for every route, and handed to any thread.
/// About 17 bytes an IPv4 payload and 29 an IPv6 one.
public struct VRPTable: Sendable {
    private final class Storage: Sendable {
        let ipv4: VRPTree<UInt32>
        let ipv6: VRPTree<UInt128>

        init(_ ipv4: VRPTree<UInt32>, _ ipv6: VRPTree<UInt128>) {
            self.ipv4 = ipv4
            self.ipv6 = ipv6
        }
    }

    /// Takes payloads in tree order.
    struct Builder {
        private var ipv4 = VRPTree<UInt32>()
        private var ipv6 = VRPTree<UInt128>()

        /// Adds one that comes after all that are there.
        mutating func append(_ payload: VRP) {
            let length = UInt8(truncatingIfNeeded: payload.prefix.length)
            switch payload.prefix.family {
            case .ipv4:
                self.ipv4.append(
                    payload.prefix.address.ipv4Value, length,
                    maximumLength: payload.maximumLength, origin: payload.asNumber.rawValue)
            case .ipv6:
                self.ipv6.append(
                    payload.prefix.address.leftAligned, length,
                    maximumLength: payload.maximumLength, origin: payload.asNumber.rawValue)
            }
        }

        mutating func reserveCapacity(ipv4: Int, ipv6: Int) {
            self.ipv4.reserveCapacity(ipv4)
            self.ipv6.reserveCapacity(ipv6)
        }

        var table: VRPTable { VRPTable(Storage(self.ipv4, self.ipv6)) }
    }

    private let storage: Storage
    private var ipv4: VRPTree<UInt32> { self.storage.ipv4 }
    private var ipv6: VRPTree<UInt128> { self.storage.ipv6 }

    private init(_ storage: Storage) { self.storage = storage }

    /// A table without payloads.
    public init() { self = Builder().table }

    /// A table of these payloads, in any order; equal ones count once.
    public init(_ payloads: some Sequence<VRP>) {
        var builder = Builder()
        var last: VRP?
        for payload in payloads.sorted() where payload != last {
            builder.append(payload)
            last = payload
        }
        self = builder.table
    }

    /// How many payloads of a family there are.
    public func count(_ family: AddressFamily) -> Int {
        family == .ipv4 ? self.ipv4.count : self.ipv6.count
    }

    public var count: Int { self.ipv4.count + self.ipv6.count }
    public var isEmpty: Bool { self.count == 0 }

    /// Bytes that the payloads take.
    public var bytes: Int { self.ipv4.bytes + self.ipv6.bytes }

    /// What the payloads say of a route (RFC 6811 §2).
    ///
    /// - Parameters:
    ///   - prefix: The route's.
    ///   - origin: The AS it is from, as ``Addressing/ASPath/originAS(local:)`` counts it; nil,
    ///     and 0 too, matches no payload.
    /// - Returns: The state.
    /// - Complexity: A binary search, and a step for each payload that covers the prefix.
    ///   Allocates nothing.
    public func state(of prefix: IPPrefix, origin: ASNumber?) -> ValidationState {
        let length = UInt8(truncatingIfNeeded: prefix.length)
        let origin = origin?.rawValue ?? 0
        return prefix.family == .ipv4
            ? self.ipv4.state(prefix.address.ipv4Value, length, origin: origin)
            : self.ipv6.state(prefix.address.leftAligned, length, origin: origin)
    }

    /// The payloads that cover a prefix, those of the longest prefixes first.
    public func covering(_ prefix: IPPrefix) -> [VRP] {
        var found: [VRP] = []
        let length = UInt8(truncatingIfNeeded: prefix.length)
        switch prefix.family {
        case .ipv4:
            self.ipv4.forEachHolding(prefix.address.ipv4Value, length) {
                for payload in self.ipv4.payloads($0) { found.append(self.ipv4($0, payload)) }
                return true
            }
        case .ipv6:
            self.ipv6.forEachHolding(prefix.address.leftAligned, length) {
                for payload in self.ipv6.payloads($0) { found.append(self.ipv6($0, payload)) }
                return true
            }
        }
        return found
    }

    private func ipv4(_ prefix: Int, _ payload: Int) -> VRP {
        VRP(
            IPPrefix(
                masking: IPAddress(ipv4: self.ipv4.addresses[prefix]),
                length: Int(self.ipv4.lengths[prefix])),
            self.ipv4.maximumLengths[payload], ASNumber(self.ipv4.origins[payload]))
    }

    private func ipv6(_ prefix: Int, _ payload: Int) -> VRP {
        VRP(
            IPPrefix(
                masking: IPAddress(
                    family: .ipv6, leftAligned: self.ipv6.addresses[prefix]),
                length: Int(self.ipv6.lengths[prefix])),
            self.ipv6.maximumLengths[payload], ASNumber(self.ipv6.origins[payload]))
    }
}

extension VRPTable: Hashable {
    public static func == (a: VRPTable, b: VRPTable) -> Bool {
        a.storage === b.storage || a.ipv4 == b.ipv4 && a.ipv6 == b.ipv6
    }

    public func hash(into hasher: inout Hasher) { hasher.combine(self.count) }
}

/// All payloads in tree order, IPv4 first.
extension VRPTable: Sequence {
    public struct Iterator: IteratorProtocol {
        private let table: VRPTable
        private var prefix = 0
        private var payload = 0
        private var isIPv6 = false

        fileprivate init(_ table: VRPTable) { self.table = table }

        public mutating func next() -> VRP? {
            if !self.isIPv6 {
                if self.payload < self.table.ipv4.count {
                    if self.payload == self.table.ipv4.payloads(self.prefix).upperBound {
                        self.prefix += 1
                    }
                    defer { self.payload += 1 }
                    return self.table.ipv4(self.prefix, self.payload)
                }
                self.isIPv6 = true
                self.prefix = 0
                self.payload = 0
            }
            guard self.payload < self.table.ipv6.count else { return nil }
            if self.payload == self.table.ipv6.payloads(self.prefix).upperBound {
                self.prefix += 1
            }
            defer { self.payload += 1 }
            return self.table.ipv6(self.prefix, self.payload)
        }
    }

    public func makeIterator() -> Iterator { Iterator(self) }
    public var underestimatedCount: Int { self.count }
}
