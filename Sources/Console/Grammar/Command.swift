// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

package import Addressing

/// A command with its arguments: what the grammar makes of a line.
package enum Command: Hashable, Sendable {
    package enum Question: Hashable, Sendable { case nearest, rank, explain }

    package enum Target: Hashable, Sendable {
        case address(IPAddress)
        case prefix(IPPrefix)

        package var family: AddressFamily {
            switch self {
            case .address(let address): address.family
            case .prefix(let prefix): prefix.family
            }
        }
    }

    package struct RouteFilter: Hashable, Sendable {
        package var feed: String?
        package var within: IPPrefix?
        package var limit: Int?

        package init(feed: String?, within: IPPrefix?, limit: Int?) {
            self.feed = feed
            self.within = within
            self.limit = limit
        }
    }

    /// Which answers are listed.
    package struct AnswerFilter: Hashable, Sendable {
        package var name: String?
        /// The family of the clients; nil: both.
        package var clients: AddressFamily?
        /// Sites with an address of this family; nil: all.
        package var addresses: AddressFamily?
        package var within: IPPrefix?
        package var limit: Int?

        package init(
            name: String? = nil, clients: AddressFamily? = nil, addresses: AddressFamily? = nil,
            within: IPPrefix? = nil, limit: Int? = nil
        ) {
            self.name = name
            self.clients = clients
            self.addresses = addresses
            self.within = within
            self.limit = limit
        }
    }

    /// A round trip that somebody measured.
    package struct Observation: Hashable, Sendable {
        package var prefix: IPPrefix
        package var site: String
        package var microseconds: UInt32

        package init(prefix: IPPrefix, site: String, microseconds: UInt32) {
            self.prefix = prefix
            self.site = site
            self.microseconds = microseconds
        }
    }

    /// What is done to a feed's sessions.
    package typealias FeedOrder = Console.FeedOrder

    case ask(Question, IPAddress, name: String?)
    case showBGP(Target)
    case showBGPSummary
    case showSites
    case showSitesOfName(String)
    case showFeeds
    case showFeed(String)
    case order(FeedOrder, feed: String)
    case debugFeed(String)
    case showRoutes(RouteFilter)
    case showRoundTrips(within: IPPrefix?, limit: Int?)
    case observe(Observation)
    case showRPKI(Target?)
    case showDNS
    case showDNSZones
    case showDNSNames(zone: String?, limit: Int?)
    case showAnswers(AnswerFilter)
    case showMemory
    case showCheckpoint
    case showVersion
    case showConfiguration
    case ready
    case reload
    case replace
    case checkpoint
    case releaseGuard(feed: String)
    case showFeedRules(feed: String)
    case enable(secret: String?)
    case disable
    case password(String)
    case machine
    case framed
    case complete(String)
    case help
    case quit
    case terminalLength(Int)
}

