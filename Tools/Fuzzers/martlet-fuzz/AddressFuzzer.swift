// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// Addresses, prefixes and AS numbers as text: what is read prints canonically, and reads again as
/// the same value.
func fuzzAddresses(_ bytes: UnsafeRawBufferPointer) {
    bytes.withMemoryRebound(to: UInt8.self) { octets in
        let span = octets.span
        if let address = try? IPAddress(parsing: span) {
            require(IPAddress(address.description) == address, "\(address) comes back")
        }
        if let prefix = try? IPPrefix(parsing: span) {
            require(IPPrefix(prefix.description) == prefix, "\(prefix) comes back")
        }
        if let (prefix, wasMasked) = try? IPPrefix.lenient(parsing: span) {
            require(IPPrefix(prefix.description) == prefix, "\(prefix) comes back canonical")
            let strict = try? IPPrefix(parsing: span)
            require((strict == nil) == wasMasked, "\(prefix) was masked: \(wasMasked)")
        }
        if let number = try? ASNumber(parsing: span) {
            require((try? ASNumber(parsing: number.asdot)) == number, "\(number) as asdot")
            require((try? ASNumber(parsing: number.description)) == number, "\(number) as asplain")
        }
    }
}
