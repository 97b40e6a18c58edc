// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import Choice
import DNSWire
import FeedRules
import RouteTable

extension Configuration {
    /// What a reload from another configuration changes, in words, and what it resets; empty where
    /// both say the same.
    public func differences(from old: Configuration) -> [String] {
        var words: [String] = []
        words += self.routerDifferences(from: old)
        words += self.listenDifferences(from: old)
        words += self.siteDifferences(from: old)
        words += self.feedDifferences(from: old)
        if self.rpki != old.rpki {
            func text(_ options: RPKIOptions?) -> String { options?.words ?? "none" }
            words.append("rpki: \(text(old.rpki)) -> \(text(self.rpki)); routes are judged anew")
        }
        if self.maps != old.maps {
            words.append("route maps: \(Self.list(old.maps)) -> \(Self.list(self.maps))")
        }
        if self.locationRanges != old.locationRanges {
            words.append(
                "location ranges: \(Self.list(old.locationRanges)) -> "
                    + Self.list(self.locationRanges))
        }
        if self.locationDatabase != old.locationDatabase {
            words.append(
                "location database: \(old.locationDatabase ?? "none") -> "
                    + (self.locationDatabase ?? "none"))
        }
        if self.limits != old.limits {
            words.append(
                "limits: \(self.limits.options.changes(from: old.limits.options)), "
                    + "from the next start on")
        }
        if self.roundTrips.files != old.roundTrips.files {
            words.append(
                "round trips: \(Self.list(old.roundTrips.files)) -> "
                    + Self.list(self.roundTrips.files))
        }
        if self.roundTrips.words != old.roundTrips.words {
            words.append("round trips: \(old.roundTrips.words) -> \(self.roundTrips.words)")
        }
        if self.flipHold != old.flipHold {
            words.append(
                "flip hold: \(FlipHoldRules.words(old.flipHold)) -> "
                    + FlipHoldRules.words(self.flipHold))
        }
        words += self.zoneDifferences(from: old)
        if self.checkpoint != old.checkpoint {
            func text(_ options: CheckpointOptions?) -> String {
                options.map { "\($0.file) every \(Value.words($0.every))" } ?? "none"
            }
            words.append("checkpoint: \(text(old.checkpoint)) -> \(text(self.checkpoint))")
        }
        if self.choice != old.choice {
            words.append("choice: \(self.choice.options.changes(from: old.choice.options))")
        }
        words += self.dns.differences(from: old.dns)
        if self.powerDNS != old.powerDNS {
            words.append(
                "powerdns: \(PowerDNSOptions.words(old.powerDNS)) -> "
                    + "\(PowerDNSOptions.words(self.powerDNS)), from the next start on")
        }
        if self.console != old.console {
            words.append(
                "console: \(self.console.changes(from: old.console)), for new connections")
        }
        if self.logLevel != old.logLevel {
            words.append("log level: \(old.logLevel.rawValue) -> \(self.logLevel.rawValue)")
        }
        if self.readyWait != old.readyWait {
            words.append(
                "ready wait: \(Value.words(old.readyWait)) -> \(Value.words(self.readyWait)), "
                    + "at the next start")
        }
        return words
    }

    private static func list(_ words: [String]) -> String {
        words.isEmpty ? "none" : words.joined(separator: ", ")
    }

    private func routerDifferences(from old: Configuration) -> [String] {
        guard self.router != old.router else { return [] }
        func text(_ router: Router?) -> String {
            router.map { "AS \($0.asNumber), \($0.identifier)" } ?? "none"
        }
        return ["router: \(text(old.router)) -> \(text(self.router)); all BGP sessions are reset"]
    }

