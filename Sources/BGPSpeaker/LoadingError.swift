// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
public import RouteFiles

/// Which of a dump's peers a feed reads.
public struct PeerSelector: Hashable, Sendable {
    public var address: IPAddress?
    public var asNumber: ASNumber?

    /// By address, by AS number or by both. By neither: the only peer that the file has.
    public init(address: IPAddress? = nil, asNumber: ASNumber? = nil) {
        self.address = address
        self.asNumber = asNumber
    }

    public func matches(_ peer: MRTPeer) -> Bool {
        (self.address ?? peer.address) == peer.address
            && (self.asNumber ?? peer.asNumber) == peer.asNumber
    }
}

extension PeerSelector: CustomStringConvertible {
    public var description: String {
        switch (self.address, self.asNumber) {
        case (let address?, let number?): "peer \(address) of AS \(number)"
        case (let address?, nil): "peer \(address)"
        case (nil, let number?): "a peer of AS \(number)"
        case (nil, nil): "a peer"
        }
    }
}

/// Why a dump that can be read still can't feed.
public enum DumpSelectionError: Error, Hashable, Sendable {
    /// The file has no such peer, but these.
    case noSuchPeer(path: String, PeerSelector, peers: [MRTPeer])
    /// More than one peer would do.
    case ambiguousPeer(path: String, PeerSelector, peers: [MRTPeer])
}

extension DumpSelectionError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .noSuchPeer(let path, let selector, let peers):
            "\(path): there is no \(Self.noun(selector)) in the file; "
                + (peers.isEmpty ? "it names no peers at all" : "its peers are \(Self.list(peers))")
        case .ambiguousPeer(let path, let selector, let peers):
            "\(path): the file has more than one \(Self.noun(selector)): \(Self.list(peers)); "
                + "select one by its address"
        }
    }

    /// The selector without its article.
    private static func noun(_ selector: PeerSelector) -> String {
        let text = selector.description
        return text.hasPrefix("a ") ? String(text.dropFirst(2)) : text
    }

    private static func list(_ peers: [MRTPeer]) -> String {
        let maximum = 64
        let text = peers.prefix(maximum).map(\.description).joined(separator: ", ")
        return peers.count > maximum ? "\(text) and \(peers.count - maximum) more" : text
    }
}
