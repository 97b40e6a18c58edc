// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
public import Choice
public import DNSWire
public import Logging
import Synchronization

/// Serves zones by UDP, on threads of its own, and by TCP, on an event loop of its own.
///
/// ``bind()`` takes the ports, while the process may; ``run()`` serves until its task is cancelled.
public final class DNSServer: Sendable {
    private let oracle: Oracle
    private let zones: ZoneStore
    private let settings: DNSSettings
    private let logger: Logger
    private let rules: AnswerRulesBox
    private let tallies = TallyBook()
    private let decisions: DecisionLog
    private let certificates: TLSCertificates
    /// Set it when answers may be given.
    public let readiness: DNSReadiness
    private let state = Mutex(State())

    private struct State {
        var ports: Ports?
        var counters: [CounterBlock] = []
    }

    /// The sockets between ``bind()`` and ``run()``.
    private struct Ports {
        var udp: [Port] = []
        var tcp: [Port] = []
    }

    private struct Port {
        var socket: BoundSocket
        var listener: DNSListener
    }

    public init(
        oracle: Oracle, zones: ZoneStore, settings: DNSSettings,
        readiness: DNSReadiness = DNSReadiness(), logger: Logger
    ) {
        self.oracle = oracle
        self.zones = zones
        self.settings = settings
        self.readiness = readiness
        self.logger = logger
        self.rules = AnswerRulesBox(settings.rules)
        self.decisions = DecisionLog(oracle: oracle, rules: self.rules, logger: logger)
        self.certificates = TLSCertificates(logger: logger)
    }

    /// Lets other rules hold from each thread's next batch of queries on.
    public func apply(_ rules: AnswerRules) {
        self.rules.replace(rules)
        self.decisions.wake()
    }

    /// Reads certificates anew whose files have changed; those that are there are looked at now and
    /// then anyway.
    ///
    /// - Returns: What has come of it, a line for each.
    public func reloadCertificates() -> [String] { self.certificates.reload() }

    /// What is known of a listener's certificate; nil where it has none, or before ``bind()``.
    public func certificate(of listener: DNSListener) -> CertificateReport? {
        guard let known = listener.tls.flatMap({ self.certificates.known(in: $0) }) else {
            return nil
        }
        return CertificateReport(validity: known.validity, problem: known.problem)
    }

    /// What has been counted on all threads since the start.
    public func counters() -> DNSCounters {
        var sum = DNSCounters()
        for block in self.state.withLock({ $0.counters }) { block.add(to: &sum) }
        return sum
    }

    /// The same by zone, and by name where that is wanted.
    public func counters(names: NamesWanted) -> [DomainName: ZoneCounters] {
        self.tallies.counters(names: names)
    }

    // MARK: Ports

    /// Takes the listeners' ports, all or none.
    ///
    /// - Returns: The listeners, with the ports that the system picked for those that asked for 0.
    @discardableResult
    public func bind() throws(DNSServerError) -> [DNSEndpoint] {
        var ports = Ports()
        var found: [DNSEndpoint] = []
        for listener in self.settings.listeners {
            found.append(try self.bind(listener, &ports))
        }
        self.state.withLock { $0.ports = ports }
        return found
    }

    private func bind(
        _ listener: DNSListener, _ ports: inout Ports
    ) throws(DNSServerError) -> DNSEndpoint {
        let wanted = listener.endpoint
        // 0.0.0.0 beside :: on the same port takes IPv4 for itself.
        let onlyIPv6 =
            wanted.isWildcard && wanted.address.family == .ipv6 && wanted.port != 0
            && self.settings.listeners.map(\.endpoint).contains {
                $0.isWildcard && $0.address.family == .ipv4 && $0.port == wanted.port
            }
        // The port that the system picks for UDP may be taken by somebody's TCP.
        var attempts = wanted.port == 0 ? 16 : 1
        if let files = listener.tls {
            do throws(TLSFileError) {
                _ = try self.certificates.certificate(in: files)
            } catch {
                throw .badCertificate(wanted, error)
            }
            let socket = try BoundSocket.tcp(
                wanted, onlyIPv6: onlyIPv6, sharesPort: self.settings.sharesPorts)
            var endpoint = wanted
            endpoint.port = socket.port() ?? endpoint.port
            ports.tcp.append(Port(socket: socket, listener: listener))
            return endpoint
        }
        while true {
            attempts -= 1
            do throws(DNSServerError) {
                var endpoint = wanted
                let buffer = self.settings.socketBuffer
                var udp = [
                    try BoundSocket.udp(endpoint, onlyIPv6: onlyIPv6, buffer: buffer)
                ]
                endpoint.port = udp[0].port() ?? endpoint.port
                let tcp = try BoundSocket.tcp(
                    endpoint, onlyIPv6: onlyIPv6, sharesPort: self.settings.sharesPorts)
                while udp.count < self.settings.threads {
                    udp.append(
                        try BoundSocket.udp(endpoint, onlyIPv6: onlyIPv6, buffer: buffer))
                }
                ports.udp += udp.map { Port(socket: $0, listener: listener) }
                ports.tcp.append(Port(socket: tcp, listener: listener))
                return endpoint
            } catch {
                guard attempts > 0 else { throw error }
            }
        }
    }

