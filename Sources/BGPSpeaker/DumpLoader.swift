// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire
public import FeedRules
public import RouteFiles
public import RouteTable

/// Loads an MRT file into the table: one pass feeds any number of feeds, each from one of the
/// file's peers.
///
/// A table dump announces its routes; a file of messages is played from its start to its end, so
/// that what counts is the table as it was then. Of several paths that a peer had to a
/// prefix (ADD-PATH) the table has all, and the shortest counts. Multicast routes and records of
/// other protocols are passed by.
///
/// Calls block, for as long as reading takes and while the table's queue is full: they belong on a
/// plain thread.
public struct DumpLoader: FileLoader {
    /// What to do with what came before a damaged place.
    public enum Damage: Hashable, Sendable {
        /// Nothing of the file counts.
        case refuse
        /// The routes before it count; the report tells of the damage.
        case keepGoodPart
    }

    /// What was loaded.
    public struct Report: Sendable {
        public struct Feed: Hashable, Sendable {
            public var id: FeedID
            /// Whom the feed read, and its BGP identifier where the file has that.
            public var peer: MRTPeer?
            public var identifier: UInt32?
            /// Announcements taken; a dump has one for each path.
            public var announced: Int
            public var withdrawn: Int
            /// Routes and UPDATEs left out, since RFC 7606 doesn't let their attributes pass, and routes
            /// to multicast prefixes.
            public var malformed: Int
            /// Announcements in such UPDATEs, which were taken for withdrawals.
            public var treatedAsWithdrawn: Int
        }

        /// In the order of the loader's feeds.
        public var feeds: [Feed] = []
        /// Records read, of all kinds.
        public var records = 0
        /// Those of kinds that aren't read.
        public var passedBy = 0
        /// Where the file is damaged, if that was allowed for.
        public var damage: MRTError?
        /// The lines of a text that couldn't be read, if that was allowed for.
        public var badLines: BadLines?
    }

    public let path: String
    public let feeds: [(id: FeedID, peer: PeerSelector)]
    public var damage = Damage.refuse
    /// What is kept of each feed's attributes; ``KeptAttributes/path`` of those not named.
    public var kept: [FeedID: KeptAttributes] = [:]
    /// Who judges each feed's routes; those of feeds not named count as they are.
    public var judges: [FeedID: RouteJudge] = [:]
    /// Judges the routes' origins, once all have been read.
    public var validator: OriginValidator?
    /// Called now and then with how much of the file has been read, from 0 to 1.
    public var progress: (@Sendable (Double) -> Void)?

    public init(
        path: String, feeds: [(id: FeedID, peer: PeerSelector)], damage: Damage = .refuse
    ) {
        self.path = path
        self.feeds = feeds
        self.damage = damage
    }

    public var feedIDs: [FeedID] { self.feeds.map(\.id) }

    /// Reads the whole file once.
    ///
    /// - Parameter owner: The table that gets the routes; nil: the file is only checked.
    /// - Returns: What was read.
    /// - Throws: ``InputFileError``, ``MRTError`` or ``DumpSelectionError``.
    public func read(into owner: TableOwner?) throws -> Report {
        var pass = DumpPass(self, owner: owner)
        try pass.run()
        return pass.report
    }
}

/// One reading of a file, or of several one after another.
struct DumpPass {
    var report = DumpLoader.Report()
    private(set) var path: String
    private let keepsGoodPart: Bool
    private let tableDump: DecodeContext
    private let tableDumpV2: DecodeContext
    private let keepsCommunities: Bool
    private let progress: (@Sendable (Double) -> Void)?
    private var peers: LoadingPeers
    /// Nil where the file is only checked.
    private var feeds: [LoadingFeed]
    /// The feeds of each peer in the peer index table.
    private var index: [[Int]]?
    /// Those whose peers it has.
    private(set) var indexedFeeds: [Int] = []
    private var identifiers: [MRTPeer: UInt32] = [:]

    init(_ loader: DumpLoader, owner: TableOwner?) {
        self.path = loader.path
        self.progress = loader.progress
        self.keepsGoodPart = loader.damage == .keepGoodPart
        self.keepsCommunities = loader.kept.values.contains(.communities)
        func context(_ form: DecodeContext, _ keeps: Bool) -> DecodeContext {
            var context = form
            context.keepsCommunities = keeps
            return context
        }
        self.tableDump = context(.tableDump, self.keepsCommunities)
        self.tableDumpV2 = context(.tableDumpV2, self.keepsCommunities)
        self.peers = LoadingPeers(path: loader.path, selectors: loader.feeds.map(\.peer))
        self.feeds =
            owner.map { owner in
                loader.feeds.map {
                    LoadingFeed(
                        id: $0.id, owner: owner, keeping: loader.kept[$0.id] ?? .path,
                        judge: loader.judges[$0.id])
                }
            } ?? []
    }

