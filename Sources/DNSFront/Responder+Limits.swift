// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSWire

/// How much a client gets (``RateLimitRules``).
extension Responder {
    /// Counts an answer to a client that nothing confirms. What is too much is dropped, or goes out
    /// without its records: to come back with a cookie, or by TCP. An error has none: it goes out as
    /// it is.
    ///
    /// - Returns: false where there is no answer.
    @inline(__always)
    mutating func admit(
        _ message: QueryMessage, _ client: IPAddress, _ standing: ClientStanding,
        _ writer: inout ResponseWriter, _ reply: inout OPTReply, _ verdict: inout Verdict
    ) -> Bool {
        let kind: RateLimiter.Kind
        switch verdict.code {
        case .noError
        where writer.answerCount > 0 || writer.isTruncated
            || !verdict.isAuthoritative:
            kind = .answer
        // With the DNAME that makes it.
        case .nameExists: kind = .answer
        case .noError, .nameError: kind = .negative
        default: kind = .error
        }
        switch self.limiter.count(kind, to: client.unmapped, at: self.moment) {
        case .pass: return true
        case .drop:
            guard !self.rules.exempt.contains(client.unmapped) else { return true }
            self.counters.count(CounterBlock.Slot.dropped)
            return false
        case .slip:
            guard !self.rules.exempt.contains(client.unmapped) else { return true }
            self.counters.count(CounterBlock.Slot.slipped)
            reply.identity = .none
            guard kind != .error else { return true }
            // Its own code goes only with what it says.
            verdict = Verdict()
            if standing == .unknown {
                writer.isTruncated = true
            } else {
                verdict.code = .badCookie
                // By TCP there is nothing to come for.
                writer.isTruncated = false
                writer.cut(to: message.echoedByteCount)
                writer.answerCount = 0
                writer.authorityCount = 0
                writer.additionalCount = 0
            }
            return true
        }
    }
}