extension Invocation {
    /// The command that was meant.
    package func command() throws(GrammarError) -> Command {
        switch self.rule.verb {
        case .nearest: .ask(.nearest, try self.address, name: self.text(.name))
        case .rank: .ask(.rank, try self.address, name: self.text(.name))
        case .explain: .ask(.explain, try self.address, name: self.text(.name))
        case .showBGP: .showBGP(try self.target(nil))
        case .showBGPIPv4: .showBGP(try self.target(.ipv4))
        case .showBGPIPv6: .showBGP(try self.target(.ipv6))
        case .showBGPSummary: .showBGPSummary
        case .showSites: .showSites
        case .showSitesOfName: .showSitesOfName(self.text(.name) ?? "")
        case .showFeeds: .showFeeds
        case .showFeed: .showFeed(self.text(.feed) ?? "")
        case .clearFeed:
            .order(
                self.flags.contains("soft") ? .refresh : .clear, feed: self.text(.feed) ?? "")
        case .shutDownFeed:
            .order(.shutDown(message: self.text(.line)), feed: self.text(.feed) ?? "")
        case .resumeFeed: .order(.resume, feed: self.text(.feed) ?? "")
        case .debugFeed: .debugFeed(self.text(.feed) ?? "")
        case .showRoutes:
            .showRoutes(
                Command.RouteFilter(
                    feed: self.text(.feed), within: self.prefix, limit: self.count))
        case .showRoundTrips: .showRoundTrips(within: self.prefix, limit: self.count)
        case .observe: .observe(try self.observation)
        case .showRPKI:
            .showRPKI(self.values[.addressOrPrefix] == nil ? nil : try self.target(nil))
        case .showDNS: .showDNS
        case .showDNSZones: .showDNSZones
        case .showDNSNames: .showDNSNames(zone: self.text(.zone), limit: self.count)
        case .showAnswers:
            .showAnswers(
                Command.AnswerFilter(
                    name: self.text(.name), clients: try self.clients,
                    addresses: try self.either("a", "aaaa"), within: self.prefix,
                    limit: self.count))
        case .showMemory: .showMemory
        case .showCheckpoint: .showCheckpoint
        case .showVersion: .showVersion
        case .showConfiguration: .showConfiguration
        case .ready: .ready
        case .reload: .reload
        case .replace: .replace
        case .checkpoint: .checkpoint
        case .releaseGuard: .releaseGuard(feed: self.text(.feed) ?? "")
        case .showFeedRules: .showFeedRules(feed: self.text(.feed) ?? "")
        case .enable: .enable(secret: self.text(.secret))
        case .disable: .disable
        case .password: .password(self.text(.secret) ?? "")
        case .machine: .machine
        case .framed: .framed
        case .complete: .complete(self.text(.line) ?? "")
        case .help: .help
        case .quit: .quit
        case .terminalLength: .terminalLength(self.count ?? 0)
        }
    }

    private var address: IPAddress {
        get throws(GrammarError) {
            guard case .address(let address)? = self.values[.address] else {
                throw .incomplete(expected: [ArgumentKind.address.rawValue])
            }
            return address
        }
    }

    private func target(_ family: AddressFamily?) throws(GrammarError) -> Command.Target {
        let target: Command.Target
        switch self.values[.addressOrPrefix] {
        case .address(let address): target = .address(address)
        case .prefix(let prefix): target = .prefix(prefix)
        case .count, .microseconds, .text, nil:
            throw .incomplete(expected: [ArgumentKind.addressOrPrefix.rawValue])
        }
        if let family, target.family != family {
            throw .badArgument("that is \(target.family), not \(family)")
        }
        return target
    }

    private var clients: AddressFamily? {
        get throws(GrammarError) {
            let family = try self.either("ipv4", "ipv6")
            guard let within = self.prefix else { return family }
            guard family == nil || family == within.family else {
                throw .badArgument("\(within) has no clients of the other family")
            }
            return within.family
        }
    }

    /// The family that one of two options stands for; nil where neither is there.
    private func either(
        _ ipv4: String, _ ipv6: String
    ) throws(GrammarError) -> AddressFamily? {
        switch (self.flags.contains(ipv4), self.flags.contains(ipv6)) {
        case (true, true): throw .badArgument("'\(ipv4)' or '\(ipv6)', not both")
        case (true, false): .ipv4
        case (false, true): .ipv6
        case (false, false): nil
        }
    }

    private var observation: Command.Observation {
        get throws(GrammarError) {
            guard case .microseconds(let microseconds)? = self.values[.milliseconds],
                let prefix = self.prefix, let site = self.text(.site)
            else {
                throw .incomplete(expected: [ArgumentKind.milliseconds.rawValue])
            }
            return Command.Observation(prefix: prefix, site: site, microseconds: microseconds)
        }
    }

    private var prefix: IPPrefix? {
        guard case .prefix(let prefix)? = self.values[.prefix] else { return nil }
        return prefix
    }

    private var count: Int? {
        guard case .count(let count)? = self.values[.count] else { return nil }
        return count
    }

    private func text(_ kind: ArgumentKind) -> String? {
        guard case .text(let text)? = self.values[kind] else { return nil }
        return text
    }
}
