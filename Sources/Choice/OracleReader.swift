// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
public import RouteTable

/// One thread's way to ask Oracle. It keeps the arrangements it has met.
public struct OracleReader: ~Copyable, @unchecked Sendable {
    // Sendable: the state is reached through this value alone, which has one owner at a time.

    private let oracle: Oracle
    /// The oracle's, which keeps it alive: so a batch counts no reference.
    private let scopes: Unmanaged<AnswerScopeBoard>
    private var table: TableReader
    private let state: UnsafeMutablePointer<ReaderState>

    init(oracle: Oracle, table: consuming TableReader) {
        self.oracle = oracle
        self.scopes = .passUnretained(oracle.scopes)
        self.table = table
        self.state = .allocate(capacity: 1)
        self.state.initialize(to: ReaderState(oracle.frozen()))
    }

    deinit {
        self.state.deinitialize(count: 1)
        self.state.deallocate()
    }

    /// Answers a batch of questions from one snapshot of the table and one state of the world.
    ///
    /// Keep batches short: memory that the table has given up is held until the batch ends.
    public mutating func withBatch<R>(
        _ body: (inout OracleBatch) throws -> R
    ) rethrows -> R {
        let state = self.state
        let scopes = self.scopes
        if self.oracle.currentGeneration() != state.pointee.generation {
            state.pointee.adopt(self.oracle.frozen())
        }
        return try self.table.withSnapshot { snapshot in
            state.pointee.checkClasses(snapshot.classGeneration)
            let classGeneration = snapshot.classGeneration
            state.pointee.scopes = scopes._withUnsafeGuaranteedRef {
                $0.scopes(
                    classGeneration: classGeneration, worldGeneration: state.pointee.generation)
            }
            defer { state.pointee.scopes = nil }
            return try withUnsafePointer(to: snapshot) { pointer in
                var batch = OracleBatch(snapshot: pointer, state: state)
                return try body(&batch)
            }
        }
    }
}

/// Where a client was found in the table.
public struct ClientMatch: Hashable, Sendable {
    public var classID: UInt32
    /// Every address that shares this many leading bits with the client gets the same answer to
    /// the same question.
    public var scope: UInt8

    public init(classID: UInt32, scope: UInt8) {
        self.classID = classID
        self.scope = scope
    }
}

/// A number of questions that are answered from one state of things.
///
/// It lives inside OracleReader/withBatch(_:) only.
public struct OracleBatch: ~Copyable {
    private let snapshot: UnsafePointer<TableSnapshot>
    private let state: UnsafeMutablePointer<ReaderState>

    fileprivate init(
        snapshot: UnsafePointer<TableSnapshot>, state: UnsafeMutablePointer<ReaderState>
    ) {
        self.snapshot = snapshot
        self.state = state
    }

    /// The world that the batch sees.
    public var world: World { self.state.pointee.frozen.world }

    /// The world's generation; unlike the world it is had without counting references.
    public var worldGeneration: UInt64 { self.state.pointee.generation }

    /// Class ids mean the same as long as this is equal.
    public var classGeneration: UInt64 { self.snapshot.pointee.classGeneration }

    /// Puts the sites that may be answered in order.
    ///
    /// Once a class has been met under a policy and a family, this allocates nothing, locks
    /// nothing and counts no reference.
    ///
    /// - Parameters:
    ///   - policy: A policy of the world; an unknown one gives an empty order.
    ///   - family: The family that an answer must have; nil for any.
    ///   - client: The address asked about.
    ///   - places: How many places the caller will use; those beyond may be in any order.
    ///     Fewer give a wider scope.
    ///   - order: Receives the sites.
    /// - Returns: The client's class, and the scope for which the places that are used hold.
    public mutating func order(
        policy: Int, family: AddressFamily?, client: IPAddress, places: Int = SiteOrder.capacity,
        into order: inout SiteOrder
    ) -> ClientMatch {
        self.order(
            policy: policy, family: family, client: client, match: self.match(of: client),
            places: places, into: &order)
    }

