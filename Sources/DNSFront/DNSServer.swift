// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
public import Choice
public import DNSWire
public import Logging
import Synchronization

/// Serves zones by UDP, on threads of its own, and by TCP, on an event loop of its own.
///
/// ``bind(adopting:)`` takes the ports, while the process may; ``run()`` serves until its task is
/// cancelled. Meanwhile ``apply(_:)`` changes what is served where, and ``leave()`` hands all of it
/// to another process that has the same sockets; neither loses a query.
public final class DNSServer: Sendable, ZoneFollower {
    let oracle: Oracle
    private let zones: ZoneStore
    let logger: Logger
    private let rules: AnswerRulesBox
    private let tallies = TallyBook()
    private let decisions: DecisionLog
    private let certificates: TLSCertificates
    /// Set it when answers may be given.
    public let readiness: DNSReadiness
    let state: Mutex<State>
    /// Who changes what is served.
    private let turn = Turn()
    private let serving = Gate()

    struct State {
        var settings: DNSSettings
        var phase = Phase.new
        var places: [ListeningPlace] = []
        /// Sockets of another process's listeners that there are no more.
        var surplus: [BoundSocket] = []
        var front: StreamFront?
        /// Threads are numbered for their names.
        var threads = 0
        var counters: [CounterBlock] = []
        /// What threads that have ended had counted.
        var past = DNSCounters()
    }

    enum Phase { case new, bound, serving, left, ended }

    /// A server that does nothing yet. Cookies' secrets are drawn from `cookieSeed` where none are
    /// configured; who takes another process's place has its seed, so that its cookies stay good.
    public init(
        oracle: Oracle, zones: ZoneStore, settings: DNSSettings,
        readiness: DNSReadiness = DNSReadiness(), cookieSeed: SipHash.Key = .random(),
        logger: Logger
    ) {
        self.oracle = oracle
        self.zones = zones
        self.state = Mutex(State(settings: settings))
        self.readiness = readiness
        self.logger = logger
        self.rules = AnswerRulesBox(settings.rules, cookieSeed: cookieSeed)
        self.decisions = DecisionLog(oracle: oracle, rules: self.rules, logger: logger)
        self.certificates = TLSCertificates(logger: logger)
        zones.add(self)
    }

    func follow() {
        self.decisions.wake()
        self.state.withLock { $0.front }?.refresh()
    }

    /// Reads certificates anew whose files have changed; those that are there are looked at now and
    /// then anyway.
    ///
    /// - Returns: What has come of it, a line for each.
    public func reloadCertificates() -> [String] { self.certificates.reload() }

    /// What is known of a listener's certificate; nil where it has none, or before
    /// ``bind(adopting:)``.
    public func certificate(of listener: DNSListener) -> CertificateReport? {
        guard let known = listener.tls.flatMap({ self.certificates.known(in: $0) }) else {
            return nil
        }
        return CertificateReport(validity: known.validity, problem: known.problem)
    }

    /// What secrets of cookies are drawn from.
    public var cookieSeed: SipHash.Key { self.rules.cookieSeed }

    /// What has been counted on all threads since the start.
    public func counters() -> DNSCounters {
        self.state.withLock { state in
            Self.fold(&state)
            var sum = state.past
            for block in state.counters { block.add(to: &sum) }
            return sum
        }
    }

    private static func fold(_ state: inout State) {
        state.counters.removeAll { block in
            guard block.isClosed else { return false }
            block.add(to: &state.past)
            return true
        }
    }

    /// The same by zone, and by name where that is wanted.
    public func counters(names: NamesWanted) -> [DomainName: ZoneCounters] {
        self.tallies.counters(names: names)
    }

    // MARK: Ports

