// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// The commands, in the order in which help shows them.
///
/// This one table drives parsing, abbreviation, errors, `?` and completion.
package struct Grammar: Sendable {
    package let rules: [Rule]

    package static let standard = Grammar(rules: [
        Rule("nearest ADDRESS [for NAME]", .nearest, "The nearest site", json: true),
        Rule("rank ADDRESS [for NAME]", .rank, "All sites, nearest first", json: true),
        Rule(
            "explain ADDRESS [for NAME]", .explain,
            "All sites, with the route and the reason of each", json: true),
        Rule(
            "show ip bgp ADDRESS|PREFIX", .showBGP, "Routes, in the form of Zebra", json: true),
        Rule("show ip bgp summary", .showBGPSummary, "BGP sessions in short", json: true),
        Rule("show ip bgp neighbors", .showFeeds, "The same as 'show feeds'", json: true),
        Rule("show ip bgp neighbors FEED", .showFeed, "The same as 'show feed FEED'", json: true),
        Rule(
            "show bgp ipv4 ADDRESS|PREFIX", .showBGPIPv4, "IPv4 routes, in the form of Zebra",
            json: true),
        Rule(
            "show bgp ipv6 ADDRESS|PREFIX", .showBGPIPv6, "IPv6 routes, in the form of Zebra",
            json: true),
        Rule("show bgp ipv4 summary", .showBGPSummary, "BGP sessions in short", json: true),
        Rule("show bgp ipv6 summary", .showBGPSummary, "BGP sessions in short", json: true),
        Rule("show bgp summary", .showBGPSummary, "BGP sessions in short", json: true),
        Rule("show sites", .showSites, "The sites and their state", json: true),
        Rule(
            "show sites for NAME", .showSitesOfName,
            "Those of a name, with the addresses that it answers with", json: true),
        Rule("show feeds", .showFeeds, "Where routes come from, and how that goes", json: true),
        Rule(
            "show feed FEED", .showFeed,
            "One of them: both ends' capabilities, timers, counters, changes of state",
            json: true),
        Rule(
            "show feed FEED rules", .showFeedRules,
            "A feed's rules, and how often each has decided", json: true),
        Rule(
            "show routes [feed FEED] [longer-than PREFIX] [limit COUNT]", .showRoutes,
            "Routes in tree order, one a line", json: true),
        Rule(
            "show answers [for NAME] [longer-than PREFIX] [ipv4] [ipv6] [a] [aaaa] [limit COUNT]",
            .showAnswers, "The sites that clients get, prefix after prefix", json: true),
        Rule(
            "show round-trips [limit COUNT]", .showRoundTrips, "Measured round trips, one a line",
            json: true),
        Rule(
            "show round-trips PREFIX [limit COUNT]", .showRoundTrips,
            "Those of a prefix and what it holds", json: true),
        Rule(
            "show rpki", .showRPKI, "The RPKI caches, and how far they have been read",
            json: true),
        Rule(
            "show rpki ADDRESS|PREFIX", .showRPKI, "The validated payloads that cover it",
            json: true),
        Rule("show dns", .showDNS, "What DNS has been asked and has answered", json: true),
        Rule("show dns zones", .showDNSZones, "The same by zone", json: true),
        Rule(
            "show dns names [zone ZONE] [limit COUNT]", .showDNSNames,
            "The same by name, those that are asked for most first", json: true),
        Rule(
            "show dns listeners", .showDNSListeners,
            "Where DNS is served, for whom, and with which certificates", json: true),
        Rule("show memory", .showMemory, "Bytes by what holds them, and counts", json: true),
        Rule(
            "show checkpoint", .showCheckpoint, "The table's file: how it was read and written",
            json: true),
        Rule("show version", .showVersion, "Version and time of start", json: true),
        Rule(
            "show configuration", .showConfiguration, "The configuration in force",
            access: .enabled, json: true),
        Rule("ready", .ready, "Whether answers can be relied on", json: true),
        Rule(
            "checkpoint", .checkpoint, "Write the table to its file now", access: .enabled,
            json: true),
        Rule(
            "observe PREFIX SITE MS", .observe, "Note a measured round trip", access: .enabled,
            json: true),
        Rule(
            "reload", .reload, "Read the configuration again", access: .enabled, json: true),
        Rule(
            "replace", .replace,
            "Have a new process, of the program as it is installed now, take over without a loss",
            access: .enabled, json: true),
        Rule(
            "guard release FEED", .releaseGuard,
            "Believe a feed that lost much at once: what its guard holds leaves",
            access: .enabled, json: true),
        Rule(
            "clear feed FEED [soft]", .clearFeed,
            "Begin its session anew; soft: only ask for its routes again", access: .enabled,
            json: true),
        Rule(
            "shutdown feed FEED", .shutDownFeed,
            "End its session, let its routes go, and keep it down", access: .enabled, json: true),
        Rule(
            "shutdown feed FEED LINE", .shutDownFeed,
            "The same, with a sentence for the peer's log", access: .enabled),
        Rule(
            "no shutdown feed FEED", .resumeFeed, "Let it begin again", access: .enabled,
            json: true),
        Rule(
            "debug feed FEED", .debugFeed,
            "Its messages as they pass, until a line is sent or Ctrl-C", access: .enabled),
        Rule("enable", .enable, "Allow commands that change something"),
        Rule("enable SECRET", .enable, "The same in one line", isHidden: true),
        Rule("disable", .disable, "Give that up again"),
        Rule("machine", .machine, "Replies for programs from here on"),
        Rule(
            "help", .help, "This list; '?' after a part of a command lists what may follow",
            json: true),
        Rule("quit", .quit, "Close the connection", access: .anyone),
        Rule("exit", .quit, "Close the connection", access: .anyone),
        Rule("terminal length COUNT", .terminalLength, "Accepted: there is no pager"),
        Rule("password SECRET", .password, "Give the password", access: .anyone, isHidden: true),
        Rule(
            "framed", .framed, "Replies for a program that shows them to people",
            isHidden: true),
        Rule("complete LINE", .complete, "The words that may come next", isHidden: true),
        Rule("complete", .complete, "The words that may come first", isHidden: true),
    ])

    /// Help for keywords that begin several commands.
    static let keywordHelp: [String: String] = [
        "show": "Show what is known",
        "ip": "IP information",
        "bgp": "BGP information",
        "ipv4": "IPv4 routes",
        "ipv6": "IPv6 routes",
        "neighbors": "Feeds",
        "rpki": "Origin validation",
        "dns": "What DNS has been asked and has answered",
        "zone": "Only names of this zone",
        "guard": "The guard of feeds",
        "release": "Let go what it holds",
        "terminal": "Settings of the terminal",
        "length": "Lines on a page",
        "a": "Only sites with an IPv4 address",
        "aaaa": "Only sites with an IPv6 address",
        "for": "As for this name of a zone",
        "feed": "A feed",
        "clear": "Begin something anew",
        "rules": "Its rules, and how often each has decided",
        "soft": "Ask for the routes again, and keep the session",
        "shutdown": "End something and keep it down",
        "no": "Take back",
        "debug": "Watch something",
        "longer-than": "Only routes within this prefix",
        "limit": "At most so many",
        "--json": "One JSON object on one line",
    ]
}
