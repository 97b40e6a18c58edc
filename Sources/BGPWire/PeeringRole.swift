// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// What a speaker is to its neighbour (RFC 9234 §4.1). Any value is legal on the wire.
public struct PeeringRole: RawRepresentable, Sendable, Hashable {
    public var rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let provider = Self(rawValue: 0)
    public static let routeServer = Self(rawValue: 1)
    public static let routeServerClient = Self(rawValue: 2)
    public static let customer = Self(rawValue: 3)
    public static let peer = Self(rawValue: 4)

    /// The five that are defined, in the order of their numbers.
    public static let all: [PeeringRole] = [
        .provider, .routeServer, .routeServerClient, .customer, .peer,
    ]

    /// What the neighbour must be then (RFC 9234 §4.2, Table 2); nil for an undefined role.
    public var counterpart: PeeringRole? {
        switch self {
        case .provider: .customer
        case .customer: .provider
        case .routeServer: .routeServerClient
        case .routeServerClient: .routeServer
        case .peer: .peer
        default: nil
        }
    }
}

/// `provider`, `rs`, `rs-client`, `customer`, `peer`, or `role 9`.
extension PeeringRole: CustomStringConvertible {
    public var description: String {
        switch self {
        case .provider: "provider"
        case .routeServer: "rs"
        case .routeServerClient: "rs-client"
        case .customer: "customer"
        case .peer: "peer"
        default: "role \(self.rawValue)"
        }
    }
}

/// Which ONLY_TO_CUSTOMER attributes tell that a route has leaked (RFC 9234 §5), by what the
/// neighbour is.
public enum LeakRule: Sendable, Hashable {
    /// From a provider or a route server, or where no role is known: none does.
    case none
    /// From a customer, or a route server's client: whichever there is.
    case marked
    /// From a peer: any but its own.
    case markedByOther(than: ASNumber)

    /// - Parameters:
    ///   - role: The neighbour's, as far as it is known.
    ///   - peerAS: The neighbour's AS.
    public init(role: PeeringRole?, peerAS: ASNumber) {
        switch role {
        case .customer?, .routeServerClient?: self = .marked
        case .peer?: self = .markedByOther(than: peerAS)
        default: self = .none
        }
    }

    /// Whether a route that bears this mark has leaked.
    func isLeak(_ mark: ASNumber) -> Bool {
        switch self {
        case .none: false
        case .marked: true
        case .markedByOther(let neighbour): mark != neighbour
        }
    }
}
