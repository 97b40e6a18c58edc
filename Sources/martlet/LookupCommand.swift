// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import ArgumentParser
import BGPSpeaker
import Console
import Glibc

/// `martlet lookup`: the console's answers without a daemon, from files.
struct LookupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lookup",
        abstract: "Answers from table dumps and route maps, without a daemon.",
        discussion: """
            Each peer of an MRT dump is a site, named by its address; --site gives names, and leaves \
            out the peers that it doesn't name. A router's `show ip bgp` is a site named by its \
            file. Each AS number in a route map is a site, too. \
            Without addresses, they are read from standard input, one a line.

            Exit status: 0 if all questions were answered, 1 if one was refused, 2 if a file \
            can't be used.
            """)

    enum Question: String, ExpressibleByArgument, CaseIterable {
        case nearest, rank, explain, bgp

        func line(_ address: String) -> String {
            self == .bgp ? "show ip bgp \(address)" : "\(self.rawValue) \(address)"
        }
    }

    @Option(
        name: .customLong("table"),
        help: ArgumentHelp(
            "An MRT file, what a router printed for `show ip bgp` or `show bgp ipv6`, or a route "
                + "map; plain, gzip or bzip2; may be repeated."))
    var tables: [String]

    @Option(
        name: .customLong("site"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "A site that is one of the dump's peers, given by address, AS number, or both.",
            valueName: "name=peer[,as]"))
    var sites: [SiteArgument] = []

    @Option(
        name: .customLong("peer"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "The same for a site that bears its peer's name.", valueName: "peer[,as]"))
    var peers: [PeerArgument] = []

    @Option(help: "What to ask: nearest, rank, explain, or bgp for the form of Zebra.")
    var ask = Question.explain

    @Flag(help: "One JSON object on a line for each address.")
    var json = false

    @Flag(help: "Replies as programs get them.")
    var machine = false

    @Argument(help: "Addresses; with --ask bgp prefixes, too.")
    var addresses: [String] = []

    func run() async throws {
        var sites = self.sites
        sites += self.peers.map { SiteArgument(name: $0.description, peer: $0) }
        var answers: OfflineAnswers
        do {
            answers = try OfflineAnswers(OfflineTable(files: self.tables, chosen: sites))
        } catch {
            Printer.complain("martlet: \(error)")
            throw ExitCode(2)
        }
        let questions =
            self.addresses.isEmpty
            ? AnySequence { AnyIterator { readLine() } } : AnySequence(self.addresses)
        var isGood = true
        for question in questions {
            let words = question.split { $0 == " " || $0 == "\t" }
            guard let address = words.first, address.first != "#" else { continue }
            let line = self.ask.line(words.joined(separator: " ")) + (self.json ? " --json" : "")
            let (text, wasGood) = await answers.run(
                line, face: self.machine ? .machine : .people)
            print(text, terminator: "")
            fflush(nil)
            isGood = isGood && wasGood
        }
        if !isGood { throw ExitCode(1) }
    }
}

/// A peer of a dump on the command line: `203.0.113.1`, `AS64500`, or `203.0.113.1,64500`.
struct PeerArgument: ExpressibleByArgument, CustomStringConvertible {
    var selector: PeerSelector

    init?(argument: String) {
        var selector = PeerSelector()
        for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
            let digits = part.uppercased().hasPrefix("AS") ? part.dropFirst(2) : part
            if selector.asNumber == nil, let number = try? ASNumber(parsing: digits) {
                selector.asNumber = number
            } else if selector.address == nil, let address = try? IPAddress(parsing: part) {
                selector.address = address
            } else {
                return nil
            }
        }
        self.selector = selector
    }

    var description: String {
        self.selector.address?.description ?? self.selector.asNumber.map { "AS\($0)" } ?? "peer"
    }
}

/// `NAME=PEER` on the command line.
struct SiteArgument: ExpressibleByArgument {
    var name: String
    var peer: PeerArgument

    init(name: String, peer: PeerArgument) {
        self.name = name
        self.peer = peer
    }

    init?(argument: String) {
        let parts = argument.split(separator: "=", maxSplits: 1)
        guard parts.count == 2, !parts[0].contains(where: \.isWhitespace),
            let peer = PeerArgument(argument: String(parts[1]))
        else { return nil }
        self.init(name: String(parts[0]), peer: peer)
    }
}
