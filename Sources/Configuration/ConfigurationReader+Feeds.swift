// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire
import FeedRules
import RouteTable

extension ConfigurationReader {
    mutating func readFeeds(_ value: Value, in top: Mapping) {
        guard let feeds = value.mapping() else { return }
        var before: [(feed: Configuration.FeedEntry, line: Int)] = []
        var count = 0
        for entry in feeds.entries {
            self.checkName(entry, "feed")
            let feed = self.readFeed(entry)
            let slots = feed?.slotCount ?? 0
            count += 1 + slots
            guard count <= FeedID.limit else {
                self.document.complain(
                    at: entry.position,
                    "feed '\(entry.key)' is one too many: there can be \(FeedID.limit) feeds"
                        + (count > before.count + 1
                            ? ", and each that a range may have is one" : ""))
                break
            }
            guard let feed else { continue }
            for other in before {
                guard let problem = Self.conflict(feed, other.feed) else { continue }
                self.document.complain(
                    at: entry.position, "\(problem) on line \(other.line)")
                break
            }
            before.append((feed, entry.position.line))
            if case .bgp = feed.source, top["router"] == nil {
                self.document.complain(
                    at: entry.position,
                    "feed '\(feed.name)' speaks BGP: that needs router: { as: …, id: … }")
            }
            self.result.feeds.append(feed)
        }
    }

    /// Why two feeds can't be told apart, or are in each other's way.
    private static func conflict(
        _ feed: Configuration.FeedEntry, _ other: Configuration.FeedEntry
    ) -> String? {
        let isSame: Bool
        switch (feed.source, other.source) {
        case (.bgp(let a), .bgp(let b)): return a.conflict(feed.name, with: b, other.name)
        case (.bmp(let a), .bmp(let b)): return a.conflict(feed.name, with: b, other.name)
        case (.mrt(let a), .mrt(let b)): isSame = a == b
        case (.text(let a), .text(let b)):
            isSame = a.file == b.file && a.peer == b.peer && a.peerAS == b.peerAS
        case (.bgp, _), (.bmp, _), (.mrt, _), (.text, _): isSame = false
        }
        return isSame ? "feed '\(feed.name)' has the same peer as feed '\(other.name)'" : nil
    }

