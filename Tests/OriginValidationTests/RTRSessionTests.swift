// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import OriginValidation
import Testing

extension RTRSession {
    /// What these bytes of a cache's do.
    mutating func receive(_ bytes: [UInt8]...) -> [RTRAction] {
        var actions: [RTRAction] = []
        for bytes in bytes {
            do throws(RTRFault) {
                if let frame = try RTRFrame.read(bytes.span.bytes, at: 0) {
                    actions += self.handle(.received(frame))
                }
            } catch {
                actions += self.handle(.malformed(error))
            }
        }
        return actions
    }

    /// A session that is synchronised, at serial number 1 of session 7.
    static func synchronised(
        with payloads: [VRP], settings: RTRSettings = RTRSettings(), version: UInt8 = 1
    ) -> RTRSession {
        var session = RTRSession(settings: settings)
        _ = session.handle(.start)
        _ = session.handle(.connected)
        _ = session.receive(CacheBytes.response(version: version))
        for payload in payloads {
            _ = session.receive(CacheBytes.record(payload, version: version))
        }
        _ = session.receive(CacheBytes.end(1, version: version))
        return session
    }
}

extension [RTRAction] {
    var sent: [RTRRequest] {
        self.compactMap { if case .send(let request, _) = $0 { request } else { nil } }
    }

    /// The code of the error report that was sent.
    var reported: RTRErrorCode? {
        for case .errorReport(let fault) in self.sent { return fault.code }
        return nil
    }

    func timer(_ timer: RTRTimer) -> Duration? {
        for case .startTimer(timer, let time) in self { return time }
        return nil
    }
}

@Suite("A session with a cache")
struct RTRSessionTests {
    let a: VRP
    let b: VRP

    init() throws {
        self.a = try vrp("192.0.2.0/24", 64500)
        self.b = try vrp("2001:db8::/32", 48, 64501)
    }

