// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import DNSWire
import Glibc

/// What the server says of itself, in the class CHAOS (RFC 4892).
extension Responder {
    /// Answers a question of another class than IN; the writer stands behind the question.
    @inline(never)
    mutating func answerOtherClass(
        _ message: QueryMessage, _ query: RawSpan, _ writer: inout ResponseWriter,
        _ verdict: inout Verdict
    ) {
        verdict.code = .refused
        verdict.error = .notSupported
        guard message.recordClass == .chaos, message.type == .txt || message.type == .any else {
            return
        }
        self.lowercaseName(query, byteCount: message.nameByteCount)
        let text: ByteRun
        if self.asks("\u{7}version\u{4}bind", "\u{7}version\u{6}server", message) {
            text = self.rules.version
        } else if self.asks("\u{8}hostname\u{4}bind", "\u{2}id\u{6}server", message) {
            text = self.rules.identity
        } else {
            return
        }
        guard !text.isEmpty else {
            verdict.error = .prohibited
            return
        }
        verdict = Verdict()
        verdict.isAuthoritative = true
        if !writer.append(text: text, .chaos) { writer.isTruncated = true }
    }

    /// Whether the question's name is one of two, given in their wire form without the root.
    private func asks(
        _ first: StaticString, _ second: StaticString, _ message: QueryMessage
    ) -> Bool {
        self.asks(ByteRun(first), message) || self.asks(ByteRun(second), message)
    }

    private func asks(_ wanted: ByteRun, _ message: QueryMessage) -> Bool {
        guard message.nameByteCount == wanted.count + 1, let bytes = wanted.base else {
            return false
        }
        return memcmp(self.name, bytes, wanted.count) == 0
    }
}