    /// The same for a client that was looked up in this batch: `match` is what ``match(of:)`` gave.
    public mutating func order(
        policy: Int, family: AddressFamily?, client: IPAddress, match: ClientMatch,
        places: Int = SiteOrder.capacity, into order: inout SiteOrder
    ) -> ClientMatch {
        let found = match
        let key = ArrangementCache.key(
            classID: found.classID, policy: policy, family: family?.rawValue ?? 0)
        let record =
            self.state.pointee.cache.find(key)
            ?? self.arrange(policy: policy, family: family, classID: found.classID, key: key)
        order.fill(from: record.sites, count: record.count)
        guard record.rangeCount > 0, record.range(0).start < places else {
            return ClientMatch(
                classID: found.classID,
                scope: self.scope(
                    of: found, policy: policy, family: family, client: client, places: places))
        }
        let length =
            client.family == .ipv4 ? record.hashedLengthIPv4 : record.hashedLengthIPv6
        let hash = Rendezvous.key(client, length: Int(length))
        for index in 0..<record.rangeCount {
            let (start, end) = record.range(index)
            guard start < places else { break }
            let seeds = self.state.pointee.seeds
            let weights = self.state.pointee.weights
            order.sort(from: start, to: end, lots: self.state.pointee.lots) { site in
                Rendezvous.lot(key: hash, seed: seeds[Int(site)], weight: weights[Int(site)])
            }
        }
        // Beyond what is hashed no scope reaches, however far the same sites are tied.
        guard found.scope > length else {
            return ClientMatch(classID: found.classID, scope: length)
        }
        let scope = self.scope(
            of: found, policy: policy, family: family, client: client, places: places)
        return ClientMatch(classID: found.classID, scope: max(scope, length))
    }

    /// The order for an answer that caches keep: with a scope of 0 they keep it for everybody, so
    /// that it is 0 only where clients of the other family get the same, too. Which isn't looked up
    /// where no scope is told.
    @inline(__always)
    package mutating func answerOrder(
        policy: Int, family: AddressFamily?, client: IPAddress, places: Int,
        tellsScope: Bool = true, into order: inout SiteOrder
    ) -> ClientMatch {
        let found = self.order(
            policy: policy, family: family, client: client, places: places, into: &order)
        guard tellsScope, found.scope == 0 else { return found }
        let isForAll = self.isForAll(
            policy: policy, family: family, client: client, places: places, order)
        return ClientMatch(classID: found.classID, scope: isForAll ? 0 : 1)
    }

    /// Whether clients of the other family get the same, all of them.
    @inline(never)
    private mutating func isForAll(
        policy: Int, family: AddressFamily?, client: IPAddress, places: Int, _ order: SiteOrder
    ) -> Bool {
        let other =
            client.family == .ipv4 ? IPAddress(ipv6High: 0, low: 0) : IPAddress(ipv4: 0)
        var others = SiteOrder()
        let found = self.order(
            policy: policy, family: family, client: other, places: places, into: &others)
        guard found.scope == 0, order.count == others.count else { return false }
        for place in 0..<min(places, order.count) where order[place] != others[place] {
            return false
        }
        return true
    }

    /// The scope of an answer, but for what a hash narrows: that of the class, or a wider one
    /// where it is known that the classes around it get the same answer. `match` is what this
    /// batch found for the client, with the class's scope.
    package mutating func scope(
        of match: ClientMatch, policy: Int, family: AddressFamily?, client: IPAddress,
        places: Int
    ) -> UInt8 {
        guard match.scope > 0, policy >= 0, policy < self.state.pointee.policyCount else {
            return match.scope
        }
        let slot = AskedQuestions.slot(policy: policy, family: family, places: places)
        if !self.state.pointee.asked.isNoted(slot) { self.note(slot) }
        guard let scopes = self.state.pointee.scopes else { return match.scope }
        return scopes.scope(
            slot: slot, of: client,
            LookupMatch(classID: match.classID, scope: match.scope))
    }

    @inline(never)
    private func note(_ slot: Int) { self.state.pointee.frozen.asked.note(slot) }

    /// The client's class, and the scope for which it holds.
    @inline(__always)
    public func match(of client: IPAddress) -> ClientMatch {
        let match = self.snapshot.pointee.lookup(client)
        return ClientMatch(classID: match.classID, scope: UInt8(match.scope))
    }

    /// Walks on over the table that the batch sees.
    package func step(_ walk: inout AnswerWalk, entries: Int) {
        walk.step(self.snapshot.pointee, entries: entries)
    }

