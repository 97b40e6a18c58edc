// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// Networks as routers print them: without a length where the address's class gives it
/// (RFC 791 §3.2), and the default route as `0.0.0.0`.
enum ClassfulNetwork {
    /// Reads a prefix; bits beyond its length are cleared where it has one.
    ///
    /// - Throws: `AddressSyntaxError`. A network without a length is an error where it has bits
    ///   beyond its class's, is of no class (224.0.0.0 and above), or is one of IPv6.
    static func prefix(parsing bytes: Span<UInt8>) throws(AddressSyntaxError) -> IPPrefix {
        for position in bytes.indices where bytes[position] == UInt8(ascii: "/") {
            return try IPPrefix.lenient(parsing: bytes).prefix
        }
        let address = try IPAddress(parsing: bytes)
        guard address.family == .ipv4, let length = Self.length(of: address) else {
            throw AddressSyntaxError(.missingLength, offset: bytes.count)
        }
        guard let prefix = IPPrefix(exactly: address, length: length) else {
            throw AddressSyntaxError(
                .hostBitsSet(canonical: IPPrefix(masking: address, length: length)), offset: 0)
        }
        return prefix
    }

    /// Nil for addresses of the classes D and E.
    private static func length(of address: IPAddress) -> Int? {
        switch address.ipv4Value >> 24 {
        case 0: address.ipv4Value == 0 ? 0 : 8
        case 1..<128: 8
        case 128..<192: 16
        case 192..<224: 24
        default: nil
        }
    }
}
