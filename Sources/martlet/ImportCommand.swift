// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BGPSpeaker
import RouteFiles

/// `martlet import`: from tables, one for each site, to a route map of nearest sites.
struct ImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Makes a route map of nearest sites from the sites' tables.",
        discussion: """
            Each site's table is a file. The route map says for every address which sites are \
            nearest by AS hops, nearest first, in the fewest lines that say so; martletd takes it \
            under `maps:`. Of sites that are equally near the one that was named first stands \
            first.
            """,
        subcommands: [Text.self, MRT.self])

    /// What both kinds of table need.
    struct Options: ParsableArguments {
        @Argument(
            help: ArgumentHelp(
                "A site's table: the AS number that stands for the site, and a file; before it a "
                    + "name, if wanted, and behind it whose routes of the file are meant. Files "
                    + "may be plain, gzip or bzip2. A site may have several.",
                valueName: "[name=]as:file[,peer][,peer-as]"))
        var sources: [ImportSource]

        @Option(
            name: [.customShort("o"), .long],
            help: "Where to write the route map; standard output without it.")
        var output: String?

        @Option(
            help:
                "Sites on a line at most: fewer make fewer lines. All that have a route, if unsaid."
        )
        var nearest: Int?

        @Option(help: "Whose routes are meant where a table doesn't say: the peer's address.")
        var peer: PeerArgument?

        @Option(help: "The same by the peer's AS number.")
        var peerAS: PeerArgument?

        @Flag(name: .shortAndLong, help: "No progress bar and no summary.")
        var quiet = false

        func validate() throws {
            if let nearest, nearest < 1 {
                throw ValidationError("--nearest is a number of sites, 1 or more.")
            }
            if let peer, peer.selector.address == nil || peer.selector.asNumber != nil {
                throw ValidationError("--peer is an address.")
            }
            if let peerAS, peerAS.selector.asNumber == nil || peerAS.selector.address != nil {
                throw ValidationError("--peer-as is an AS number.")
            }
        }

        /// The sources, with the peer that holds for those that don't say.
        var selected: [ImportSource] {
            self.sources.map { source in
                var source = source
                if source.selector == PeerSelector() {
                    source.selector.address = self.peer?.selector.address
                    source.selector.asNumber = self.peerAS?.selector.asNumber
                }
                return source
            }
        }
    }

    struct Text: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "text",
            abstract: "From what routers print for `show ip bgp` and `show bgp ipv6`.",
            discussion: """
                Cisco IOS, Zebra, Quagga and FRR are read, and RouteViews' oix-full-snapshot. Of each \
                network the path counts that the router uses, else the shortest that it could \
                use. With a peer (its next hop, its AS as the first of the path, or both) the \
                best of that peer's paths counts.

                Example: martlet import text sydney=64600:sydney.txt zurich=64604:zurich.txt -o \
                nearest.routes

                Exit status: 0 if the route map was written, 1 if not.
                """)

        @OptionGroup var options: Options

        @Flag(help: "Report lines that can't be read, and leave them out; else they end it.")
        var skipBadLines = false

        func run() async throws {
            try RouteMapImport(self.options, format: .text(skipsBadLines: self.skipBadLines)).run()
        }
    }

    struct MRT: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "mrt",
            abstract: "From MRT files, as collectors publish them.",
            discussion: """
                Table dumps are read, and update archives to their end. A file with several peers \
                needs one for each site.

                Example: martlet import mrt 64600:rib.bz2,203.62.252.186 64601:rib.bz2,AS2497 -o \
                nearest.routes

                Exit status: 0 if the route map was written, 1 if not.
                """)

        @OptionGroup var options: Options

        @Flag(help: "Take the routes before a damaged place in a file; else it ends it.")
        var keepDamaged = false

        func run() async throws {
            try RouteMapImport(self.options, format: .mrt(keepsDamaged: self.keepDamaged)).run()
        }
    }
}
