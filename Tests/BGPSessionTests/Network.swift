// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPWire
import Testing

/// Two machines, a network between them that delays and breaks things, and a clock that jumps
/// from event to event. What passes are the bytes of messages.
struct Network {
    private enum Happening {
        case event(SessionEvent)
        case timer(SessionTimer, number: Int)
        /// Our dial comes about, or is refused.
        case dialled(Int)
        /// The other's dial has reached us.
        case called(Int)
        case bytes(Int, [UInt8])
        case gone(Int)
    }

    /// A connection, by who opened it. Bytes keep their order in each direction.
    private struct Link {
        var opener: Int
        var isOpen = [true, true]
        /// When the last thing that was sent to a side arrives.
        var arrival = [Duration.zero, Duration.zero]
    }

    private(set) var machines: [SessionMachine]
    private(set) var now = Duration.zero
    /// By side: the last change of state.
    private(set) var lastChange = [Duration.zero, Duration.zero]
    private(set) var sessions = 0
    private var queue: [(time: Duration, order: Int, side: Int, what: Happening)] = []
    private var order = 0
    private var links: [Link] = []
    /// By side and slot: which link it is.
    private var slots: [[ConnectionSlot: Int]] = [[:], [:]]
    private var candidates: [Int?] = [nil, nil]
    private var dials: [Int?] = [nil, nil]
    private var timers: [[SessionTimer: Int]] = [[:], [:]]
    private var random: Jitter
    private let maximumDelay: Int
    /// Whether the network refuses dials, by side.
    var isRefusing = [false, false]

    /// Both stopped; a message takes at most `maximumDelay` milliseconds one way.
    init(_ a: SessionSettings, _ b: SessionSettings, maximumDelay: Int, seed: UInt64) {
        self.random = Jitter(seed: seed)
        self.machines = [
            SessionMachine(settings: a, seed: self.random.next()),
            SessionMachine(settings: b, seed: self.random.next()),
        ]
        self.maximumDelay = maximumDelay
    }

    /// Both have the same session.
    var isOneSession: Bool {
        let ends = (0...1).map { side in
            self.machines[side].establishedSlot.flatMap { self.slots[side][$0] }
        }
        return ends[0] != nil && ends[0] == ends[1]
    }

    /// How many connections are open at either end.
    var openLinks: Int { self.links.count { $0.isOpen[0] || $0.isOpen[1] } }

    private mutating func delay() -> Duration {
        .milliseconds(Int.random(in: 1...self.maximumDelay, using: &self.random))
    }

    private mutating func schedule(_ what: Happening, for side: Int, at time: Duration) {
        self.order += 1
        self.queue.append((time, self.order, side, what))
    }

    /// - Returns: When it arrives: never before what was sent earlier.
    private mutating func arrival(on link: Int, at side: Int) -> Duration {
        let time = max(self.now + self.delay(), self.links[link].arrival[side])
        self.links[link].arrival[side] = time
        return time
    }

    // MARK: What happens

    mutating func start(_ side: Int) { self.take(.start, side) }

    /// Runs on to a time.
    mutating func run(until end: Duration) {
        while true {
            var next: Int?
            for index in self.queue.indices {
                guard let best = next else {
                    next = index
                    continue
                }
                let (a, b) = (self.queue[index], self.queue[best])
                if (a.time, a.order) < (b.time, b.order) { next = index }
            }
            guard let next, self.queue[next].time <= end else { break }
            let (time, _, side, what) = self.queue.remove(at: next)
            self.now = time
            self.happen(what, to: side)
        }
        self.now = end
    }

    /// A connection breaks: both ends hear of it, each in its time, or one never does.
    mutating func breakSomething(silently: Bool) {
        let open = self.links.indices.filter {
            self.links[$0].isOpen[0] && self.links[$0].isOpen[1]
        }
        guard let link = open.randomElement(using: &self.random) else { return }
        let first = Int.random(in: 0...1, using: &self.random)
        self.schedule(.gone(link), for: first, at: self.now)
        if !silently { self.schedule(.gone(link), for: 1 - first, at: self.now + self.delay()) }
    }

