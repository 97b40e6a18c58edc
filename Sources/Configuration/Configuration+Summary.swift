// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import Choice
import DNSWire
import FeedRules
import OriginValidation
import RouteTable

extension Configuration {
    /// What would run, for people.
    ///
    /// - Parameter usualSocket: Where the console's socket would be, if the file doesn't say.
    /// - Returns: Lines, each ended.
    public func summary(usualSocket: String? = nil) -> String {
        var lines: [String] = []
        if let router = self.router {
            lines.append("router AS \(router.asNumber), identifier \(router.identifier)")
        }
        lines += self.listenLines(usualSocket)
        lines.append(Self.count(self.sites.count, "site"))
        for site in self.sites {
            var words = ["  \(site.name)", "AS \(site.asNumber)"]
            words +=
                site.addresses.isEmpty
                ? ["no address"] : site.addresses.map(\.description)
            if let alias = site.alias { words.append("alias \(alias)") }
            words += site.serviceWords
            words.append(site.location?.words ?? "no location")
            words.append("weight \(site.weight)")
            if site.withoutRoutes != .last {
                words.append("without routes: \(site.withoutRoutes.rawValue)")
            }
            lines.append(words.joined(separator: "  "))
        }
        lines.append(Self.count(self.feeds.count, "feed"))
        for feed in self.feeds {
            lines.append(
                "  \(feed.name)  of \(feed.site)  \(feed.source.words)"
                    + (feed.readsThroughSites ? "  through sites" : "")
                    + (feed.limits == nil ? "" : "  \(PrefixLimits.words(feed.limits))")
                    + (feed.kept == .path ? "" : "  keeps \(feed.kept.words)")
                    + self.guardWords(feed)
                    + (feed.dump.map { "  dump \(DumpSettings.words($0))" } ?? ""))
            lines += feed.rules.options.words.map { "    \($0)" }
            lines += feed.rules.rules.map { "    rule: \($0.words)" }
        }
        if let rpki = self.rpki { lines.append("rpki \(rpki.words)") }
        if !self.maps.isEmpty {
            lines.append(Self.count(self.maps.count, "route map"))
            lines += self.maps.map { "  \($0)" }
        }
        if !self.locationRanges.isEmpty {
            lines.append(Self.count(self.locationRanges.count, "file") + " of locations")
            lines += self.locationRanges.map { "  \($0)" }
        }
        if let database = self.locationDatabase {
            lines.append("a database of locations")
            lines.append("  \(database)")
        }
        if let checkpoint = self.checkpoint {
            lines.append(
                "checkpoint \(checkpoint.file), written at the end"
                    + (checkpoint.every == .zero
                        ? "" : " and every \(Value.words(checkpoint.every))"))
        }
        lines += self.limitLines
        let choice = self.choice.options.unlike(ChoiceOptions().options)
        if !choice.isEmpty { lines.append("choice: \(choice.joined(separator: ", "))") }
        let console = self.console.options.unlike(ConsoleOptions().options)
        if !console.isEmpty { lines.append("console: \(console.joined(separator: ", "))") }
        if self.readyWait != Configuration(file: "").readyWait {
            lines.append("ready wait \(Value.words(self.readyWait))")
        }
        if self.logLevel != .info { lines.append("log level \(self.logLevel.rawValue)") }
        if let rules = self.flipHold {
            lines.append("prefixes that flip are held \(FlipHoldRules.words(rules))")
        }
        if self.roundTrips != RoundTripOptions() {
            lines.append(
                Self.count(self.roundTrips.files.count, "file") + " of round trips, "
                    + self.roundTrips.words)
            lines += self.roundTrips.files.map { "  \($0)" }
        }
        if self.dns != DNSOptions(), !self.listen.dns.isEmpty {
            lines.append("dns \(self.dns.words.joined(separator: "; "))")
        }
        lines.append(Self.count(self.zones.count, "zone"))
        for zone in self.zones {
            lines.append("  \(zone.words)")
            lines += zone.nearest.map { "    \($0.words)" }
        }
        lines += self.warnings.map { "note: \($0)" }
        return lines.map { $0 + "\n" }.joined()
    }

    /// A feed's guard where it isn't the usual one.
    private func guardWords(_ feed: FeedEntry) -> String {
        guard case .bgp = feed.source, feed.guardRules != FeedGuardRules() else { return "" }
        return "  guard \(FeedGuardRules.words(feed.guardRules))"
    }

    private static func count(_ count: Int, _ word: String) -> String {
        "\(count) \(word)\(count == 1 ? "" : "s")"
    }