    private func listenDifferences(from old: Configuration) -> [String] {
        var words: [String] = []
        func compare(
            _ kind: String, _ before: [String], _ after: [String], isTakenAtOnce: Bool = false
        ) {
            guard before != after else { return }
            let isReplaced =
                before.contains { !after.contains($0) } && after.contains { !before.contains($0) }
            let when =
                !isTakenAtOnce
                ? ", from the next start on"
                : isReplaced ? "; what was there is closed once the new is there" : ""
            words.append("listen \(kind): \(Self.list(before)) -> \(Self.list(after))\(when)")
        }
        compare(
            "bgp", old.listen.bgp.map(\.description), self.listen.bgp.map(\.description),
            isTakenAtOnce: true)
        compare(
            "bmp", old.listen.bmp.map(\.description), self.listen.bmp.map(\.description),
            isTakenAtOnce: true)
        compare(
            "console", old.listen.console.map(\.words), self.listen.console.map(\.words))
        compare("socket", [old.listen.socket.words], [self.listen.socket.words])
        compare(
            "dns", old.listen.dns.map(\.description), self.listen.dns.map(\.description),
            isTakenAtOnce: true)
        return words
    }

    private func siteDifferences(from old: Configuration) -> [String] {
        var words: [String] = []
        let before = Dictionary(old.sites.map { ($0.name, $0) }) { first, _ in first }
        let names = Set(self.sites.map(\.name))
        for site in old.sites where !names.contains(site.name) {
            words.append("site '\(site.name)': removed")
        }
        for site in self.sites {
            guard let was = before[site.name] else {
                words.append("site '\(site.name)': added")
                continue
            }
            var parts: [String] = []
            func compare<T: Equatable>(_ what: String, _ path: KeyPath<SiteEntry, T>) {
                if site[keyPath: path] != was[keyPath: path] {
                    parts.append("\(what) \(was[keyPath: path]) -> \(site[keyPath: path])")
                }
            }
            compare("AS", \.asNumber)
            if site.addresses != was.addresses {
                parts.append(
                    "addresses \(Self.list(was.addresses.map(\.description))) -> "
                        + Self.list(site.addresses.map(\.description)))
            }
            if site.alias != was.alias || site.services != was.services {
                func text(_ site: SiteEntry) -> String {
                    Self.list(
                        (site.alias.map { ["alias \($0)"] } ?? []) + site.serviceWords)
                }
                parts.append("\(text(was)) -> \(text(site))")
            }
            compare("weight", \.weight)
            if site.location != was.location {
                parts.append(
                    "location \(was.location?.words ?? "none") -> "
                        + (site.location?.words ?? "none"))
            }
            if site.withoutRoutes != was.withoutRoutes {
                parts.append(
                    "without-routes \(was.withoutRoutes.rawValue) -> "
                        + site.withoutRoutes.rawValue)
            }
            if !parts.isEmpty {
                words.append("site '\(site.name)': \(parts.joined(separator: ", "))")
            }
        }
        if self.sites.map(\.name).filter({ before[$0] != nil })
            != old.sites.map(\.name).filter({ names.contains($0) })
        {
            words.append("sites: in another order")
        }
        return words
    }

