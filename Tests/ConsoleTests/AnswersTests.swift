// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Console
import Testing

@Suite("show answers")
struct AnswersTests {
    private func run(
        _ line: String, _ face: Face = .machine, on fixture: Fixture
    ) async throws -> String {
        try await Interpreter(backend: fixture).run(line, face: face).text
    }

    @Test("reads its options, and refuses those that contradict")
    func grammar() throws {
        func command(_ line: String) throws -> Command {
            try Grammar.standard.parse(line).command()
        }
        #expect(try command("show answers") == .showAnswers(.init()))
        #expect(
            try command("sh ans for www.example.com ipv6 aaaa lim 5")
                == .showAnswers(
                    .init(
                        name: "www.example.com", clients: .ipv6, addresses: .ipv6, limit: 5)))
        #expect(
            try command("sh ans long 10.0.0.0/8")
                == .showAnswers(.init(clients: .ipv4, within: IPPrefix("10.0.0.0/8"))))
        for line in [
            "show answers ipv4 ipv6", "show answers a aaaa",
            "show answers ipv6 longer-than 10.0.0.0/8",
        ] {
            #expect(throws: GrammarError.self) { try command(line) }
        }
    }

    @Test("lists all clients' sites, in the order that rank gives")
    func lists() async throws {
        let fixture = try await Fixture()
        let lines = try await self.run("show answers", on: fixture).split(separator: "\n")
        #expect(lines.first == "* -")
        #expect(lines.last == ".")
        let answers = lines.dropFirst().dropLast()
        #expect(answers.first?.hasPrefix("0.0.0.0/") == true)
        #expect(answers.contains { $0.hasPrefix("::/") })
        let within = try await self.run("show answers longer-than 1.0.4.0/24", on: fixture)
        let rank = try await self.run("rank 1.0.4.1", on: fixture).split(separator: "\n")
            .dropFirst().dropLast().map { $0.split(separator: " ")[1] }
        #expect(
            within == "* -\n1.0.4.0/24 hashed=no sites=\(rank.joined(separator: ","))\n.\n")
        let limited = try await self.run("show answers limit 1", .people, on: fixture)
        #expect(limited.hasPrefix("prefix              hashed  sites\n"))
        #expect(limited.hasSuffix("\n1 answer\n"))
    }

    @Test("goes over many slices without losing a prefix")
    func slices() async throws {
        let fixture = try await Fixture()
        await fixture.fill(3_000)
        let lines = try await self.run("show answers ipv4", on: fixture).split(separator: "\n")
            .dropFirst().dropLast()
        var next: UInt64 = 0
        for line in lines {
            let prefix = try #require(IPPrefix(String(line.split(separator: " ")[0])))
            #expect(UInt64(prefix.address.ipv4Value) == next)
            next = UInt64(prefix.last.ipv4Value) + 1
        }
        #expect(next == 1 << 32)
    }

    @Test("has the sites of a name beside it, with the addresses that it answers with")
    func sites() async throws {
        let fixture = try await Fixture()
        let all = try await self.run("show sites", on: fixture)
        let name = try #require(fixture.names.first)
        let named = try await self.run("show sites for \(name)", on: fixture)
        #expect(named.hasPrefix("* "))
        #expect(
            Set(named.split(separator: "\n").dropFirst()).isSubset(of: all.split(separator: "\n")))
        #expect(try await self.run("show sites for nobody", on: fixture).hasPrefix("- 404 "))
    }

    @Test("is one object as JSON, and refuses names that there aren't")
    func forms() async throws {
        let fixture = try await Fixture()
        let json = try await self.run("show answers longer-than 1.0.4.0/24 --json", on: fixture)
        #expect(json.hasPrefix("+ {\"answers\":[{\"prefix\":\"1.0.4.0/24\",\"hashed\":false,"))
        #expect(json.hasSuffix("]}]}\n"))
        #expect(try await self.run("show answers for nobody", on: fixture).hasPrefix("- 404 "))
    }
}
