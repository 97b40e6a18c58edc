// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import DNSFront
import DNSWire
import Glibc

/// A name and a type, and the queries that ask for them.
struct ScopeQuestion: CustomStringConvertible {
    let name: String
    let type: RecordType
    /// Whether who asks for itself is answered as who is asked for: not where an alias comes
    /// first, which stands alone beside a subnet (RFC 7871 §7.2.1), nor where no subnet counts.
    let isDirect: Bool
    /// With EDNS, without a subnet.
    let plain: [UInt8]
    /// With a subnet of zeros, by its length.
    private let ipv4: [[UInt8]]
    private let ipv6: [[UInt8]]

    init(_ name: String, _ type: RecordType, isDirect: Bool) {
        self.name = name
        self.type = type
        self.isDirect = isDirect
        var query = Query(name, type)
        query.payloadSize = 1232
        self.plain = query.bytes
        func templates(_ zeros: String, _ width: Int) -> [[UInt8]] {
            (0...width).map { length in
                var query = query
                query.subnet = "\(zeros)/\(length)"
                return query.bytes
            }
        }
        self.ipv4 = templates("0.0.0.0", 32)
        self.ipv6 = templates("::", 128)
    }

    var description: String { "\(self.name) \(self.type)" }

    /// A query with the first bits of a client's address.
    func query(_ client: IPAddress, length: Int) -> [UInt8] {
        var bytes = client.family == .ipv4 ? self.ipv4[length] : self.ipv6[length]
        let subnet = client.masked(toLength: length)
        let count = (length + 7) / 8
        for index in 0..<count { bytes[bytes.count - count + index] = subnet.byte(at: index) }
        return bytes
    }
}

/// Puts scopes to the proof: whether all addresses that a cache serves by an answer get that same
/// answer, byte for byte, when they ask themselves.
///
/// The whole address space is asked beforehand, part by part; so inside of a scope, however wide,
/// no part is left out. Where an answer is hashed a part has several, and a scope that holds such
/// a part whole is too wide.
final class ScopeProof {
    let bench: Bench
    let keeper: ScopeKeeper
    private let ipv4: PartLine
    private let ipv6: PartLine
    private var random: SeededGenerator
    private var maps: [AnswerMap] = []
    /// Answers by number.
    private var numbers: [[UInt8]: Int32] = [:]
    private var latest: [UInt8] = []
    private var latestNumber: Int32 = 0
    private(set) var asked = 0

    /// What each part is answered, under one question and family.
    private struct AnswerMap {
        /// Numbers of answers; ``several`` where a part has more than one.
        var answers: [Int32] = []
        /// The next part with another answer.
        var next: [Int32] = []

        static let several: Int32 = -1

        mutating func finish() {
            self.next = Array(repeating: Int32(self.answers.count), count: self.answers.count)
            for part in self.answers.indices.dropLast().reversed() {
                let isSame =
                    self.answers[part] == self.answers[part + 1] && self.answers[part] >= 0
                self.next[part] = isSame ? self.next[part + 1] : Int32(part + 1)
            }
        }
    }

    struct Outcome {
        /// Clients whose answer doesn't hold for all of its scope, and the first of them.
        var wrong = 0
        var examples: [String] = []
        /// The scopes given, by family.
        var scopes: [AddressFamily: [Int]] = [:]
        /// Scopes that hold more than one part.
        var wide = 0

        mutating func note(_ example: @autoclosure () -> String) {
            self.wrong += 1
            if self.examples.count < 10 { self.examples.append(example()) }
        }

        func mean(_ family: AddressFamily) -> Double {
            let scopes = self.scopes[family] ?? []
            return scopes.isEmpty ? 0 : Double(scopes.reduce(0, +)) / Double(scopes.count)
        }
    }

    init(_ scene: ScopeScene, random: SeededGenerator) async throws {
        self.bench = try await scene.bench()
        self.keeper = try ScopeKeeper(owner: self.bench.owner, oracle: self.bench.oracle)
        self.ipv4 = scene.line(.ipv4)
        self.ipv6 = scene.line(.ipv6)
        self.random = random
    }

    var partCount: Int { self.ipv4.count + self.ipv6.count }

    private func line(_ family: AddressFamily) -> PartLine {
        family == .ipv4 ? self.ipv4 : self.ipv6
    }

    // MARK: Asking

    /// The answer to a query, as a number, and its scope; nil for silence or no Client Subnet.
    private func ask(_ query: [UInt8], from client: IPAddress) -> (answer: Int32, scope: Int)? {
        self.asked += 1
        let reply = self.bench.reply(to: query, from: client)
        guard reply.count > 12 else { return nil }
        var position = 12
        func skipName() {
            while reply[position] != 0, reply[position] < 0xc0 {
                position += 1 + Int(reply[position])
            }
            position += reply[position] == 0 ? 1 : 2
        }
        func word(_ at: Int) -> Int { Int(reply[at]) << 8 | Int(reply[at + 1]) }
        skipName()
        position += 4
        while position < reply.count {
            let start = position
            skipName()
            let data = position + 10
            position = data + word(position + 8)
            guard word(data - 10) == Int(RecordType.opt.rawValue) else { continue }
            var option = data
            var scope = 0
            while option < position {
                if word(option) == Int(OptionCode.clientSubnet.rawValue) {
                    scope = Int(reply[option + 7])
                }
                option += 4 + word(option + 2)
            }
            // All but the OPT record, which stands last.
            return (
                self.number(UnsafeRawBufferPointer(rebasing: reply[..<start])), scope
            )
        }
        return nil
    }

