// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Foundation
import Testing

@Suite("martlet export", .timeLimit(.minutes(5)))
struct ExportTests {
    /// Prefixes and their sites of a nets file.
    private static func nets(_ text: String) throws -> [(prefix: IPPrefix, sites: [String])] {
        try text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map { line in
            let words = line.split(separator: " ").map { String($0.replacing(",", with: "")) }
            #expect(words[1] == "=>" && words[2] == "[" && words.last == "]", "\(line)")
            return (try IPPrefix(parsing: words[0]), Array(words[3..<words.count - 1]))
        }
    }

    private static func match(
        _ nets: [(prefix: IPPrefix, sites: [String])], _ address: String
    ) throws -> [String]? {
        let client = try IPAddress(parsing: address)
        return nets.filter { $0.prefix.contains(client) }
            .max { $0.prefix.length < $1.prefix.length }?.sites
    }

    @Test("writes what the daemon answers, for every address, as a nets file of gdnsd")
    func gdnsd() async throws {
        try await SmallDaemon.serve { folder, _ in
            let run = try await Client.run(["export", "gdnsd", folder + "/console.sock"])
            #expect(run.status == 0)
            #expect(run.complaints.hasPrefix("martlet: "))
            let nets = try Self.nets(run.output)
            for address in ["10.0.0.1", "10.255.255.255"] {
                #expect(try Self.match(nets, address)?.first == "tokyo")
            }
            for address in ["0.0.0.0", "9.255.255.255", "11.0.0.0", "255.255.255.255", "2400::1"] {
                let sites = try #require(try Self.match(nets, address))
                #expect(Set(sites) == ["sydney", "tokyo"], "\(address)")
            }
        }
    }

    @Test("leaves out what gdnsd takes for IPv4 in disguise")
    func disguised() async throws {
        try await SmallDaemon.serve { folder, _ in
            let nets = try Self.nets(
                try await Client.run(["export", "gdnsd", folder + "/console.sock", "-q"]).output)
            for space in ["::/96", "::ffff:0:0/96", "64:ff9b::/96", "2001::/32", "2002::/16"] {
                let space = try IPPrefix(parsing: space)
                #expect(!nets.contains { space.contains($0.prefix) })
            }
        }
    }

    @Test("writes a file whole, and takes another's place only then")
    func output() async throws {
        try await SmallDaemon.serve { folder, _ in
            let file = folder + "/nearest.nets"
            try Data("old\n".utf8).write(to: URL(fileURLWithPath: file))
            let refused = try await Client.run([
                "export", "gdnsd", folder + "/console.sock", "-o", file, "--name", "nobody",
            ])
            #expect(refused.status == 1)
            #expect(refused.complaints.contains("'nobody' is no name that is answered"))
            #expect(try String(contentsOfFile: file, encoding: .utf8) == "old\n")
            let run = try await Client.run([
                "export", "gdnsd", folder + "/console.sock", "-o", file, "--name",
                "www.example.com", "--sites", "1", "-q", "--run", "touch \(folder)/done",
            ])
            #expect(run.status == 0)
            #expect(run.complaints == "")
            let nets = try Self.nets(try String(contentsOfFile: file, encoding: .utf8))
            #expect(nets.allSatisfy { $0.sites.count == 1 })
            let names = try FileManager.default.contentsOfDirectory(atPath: folder)
            #expect(Set(names) == ["console.sock", "nearest.nets", "done"])
        }
    }

    @Test("says that a command after it has failed")
    func command() async throws {
        try await SmallDaemon.serve { folder, _ in
            let run = try await Client.run([
                "export", "gdnsd", folder + "/console.sock", "-o", folder + "/nets", "-q",
                "--run", "exit 3",
            ])
            #expect(run.complaints == "martlet: 'exit 3' failed: exit status 3\n")
        }
    }

    @Test("writes nothing where there is no daemon")
    func noDaemon() async throws {
        let run = try await Client.run(["export", "gdnsd", "/nonexistent/console.sock"])
        #expect(run.status == 2)
        #expect(run.output == "")
        #expect(run.complaints.contains("is martletd running?"))
    }

    @Test("writes prefixes for Knot that don't hold each other, with the sites' addresses")
    func knot() async throws {
        try await SmallDaemon.serve { folder, _ in
            let run = try await Client.run([
                "export", "knot", folder + "/console.sock", "--name", "www.example.com", "-q",
            ])
            #expect(run.status == 0)
            #expect(run.output.contains("\nwww.example.com.:\n"))
            // The sites have no addresses: there is nothing to answer.
            #expect(!run.output.contains("net:"))
        }
    }

    @Test(
        "wants what it needs",
        arguments: [
            (["gdnsd", "--watch"], "--watch and --run need a file"),
            (["gdnsd", "--sites", "0"], "--sites is a number of sites"),
            (["gdnsd", "--addresses", "ipv5"], "ipv5"),
            (["gdnsd", "--every", "0"], "--every is from 0.1"),
            (["knot"], "--name"),
            (["knot", "--name", "a", "--answers", "0"], "--answers is a number"),
        ])
    func usage(arguments: [String], words: String) async throws {
        let run = try await Client.run(["export"] + arguments)
        #expect(run.status == 64)
        #expect(run.complaints.contains(words))
    }
}