    private mutating func readFeed(_ entry: Mapping.Entry) -> Configuration.FeedEntry? {
        let name = "feed '\(entry.key)'"
        let keys =
            [
                "site", "bgp", "bmp", "mrt", "text", "read", "stale-time", "guard", "keep",
                "rules", "limits", "dump",
            ] + Self.optionKeys
        guard let mapping = Mapping(entry, named: name, allowed: keys) else { return nil }
        let site = mapping.require("site").flatMap(self.siteName)
        var source: Configuration.Source?
        let sources = ["bgp", "bmp", "mrt", "text"].compactMap { key in
            mapping[key].map { (key: key, value: $0) }
        }
        if sources.count > 1 {
            sources[1].value.complain(
                "\(name) is either \(sources[0].key) or \(sources[1].key), not both")
        } else if let (key, value) = sources.first {
            switch key {
            case "bgp": source = self.readBGP(value).map { .bgp($0) }
            case "bmp": source = self.readBMP(value).map { .bmp($0) }
            case "mrt": source = self.readMRT(value).map { .mrt($0) }
            default: source = self.readText(value).map { .text($0) }
            }
        } else {
            mapping.complain("\(name) needs bgp, bmp, mrt or text")
        }
        enum Reading: String, CaseIterable {
            case plain
            case throughSites = "through-sites"
        }
        let reading = mapping["read"]?.choice(of: Reading.self)
        let staleTime = mapping["stale-time"]?.duration(.zero ... .seconds(604_800))
        let kept = mapping["keep"].flatMap(Self.kept) ?? self.result.kept
        if reading == .throughSites, kept == .length {
            (mapping["keep"] ?? mapping["read"])?.complain(
                "\(name) reads the paths through sites, and so has to keep them")
        }
        if self.result.rpki != nil, kept == .length {
            (mapping["keep"] ?? mapping["site"])?.complain(
                "\(name) has to keep the paths: rpki goes by the AS that a route is from")
        }
        let limits = mapping["limits"].flatMap { self.prefixLimits($0) }
        guard let site, let source else { return nil }
        var feed = Configuration.FeedEntry(name: entry.key, site: site, source: source)
        feed.readsThroughSites = reading == .throughSites
        feed.staleTime = staleTime ?? feed.staleTime
        feed.kept = kept
        feed.rules.options = self.feedOptions(mapping, default: self.usualOptions)
        if let rules = mapping["rules"] { feed.rules.rules = self.rules(rules) }
        if self.result.rpki != nil, kept != .communities, feed.rules.readsValidation,
            feed.rules.readsCommunities
        {
            (mapping["keep"] ?? mapping["rules"])?.complain(
                "\(name) has to keep the communities (keep: [path, communities]): its rules ask "
                    + "for them and for the validation, and are asked again whenever that changes")
        }
        if feed.readsThroughSites, feed.rules.options.changesDistance {
            (mapping["prepends"] ?? mapping["local-preference"] ?? mapping["read"])?.complain(
                "\(name) reads the paths through sites, and so counts them as they are: neither "
                    + "prepends: once nor levels of local-preference go with it")
        }
        if case .bgp = feed.source { feed.guardRules = self.result.guardRules }
        feed.limits = limits
        if let value = mapping["dump"] { feed.dump = self.readDump(value) }
        switch feed.source {
        case .bgp:
            if let value = mapping["guard"] {
                feed.guardRules = self.guardRules(value, default: feed.guardRules)
            }
        case .bmp:
            mapping["guard"]?.complain("guard is for feeds by BGP")
            mapping["limits"]?.complain("limits are for feeds by BGP")
            mapping["dump"]?.complain("dump is for feeds by BGP")
        case .mrt, .text:
            mapping["guard"]?.complain("guard is for feeds by BGP: a dump loses nothing")
            mapping["limits"]?.complain("limits are for feeds by BGP: a dump has what it has")
            mapping["dump"]?.complain("dump is for feeds by BGP: a file has no session to record")
        }
        return feed
    }

    /// `[path]`, `[path, communities]` or `[length]`.
    static func kept(_ value: Value) -> KeptAttributes? {
        enum Word: String, CaseIterable { case path, communities, length }
        var words: Set<Word> = []
        for element in value.elements("each of keep") {
            guard let word = element.choice(of: Word.self) else { return nil }
            words.insert(word)
        }
        switch words {
        case []: return nil
        case [.path]: return .path
        case [.path, .communities]: return .communities
        case [.length]: return .length
        default:
            value.complain("keep must be [path], [path, communities] or [length]")
            return nil
        }
    }

    private mutating func readMRT(_ value: Value) -> Configuration.MRTSource? {
        guard let mrt = value.mapping(allowed: ["file", "peer", "peer-as"]) else { return nil }
        let file = mrt.require("file").flatMap { self.file($0) }
        let peer = mrt["peer"]?.address()
        let number = mrt["peer-as"]?.asNumber()
        if mrt["peer"] == nil, mrt["peer-as"] == nil {
            mrt.complain("mrt needs a peer or a peer-as: a dump holds the routes of several")
            return nil
        }
        guard let file else { return nil }
        return Configuration.MRTSource(file: file, peer: peer, peerAS: number)
    }

    private mutating func readText(_ value: Value) -> Configuration.TextSource? {
        enum BadLines: String, CaseIterable { case refuse, skip }
        let keys = ["file", "peer", "peer-as", "bad-lines"]
        guard let text = value.mapping(allowed: keys) else { return nil }
        let file = text.require("file").flatMap { self.file($0) }
        let peer = text["peer"]?.address()
        let number = text["peer-as"]?.asNumber()
        let badLines = text["bad-lines"]?.choice(of: BadLines.self)
        guard let file else { return nil }
        return Configuration.TextSource(
            file: file, peer: peer, peerAS: number, skipsBadLines: badLines == .skip)
    }
}
