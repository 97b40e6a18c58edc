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
        /// A cookie, but none of ours.
        case hasCookie
        /// The same, where an answer takes one of ours.
        case mustReturn
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
        return self.read(cookie, from: client.unmapped, over: transport, into: &reply)
    }

    private mutating func read(
        _ cookie: Cookie, from client: IPAddress, over transport: DNSTransport,
        into reply: inout OPTReply
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
            return self.rules.requiresCookies && transport == .udp ? .mustReturn : .hasCookie
        case .bad:
            self.counters.count(CounterBlock.Slot.badCookies)
            self.renewCookie(of: client, &reply)
            return self.rules.requiresCookies && transport == .udp ? .mustReturn : .hasCookie
        }
    }

    private func renewCookie(of client: IPAddress, _ reply: inout OPTReply) {
        guard let cookie = reply.cookie else { return }
        reply.cookie?.server = self.rules.secrets.make(
            client: cookie.client, address: client, time: self.moment.unixTime)
    }

    /// The code for a client that must come back with its cookie, and for a message that asks for
    /// nothing else than one (RFC 7873 §5.4).
    func codeWithoutAnswer(_ standing: ClientStanding) -> ResponseCode {
        switch standing {
        case .mustReturn: .badCookie
        case .hasCookie, .confirmed: .noError
        case .unknown: .formatError
        }
    }
}