    private mutating func happen(_ what: Happening, to side: Int) {
        switch what {
        case .event(let event): self.take(event, side)
        case .timer(let timer, let number):
            guard self.timers[side][timer] == number else { return }
            self.timers[side][timer] = nil
            self.take(.expired(timer), side)
        case .dialled(let number):
            guard self.dials[side] == number else { return }
            self.dials[side] = nil
            guard !self.isRefusing[1 - side] else {
                self.take(.connectFailed("refused"), side)
                return
            }
            self.links.append(Link(opener: side))
            let link = self.links.count - 1
            self.slots[side][.outgoing] = link
            let time = self.arrival(on: link, at: 1 - side)
            self.schedule(.called(link), for: 1 - side, at: time)
            self.take(.connected, side)
        case .called(let link):
            self.candidates[side] = link
            self.take(.accepted, side)
        case .bytes(let link, let bytes): self.arrived(bytes, on: link, at: side)
        case .gone(let link):
            self.links[link].isOpen[side] = false
            guard let slot = self.slot(of: link, at: side) else { return }
            self.slots[side][slot] = nil
            self.take(.closed(slot, nil), side)
        }
    }

    private func slot(of link: Int, at side: Int) -> ConnectionSlot? {
        self.slots[side].first { $0.value == link }?.key
    }

    private mutating func arrived(_ bytes: [UInt8], on link: Int, at side: Int) {
        guard self.links[link].isOpen[side], let slot = self.slot(of: link, at: side),
            let frame = try? MessageFrame.read(
                bytes.span.bytes, at: 0, extendedMessages: false)
        else { return }
        let body = bytes.span.bytes.extracting(MessageFrame.headerLength..<bytes.count)
        let message: ReceivedMessage? =
            switch frame.type {
            case .open: (try? OpenMessage(body: body)).map { .open($0) }
            case .update: .update
            case .keepalive: .keepalive
            case .notification: Notification(body: body).map { .notification($0) }
            case .routeRefresh: (try? RouteRefreshMessage(body: body)).map { .routeRefresh($0) }
            }
        guard let message else {
            Issue.record("bytes that can't be read: \(bytes)")
            return
        }
        self.take(.received(slot, message), side)
    }

    // MARK: What the machines want

    private mutating func take(_ event: SessionEvent, _ side: Int) {
        let before = self.machines[side].state
        let actions = self.machines[side].handle(event)
        for action in actions { self.perform(action, side) }
        if self.machines[side].state != before { self.lastChange[side] = self.now }
    }

    private mutating func perform(_ action: SessionAction, _ side: Int) {
        switch action {
        case .dial:
            self.order += 1
            self.dials[side] = self.order
            let time = self.now + self.delay() + self.delay()
            self.schedule(.dialled(self.order), for: side, at: time)
        case .abandonDial: self.dials[side] = nil
        case .adopt:
            self.slots[side][.incoming] = self.candidates[side]
            self.candidates[side] = nil
        case .refuse(let notification):
            guard let link = self.candidates[side] else { return }
            self.candidates[side] = nil
            self.send(.notification(notification), on: link, from: side)
            self.close(link, at: side)
        case .send(let slot, let message):
            guard let link = self.slots[side][slot] else { return }
            self.send(message, on: link, from: side)
            self.schedule(.event(.flushed(slot)), for: side, at: self.now + .milliseconds(1))
        case .close(let slot):
            guard let link = self.slots[side].removeValue(forKey: slot) else { return }
            self.close(link, at: side)
        case .startTimer(let timer, let duration):
            self.order += 1
            self.timers[side][timer] = self.order
            self.schedule(.timer(timer, number: self.order), for: side, at: self.now + duration)
        case .stopTimer(let timer): self.timers[side][timer] = nil
        case .established: self.sessions += 1
        case .down, .failed, .refreshRequested, .refreshBegan, .refreshEnded: break
        }
    }

    private mutating func send(_ message: OutgoingMessage, on link: Int, from side: Int) {
        guard self.links[link].isOpen[side] else { return }
        let time = self.arrival(on: link, at: 1 - side)
        self.schedule(.bytes(link, message.encoded()), for: 1 - side, at: time)
    }

    private mutating func close(_ link: Int, at side: Int) {
        self.links[link].isOpen[side] = false
        let time = self.arrival(on: link, at: 1 - side)
        self.schedule(.gone(link), for: 1 - side, at: time)
    }
}
