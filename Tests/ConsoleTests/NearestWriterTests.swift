// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import Console
import NIOCore
import RouteTable
import Testing

@Suite("Answering nearest many at a time")
struct NearestWriterTests {
    private static let longest = 200

    /// What programs might send: mostly quick questions, some that are not.
    private func lines(_ count: Int, seed: UInt64) -> [String] {
        var generator = SeededGenerator(seed: seed)
        func client() -> String {
            switch Int.random(in: 0..<8, using: &generator) {
            case 0: "2001:db8::\(String(Int.random(in: 0...0xffff, using: &generator), radix: 16))"
            case 1: "::ffff:10.0.0.\(Int.random(in: 0...255, using: &generator))"
            case 2: "10.\(Int.random(in: 0...255, using: &generator)).3.4"
            case 3: "1.0.\(Int.random(in: 0...300, using: &generator)).1"
            default: "1.0.\(Int.random(in: 3...8, using: &generator)).77"
            }
        }
        return (0..<count).map { _ in
            switch Int.random(in: 0..<20, using: &generator) {
            case 0: "rank \(client())"
            case 1: "nearest 1.0.04.1"
            case 2: "nearest \(client()) "
            case 3: "nearest \(client()) for fish"
            case 4: "nearest"
            case 5: "nearest " + String(repeating: "1", count: 250)
            case 6...10: "nearest \(client()) for www.example.com"
            default: "nearest \(client())"
            }
        }
    }

    /// The replies to what arrives in pieces; lines that are left to the grammar are answered
    /// by it.
    private func replies(
        to pieces: [[UInt8]], _ fixture: Fixture, _ answerer: Answerer
    ) async throws -> String {
        let interpreter = try fixture.interpreter()
        var (input, output) = (ByteBuffer(), ByteBuffer())
        var decoder = LineDecoder(maximumLength: Self.longest)
        for piece in pieces {
            input.writeBytes(piece)
            var step: LineDecoder.Step?
            repeat {
                step = answerer.withBatch { batch, writer in
                    defer { writer.empty(into: &output) }
                    if decoder.isAtLineStart {
                        writer.answer(&input, longest: Self.longest, &batch) {
                            fixture.policy(named: $0)
                        }
                    }
                    if writer.isFull { return nil }
                    let step = decoder.step(&input)
                    guard step == .line else { return step }
                    let isAnswered = writer.answer(line: decoder.line.span, &batch) {
                        fixture.policy(named: $0)
                    }
                    return isAnswered ? nil : step
                }
                switch step {
                case .line:
                    let line = String(decoding: decoder.line, as: UTF8.self)
                    output.writeString(await interpreter.run(line, face: .machine).text)
                case .tooLong: output.writeString("too long\n")
                case .needsMore, nil: break
                }
            } while step != .needsMore
        }
        return String(buffer: output)
    }

    /// The same by the grammar alone.
    private func expected(_ lines: [String], _ fixture: Fixture) async throws -> String {
        let interpreter = try fixture.interpreter()
        var text = ""
        for line in lines {
            text +=
                line.utf8.count > Self.longest
                ? "too long\n" : await interpreter.run(line, face: .machine).text
        }
        return text
    }

    private func cut(_ text: String, seed: UInt64, most: Int) -> [[UInt8]] {
        var generator = SeededGenerator(seed: seed)
        var rest = Array(text.utf8)[...]
        var pieces: [[UInt8]] = []
        while !rest.isEmpty {
            let count = Int.random(in: 1...most, using: &generator)
            pieces.append(Array(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        return pieces
    }

    @Test(
        "says what the grammar says, wherever reads end and however lines do",
        arguments: ["\n", "\r\n", "\r"], [3, 100, 5_000])
    func cuts(ending: String, most: Int) async throws {
        let fixture = try await Fixture()
        let lines = self.lines(250, seed: UInt64(most))
        let text = lines.map { $0 + ending }.joined()
        let answerer = try Answerer(fixture.oracle)
        let replies = try await self.replies(
            to: self.cut(text, seed: 7, most: most), fixture, answerer)
        #expect(replies == (try await self.expected(lines, fixture)))
    }

    @Test("scopes are those of answers, for quick questions and for the grammar's")
    func scopes() async throws {
        let fixture = try await Fixture()
        fixture.owner.submit(
            .setPins([
                (try IPPrefix(parsing: "10.0.0.0/9"), [Fixture.london]),
                (try IPPrefix(parsing: "10.128.0.0/9"), [Fixture.london, Fixture.tokyo]),
            ]))
        await fixture.owner.flush()
        let answerer = try Answerer(fixture.oracle)
        // The second of two is answered by the reply that the first has made ready.
        let lines = ["nearest 10.1.2.3", "nearest 10.1.2.3"]
        let bytes = Array(lines.map { $0 + "\n" }.joined().utf8)
        func reply(scope: Int) -> String {
            String(
                repeating: "+ london - distance=- cost=- scope=\(scope) reason=pinned\n", count: 2)
        }
        #expect(try await self.replies(to: [bytes], fixture, answerer) == reply(scope: 9))
        let keeper = try ScopeKeeper(owner: fixture.owner, oracle: fixture.oracle)
        keeper.refresh()
        #expect(try await self.replies(to: [bytes], fixture, answerer) == reply(scope: 8))
        #expect(try await self.expected(lines, fixture) == reply(scope: 8))
    }

    @Test("a hash of the client's address decides; few replies are kept", arguments: [1, 2, 1000])
    func hashed(kept: Int) async throws {
        let fixture = try await Fixture()
        fixture.oracle.update { world in
            for policy in world.policies.indices {
                world.policies[policy].measure = .hops
                world.policies[policy].slack = 5
                world.policies[policy].tieBreaks = [.weight]
            }
        }
        let lines = self.lines(500, seed: 11)
        let answerer = try Answerer(fixture.oracle, maximumKept: kept)
        let replies = try await self.replies(
            to: self.cut(lines.map { $0 + "\n" }.joined(), seed: 5, most: 4_000), fixture,
            answerer)
        #expect(replies == (try await self.expected(lines, fixture)))
        #expect(replies.contains("sydney") && replies.contains("tokyo"))
    }

    @Test("nobody may be answered: as the grammar says, and only until somebody may")
    func nobody() async throws {
        let fixture = try await Fixture()
        let answerer = try Answerer(fixture.oracle)
        fixture.oracle.update { world in
            for policy in world.policies.indices { world.policies[policy].allDown = .none }
            for site in world.sites { world.status[site.id]?.health = .down }
        }
        let question = [Array("nearest 1.0.4.1\nnearest 1.0.4.1\n".utf8)]
        let sentence = "- 503 no site may be answered\n"
        #expect(
            try await self.replies(to: question, fixture, answerer) == sentence + sentence)
        fixture.oracle.update { $0.status[Fixture.tokyo]?.health = .up }
        #expect(try await self.replies(to: question, fixture, answerer).hasPrefix("+ tokyo "))
    }
}