    private func number(_ bytes: UnsafeRawBufferPointer) -> Int32 {
        let isLatest = self.latest.withUnsafeBytes { latest in
            guard let one = latest.baseAddress, let other = bytes.baseAddress else { return false }
            return latest.count == bytes.count && memcmp(one, other, bytes.count) == 0
        }
        if isLatest { return self.latestNumber }
        let key = Array(bytes)
        let number = self.numbers[key] ?? Int32(self.numbers.count)
        self.numbers[key] = number
        self.latest = key
        self.latestNumber = number
        return number
    }

    /// Asks for one address: with all of it as the subnet, or as the one who asks.
    private func answer(
        _ question: ScopeQuestion, _ client: IPAddress, asResolver: Bool = false
    ) -> Int32? {
        let query =
            asResolver
            ? question.plain : question.query(client, length: client.family.width)
        return self.ask(query, from: asResolver ? client : address("198.51.100.1"))?.answer
    }

    // MARK: The whole space

    /// Asks for both ends of every part, and for some addresses between where there are many.
    func map() {
        self.maps = ScopeScene.questions.flatMap { question in
            AddressFamily.allCases.map { self.map(question, self.line($0)) }
        }
    }

    private func map(_ question: ScopeQuestion, _ line: PartLine) -> AnswerMap {
        var map = AnswerMap()
        map.answers.reserveCapacity(line.count)
        let few = line.unit << (line.family == .ipv4 ? 8 : 64)
        for part in 0..<line.count {
            let (first, last) = (line.starts[part], line.last(part))
            var between = first == last ? [] : [last]
            if last - first > few {
                for _ in 0..<3 {
                    between.append(line.random(from: first, through: last, using: &self.random))
                }
            }
            let answer = self.answer(question, line.address(first)) ?? AnswerMap.several
            let isOne = between.allSatisfy {
                self.answer(question, line.address($0)) == answer
            }
            map.answers.append(isOne ? answer : AnswerMap.several)
        }
        map.finish()
        return map
    }

    // MARK: The proof

    /// Asks all questions for all clients, with subnets of any length. With `widenedBy`, the scopes
    /// are taken for so many bits wider than they are.
    func check(_ clients: some Sequence<IPAddress>, widenedBy bits: Int = 0) -> Outcome {
        var outcome = Outcome()
        for client in clients {
            let width = client.family.width
            let length = Int.random(in: 1...width, using: &self.random)
            for (number, question) in ScopeScene.questions.enumerated() {
                let given = self.ask(
                    question.query(client, length: length), from: address("198.51.100.1"))
                guard let (answer, scope) = given, scope <= width else {
                    outcome.note("\(client)/\(length) \(question): \(String(describing: given))")
                    continue
                }
                outcome.scopes[client.family, default: []].append(scope)
                let block = IPPrefix(
                    masking: client.masked(toLength: length), length: max(0, scope - bits))
                let map = self.maps[2 * number + (client.family == .ipv4 ? 0 : 1)]
                if let other = self.exception(question, answer, block, map, &outcome) {
                    outcome.note(
                        "\(client)/\(length) \(question): scope \(scope), but not for \(other)")
                }
            }
        }
        return outcome
    }

    /// An address of the block that is answered something else.
    private func exception(
        _ question: ScopeQuestion, _ answer: Int32, _ block: IPPrefix, _ map: AnswerMap,
        _ outcome: inout Outcome
    ) -> IPAddress? {
        let line = self.line(block.family)
        let (first, last) = (block.address.leftAligned, block.last.leftAligned)
        var parts = line.part(of: first)...line.part(of: last)
        if parts.count > 1 { outcome.wide += 1 }
        var addresses = [first, last]
        for _ in 0..<2 {
            addresses.append(line.random(from: first, through: last, using: &self.random))
        }
        for _ in 0..<min(4, parts.count - 1) {
            // Both sides of a boundary within.
            let start = line.starts[
                Int.random(in: parts.lowerBound + 1...parts.upperBound, using: &self.random)]
            addresses += [start, start - line.unit]
        }
        for (index, bits) in addresses.enumerated() {
            let client = line.address(bits)
            let asResolver = index == 2 && question.isDirect
            if self.answer(question, client, asResolver: asResolver) != answer { return client }
        }
        // All parts that lie within.
        let lower = parts.lowerBound + (line.starts[parts.lowerBound] < first ? 1 : 0)
        let upper = parts.upperBound - (line.last(parts.upperBound) > last ? 1 : 0)
        guard lower <= upper else { return nil }
        parts = lower...upper
        guard map.answers[lower] == answer else { return line.address(line.starts[lower]) }
        let next = Int(map.next[lower])
        return next > upper ? nil : line.address(line.starts[next])
    }
}