    private func feedDifferences(from old: Configuration) -> [String] {
        var words: [String] = []
        let before = Dictionary(old.feeds.map { ($0.name, $0) }) { first, _ in first }
        let names = Set(self.feeds.map(\.name))
        for feed in old.feeds where !names.contains(feed.name) {
            words.append("feed '\(feed.name)': removed; its routes leave at once")
        }
        for feed in self.feeds {
            guard let was = before[feed.name] else {
                words.append("feed '\(feed.name)': added")
                continue
            }
            guard feed != was else { continue }
            var parts: [String] = []
            if feed.site != was.site { parts.append("site \(was.site) -> \(feed.site)") }
            switch (was.source, feed.source) {
            case (.bgp(let a), .bgp(let b)) where a != b: parts.append(b.words(from: a))
            case (.bmp(let a), .bmp(let b)) where a != b:
                let isReset = a.router != b.router || a.view != b.view
                parts.append(
                    "\(a.words) -> \(b.words)" + (isReset ? "; the session is reset" : ""))
            case (.mrt, .mrt) where feed.source != was.source,
                (.text, .text) where feed.source != was.source,
                (.mrt, .text), (.text, .mrt):
                parts.append("\(was.source.words) -> \(feed.source.words); it is read again")
            case (.bgp, .bgp), (.bmp, .bmp), (.mrt, .mrt), (.text, .text): break
            case (.bgp, _), (.bmp, _), (.mrt, _), (.text, _):
                parts.append(
                    "\(was.source.words) -> \(feed.source.words); its routes leave at once")
            }
            if feed.readsThroughSites != was.readsThroughSites {
                parts.append(
                    "read \(was.readsThroughSites ? "through-sites" : "plain") -> "
                        + (feed.readsThroughSites ? "through-sites" : "plain"))
            }
            if feed.staleTime != was.staleTime {
                parts.append(
                    "stale-time \(Value.words(was.staleTime)) -> \(Value.words(feed.staleTime))"
                )
            }
            if feed.kept != was.kept {
                var part = "keep \(was.kept.words) -> \(feed.kept.words)"
                switch feed.source {
                case .bgp, .bmp: part += "; the session is reset"
                case .mrt, .text: part += "; it is read again"
                }
                parts.append(part)
            }
            parts += feed.rules.differences(from: was.rules)
            if feed.limits != was.limits {
                parts.append(
                    "limits \(PrefixLimits.words(was.limits)) -> "
                        + PrefixLimits.words(feed.limits))
            }
            if case .bgp = was.source, case .bgp = feed.source,
                feed.guardRules != was.guardRules
            {
                parts.append(
                    "guard \(FeedGuardRules.words(was.guardRules)) -> "
                        + FeedGuardRules.words(feed.guardRules))
            }
            if feed.dump != was.dump {
                parts.append(
                    "dump \(DumpSettings.words(was.dump)) -> \(DumpSettings.words(feed.dump))")
            }
            words.append("feed '\(feed.name)': \(parts.joined(separator: ", "))")
        }
        if self.feeds.map(\.name).filter({ before[$0] != nil })
            != old.feeds.map(\.name).filter({ names.contains($0) })
        {
            words.append("feeds: in another order; equal routes may be decided otherwise")
        }
        return words
    }

    private func zoneDifferences(from old: Configuration) -> [String] {
        var words: [String] = []
        let before = Dictionary(old.zones.map { ($0.apex, $0) }) { first, _ in first }
        let apexes = Set(self.zones.map(\.apex))
        for zone in old.zones where !apexes.contains(zone.apex) {
            words.append("zone \(zone.apex): removed")
        }
        for zone in self.zones {
            if let problem = zone.problems.first {
                let more = zone.problems.count > 1 ? " (and \(zone.problems.count - 1) more)" : ""
                words.append(
                    "zone \(zone.apex): its file is bad, "
                        + (zone.state == .kept
                            ? "it is served as before: " : "it is answered with SERVFAIL: ")
                        + "\(problem)\(more)")
                continue
            }
            guard let was = before[zone.apex] else {
                words.append("zone \(zone.apex): added")
                continue
            }
            if zone != was {
                words.append("zone \(zone.apex): changed\(zone.serialWords(from: was))")
            }
        }
        return words
    }
}

extension RuleSet {
    /// What a reload changes of a feed's rules and options. No session is reset for it.
    fileprivate func differences(from old: RuleSet) -> [String] {
        var parts: [String] = []
        func list(_ words: [String]) -> String {
            words.isEmpty ? "as usual" : words.joined(separator: ", ")
        }
        if self.options != old.options {
            let (before, after) = (list(old.options.words), list(self.options.words))
            parts.append(
                before == after
                    ? "the prefixes of its bogons have changed"
                    : "options \(before) -> \(after)")
        }
        if self.rules != old.rules {
            let (before, after) = (old.rules.map(\.words), self.rules.map(\.words))
            var changes = after.filter { !before.contains($0) }.map { "+ \($0)" }
            changes += before.filter { !after.contains($0) }.map { "- \($0)" }
            let what =
                !changes.isEmpty
                ? changes.joined(separator: ", ")
                : before == after ? "a list that they use has changed" : "in another order"
            parts.append("rules: \(what)")
        }
        return parts
    }
}