    /// Takes the listeners' ports, all or none.
    ///
    /// - Parameter sockets: Those that the process before this one has; they belong to the server
    ///   from here on. They serve the listeners that they fit, which then need no right to bind.
    /// - Returns: The listeners, with the ports that the system picked for those that asked for 0.
    /// - Throws: For the first port that can't be had; then none is taken.
    @discardableResult
    public func bind(
        adopting sockets: DNSSockets = DNSSockets()
    ) throws(DNSServerError) -> [DNSEndpoint] {
        let settings = self.state.withLock { $0.settings }
        var inherited = InheritedSockets(sockets)
        var places: [ListeningPlace] = []
        for listener in settings.listeners {
            places.append(try self.open(listener, settings, &inherited))
        }
        let rest = inherited.rest()
        let endpoints = places.map(\.endpoint)
        self.state.withLock { state in
            state.places = places
            state.surplus = rest
            state.phase = .bound
        }
        return endpoints
    }

    /// Takes the sockets of one listener, whose certificate can be used. Its address may come later,
    /// as those do that several servers share; a wrong one is told.
    func open(
        _ listener: DNSListener, _ settings: DNSSettings, _ inherited: inout InheritedSockets
    ) throws(DNSServerError) -> ListeningPlace {
        if let files = listener.tls {
            do throws(TLSFileError) {
                _ = try self.certificates.certificate(in: files)
            } catch {
                throw .badCertificate(listener.endpoint, error)
            }
        }
        let place = try ListeningPlace(listener, settings, &inherited)
        if listener.endpoint.isAway {
            self.logger.warning(
                "DNS listens on an address that isn't this machine's: it answers once it is",
                metadata: ["listener": "\(listener.endpoint)"])
        }
        return place
    }

    /// The sockets, for another process: they belong to the server, and stay open until
    /// ``apply(_:)`` is called or ``run()`` returns.
    public func sockets() -> DNSSockets {
        self.state.withLock { state in
            DNSSockets(
                udp: state.places.flatMap { $0.udp.map(\.descriptor) },
                tcp: state.places.map(\.tcp.descriptor))
        }
    }

    /// The listeners whose ports are had: those of the settings, but for those of a change that couldn't
    /// be had, and for which some may be kept that the settings have no more.
    public var listeners: [DNSListener] { self.state.withLock { $0.places.map(\.listener) } }

    // MARK: Service

    /// Serves until the task is cancelled; returns when all threads have ended.
    public func run() async throws {
        let isBound = self.state.withLock { state in
            defer { if state.phase == .bound { state.phase = .serving } }
            return state.phase == .bound
        }
        guard isBound else { throw DNSServerError.notBound }
        let log = Gate()
        do {
            try self.startLog(log)
            try await self.turn.take { try await self.serve() }
            self.serving.open()
            let interval = self.state.withLock { $0.settings.certificateInterval }
            await self.certificates.watch(every: interval)
        } catch {
            await self.turn.take { await self.end(log) }
            throw error
        }
        await self.turn.take { await self.end(log) }
    }

    /// Returns when queries are answered.
    public func waitUntilServing() async { await self.serving.wait() }

    private func startLog(_ ended: Gate) throws(DNSServerError) {
        let (decisions, tallies, logger) = (self.decisions, self.tallies, self.logger)
        do throws(DNSServerError) {
            try WorkerThread.start(name: "dns-log") {
                do {
                    try decisions.run(tidying: tallies)
                } catch {
                    logger.error("DNS decisions are not written: \(error)")
                }
                ended.open()
            }
        } catch {
            ended.open()
            throw error
        }
    }

    /// Begins all that ``bind(adopting:)`` has prepared.
    private func serve() async throws {
        let (settings, places, surplus) = self.state.withLock { state in
            defer { state.surplus = [] }
            return (state.settings, state.places, state.surplus)
        }
        let front = StreamFront(certificates: self.certificates) { transport in
            let settings = self.state.withLock { $0.settings }
            return TCPService(
                reader: try self.oracle.makeReader(), responder: self.makeResponder(settings),
                over: transport, settings: settings)
        }
        self.state.withLock { $0.front = front }
        for index in places.indices {
            var place = places[index]
            place.workers = try place.udp.map { try self.startWorker($0, place.listener, settings) }
            self.state.withLock { $0.places[index].workers = place.workers }
            let stream = try await front.start(try place.tcp.copy(), place.listener)
            self.state.withLock { $0.places[index].stream = stream }
        }
        for socket in surplus {
            // Nobody waits for them: they end when nothing comes any more.
            try self.startWorker(socket, nil, settings).retire()
        }
    }