    @Test("asks for everything, then for changes when the refresh interval is over")
    func normal() throws {
        var session = RTRSession()
        #expect(session.handle(.start) == [.connect])
        #expect(
            session.handle(.connected)
                == [.send(.resetQuery, version: 1), .startTimer(.answer, .seconds(60))])
        #expect(
            session.receive(CacheBytes.response()) == [.startTimer(.answer, .seconds(600))])
        #expect(session.receive(CacheBytes.record(self.a), CacheBytes.record(self.b)) == [])
        #expect(session.table == nil)
        #expect(
            session.receive(CacheBytes.end(1, (1800, 300, 3600))) == [
                .stopTimer(.answer), .startTimer(.expire, .seconds(3600)), .synchronised,
                .startTimer(.refresh, .seconds(1800)),
            ])
        #expect(session.table == VRPTable([self.a, self.b]))
        #expect(
            session.handle(.expired(.refresh)) == [
                .send(.serialQuery(session: 7, serial: 1), version: 1),
                .startTimer(.answer, .seconds(60)),
            ])
        let c = try vrp("198.51.100.0/24", 1)
        _ = session.receive(
            CacheBytes.response(), CacheBytes.record(self.a, announced: false),
            CacheBytes.record(c), CacheBytes.end(2))
        #expect(session.table == VRPTable([self.b, c]))
        #expect(session.position?.serial == 2)
        #expect(session.state == .synchronised)
    }

    @Test("a notification of another serial number asks at once, one of ours doesn't")
    func notification() {
        var session = RTRSession.synchronised(with: [self.a])
        #expect(session.receive(CacheBytes.notify(1)) == [])
        #expect(session.receive(CacheBytes.notify(2)).sent == [.serialQuery(session: 7, serial: 1)])
        #expect(session.receive(CacheBytes.notify(3)) == [], "it is being asked already")
        _ = session.receive(CacheBytes.response())
        #expect(session.receive(CacheBytes.notify(4)) == [])
        #expect(
            session.receive(CacheBytes.end(3)).sent == [.serialQuery(session: 7, serial: 3)],
            "what was notified during the answer is asked for after it")
        #expect(session.receive(CacheBytes.response(), CacheBytes.end(4)).sent == [])
    }

    @Test("a Cache Reset has everything asked for, and what there is stays until then")
    func cacheReset() {
        var session = RTRSession.synchronised(with: [self.a])
        _ = session.handle(.expired(.refresh))
        #expect(session.receive(CacheBytes.reset()).sent == [.resetQuery])
        #expect(session.table == VRPTable([self.a]))
        _ = session.receive(
            CacheBytes.response(9), CacheBytes.record(self.b), CacheBytes.end(1, session: 9))
        #expect(session.table == VRPTable([self.b]))
        #expect(session.position?.session == 9)
    }

    @Test("a lost connection is tried again, and goes on where it was")
    func lost() {
        var session = RTRSession.synchronised(with: [self.a])
        #expect(
            session.handle(.closed("reset by peer")) == [
                .stopTimer(.refresh), .startTimer(.retry, .seconds(1)), .failed("reset by peer"),
            ])
        #expect(session.table != nil)
        #expect(session.handle(.expired(.retry)) == [.connect])
        #expect(session.handle(.connected).sent == [.serialQuery(session: 7, serial: 1)])
    }

    @Test("tries come at doubling waits, up to the retry interval")
    func backOff() {
        var session = RTRSession(settings: RTRSettings(retry: .seconds(20)))
        _ = session.handle(.start)
        var waits: [Duration] = []
        for _ in 0..<7 {
            waits.append(session.handle(.closed("refused")).timer(.retry) ?? .zero)
            _ = session.handle(.expired(.retry))
        }
        #expect(waits == [1, 2, 4, 8, 16, 20, 20].map { .seconds($0) })
    }

    @Test("another session id ends the connection; what there is stays until all has come")
    func sessionChange() {
        for bytes in [CacheBytes.notify(1, session: 8), CacheBytes.response(8)] {
            var session = RTRSession.synchronised(with: [self.a])
            if bytes[1] == 3 { _ = session.handle(.expired(.refresh)) }
            let actions = session.receive(bytes)
            #expect(actions.reported == .corruptData)
            #expect(actions.contains(.close))
            #expect(session.table == VRPTable([self.a]))
            _ = session.handle(.expired(.retry))
            #expect(session.handle(.connected).sent == [.resetQuery])
        }
    }

    @Test("End of Data of another session id isn't taken")
    func endOfAnother() {
        var session = RTRSession.synchronised(with: [self.a])
        _ = session.handle(.expired(.refresh))
        let actions = session.receive(
            CacheBytes.response(), CacheBytes.record(self.b), CacheBytes.end(2, session: 8))
        #expect(actions.reported == .corruptData)
        #expect(session.table == VRPTable([self.a]))
    }

    @Test("records that contradict what there is end the connection, with their own codes")
    func conflicts() {
        var session = RTRSession.synchronised(with: [self.a])
        _ = session.handle(.expired(.refresh))
        let twice = session.receive(
            CacheBytes.response(), CacheBytes.record(self.a), CacheBytes.end(2))
        #expect(twice.reported == .duplicateAnnouncement)
        #expect(session.table == VRPTable([self.a]))

        session = .synchronised(with: [self.a])
        _ = session.handle(.expired(.refresh))
        let unknown = session.receive(
            CacheBytes.response(), CacheBytes.record(self.b, announced: false), CacheBytes.end(2))
        #expect(unknown.reported == .withdrawalOfUnknownRecord)
        for case .errorReport(let fault) in unknown.sent {
            #expect(fault.quote == CacheBytes.record(self.b, announced: false))
        }
    }

    @Test("payloads expire when no answer comes")
    func expiry() {
        var session = RTRSession.synchronised(with: [self.a])
        _ = session.handle(.closed("gone"))
        #expect(session.handle(.expired(.expire)) == [.expired])
        #expect(session.table == nil)
        _ = session.handle(.expired(.retry))
        #expect(session.handle(.connected).sent == [.resetQuery])
    }

    @Test("changes to payloads that expire meanwhile are not waited for")
    func expiryDuringAnswer() {
        var session = RTRSession.synchronised(with: [self.a])
        _ = session.handle(.expired(.refresh))
        _ = session.receive(CacheBytes.response())
        #expect(
            session.handle(.expired(.expire)) == [.expired, .stopTimer(.answer), .close, .connect])
        #expect(session.handle(.connected).sent == [.resetQuery])
    }

    @Test("an operator's intervals come before the cache's")
    func ownIntervals() {
        let settings = RTRSettings(refresh: .seconds(5), expire: .seconds(20))
        var session = RTRSession(settings: settings)
        _ = session.handle(.start)
        _ = session.handle(.connected)
        let actions = session.receive(CacheBytes.response(), CacheBytes.end(1))
        #expect(actions.timer(.refresh) == .seconds(5))
        #expect(actions.timer(.expire) == .seconds(20))
        #expect(session.intervals.retry == .seconds(600))
    }

    // MARK: Versions

    @Test("a cache that answers in version 0 is spoken to in version 0")
    func versionByAnswer() {
        var session = RTRSession.synchronised(with: [self.a], version: 0)
        #expect(session.state == .synchronised)
        #expect(session.version == 0)
        #expect(
            session.handle(.expired(.refresh)).first { if case .send = $0 { true } else { false } }
                == .send(.serialQuery(session: 7, serial: 1), version: 0))
    }

    @Test("a cache that reports our version as unsupported is tried with its own, at once")
    func versionByReport() {
        var session = RTRSession()
        _ = session.handle(.start)
        _ = session.handle(.connected)
        let actions = session.receive(CacheBytes.error(4, version: 0))
        #expect(actions.filter { $0 == .close || $0 == .connect } == [.close, .connect])
        #expect(session.handle(.connected).contains(.send(.resetQuery, version: 0)))
        #expect(
            session.receive(CacheBytes.error(4, version: 0)).timer(.retry) != nil,
            "there is no version below")
    }

    @Test("a cache that hangs up without a word is tried with the other version")
    func versionBySilence() {
        var session = RTRSession()
        _ = session.handle(.start)
        for version in [1, 0, 1] as [UInt8] {
            #expect(session.handle(.connected).contains(.send(.resetQuery, version: version)))
            _ = session.handle(.closed("closed"))
            _ = session.handle(.expired(.retry))
        }
    }

    @Test("notifications before the first answer say nothing of the version")
    func notificationBefore() {
        var session = RTRSession()
        _ = session.handle(.start)
        _ = session.handle(.connected)
        #expect(session.receive(CacheBytes.notify(9, version: 0)) == [])
        #expect(session.receive(CacheBytes.response(), CacheBytes.end(9)).reported == nil)
        #expect(session.version == 1)
    }

    @Test("a message in another version than was agreed ends the connection")
    func versionChange() {
        var session = RTRSession.synchronised(with: [self.a])
        #expect(session.receive(CacheBytes.notify(2, version: 0)).reported == .unexpectedVersion)
    }

    // MARK: What doesn't belong

    @Test("error reports end the connection, and are never answered by one")
    func errorReports() {
        var session = RTRSession.synchronised(with: [self.a])
        _ = session.handle(.expired(.refresh))
        let actions = session.receive(CacheBytes.error(1, "out of memory"))
        #expect(actions.sent == [])
        #expect(actions.contains(.failed("the cache reports: internal error: out of memory")))
        session = .synchronised(with: [self.a])
        let malformed = session.receive(
            CacheBytes.header(10, length: 16) + CacheBytes.number(9)
                + CacheBytes.number(0))
        #expect(malformed.sent == [])
        #expect(malformed.contains(.close))
    }

    @Test("a cache without data is asked again later, and the payloads stay")
    func noData() {
        var session = RTRSession.synchronised(with: [self.a])
        _ = session.handle(.expired(.refresh))
        let actions = session.receive(CacheBytes.error(2))
        #expect(actions.timer(.retry) == .seconds(1))
        #expect(session.table != nil)
        #expect(session.position != nil)
    }

    @Test("an answer that doesn't come, or doesn't end, is given up")
    func noAnswer() {
        var session = RTRSession()
        _ = session.handle(.start)
        _ = session.handle(.connected)
        #expect(session.handle(.expired(.answer)).contains(.failed("no answer")))
        _ = session.handle(.expired(.retry))
        _ = session.handle(.connected)
        _ = session.receive(CacheBytes.response(version: 0))
        #expect(session.handle(.expired(.answer)).contains(.close))
        #expect(session.state == .waiting)
    }

    @Test("more records than allowed end the connection")
    func limit() {
        var session = RTRSession(settings: RTRSettings(maximumPayloads: 1))
        _ = session.handle(.start)
        _ = session.handle(.connected)
        let actions = session.receive(
            CacheBytes.response(), CacheBytes.record(self.a), CacheBytes.record(self.b))
        #expect(actions.reported == .internalError)
        #expect(session.table == nil)
    }

    @Test("stopping forgets, retiring keeps what there is until it expires")
    func ending() {
        var session = RTRSession.synchronised(with: [self.a])
        #expect(
            session.handle(.stop) == [.stopTimer(.refresh), .close, .stopTimer(.expire)])
        #expect(session.table == nil)
        session = .synchronised(with: [self.a])
        #expect(session.handle(.retire) == [.stopTimer(.refresh), .close])
        #expect(session.table != nil)
        #expect(session.handle(.expired(.expire)) == [.expired])
    }

    /// Every state that there is, reached from the beginning.
    static var states: [RTRSession] {
        var sessions = [RTRSession()]
        func step(_ body: (inout RTRSession) -> Void) {
            var next = sessions[sessions.count - 1]
            body(&next)
            sessions.append(next)
        }
        step { _ = $0.handle(.start) }
        step { _ = $0.handle(.connected) }
        step { _ = $0.receive(CacheBytes.response()) }
        step { _ = $0.receive(CacheBytes.end(1)) }
        step { _ = $0.handle(.expired(.refresh)) }
        step { _ = $0.receive(CacheBytes.response()) }
        step { _ = $0.handle(.closed("gone")) }
        return sessions
    }

    @Test(
        "every message and event is defined in every state, and after a connection's end none counts"
    )
    func everyPair() throws {
        #expect(Set(Self.states.map(\.state)).count == 6)
        let messages =
            try RTRFrameTests.messages().map(\.0) + [
                CacheBytes.header(5, length: 8), CacheBytes.error(4, version: 0),
                CacheBytes.notify(9, session: 9), CacheBytes.response(9),
            ]
        for state in Self.states {
            for bytes in messages {
                var session = state
                let actions = session.receive(bytes)
                if !state.isConnected { #expect(actions == []) }
                // Whoever closes has nothing more to say, and tries again.
                if let close = actions.firstIndex(of: .close) {
                    #expect(
                        !actions[close...].contains { if case .send = $0 { true } else { false } })
                    #expect(session.state == .waiting || session.state == .connecting)
                }
            }
            for timer in RTRTimer.allCases {
                var session = state
                _ = session.handle(.expired(timer))
                #expect(session.state != .idle || state.state == .idle)
            }
            for event in [RTREvent.start, .stop, .retire, .connected, .closed("x")] {
                var session = state
                _ = session.handle(event)
                if event == .stop || event == .retire { #expect(session.state == .idle) }
            }
        }
    }

    @Test(
        "random events leave the table of the last complete answer",
        arguments: 1...50 as ClosedRange<UInt64>)
    func random(seed: UInt64) {
        var random = SeededGenerator(state: seed)
        // A cache that keeps its history, and a session that now and then loses its connection.
        var history: [Set<VRP>] = [[]]
        var session = RTRSession()
        var actions = session.handle(.start)
        for step in 0..<400 {
            if let request = actions.sent.last, session.isConnected {
                var base: Set<VRP> = []
                actions = []
                if case .serialQuery(_, let serial) = request {
                    base = history[Int(serial)]
                    if Int.random(in: 0..<6, using: &random) == 0 {
                        actions = session.receive(CacheBytes.reset())
                        continue
                    }
                }
                let now = history[history.count - 1]
                actions += session.receive(CacheBytes.response())
                for payload in base.subtracting(now) {
                    actions += session.receive(CacheBytes.record(payload, announced: false))
                }
                for payload in now.subtracting(base) {
                    actions += session.receive(CacheBytes.record(payload))
                }
                if Int.random(in: 0..<5, using: &random) == 0 {
                    actions += session.handle(.closed("cut off"))
                    continue
                }
                actions += session.receive(CacheBytes.end(UInt32(history.count - 1)))
                #expect(session.table.map { Set($0) } == now, "seed \(seed) step \(step)")
                continue
            }
            switch Int.random(in: 0..<6, using: &random) {
            case 0, 1:
                var next = history[history.count - 1]
                if let old = next.randomElement(using: &random) { next.remove(old) }
                for _ in 0..<3 { if let new = random.payload() { next.insert(new) } }
                history.append(next)
                actions = session.receive(CacheBytes.notify(UInt32(history.count - 1)))
            case 2: actions = session.handle(.expired(.refresh))
            case 3: actions = session.handle(.closed("gone"))
            case 4: actions = session.handle(.expired(.expire))
            default:
                actions = session.handle(.expired(.retry))
                if session.state == .connecting { actions += session.handle(.connected) }
            }
            if session.state == .connecting { actions += session.handle(.connected) }
        }
    }
}
