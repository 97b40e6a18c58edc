// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// The router's side of the RPKI to Router protocol with one cache (RFC 8210, and RFC 6810 where
/// the cache speaks no more): events in, actions out, no sockets and no clock.
///
/// Every event is defined in every state; what doesn't apply is ignored. Where it departs from
/// the RFC: payloads of a cache whose session id has changed stay until it has told all of its new
/// ones (§5.1 would have none count meanwhile, and a hijacker wait for just that); and a try that
/// failed is repeated sooner than after the retry interval, which is the bound of a wait that
/// doubles.
public struct RTRSession: Sendable {
    private enum Question: Sendable { case changes, everything }

    public private(set) var settings: RTRSettings
    public private(set) var state = RTRState.idle
    /// What the cache has told, until it expires.
    public private(set) var table: VRPTable?
    /// Of the connection, or of the next one.
    public private(set) var version = RTRFrame.versions.upperBound
    /// Of what `table` holds; nil where the next answer replaces all of it.
    public private(set) var position: (session: UInt16, serial: UInt32, version: UInt8)?
    public private(set) var intervals: RTRIntervals

    private var question = Question.everything
    private var isVersionAgreed = false
    /// A message came on this connection.
    private var hasHeard = false
    /// The last connection ended without a word: the cache may not know our version.
    private var triesOldVersion = false
    private var answerSession: UInt16 = 0
    private var records: [VRPChange] = []
    /// The serial number of a notification that came while an answer did.
    private var notified: UInt32?
    /// Since an answer was complete.
    private var failures = 0
    private var actions: [RTRAction] = []

    /// How long a cache may take to begin an answer, and to end it.
    static let answerTime = Duration.seconds(60)
    static let transferTime = Duration.seconds(600)

    public init(settings: RTRSettings = RTRSettings()) {
        self.settings = settings
        self.intervals = settings.intervals(nil)
    }

    /// Whether there is a connection over which the cache can tell of changes.
    public var isConnected: Bool {
        switch self.state {
        case .asking, .receiving, .synchronised: true
        case .idle, .connecting, .waiting: false
        }
    }

    /// Takes other intervals and bounds: they hold from the next answer on.
    public mutating func adjust(to settings: RTRSettings) { self.settings = settings }

    /// Takes one event.
    ///
    /// - Returns: What is to be done, in order.
    public mutating func handle(_ event: RTREvent) -> [RTRAction] {
        switch event {
        case .start: if self.state == .idle { self.connect() }
        case .stop:
            self.end()
            self.actions.append(.stopTimer(.expire))
            self.table = nil
            self.position = nil
        case .retire: self.end()
        case .connected: self.connected()
        case .closed(let reason): self.closed(reason)
        case .received(let frame): self.received(frame)
        case .malformed(let fault): if self.isConnected { self.fail(fault) }
        case .expired(let timer): self.expired(timer)
        }
        defer { self.actions.removeAll(keepingCapacity: false) }
        return self.actions
    }

    // MARK: Connections

    private mutating func connect() {
        self.state = .connecting
        self.version = self.triesOldVersion ? 0 : RTRFrame.versions.upperBound
        self.actions.append(.connect)
    }

    private mutating func connected() {
        guard self.state == .connecting else { return }
        self.isVersionAgreed = false
        self.hasHeard = false
        self.notified = nil
        self.ask()
    }

    private mutating func closed(_ reason: String) {
        guard self.state == .connecting || self.isConnected else { return }
        if self.isConnected { self.triesOldVersion = !self.hasHeard && !self.triesOldVersion }
        self.wait(reason)
    }

    /// Waits for the next try; the connection has gone, or goes now.
    private mutating func wait(_ reason: String) {
        self.leave()
        self.state = .waiting
        var wait = Duration.seconds(1)
        for _ in 0..<min(self.failures, 16) where wait < self.intervals.retry { wait *= 2 }
        self.failures += 1
        self.actions.append(.startTimer(.retry, min(wait, self.intervals.retry)))
        self.actions.append(.failed(reason))
    }

    /// Nothing of a connection is left.
    private mutating func leave() {
        switch self.state {
        case .asking, .receiving: self.actions.append(.stopTimer(.answer))
        case .synchronised: self.actions.append(.stopTimer(.refresh))
        case .waiting: self.actions.append(.stopTimer(.retry))
        case .idle, .connecting: break
        }
        self.records = []
    }

    private mutating func end() {
        let hasConnection = self.state == .connecting || self.isConnected
        self.leave()
        if hasConnection { self.actions.append(.close) }
        self.state = .idle
        self.failures = 0
    }

    /// Tells the cache what is wrong, unless that was an error report itself (RFC 8210 §5.11).
    private mutating func fail(_ fault: RTRFault) {
        let isReport = fault.quote.dropFirst().first == RTRMessageType.errorReport.rawValue
        if !isReport {
            self.actions.append(.send(.errorReport(fault), version: self.version))
        }
        self.actions.append(.close)
        self.position = nil
        self.wait("\(fault)")
    }

    // MARK: Questions

    /// Asks for what has changed, or for all, where what is there can't be built upon.
    private mutating func ask() {
        if let position, position.version == self.version, self.table != nil {
            self.question = .changes
            self.send(.serialQuery(session: position.session, serial: position.serial))
        } else {
            self.question = .everything
            self.send(.resetQuery)
        }
        self.state = .asking
        self.actions.append(.startTimer(.answer, Self.answerTime))
    }

    private mutating func send(_ request: RTRRequest) {
        self.actions.append(.send(request, version: self.version))
    }