    mutating func run() throws {
        var reader = try MRTReader(path: self.path)
        do {
            while try reader.next({ try self.read($0, $1) }) {
                if reader.recordNumber & 0xfff == 0, let progress, let done = reader.progress {
                    progress(done)
                }
            }
        } catch let error as MRTError where self.keepsGoodPart {
            self.report.damage = error
        }
        self.report.records = reader.recordNumber
        try self.peers.checkAll()
        self.finish()
        self.report = self.reportSoFar
    }

    /// What has been taken in, feed by feed.
    var reportSoFar: DumpLoader.Report {
        var report = self.report
        for feed in self.feeds.indices {
            let loaded = self.feeds[feed]
            let peer = self.peers.peer(of: feed)
            report.feeds.append(
                .init(
                    id: loaded.id, peer: peer,
                    identifier: peer.flatMap { self.identifiers[$0] }, announced: loaded.announced,
                    withdrawn: loaded.withdrawn,
                    malformed: loaded.malformed,
                    treatedAsWithdrawn: loaded.treatedAsWithdrawn))
        }
        return report
    }

    /// What has been taken in of one feed.
    func loaded(_ feed: Int) -> LoadingFeed { self.feeds[feed] }

    /// Another file follows.
    mutating func begin(_ path: String) {
        self.path = path
        self.peers.path = path
        self.index = nil
    }

    /// The feeds that read a peer, as positions in the loader's list.
    mutating func feeds(of peer: MRTPeer) throws(DumpSelectionError) -> [Int] {
        let feeds = try self.peers.feeds(of: peer)
        if !feeds.isEmpty { try self.peers.checkAmbiguity() }
        return feeds
    }

    /// The end: what is gathered is handed over, and counted.
    mutating func finish() { for feed in self.feeds.indices { self.feeds[feed].finish() } }

    /// Hands over to the table what is gathered.
    mutating func flush() { for feed in self.feeds.indices { self.feeds[feed].flush() } }

    mutating func read(_ record: MRTRecord, _ bytes: RawSpan) throws {
        do {
            try self.readBody(record, bytes)
        } catch let error as MRTFormatError {
            throw record.error(error, path: self.path)
        }
    }

    private mutating func readBody(_ record: MRTRecord, _ bytes: RawSpan) throws {
        switch record.content {
        case .peerIndexTable:
            let table = try PeerIndexTable(parsing: bytes)
            let index = try table.peers.map { try self.peers.feeds(of: $0) }
            self.index = index
            self.indexedFeeds = Set(index.joined()).sorted()
            for (peer, identifier) in zip(table.peers, table.identifiers) {
                self.identifiers[peer] = identifier
            }
            try self.peers.checkAmbiguity()
        case .rib(let form): try self.readTable(record, bytes, form)
        case .tableDump(let family):
            let entry = try TableDumpEntry(parsing: bytes, family: family)
            for feed in try self.peers.feeds(of: entry.peer) where !self.feeds.isEmpty {
                self.feeds[feed].announce(
                    entry.prefix, attributes: bytes.extracting(entry.attributes),
                    context: self.tableDump)
            }
        case .message(let form):
            let message = try BGP4MPMessage(parsing: bytes, form: form)
            let feeds = try self.peers.feeds(of: message.peer)
            guard message.isUpdate, !form.isLocal, !feeds.isEmpty, !self.feeds.isEmpty else {
                break
            }
            let body = bytes.extracting(message.body)
            var context = message.context
            context.keepsCommunities = self.keepsCommunities
            let update = UpdateDecoding.decode(body, context: context)
            for feed in feeds {
                self.feeds[feed].apply(update, in: body, context: context)
            }
        case .stateChange(let fourOctetAS):
            let change = try BGP4MPStateChange(parsing: bytes, fourOctetAS: fourOctetAS)
            let feeds = try self.peers.feeds(of: change.peer)
            guard change.oldState == BGP4MPStateChange.established,
                change.newState != BGP4MPStateChange.established, !self.feeds.isEmpty
            else { break }
            for feed in feeds { self.feeds[feed].reset() }
        case .notRead: self.report.passedBy += 1
        }
    }

    private mutating func readTable(
        _ record: MRTRecord, _ bytes: RawSpan, _ form: MRTRecord.RIBForm
    ) throws {
        guard let index = self.index else {
            throw MRTError(
                path: self.path, record: record.number, offset: record.offset,
                reason: .noPeerIndexTable)
        }
        let count = try RIBRecord.forEachEntry(in: bytes, form: form) { entry in
            guard Int(entry.peerIndex) < index.count else {
                throw MRTError(
                    path: self.path, record: record.number, offset: record.offset,
                    reason: .unknownPeer(index: Int(entry.peerIndex), count: index.count))
            }
            guard !entry.isMulticast, !self.feeds.isEmpty else { return }
            let attributes = bytes.extracting(entry.attributes)
            for feed in index[Int(entry.peerIndex)] {
                self.feeds[feed].announce(
                    entry.prefix, pathID: entry.pathIdentifier, attributes: attributes,
                    context: self.tableDumpV2)
            }
        }
        if count == nil { self.report.passedBy += 1 }
    }
}