    /// Ends what serves. What has arrived is answered first.
    private func end(_ log: Gate) async {
        let (places, front) = self.state.withLock { state in
            defer {
                state.places = []
                state.front = nil
                state.phase = .ended
            }
            return (state.places, state.front)
        }
        for worker in places.flatMap(\.workers) { worker.end() }
        for worker in places.flatMap(\.workers) { await worker.ended.wait() }
        for place in places { await place.stream?.close() }
        try? await front?.stop()
        self.decisions.stop()
        await log.wait()
    }

    /// A thread for a socket; for one that is listened on no more, without a listener.
    func startWorker(
        _ socket: BoundSocket, _ listener: DNSListener?, _ settings: DNSSettings
    ) throws -> UDPWorker {
        let number = self.state.withLock { state in
            defer { state.threads += 1 }
            return state.threads
        }
        let processors = settings.pinsThreads ? WorkerThread.processors() : []
        let worker = try UDPWorker(
            socket: socket, reader: try self.oracle.makeReader(),
            responder: self.makeResponder(settings), settings: settings,
            listener: listener,
            processor: processors.isEmpty ? nil : processors[number % processors.count])
        let logger = self.logger
        try worker.start(name: "dns-udp-\(number)") { reason in
            logger.error("DNS over UDP gave up a socket", metadata: ["errno": "\(reason)"])
        }
        return worker
    }

    private func makeResponder(_ settings: DNSSettings) -> Responder {
        let responder = Responder(
            zones: self.zones, readiness: self.readiness, rules: self.rules,
            tallies: self.tallies, decisions: self.decisions.makeRing(),
            payloadSize: settings.payloadSize, idleTimeout: settings.idleTimeout)
        let block = responder.counterBlock
        self.state.withLock { state in
            Self.fold(&state)
            state.counters.append(block)
        }
        return responder
    }

    // MARK: Changes

    /// Lets other rules hold from each thread's next batch of queries on.
    public func apply(_ rules: AnswerRules) {
        self.rules.replace(rules)
        self.decisions.wake()
    }

    /// Takes other settings: the rules hold from each thread's next batch of queries on, listeners
    /// and threads begin and end. No query is lost on listeners that stay, and those that have arrived
    /// on others are answered.
    ///
    /// - Returns: What can't be had, and what waits for the next start, in words.
    public func apply(_ settings: DNSSettings) async -> [String] {
        self.apply(settings.rules)
        return await self.turn.take { await self.change(to: settings) }
    }

    /// Stops reading queries at once, and returns when nobody does any more. Another process that has
    /// the sockets reads on. Connections that are there go on; see ``finishConnections(within:)``.
    public func leave() async {
        await self.turn.take {
            let places = self.state.withLock { state in
                guard state.phase == .serving else { return [ListeningPlace]() }
                state.phase = .left
                defer { state.places = [] }
                return state.places
            }
            for worker in places.flatMap(\.workers) { worker.leave() }
            for place in places { await place.stream?.close() }
            for worker in places.flatMap(\.workers) { await worker.ended.wait() }
            await self.state.withLock { $0.front }?.drain()
        }
    }

    /// Returns when all connections have ended, or the time is over.
    ///
    /// - Returns: How many are left.
    public func finishConnections(within limit: Duration) async -> Int {
        guard let front = self.state.withLock({ $0.front }) else { return 0 }
        let end = ContinuousClock().now + limit
        while true {
            let count = await front.connectionCount
            if count == 0 || ContinuousClock().now >= end { return count }
            guard (try? await Task.sleep(for: .milliseconds(100))) != nil else { return count }
        }
    }
}
