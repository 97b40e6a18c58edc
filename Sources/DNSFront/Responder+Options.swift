// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSWire

/// What a query's OPT record asks for, and what its cookie says.
extension Responder {
    /// What a query's cookie says of its sender.
    enum ClientStanding {
        /// No cookie was given.
        case unknown
        /// The client's part of a cookie alone.
        case hasCookie
        /// A cookie with a server's part that isn't ours, or is too old.
        case hasBadCookie
        /// It is where it says it is.
        case confirmed
    }

    /// Goes over the options of a query, and prepares what goes back.
    @inline(__always)
    mutating func read(
        _ edns: EDNSRequest, from client: IPAddress, over transport: DNSTransport,
        into reply: inout OPTReply
    ) -> ClientStanding {
        reply.subnet = edns.clientSubnet
        if edns.wantsIdentifier { reply.identity = self.rules.identity }
        // By UDP it means nothing (RFC 7828 §3.2.1).
        if edns.wantsKeepalive, transport != .udp { reply.keepalive = self.keepalive }
        // Where others can read along, it would hide nothing (RFC 7830 §6).
        if edns.wantsPadding, transport == .tls { reply.isPadded = true }
        guard let cookie = edns.cookie, self.rules.readsCookies else { return .unknown }
        return self.read(cookie, from: client.unmapped, into: &reply)
    }

    private mutating func read(
        _ cookie: Cookie, from client: IPAddress, into reply: inout OPTReply
    ) -> ClientStanding {
        self.counters.count(CounterBlock.Slot.withCookie)
        reply.cookie = cookie
        switch self.rules.secrets.check(cookie, from: client, at: self.moment.unixTime) {
        case .good(let isFresh):
            self.counters.count(CounterBlock.Slot.goodCookies)
            if !isFresh { self.renewCookie(of: client, &reply) }
            return .confirmed
        case .new:
            self.renewCookie(of: client, &reply)
            return .hasCookie
        case .bad:
            self.counters.count(CounterBlock.Slot.badCookies)
            self.renewCookie(of: client, &reply)
            return .hasBadCookie
        }
    }

    private func renewCookie(of client: IPAddress, _ reply: inout OPTReply) {
        guard let cookie = reply.cookie else { return }
        reply.cookie?.server = self.rules.secrets.make(
            client: cookie.client, address: client, time: self.moment.unixTime)
    }

    /// Whether the client must come back with a cookie of ours before it is answered.
    @inline(__always)
    func mustReturn(_ standing: ClientStanding, over transport: DNSTransport) -> Bool {
        self.rules.requiresCookies && transport == .udp
            && (standing == .hasCookie || standing == .hasBadCookie)
    }

    /// The code for a message that asks for nothing else than a cookie, or whether the one that it
    /// has is good still: whatever else takes one (RFC 7873 §5.4).
    func codeWithoutQuestion(_ standing: ClientStanding) -> ResponseCode {
        switch standing {
        case .hasBadCookie: .badCookie
        case .hasCookie, .confirmed: .noError
        case .unknown: .formatError
        }
    }
}
