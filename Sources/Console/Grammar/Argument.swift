// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

package import Addressing
import RouteTable

/// The kinds of argument; the raw value is how syntax and help write them.
package enum ArgumentKind: String, Hashable, Sendable {
    case address = "ADDRESS"
    case addressOrPrefix = "ADDRESS|PREFIX"
    case prefix = "PREFIX"
    case name = "NAME"
    case zone = "ZONE"
    case feed = "FEED"
    case site = "SITE"
    case milliseconds = "MS"
    case count = "COUNT"
    case secret = "SECRET"
    /// All the rest of the line, blanks and all.
    case line = "LINE"

    var help: String {
        switch self {
        case .address: "An IPv4 or IPv6 address"
        case .addressOrPrefix: "An address (its longest match) or a prefix (exactly that)"
        case .prefix: "A prefix, such as 192.0.2.0/24"
        case .name: "A name that is answered with the nearest site"
        case .zone: "A zone that is served"
        case .feed: "A feed, by its name or its peer's address"
        case .site: "A site"
        case .milliseconds: "Milliseconds, 0 to 60000"
        case .count: "A number"
        case .secret: "The password"
        case .line: "The rest of the line"
        }
    }

    /// Reads a token as this kind; an error says in words what is wrong with it.
    func parse(_ token: Substring) -> Result<ArgumentValue, ArgumentError> {
        switch self {
        case .address:
            Self.reading(token) { () throws(AddressSyntaxError) in
                .address(try IPAddress(parsing: token).unmapped)
            }
        case .prefix:
            Self.reading(token) { () throws(AddressSyntaxError) in
                .prefix(try IPPrefix(parsing: token))
            }
        case .addressOrPrefix:
            Self.reading(token) { () throws(AddressSyntaxError) in
                token.utf8.contains(UInt8(ascii: "/"))
                    ? .prefix(try IPPrefix(parsing: token))
                    : .address(try IPAddress(parsing: token).unmapped)
            }
        case .count:
            if let value = Int(token), value >= 0 {
                .success(.count(value))
            } else {
                .failure(ArgumentError(words: "'\(token)' is not a number"))
            }
        case .milliseconds:
            if let value = Double(token),
                let microseconds = RoundTrip.microseconds(milliseconds: value)
            {
                .success(.microseconds(microseconds))
            } else {
                .failure(ArgumentError(words: "'\(token)' is no milliseconds from 0 to 60000"))
            }
        case .name, .zone, .feed, .site, .secret, .line: .success(.text(String(token)))
        }
    }

    private static func reading(
        _ token: Substring, _ body: () throws(AddressSyntaxError) -> ArgumentValue
    ) -> Result<ArgumentValue, ArgumentError> {
        do {
            return .success(try body())
        } catch {
            return .failure(ArgumentError(words: "'\(token)': \(error)"))
        }
    }
}

package enum ArgumentValue: Hashable, Sendable {
    case address(IPAddress)
    case prefix(IPPrefix)
    case count(Int)
    case microseconds(UInt32)
    case text(String)
}

/// Why a token is no argument of the kind wanted, as a sentence for its reader.
struct ArgumentError: Error, Hashable, Sendable {
    var words: String
}
