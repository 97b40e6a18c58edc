// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Console
import Testing

@Suite("The grammar")
struct GrammarTests {
    let grammar = Grammar.standard

    private func command(_ line: String) throws -> Command {
        try self.grammar.parse(line).command()
    }

    private static let address = IPAddress(ipv4: 0x0101_0101)
    private static let prefix = IPPrefix("10.0.0.0/8")

    @Test(
        "understands commands, whole and cut short",
        arguments: [
            ("nearest 1.1.1.1", .ask(.nearest, Self.address, name: nil)),
            (
                "n 1.1.1.1 for www.example.com",
                .ask(.nearest, Self.address, name: "www.example.com")
            ),
            ("NEAREST 1.1.1.1 f x", .ask(.nearest, Self.address, name: "x")),
            ("  rank\t1.1.1.1  ", .ask(.rank, Self.address, name: nil)),
            ("exp 1.1.1.1", .ask(.explain, Self.address, name: nil)),
            ("sh ip bgp 1.1.1.1", .showBGP(.address(Self.address))),
            ("sho ip bgp 1.1.1.1", .showBGP(.address(Self.address))),
            ("s i b 10.0.0.0/8", .showBGP(.prefix(IPPrefix("10.0.0.0/8")!))),
            ("show ip bgp summary", .showBGPSummary),
            ("sh ip bgp s", .showBGPSummary),
            ("show bgp summary", .showBGPSummary),
            ("show bgp ipv6 summary", .showBGPSummary),
            ("sh bgp ipv4 sum", .showBGPSummary),
            ("show ip bgp neighbors", .showFeeds),
            ("sh ip bgp nei 192.0.2.1", .showFeed("192.0.2.1")),
            ("show bgp ipv4 1.1.1.1", .showBGP(.address(Self.address))),
            ("show bgp ipv6 ::1", .showBGP(.address(IPAddress(ipv6High: 0, low: 1)))),
            ("show sites", .showSites),
            ("show feeds", .showFeeds),
            ("show routes", .showRoutes(.init(feed: nil, within: nil, limit: nil))),
            (
                "sh rou lim 5 feed a long 10.0.0.0/8",
                .showRoutes(.init(feed: "a", within: IPPrefix("10.0.0.0/8"), limit: 5))
            ),
            ("show round-trips", .showRoundTrips(within: nil, limit: nil)),
            (
                "sh rou 10.0.0.0/8 lim 5",
                .showRoundTrips(within: IPPrefix("10.0.0.0/8"), limit: 5)
            ),
            (
                "obs 10.0.0.0/8 sydney 12.5",
                .observe(
                    .init(prefix: IPPrefix("10.0.0.0/8")!, site: "sydney", microseconds: 12_500))
            ),
            ("show memory", .showMemory),
            ("show checkpoint", .showCheckpoint),
            ("checkpoint", .checkpoint),
            ("show version", .showVersion),
            ("show configuration", .showConfiguration),
            ("ready", .ready),
            ("rel", .reload),
            ("enable", .enable(secret: nil)),
            ("enable s3cret", .enable(secret: "s3cret")),
            ("disable", .disable),
            ("password x", .password("x")),
            ("machine", .machine),
            ("framed", .framed),
            ("help", .help),
            ("quit", .quit),
            ("exit", .quit),
            ("terminal length 0", .terminalLength(0)),
            ("complete sh ip ", .complete("sh ip ")),
            ("complete", .complete("")),
        ] as [(String, Command)])
    func understands(line: String, command: Command) throws {
        #expect(try self.command(line) == command)
    }

    @Test("finds --json behind any command that has it")
    func json() throws {
        #expect(try self.grammar.parse("rank 1.1.1.1 for x --json").wantsJSON)
        #expect(try self.grammar.parse("show routes --json limit 3").wantsJSON)
        #expect(try !self.grammar.parse("show sites").wantsJSON)
        for rule in self.grammar.rules where rule.syntax.hasPrefix("show ") {
            #expect(rule.syntax.hasSuffix("[--json]"), "\(rule.syntax)")
        }
    }