    /// Whether a hash of the client's address decides one of the first `places` for its class.
    public mutating func isHashed(
        _ match: ClientMatch, policy: Int, family: AddressFamily?, places: Int
    ) -> Bool {
        let key = ArrangementCache.key(
            classID: match.classID, policy: policy, family: family?.rawValue ?? 0)
        let record =
            self.state.pointee.cache.find(key)
            ?? self.arrange(policy: policy, family: family, classID: match.classID, key: key)
        return record.rangeCount > 0 && record.range(0).start < places
    }

    /// The whole ranking with its reasons, and the scope for which all of it holds.
    public mutating func ranking(
        policy: Int, family: AddressFamily?, client: IPAddress
    ) -> (ranking: Ranking, scope: Int) {
        self.ranking(
            policy: policy, family: family, client: client, match: self.match(of: client))
    }

    /// The same for a client that was looked up in this batch.
    public mutating func ranking(
        policy: Int, family: AddressFamily?, client: IPAddress, match: ClientMatch
    ) -> (ranking: Ranking, scope: Int) {
        let ranking = self.world.ranking(
            policy: policy, family: family, client: client,
            values: self.snapshot.pointee.values(ofClass: match.classID))
        return (ranking, max(Int(match.scope), ranking.hashedLength ?? 0))
    }

    /// What the table knows of the client.
    public func values(of client: IPAddress) -> ClassValues {
        self.snapshot.pointee.values(ofClass: self.snapshot.pointee.lookup(client).classID)
    }

    @inline(never)
    private func arrange(
        policy: Int, family: AddressFamily?, classID: UInt32, key: UInt64
    ) -> ArrangementCache.Record {
        let world = self.world
        let rules =
            world.policies.indices.contains(policy) ? world.policies[policy] : Policy(sites: [])
        let arrangement = Arrangement(
            policy: rules, sites: world.sites, statuses: world.status,
            values: self.snapshot.pointee.values(ofClass: classID), family: family)
        return self.state.pointee.cache.insert(arrangement, policy: rules, for: key)
    }
}

/// What a reader keeps from batch to batch.
struct ReaderState: ~Copyable {
    private(set) var frozen: Oracle.Frozen
    private(set) var generation: UInt64
    private(set) var policyCount: Int
    /// Of `frozen`, which keeps them alive.
    private(set) var asked: AskedQuestions.Marks
    private var classGeneration: UInt64 = 0
    /// The indexes of scopes that the batch may use.
    var scopes: AnswerScopes?
    var cache = ArrangementCache()
    /// By the site's identifier: its part of the hash, and its weight.
    let seeds: UnsafeMutablePointer<UInt64>
    let weights: UnsafeMutablePointer<Double>
    /// Room to sort in.
    let lots: UnsafeMutablePointer<Double>

    /// A site's identifier has eight bits.
    private static var siteCapacity: Int { 256 }

    init(_ frozen: Oracle.Frozen) {
        self.frozen = frozen
        self.generation = frozen.world.generation
        self.policyCount = frozen.world.policies.count
        self.asked = frozen.asked.view
        self.seeds = .allocate(capacity: Self.siteCapacity)
        self.weights = .allocate(capacity: Self.siteCapacity)
        self.lots = .allocate(capacity: SiteOrder.capacity)
        self.lots.initialize(repeating: 0, count: SiteOrder.capacity)
        self.seeds.initialize(repeating: 0, count: Self.siteCapacity)
        self.weights.initialize(repeating: 1, count: Self.siteCapacity)
        self.adopt(frozen)
    }

    deinit {
        self.seeds.deallocate()
        self.weights.deallocate()
        self.lots.deallocate()
    }

    mutating func adopt(_ frozen: Oracle.Frozen) {
        self.frozen = frozen
        self.generation = frozen.world.generation
        self.policyCount = frozen.world.policies.count
        self.asked = frozen.asked.view
        for site in frozen.world.sites {
            self.seeds[Int(site.id.rawValue)] = Rendezvous.seed(name: site.name)
            self.weights[Int(site.id.rawValue)] = Double(site.weight)
        }
        self.cache.removeAll()
    }

    /// Forgets what was kept for classes that may mean something else by now.
    mutating func checkClasses(_ generation: UInt64) {
        guard generation != self.classGeneration else { return }
        self.classGeneration = generation
        self.cache.removeAll()
    }
}
