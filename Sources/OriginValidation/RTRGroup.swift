// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// Where a cache is.
public struct RTRCache: Sendable, Hashable, CustomStringConvertible {
    public var address: IPAddress
    public var port: UInt16

    public init(address: IPAddress, port: UInt16 = 323) {
        self.address = address
        self.port = port
    }

    public var description: String {
        self.address.family == .ipv6
            ? "[\(self.address)]:\(self.port)" : "\(self.address):\(self.port)"
    }
}

/// Several caches in order of preference (RFC 8210 §10): who is asked, and whose payloads count.
///
/// The first is always tried. The next is asked as long as none before it is synchronised; when a
/// preferred one is, those after it are left. The payloads that count are those of the first cache
/// with a connection that has told all; without such a one, those that were told last, until they
/// expire. So there is no moment without payloads as long as any cache answers.
public struct RTRGroup: Sendable {
    /// One cache, as it stands.
    public struct Member: Sendable {
        public let cache: RTRCache
        public fileprivate(set) var session: RTRSession
        /// It isn't configured any more, but its payloads still count.
        public fileprivate(set) var isRetired = false
        /// Larger for an answer that came later; 0 for none.
        fileprivate var order: UInt64 = 0

        /// Whether what it has told is as it is now.
        var isLive: Bool { self.session.table != nil && self.session.isConnected }
    }

    public enum Action: Sendable, Hashable {
        case perform(RTRCache, RTRAction)
        /// ``RTRGroup/table`` is another, or that of another cache.
        case publish
    }

    public private(set) var members: [Member] = []
    /// Whose payloads count.
    public private(set) var cacheInForce: RTRCache?
    private var orderInForce: UInt64 = 0
    private var settings: RTRSettings
    private var isStarted = false
    private var lastOrder: UInt64 = 0
    private var actions: [Action] = []

    public init(caches: [RTRCache], settings: RTRSettings = RTRSettings()) {
        self.settings = settings
        self.members = caches.map {
            Member(cache: $0, session: RTRSession(settings: settings))
        }
    }

    /// The payloads that count; nil where no cache has told any, or all have expired.
    public var table: VRPTable? {
        self.cacheInForce.flatMap { cache in
            self.members.first { $0.cache == cache }?.session.table
        }
    }

    public mutating func start() -> [Action] {
        self.isStarted = true
        self.startNext()
        return self.finish()
    }

    /// Leaves all caches and forgets what they told.
    public mutating func stop() -> [Action] {
        self.isStarted = false
        for index in self.members.indices { self.perform(.stop, at: index) }
        return self.finish()
    }

    /// Takes other caches, another order and other settings. Sessions with those that stay go on.
    public mutating func apply(caches: [RTRCache], settings: RTRSettings) -> [Action] {
        self.settings = settings
        var old = self.members
        self.members = caches.map { cache in
            guard let index = old.firstIndex(where: { $0.cache == cache }) else {
                return Member(cache: cache, session: RTRSession(settings: settings))
            }
            var member = old.remove(at: index)
            member.isRetired = false
            member.session.adjust(to: settings)
            return member
        }
        for var member in old {
            let keeps = member.session.table != nil && !caches.isEmpty
            self.add(member.session.handle(keeps ? .retire : .stop), of: member.cache)
            member.isRetired = true
            if keeps { self.members.append(member) }
        }
        self.leaveOthers()
        if self.isStarted { self.startNext() }
        return self.finish()
    }

    /// Takes what happened to one cache's session.
    ///
    /// - Returns: What is to be done, in order. Nothing for a cache that isn't there.
    public mutating func handle(_ event: RTREvent, of cache: RTRCache) -> [Action] {
        guard let index = self.members.firstIndex(where: { $0.cache == cache }) else { return [] }
        // Of a large answer almost every message has no consequence but its place in the session.
        let actions = self.members[index].session.handle(event)
        guard !actions.isEmpty else { return [] }
        self.add(actions, of: cache)
        for action in actions {
            switch action {
            case .synchronised:
                self.lastOrder += 1
                self.members[index].order = self.lastOrder
                self.leaveOthers()
            case .failed, .expired: self.startNext()
            case .connect, .send, .close, .startTimer, .stopTimer: break
            }
        }
        return self.finish()
    }

    // MARK: Who is asked

    private mutating func perform(_ event: RTREvent, at index: Int) {
        self.add(self.members[index].session.handle(event), of: self.members[index].cache)
    }

    private mutating func add(_ actions: [RTRAction], of cache: RTRCache) {
        self.actions += actions.map { .perform(cache, $0) }
    }

    /// The first cache that isn't asked yet, unless one before it is synchronised, or has just
    /// begun.
    private mutating func startNext() {
        for index in self.members.indices where !self.members[index].isRetired {
            let session = self.members[index].session
            if session.state == .idle {
                self.perform(.start, at: index)
                return
            }
            if session.state != .waiting { return }
        }
    }

    /// Leaves all after the first that is live.
    private mutating func leaveOthers() {
        guard let first = self.members.firstIndex(where: { $0.isLive }) else { return }
        for index in self.members.indices where index > first {
            self.perform(.stop, at: index)
        }
        self.members.removeAll { $0.isRetired }
    }

    // MARK: What counts

    private mutating func finish() -> [Action] {
        self.members.removeAll { $0.isRetired && $0.session.table == nil }
        let best =
            self.members.first { $0.isLive }
            ?? self.members.filter { $0.session.table != nil }.max { $0.order < $1.order }
        if best?.cache != self.cacheInForce || (best?.order ?? 0) != self.orderInForce {
            self.cacheInForce = best?.cache
            self.orderInForce = best?.order ?? 0
            self.actions.append(.publish)
        }
        defer { self.actions.removeAll(keepingCapacity: false) }
        return self.actions
    }
}