    @Test(
        "says what is wrong with a line",
        arguments: [
            ("r", "ambiguous command: 'r' may be rank, ready, reload, replace"),
            ("ex", "ambiguous command: 'ex' may be explain, exit"),
            ("show ip bgp summary \u{4}x", "unknown command: '\\u{4}x' is none of --json"),
            (
                "s",
                "command incomplete: next comes ip, bgp, sites, feeds, feed, routes, answers, round-trips, rpki, dns, memory, checkpoint, version, configuration"
            ),
            ("show ip bgp", "command incomplete: next comes ADDRESS|PREFIX, summary, neighbors"),
            (
                "show fish",
                "unknown command: 'fish' is none of ip, bgp, sites, feeds, feed, routes, answers, round-trips, rpki, dns, memory, checkpoint, version, configuration"
            ),
            ("nearest 1.1.1", "'1.1.1': the text ends too early"),
            ("nearest www", "'www': unexpected 'w'"),
            (
                "show ip bgp 10.0.0.1/8",
                "'10.0.0.1/8': bits are set beyond the prefix length; did you mean 10.0.0.0/8?"
            ),
            (
                "show ip bgp fish",
                "unknown command: 'fish' is none of ADDRESS|PREFIX, summary, neighbors"
            ),
            (
                "show bgp ipv6 summery",
                "unknown command: 'summery' is none of ADDRESS|PREFIX, summary"
            ),
            ("show bgp ipv6 1.1.1.1", "that is IPv4, not IPv6"),
            ("nearest 1.1.1.1 for", "command incomplete: next comes NAME"),
            ("nearest 1.1.1.1 2.2.2.2", "unknown command: '2.2.2.2' is none of for, --json"),
            ("show routes limit many", "'many' is not a number"),
            ("show routes limit 1 limit 2", "'limit' stands twice"),
            ("observe 10.0.0.0/8 sydney", "command incomplete: next comes MS"),
            ("observe 10.0.0.0/8 a -1", "'-1' is no milliseconds from 0 to 60000"),
            ("observe 10.0.0.0/8 a nan", "'nan' is no milliseconds from 0 to 60000"),
            ("observe 10.0.0.0/8 a 60000.1", "'60000.1' is no milliseconds from 0 to 60000"),
            ("observe 10.0.0.1 a 1", "'10.0.0.1': '/length' is missing"),
            ("quit now", "unknown command: 'now' is too much, the command is complete without it"),
        ])
    func complains(line: String, words: String) throws {
        let error = #expect(throws: GrammarError.self) { _ = try self.command(line) }
        #expect(error?.description == words)
    }

    @Test("an unknown first word lists the commands, but not the hidden ones")
    func unknown() throws {
        let error = #expect(throws: GrammarError.self) { _ = try self.command("bgp") }
        guard case .unknown(_, let expected) = error else { return #expect(Bool(false)) }
        #expect(expected.first == "nearest")
        #expect(!expected.contains("framed") && !expected.contains("complete"))
    }

    @Test("every command is understood as its own syntax says")
    func ownSyntax() throws {
        let samples = [
            "ADDRESS|PREFIX": "::1", "ADDRESS": "::1", "PREFIX": "::/0", "NAME": "www",
            "FEED": "f", "COUNT": "1", "SECRET": "s", "LINE": "x",
            "SITE": "sydney", "MS": "12.5",
        ]
        var verbs: Set<Verb> = []
        for rule in self.grammar.rules where rule.verb != .showBGPIPv4 {
            // Of two families one may stand.
            let line = rule.syntax.replacing("[ipv4]", with: "").replacing("[a]", with: "")
                .filter { $0 != "[" && $0 != "]" }
                .split(separator: " ").map { samples[String($0)] ?? String($0) }
                .joined(separator: " ")
            let invocation = try self.grammar.parse(line)
            #expect(invocation.rule.syntax == rule.syntax)
            _ = try invocation.command()
            verbs.insert(rule.verb)
        }
        #expect(verbs.union([.showBGPIPv4]) == Set(Verb.allCases))
    }

    @Test("'?' lists what may follow")
    func help() throws {
        #expect(
            try self.grammar.help(after: "show ip bgp ").map(\.word) == [
                "ADDRESS|PREFIX", "summary", "neighbors",
            ])
        #expect(try self.grammar.help(after: "sh ip ").map(\.word) == ["bgp"])
        #expect(try self.grammar.help(after: "re").map(\.word) == ["ready", "reload", "replace"])
        #expect(
            try self.grammar.help(after: "show sites ").map(\.word) == [
                "--json", "for", "<cr>",
            ])
        #expect(try self.grammar.help(after: "").map(\.word).contains("nearest"))
        #expect(throws: GrammarError.self) { try self.grammar.help(after: "show fish ") }
        #expect(throws: GrammarError.self) { try self.grammar.help(after: "fish") }
        for suggestion in try self.grammar.help(after: "") + self.grammar.help(after: "show ") {
            #expect(!suggestion.help.isEmpty, "\(suggestion.word)")
        }
    }

    @Test("completes keywords, and arguments that have names")
    func completion() {
        func complete(_ line: String) -> [String] {
            self.grammar.completions(of: line) { $0 == .feed ? ["ams", "sydney-core"] : [] }
        }
        #expect(complete("sh") == ["show"])
        #expect(
            complete("show ") == [
                "ip", "bgp", "sites", "feeds", "feed", "routes", "answers", "round-trips", "rpki",
                "dns",
                "memory",
                "checkpoint", "version",
                "configuration",
            ])
        #expect(complete("sh routes feed ") == ["ams", "sydney-core"])
        #expect(complete("sh routes feed s") == ["sydney-core"])
        #expect(complete("sh routes feed ams l") == ["longer-than", "limit"])
        #expect(complete("nearest ") == [])
        #expect(complete("bogus ") == [])
    }

    @Test("stands any line")
    func anything() {
        var generator = SeededGenerator(seed: 1)
        var words = ["?", "", "\u{0}", "é", "--json"]
        for rule in self.grammar.rules {
            words += rule.syntax.split { " []".contains($0) }.map(String.init)
        }
        for _ in 0..<2_000 {
            var line = (0..<Int.random(in: 0...6, using: &generator))
                .map { _ in words.randomElement(using: &generator) ?? "" }
                .joined(separator: " ")
            if Bool.random(using: &generator),
                let place = line.indices.randomElement(using: &generator)
            {
                line.remove(at: place)
            }
            _ = try? self.command(line)
            _ = try? self.grammar.help(after: line)
            _ = self.grammar.completions(of: line) { _ in [] }
        }
    }
}