    private func listenLines(_ usualSocket: String?) -> [String] {
        func line(_ kind: String, _ words: [String]) -> String {
            "listen \(kind): \(words.isEmpty ? "no" : words.joined(separator: ", "))"
        }
        let socket =
            self.listen.socket == .usual
            ? usualSocket ?? self.listen.socket.words : self.listen.socket.words
        let bmp = self.listen.bmp.map(\.description)
        return [line("bgp", self.listen.bgp.map(\.description))]
            + (bmp.isEmpty ? [] : [line("bmp", bmp)]) + [
                line("console", self.listen.console.map(\.words)),
                line("socket", [socket]), line("dns", self.listen.dns.map(\.description)),
            ] + (self.powerDNS.map { [line("powerdns", [PowerDNSOptions.words($0)])] } ?? [])
    }

    /// What is allowed but perhaps not meant.
    public var warnings: [String] {
        var warnings: [String] = []
        let fed = Set(self.feeds.map(\.site))
        for site in self.sites where !fed.contains(site.name) && self.maps.isEmpty {
            if !self.feeds.contains(where: \.readsThroughSites) {
                warnings.append("site '\(site.name)' has no feed: it never has a route")
            }
        }
        let unplaced = self.sites.filter { $0.location == nil }.map(\.name)
        if !unplaced.isEmpty, unplaced.count < self.sites.count {
            for nearest in self.zones.flatMap(\.nearest) {
                if let site = nearest.sites.first(where: unplaced.contains) {
                    warnings.append(
                        "kilometres count nothing for \(nearest.owner): site '\(site)' has no "
                            + "location")
                }
            }
        }
        if self.locationRanges.isEmpty, self.locationDatabase == nil,
            unplaced.count < self.sites.count
        {
            warnings.append(
                "kilometres count nothing: without location ranges or a database no client has "
                    + "a location")
        }
        let open = self.listen.console.contains { !$0.endpoint.address.isLoopback }
        if open, self.console.passwordFile == nil {
            warnings.append("the console is open to the network without a password")
        }
        let monitored = self.feeds.first { if case .bmp = $0.source { true } else { false } }
        if let monitored, self.listen.bmp.isEmpty {
            warnings.append("no listen: bmp, so that no router can connect for '\(monitored.name)'")
        }
        if !self.zones.isEmpty, self.listen.dns.isEmpty, self.powerDNS == nil {
            warnings.append("no listen: dns, so that nobody is told of the zones")
        }
        warnings += self.certificateConcerns
        if self.zones.isEmpty, self.powerDNS != nil {
            warnings.append("no zones, so that there is nothing to tell PowerDNS")
        }
        return warnings
    }
}

extension Configuration.RPKIOptions {
    var words: String {
        var words = ["caches \(self.caches.map(\.description).joined(separator: ", "))"]
        words.append("invalid routes: \(self.invalid.rawValue)")
        if let refresh { words.append("refresh \(Value.words(refresh))") }
        if let retry { words.append("retry \(Value.words(retry))") }
        if let expire { words.append("expire \(Value.words(expire))") }
        if self.maximumPayloads != RTRSettings().maximumPayloads {
            words.append("at most \(self.maximumPayloads) payloads")
        }
        return words.joined(separator: "; ")
    }
}

extension Configuration.ConsoleListener {
    var words: String {
        self.face == .machine ? "\(self.endpoint) (machine)" : self.endpoint.description
    }
}

extension Configuration.Socket {
    var words: String {
        switch self {
        case .usual: "the usual one"
        case .path(let path): path
        case .none: "none"
        }
    }
}

extension Configuration.RoundTripOptions {
    var words: String {
        "observations weigh \(self.weight) and expire after \(Value.words(self.expiry))"
    }
}

extension Configuration.Location {
    var words: String {
        switch self {
        case .country(let code): code
        case .coordinates(let latitude, let longitude): "\(latitude) \(longitude)"
        }
    }
}

extension Configuration.Source {
    var words: String {
        switch self {
        case .bgp(let bgp): return bgp.words
        case .bmp(let bmp): return bmp.words
        case .mrt(let mrt):
            let peer = [mrt.peer?.description, mrt.peerAS.map { "AS \($0)" }]
                .compactMap(\.self).joined(separator: " ")
            return "\(mrt.file), peer \(peer)"
        case .text(let text):
            let peer = [text.peer?.description, text.peerAS.map { "AS \($0)" }]
                .compactMap(\.self).joined(separator: " ")
            return "\(text.file), " + (peer.isEmpty ? "best paths" : "paths of \(peer)")
                + (text.skipsBadLines ? ", bad lines left out" : "")
        }
    }
}

extension IPAddress {
    /// 127.0.0.0/8 or ::1.
    fileprivate var isLoopback: Bool {
        self.family == .ipv4 ? self.byte(at: 0) == 127 : self.high == 0 && self.low == 1
    }
}

extension KeptAttributes {
    /// As in the configuration.
    var words: String {
        switch self {
        case .path: "[path]"
        case .communities: "[path, communities]"
        case .length: "[length]"
        }
    }
}
