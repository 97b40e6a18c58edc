// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import RouteFiles

/// Finds the feeds of each peer that a file names, and what is wrong with their selectors.
struct LoadingPeers {
    /// For errors.
    var path: String
    private let selectors: [PeerSelector]
    /// For each selector the peers that it matched: one is right.
    private var matches: [[MRTPeer]]
    /// The feeds, as positions in `selectors`, of each peer seen.
    private var feeds: [MRTPeer: [Int]] = [:]
    /// In the order of the file.
    private var seen: [MRTPeer] = []
    private var last: (peer: MRTPeer, feeds: [Int])?

    init(path: String, selectors: [PeerSelector]) {
        self.path = path
        self.selectors = selectors
        self.matches = selectors.map { _ in [] }
    }

    /// The feeds that read a peer, as positions in the list of selectors.
    mutating func feeds(of peer: MRTPeer) throws(DumpSelectionError) -> [Int] {
        if let last, last.peer == peer { return last.feeds }
        let feeds: [Int]
        if let known = self.feeds[peer] { feeds = known } else { feeds = try self.add(peer) }
        self.last = (peer, feeds)
        return feeds
    }

    private mutating func add(_ peer: MRTPeer) throws(DumpSelectionError) -> [Int] {
        let feeds = self.selectors.indices.filter { self.selectors[$0].matches(peer) }
        self.seen.append(peer)
        self.feeds[peer] = feeds
        for feed in feeds { self.matches[feed].append(peer) }
        return feeds
    }

    /// The peer that a selector found.
    func peer(of selector: Int) -> MRTPeer? { self.matches[selector].first }

    /// Looks for selectors that match several peers: to be called once a list of peers is
    /// complete, so that the error has them all.
    func checkAmbiguity() throws(DumpSelectionError) {
        for (selector, peers) in zip(self.selectors, self.matches) where peers.count > 1 {
            throw .ambiguousPeer(path: self.path, selector, peers: peers)
        }
    }

    /// Looks for selectors that match no peer or several, at the end of the file.
    func checkAll() throws(DumpSelectionError) {
        try self.checkAmbiguity()
        for (selector, peers) in zip(self.selectors, self.matches) where peers.isEmpty {
            throw .noSuchPeer(path: self.path, selector, peers: self.seen)
        }
    }
}
