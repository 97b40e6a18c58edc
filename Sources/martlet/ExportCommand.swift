// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import ArgumentParser

/// `martlet export`: what a daemon answers, as other DNS servers read it.
struct ExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Writes which sites clients get, for other DNS servers.",
        discussion: """
            A running martletd is asked for all that it would answer, prefix after prefix, and \
            what it says is written in the other server's form. The file takes its name only when it \
            is whole. With --watch it is written anew whenever answers have changed, and stays as \
            it is while the daemon can't be reached or isn't ready. A command of --run that fails is \
            run again then, until it succeeds.

            Sites that are down, drained or full are left out, as they are in answers.
            """,
        subcommands: [GdnsdExport.self, KnotExport.self])

    /// What both forms need.
    struct Options: ParsableArguments {
        @Argument(
            help: ArgumentHelp(
                "The daemon's console: HOST:PORT, or the path of a Unix socket.",
                discussion: "Default: /run/martlet/console.sock or $XDG_RUNTIME_DIR/martlet.sock.",
                valueName: "target"))
        var target: String?

        @Option(
            name: [.customShort("o"), .long],
            help: "Where to write; standard output without it.")
        var output: String?

        @Flag(help: "Go on, and write again when answers have changed.")
        var watch = false

        @Option(help: "Seconds between two looks.")
        var every = 10.0

        @Option(
            name: .customLong("run"),
            help: ArgumentHelp(
                "A shell command to run after the file was written.", valueName: "command"))
        var command: String?

        @Option(
            name: .customLong("password-file"), help: "The password is this file's first line.")
        var passwordFile: String?

        @Flag(name: .shortAndLong, help: "Say only what goes wrong.")
        var quiet = false

        func validate() throws {
            guard (0.1...86_400).contains(self.every) else {
                throw ValidationError("--every is from 0.1 to 86400 seconds.")
            }
            if self.watch || self.command != nil, self.output == nil {
                throw ValidationError("--watch and --run need a file: --output.")
            }
        }
    }
}

struct GdnsdExport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gdnsd",
        abstract: "A nets file for gdnsd's geoip plugin.",
        discussion: """
            Each line is a prefix and the sites that its clients prefer, nearest first, under the \
            names that they have here: they are the datacenters of gdnsd's map. There are as few \
            lines as say it. gdnsd takes the file in by itself when it changes.

            Example: martlet export gdnsd --name www.example.com -o \
            /etc/gdnsd/geoip/martlet.nets --watch

            Exit status: 0 if the file was written, 1 if not, 2 if there is no connection.
            """)

    @OptionGroup var options: ExportCommand.Options

    @Option(
        help: "The name whose answers are meant; without it, all sites by the usual choice.")
    var name: String?

    @Option(
        name: .customLong("sites"),
        help:
            "Sites on a line at most: fewer make fewer lines. All that may be answered, if unsaid."
    )
    var depth: Int?

    @Option(help: "Only sites with an address of this family: ipv4 or ipv6.")
    var addresses: ExportFamily?

    func validate() throws {
        if let depth, depth < 1 {
            throw ValidationError("--sites is a number of sites, 1 or more.")
        }
    }

    func run() async throws {
        let (name, depth, addresses) = (self.name, self.depth, self.addresses?.family)
        try await ExportLoop(self.options).run { source in
            if let name, addresses != nil, try source.name(name).isAlias {
                throw ExportSource.Problem.alias(name)
            }
            let answers = try source.answers(for: name, addresses: addresses, depth: depth)
            return GdnsdNets(answers, name: name)
        }
    }
}

struct KnotExport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "knot",
        abstract: "A file for Knot's geoip module in its subnet mode.",
        discussion: """
            For each name and each prefix the addresses of the sites that its clients get, or the \
            alias, where the name is one. The prefixes don't hold each other, since Knot gives a prefix's length as the scope \
            whatever lies inside it. Knot reads the file when the zone is reloaded: --run.

            Example: martlet export knot --name www.example.com -o /etc/knot/martlet.geo --watch \
            --run 'knotc -f zone-reload example.com'

            Exit status: 0 if the file was written, 1 if not, 2 if there is no connection.
            """)

    @OptionGroup var options: ExportCommand.Options

    @Option(name: .customLong("name"), help: "A name that is answered; may be repeated.")
    var names: [String]

    @Option(help: "Sites in an answer; as the name has it, if unsaid.")
    var answers: Int?

    func validate() throws {
        guard self.answers ?? 1 >= 1 else {
            throw ValidationError("--answers is a number of sites, 1 or more.")
        }
    }

    func run() async throws {
        let (names, depth) = (self.names, self.answers)
        try await ExportLoop(self.options).run { source in
            var geo = KnotGeo()
            for name in names {
                let found = try source.name(name)
                guard !found.isAlias else {
                    geo.add(
                        alias: found,
                        try source.answers(for: name, addresses: nil, depth: 1))
                    continue
                }
                let lists = try AddressFamily.allCases.map {
                    try source.answers(for: name, addresses: $0, depth: depth ?? found.answers)
                }
                geo.add(found, ipv4: lists[0], ipv6: lists[1])
            }
            return geo
        }
    }
}

/// `ipv4` or `ipv6` on the command line.
struct ExportFamily: ExpressibleByArgument {
    var family: AddressFamily

    init?(argument: String) {
        switch argument.lowercased() {
        case "ipv4": self.family = .ipv4
        case "ipv6": self.family = .ipv6
        default: return nil
        }
    }
}