    // MARK: Service

    /// Serves until the task is cancelled; returns when all threads have ended.
    public func run() async throws {
        let ports = self.state.withLock { state in
            defer { state.ports = nil }
            return state.ports
        }
        guard let ports else { throw DNSServerError.notBound }
        // What can fail comes before the first thread starts.
        var workers: [UDPWorker] = []
        for port in ports.udp {
            workers.append(
                try UDPWorker(
                    socket: port.socket, reader: self.oracle.makeReader(),
                    responder: self.makeResponder(), settings: self.settings,
                    listener: port.listener))
        }
        let streams = StreamFront(certificates: self.certificates) { transport in
            TCPService(
                reader: try self.oracle.makeReader(), responder: self.makeResponder(),
                over: transport, settings: self.settings)
        }
        do {
            for port in ports.tcp { _ = try await streams.start(port.socket, port.listener) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    await self.certificates.watch(every: self.settings.certificateInterval)
                }
                try await self.serveUDP(workers)
                group.cancelAll()
            }
        } catch {
            try? await streams.stop()
            throw error
        }
        try await streams.stop()
    }

    private func makeResponder() -> Responder {
        let responder = Responder(
            zones: self.zones, readiness: self.readiness, rules: self.rules,
            tallies: self.tallies, decisions: self.decisions.makeRing(),
            payloadSize: self.settings.payloadSize, idleTimeout: self.settings.idleTimeout)
        let block = responder.counterBlock
        self.state.withLock { $0.counters.append(block) }
        return responder
    }

    private func serveUDP(_ workers: [UDPWorker]) async throws {
        let stop = StopFlag()
        let ended = Countdown(workers.count + 1)
        let processors = self.settings.pinsThreads ? WorkerThread.processors() : []
        var failure: DNSServerError?
        for (number, worker) in workers.enumerated() {
            let logger = self.logger
            do throws(DNSServerError) {
                try WorkerThread.start(
                    name: "dns-udp-\(number)",
                    processor: processors.isEmpty ? nil : processors[number % processors.count]
                ) {
                    let reason = worker.run(until: stop)
                    if reason != 0 {
                        logger.error(
                            "DNS over UDP gave up a socket", metadata: ["errno": "\(reason)"])
                    }
                    ended.arrive()
                }
            } catch {
                // Those that run already are ended below.
                failure = error
                ended.arrive()
            }
        }
        let decisions = self.decisions
        do throws(DNSServerError) {
            let logger = self.logger
            try WorkerThread.start(name: "dns-log") {
                do {
                    try decisions.run()
                } catch {
                    logger.error("DNS decisions are not written: \(error)")
                }
                ended.arrive()
            }
        } catch {
            failure = error
            ended.arrive()
        }
        let end: @Sendable () -> Void = {
            stop.set()
            for worker in workers { worker.wake() }
            decisions.stop()
        }
        if failure != nil { end() }
        await withTaskCancellationHandler {
            await ended.wait()
            // Without listeners, or with all sockets given up, TCP is served on.
            if failure == nil, !stop.isSet { await Self.untilCancelled() }
        } onCancel: {
            end()
        }
        if let failure { throw failure }
    }

    private static func untilCancelled() async {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
        for await _ in stream {}
        continuation.finish()
    }
}
