// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// A socket that listens: where, and whether IPv4 comes to an IPv6 one too. What it takes is decided
/// before it is bound.
struct ListenPlace: Hashable {
    let address: ListenAddress
    let isDual: Bool

    /// One socket serves both families, unless IPv4 has one of its own on that port.
    init(_ address: ListenAddress, among addresses: [ListenAddress]) {
        self.address = address
        let hasOther =
            address.port != 0
            && addresses.contains { $0.address.family == .ipv4 && $0.port == address.port }
        let isMapped = address.address.unmapped.family == .ipv4
        self.isDual =
            address.address.family == .ipv6 && (isMapped || address.address.isWildcard && !hasOther)
    }

    var isIPv6: Bool { self.address.address.family == .ipv6 }
    var takesIPv4: Bool { !self.isIPv6 || self.isDual }

    func takes(_ family: AddressFamily) -> Bool {
        family == .ipv4 ? self.takesIPv4 : self.isIPv6
    }

    /// Whether the system lets only one of both be bound.
    func overlaps(_ other: ListenPlace) -> Bool {
        let (mine, others) = (self.address.address, other.address.address)
        return self.address.port == other.address.port && self.address.port != 0
            && AddressFamily.allCases.contains { self.takes($0) && other.takes($0) }
            && (mine.isWildcard || others.isWildcard || mine.unmapped == others.unmapped)
    }
}

extension IPAddress {
    fileprivate var isWildcard: Bool { self.bytes.allSatisfy { $0 == 0 } }
}
