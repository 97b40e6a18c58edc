// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
package import Choice
package import NIOCore
import RouteTable

/// Writes the replies to `nearest` for programs.
///
/// Questions that came together are answered some dozens at a time: of each such group all lines
/// are read, then all clients looked up, then all replies put together, so that the waits for
/// memory of many lookups overlap. Replies gather in memory of the writer's own, and are copied
/// from it once.
///
/// Whatever is out of the ordinary (an unknown name, a reply too long to be kept) it leaves to the
/// grammar, whose words are the same.
package struct NearestWriter: ~Copyable {
    /// Questions that are answered together.
    private static let groupSize = 32
    /// When so much has been written it wants to be emptied.
    private static let limit = 65_536

    private var ready: ReadyReplies
    private let questions: UnsafeMutablePointer<QuickQuestion>
    private let policies: UnsafeMutablePointer<Int>
    private let matches: UnsafeMutablePointer<ClientMatch>
    /// Has room for a group's replies beyond `limit`.
    private let text: UnsafeMutableRawPointer
    private var length = 0
    /// Questions answered since the writer was emptied.
    package private(set) var count = 0

    init(maximumKept: Int) {
        self.ready = ReadyReplies(maximumCount: maximumKept)
        self.questions = .allocate(capacity: Self.groupSize)
        self.policies = .allocate(capacity: Self.groupSize)
        self.matches = .allocate(capacity: Self.groupSize)
        self.text = .allocate(
            byteCount: Self.limit + Self.groupSize * ReadyReplies.roomForReply, alignment: 64)
    }

    deinit {
        self.questions.deallocate()
        self.policies.deallocate()
        self.matches.deallocate()
        self.text.deallocate()
    }

    /// Forgets what was made ready for another state of things.
    mutating func adopt(world: UInt64, classes: UInt64) {
        self.ready.adopt(world: world, classes: classes)
    }

    /// Whether the writer answers no more before it is emptied.
    package var isFull: Bool { self.length >= Self.limit }

    /// Moves the replies, and begins anew.
    package mutating func empty(into output: inout ByteBuffer) {
        output.writeBytes(UnsafeRawBufferPointer(start: self.text, count: self.length))
        self.length = 0
        self.count = 0
    }

    /// Answers the questions at the start of `input`, which is at the start of a line, and takes
    /// them from it. A line of more than `longest` octets is left where it is; `find` knows the
    /// policies of names.
    package mutating func answer(
        _ input: inout ByteBuffer, longest: Int, _ batch: inout OracleBatch,
        _ find: (String) -> Int?
    ) {
        while !self.isFull {
            let questions = self.questions
            let found = input.withUnsafeReadableBytes {
                QuickQuestion.read($0, longest: longest, into: questions, capacity: Self.groupSize)
            }
            guard found > 0 else { return }
            let named = self.findPolicies(found, input.readableBytesUInt8Span, find)
            for index in 0..<named {
                self.matches[index] = batch.match(of: self.questions[index].client)
            }
            var done = 0
            while done < named, self.write(done, &batch) { done += 1 }
            guard done > 0 else { return }
            input.moveReaderIndex(forwardBy: self.questions[done - 1].end)
            guard done == found else { return }
        }
    }

    /// Answers one question; false where the grammar is to.
    package mutating func answer(
        line: Span<UInt8>, _ batch: inout OracleBatch, _ find: (String) -> Int?
    ) -> Bool {
        guard let question = QuickQuestion(line) else { return false }
        self.questions[0] = question
        guard self.findPolicies(1, line, find) == 1 else { return false }
        self.matches[0] = batch.match(of: question.client)
        return self.write(0, &batch)
    }

    /// Fills in the policies of the first questions, up to a name that isn't known.
    private mutating func findPolicies(
        _ count: Int, _ bytes: Span<UInt8>, _ find: (String) -> Int?
    ) -> Int {
        for index in 0..<count {
            let name = self.questions[index].name
            if name.isEmpty {
                self.policies[index] = 0
            } else if let policy = self.ready.policy(named: bytes.extracting(name), find),
                policy < ReadyReplies.Key.policyLimit
            {
                self.policies[index] = policy
            } else {
                return index
            }
        }
        return count
    }

    /// Writes the reply to the question of this index, whose policy and match are known.
    @inline(__always)
    private mutating func write(_ index: Int, _ batch: inout OracleBatch) -> Bool {
        let client = self.questions[index].client
        let key = ReadyReplies.Key(
            policy: self.policies[index], isIPv4: client.family == .ipv4,
            classID: self.matches[index].classID)
        var scope = self.matches[index].scope
        var text = self.ready.find(key)
        if text == nil || text == .isHashed {
            text = self.prepare(key, index, &scope, &batch)
        } else {
            scope = batch.scope(
                of: self.matches[index], policy: self.policies[index], family: nil,
                client: client, places: 1)
        }
        guard let text else { return false }
        self.length += self.ready.put(text, scope: scope, to: self.text + self.length)
        self.count += 1
        return true
    }

    /// Makes a reply ready, or finds the one for this client's hash.
    @inline(never)
    private mutating func prepare(
        _ key: ReadyReplies.Key, _ index: Int, _ scope: inout UInt8, _ batch: inout OracleBatch
    ) -> ReadyReplies.Text? {
        let (policy, client) = (self.policies[index], self.questions[index].client)
        let match = self.matches[index]
        var order = SiteOrder()
        let found = batch.order(
            policy: policy, family: nil, client: client, match: match, places: 1, into: &order)
        scope = found.scope
        guard let first = order.first else {
            let nobody = Nearest.nobody
            return self.ready.keep(
                key, head: "- \(nobody.code.rawValue) \(nobody.sentence)\n", tail: "")
        }
        var key = key
        if batch.isHashed(match, policy: policy, family: nil, places: 1) {
            if self.ready.find(key) == nil { self.ready.keepHashed(key) }
            key = key.with(site: first)
            if let text = self.ready.find(key) { return text }
        }
        return batch.nearest(first, policy: policy, client: client, match: found).flatMap {
            self.ready.keep(key, head: "+ \($0.head)", tail: "\($0.tail)\n")
        }
    }
}
