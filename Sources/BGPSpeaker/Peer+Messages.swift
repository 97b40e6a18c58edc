// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPWire
import Logging

/// What a peer sends.
extension Peer {
    func extendedMessages(on slot: ConnectionSlot) -> Bool {
        self.establishedSlot == slot && self.context?.extendedMessages == true
    }

    /// One message, its header taken off.
    func received(
        _ type: MessageType, _ body: RawSpan, on slot: ConnectionSlot
    ) throws(Notification) {
        self.journal.counters.received[type] += 1
        switch type {
        case .update:
            guard let context = self.context, self.establishedSlot == slot else {
                self.handle(.received(slot, .update))
                return
            }
            try self.received(update: body, context)
        case .keepalive: self.handle(.received(slot, .keepalive))
        case .open: self.handle(.received(slot, .open(try OpenMessage(body: body))))
        case .notification:
            // Its length was checked with the frame.
            guard let notification = Notification(body: body) else { return }
            self.handle(.received(slot, .notification(notification)))
        case .routeRefresh:
            self.handle(.received(slot, .routeRefresh(try RouteRefreshMessage(body: body))))
        }
    }

    private func received(
        update body: RawSpan, _ context: DecodeContext
    ) throws(Notification) {
        let update = UpdateDecoding.decode(body, context: context)
        if update.disposition != .accept || update.attributes.complaintCount > 0
            || update.ignoredPrefixes > 0
        {
            self.complain(update, body, context)
        }
        if case .resetSession(let notification) = update.disposition {
            guard notification.finding == nil, let complaint = update.attributes.gravestComplaint
            else { throw notification }
            throw notification.because(
                "\(complaint.type) \(complaint.problem): \(complaint.hexadecimal.prefix(64))")
        }
        self.feed.add(update, body: body, context: context)
        if let family = update.endOfRIB { self.endOfRIB(family) }
    }

    private func endOfRIB(_ family: AddressFamily) {
        self.logger.info("End-of-RIB", metadata: ["family": "\(family)"])
        self.feed.endOfRIB(family)
    }

    /// Once for all that came in one turn of the loop: so many messages.
    func readCompleted(on slot: ConnectionSlot, messages: Int) {
        self.journal.rate.count(messages, at: self.core.loopSeconds)
        guard self.establishedSlot == slot else { return }
        if self.feed.hasNews {
            self.feed.flush()
            self.handle(.received(slot, .update))
        }
    }

    private func complain(
        _ update: UpdateDecoding, _ body: RawSpan, _ context: DecodeContext
    ) {
        self.journal.counters.dispositions.count(update.disposition)
        // Attributes that are merely not expected are counted; errors and leaks are told.
        let complaints = update.attributes.notableComplaints
        guard !complaints.isEmpty || update.ignoredPrefixes > 0,
            let suppressed = self.limiter.admit(at: self.core.now())
        else { return }
        if update.ignoredPrefixes > 0 {
            self.logger.warning(
                "multicast prefixes are ignored",
                metadata: [
                    "prefixes": "\(update.ignoredWords(in: body, context))",
                    "disposition": "\(update.disposition)", "suppressed": "\(suppressed)",
                ])
        }
        guard !complaints.isEmpty else { return }
        let prefixes = update.prefixWords(in: body, context)
        for complaint in complaints {
            let kind =
                complaint.disposition == .ineligible ? "route leak" : "malformed attribute"
            self.logger.warning(
                "\(kind): \(complaint)",
                metadata: [
                    "attribute": "\(complaint.type)", "bytes": "\(complaint.hexadecimal)",
                    "disposition": "\(update.disposition)", "prefixes": "\(prefixes)",
                    "complaints": "\(update.attributes.complaintCount)",
                    "suppressed": "\(suppressed)",
                ])
        }
    }

    /// What the table has counted of the session's prefixes.
    func counted(_ finding: PrefixCensus.Finding) {
        switch finding {
        case .fine: break
        case .warn(let family, let count, let limit):
            self.logger.warning(
                "many prefixes",
                metadata: [
                    "family": "\(family)", "prefixes": "\(count)", "limit": "\(limit)",
                ])
        case .exceeded(let family, let count, let limit):
            guard self.establishedSlot != nil else { return }
            let words = "\(count) \(family) prefixes, \(limit) are allowed"
            self.suspend(
                .limit(words, restartAfter: self.settings.limits?.restartAfter),
                .maximumPrefixes(family, bound: limit))
        }
    }

    // MARK: Taps

    var taps: [any SessionTap] {
        self.core.taps.taps(of: self.settings.feed, range: self.range)
    }

    var tapped: TappedSession {
        TappedSession(
            feed: self.settings.feed, name: self.settings.name,
            peerAddress: self.settings.peerAddress, localAddress: self.connection?.localAddress,
            peerAS: self.settings.peerAS, localAS: self.settings.localAS, context: self.context)
    }

    /// Shows a whole message to those who look.
    func show(_ message: RawSpan, _ direction: MessageDirection) {
        let taps = self.taps
        guard !taps.isEmpty else { return }
        let session = self.tapped
        for tap in taps { tap.message(message, direction, of: session) }
    }
}

extension PeerSettings {
    /// Why dialling came to nothing.
    func words(dialling error: any Error) -> String {
        let words = error.inWords
        guard error.isUnreachable, self.reach == .usual, !self.isInternal else { return words }
        return "\(words) (a neighbour that isn't on the same wire needs multihop)"
    }
}

extension UpdateDecoding {
    /// The prefixes that it announces, the first three by name.
    fileprivate func prefixWords(in body: RawSpan, _ context: DecodeContext) -> String {
        // Of a message that ends the session they may be unreadable.
        if case .resetSession = self.disposition { return "-" }
        var words = PrefixWords()
        try? self.forEachAnnounced(in: body, context: context) { words.add($1) }
        return words.description
    }

    /// The prefixes that it announces and that are ignored, the first three by name.
    func ignoredWords(in body: RawSpan, _ context: DecodeContext) -> String {
        var words = PrefixWords()
        try? self.forEachIgnored(in: body, context: context) { words.add($1) }
        return words.description
    }
}

/// Prefixes for the log: `10.0.0.0/8, 11.0.0.0/8, 12.0.0.0/8 and 4 more`, or `-`.
private struct PrefixWords: CustomStringConvertible {
    private var names: [String] = []
    private var count = 0

    mutating func add(_ prefix: IPPrefix) {
        self.count += 1
        if self.count <= 3 { self.names.append(prefix.description) }
    }

    var description: String {
        let rest = self.count > self.names.count ? " and \(self.count - self.names.count) more" : ""
        return self.names.isEmpty ? "-" : self.names.joined(separator: ", ") + rest
    }
}