    private mutating func expired(_ timer: RTRTimer) {
        switch timer {
        case .refresh: if self.state == .synchronised { self.ask() }
        case .retry: if self.state == .waiting { self.connect() }
        case .answer:
            guard self.state == .asking || self.state == .receiving else { return }
            self.actions.append(.close)
            self.closed(self.state == .asking ? "no answer" : "an answer without an end")
        case .expire: self.tableExpired()
        }
    }

    private mutating func tableExpired() {
        guard self.table != nil else { return }
        self.table = nil
        self.position = nil
        self.actions.append(.expired)
        switch self.state {
        case .idle, .connecting, .waiting: break
        case .synchronised:
            self.actions.append(.stopTimer(.refresh))
            self.ask()
        case .asking, .receiving:
            // What comes are changes to what has just gone.
            guard self.question == .changes else { return }
            self.leave()
            self.actions.append(.close)
            self.connect()
        }
    }

    // MARK: Answers

    private mutating func received(_ frame: RTRFrame) {
        guard self.isConnected else { return }
        self.hasHeard = true
        if case .errorReport(let report) = frame.message {
            self.reported(report, version: frame.version)
            return
        }
        if !self.isVersionAgreed {
            // RFC 8210 §7: it says nothing of the version that the cache will answer in.
            if case .serialNotify = frame.message { return }
            guard frame.version <= self.version else {
                self.fail(RTRFault(.unsupportedVersion, "answer in version \(frame.version)"))
                return
            }
            self.version = frame.version
            self.isVersionAgreed = true
        }
        guard frame.version == self.version else {
            self.fail(
                RTRFault(
                    self.version == 0 ? .corruptData : .unexpectedVersion,
                    "version \(frame.version) in a session of version \(self.version)"))
            return
        }
        switch self.state {
        case .asking: self.receivedAsking(frame.message)
        case .receiving: self.receivedReceiving(frame.message)
        case .synchronised: self.receivedSynchronised(frame.message)
        case .idle, .connecting, .waiting: break
        }
    }

    private mutating func receivedAsking(_ message: RTRMessage) {
        switch message {
        case .cacheResponse(let session):
            if self.question == .changes, session != self.position?.session {
                self.sessionChanged(session)
                return
            }
            self.answerSession = session
            self.state = .receiving
            self.actions.append(.startTimer(.answer, Self.transferTime))
        case .cacheReset:
            guard self.question == .changes else {
                self.fail(RTRFault(.corruptData, "Cache Reset in answer to a Reset Query"))
                return
            }
            self.position = nil
            self.ask()
        case .serialNotify, .errorReport: break
        case .record, .endOfData, .routerKey:
            self.fail(RTRFault(.corruptData, "data before a Cache Response"))
        }
    }

    private mutating func receivedReceiving(_ message: RTRMessage) {
        switch message {
        case .record(let change):
            guard self.records.count < self.settings.maximumPayloads else {
                self.fail(
                    RTRFault(
                        .internalError,
                        "more than \(self.settings.maximumPayloads) records in an answer"))
                return
            }
            self.records.append(change)
        case .endOfData(let session, let serial, let intervals):
            self.complete(session, serial, intervals)
        case .serialNotify(_, let serial): self.notified = serial
        case .routerKey, .errorReport: break
        case .cacheResponse, .cacheReset:
            self.fail(RTRFault(.corruptData, "an answer within an answer"))
        }
    }

    private mutating func receivedSynchronised(_ message: RTRMessage) {
        switch message {
        case .serialNotify(let session, let serial):
            guard let position, position.session == session else {
                self.sessionChanged(session)
                return
            }
            guard serial != position.serial else { return }
            self.actions.append(.stopTimer(.refresh))
            self.ask()
        case .errorReport: break
        case .cacheResponse, .cacheReset, .record, .endOfData, .routerKey:
            self.fail(RTRFault(.corruptData, "data that nobody asked for"))
        }
    }

    /// The cache isn't the one any more that the payloads are from (RFC 8210 §5.1).
    private mutating func sessionChanged(_ session: UInt16) {
        self.fail(
            RTRFault(
                .corruptData,
                "session \(session) instead of \(self.position?.session ?? self.answerSession)"))
    }

    private mutating func complete(
        _ session: UInt16, _ serial: UInt32, _ intervals: RTRIntervals?
    ) {
        guard session == self.answerSession else {
            self.sessionChanged(session)
            return
        }
        do throws(VRPConflict) {
            let base = self.question == .changes ? self.table : nil
            let table = try (base ?? VRPTable()).applying(self.records)
            guard table.count <= self.settings.maximumPayloads else {
                self.fail(
                    RTRFault(
                        .internalError, "more than \(self.settings.maximumPayloads) payloads"))
                return
            }
            self.table = table
        } catch {
            self.fail(RTRFault(error, version: self.version))
            return
        }
        self.records = []
        self.position = (session, serial, self.version)
        self.intervals = self.settings.intervals(intervals)
        self.state = .synchronised
        self.failures = 0
        self.actions.append(.stopTimer(.answer))
        self.actions.append(.startTimer(.expire, self.intervals.expire))
        self.actions.append(.synchronised)
        let notified = self.notified
        self.notified = nil
        if let notified, notified != serial {
            self.ask()
        } else {
            self.actions.append(.startTimer(.refresh, self.intervals.refresh))
        }
    }

    private mutating func reported(_ report: RTRErrorReport, version: UInt8) {
        self.actions.append(.close)
        switch report.code {
        case .unsupportedVersion where !self.isVersionAgreed && version < self.version:
            // RFC 8210 §7: the cache says which it speaks.
            self.leave()
            self.connect()
            self.version = version
            return
        case .noDataAvailable: break
        default: self.position = nil
        }
        self.wait("the cache reports: \(report)")
    }
}
