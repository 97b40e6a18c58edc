// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPWire
import FeedRules
import RouteTable

extension ConfigurationReader {
    mutating func readFeeds(_ value: Value, in top: Mapping) {
        guard let feeds = value.mapping() else { return }
        var peers: [(feed: Configuration.FeedEntry, line: Int)] = []
        for (index, entry) in feeds.entries.enumerated() {
            self.checkName(entry, "feed")
            guard index < FeedID.limit else {
                self.document.complain(
                    at: entry.position,
                    "feed '\(entry.key)' is one too many: there can be \(FeedID.limit) feeds")
                break
            }
            guard let feed = self.readFeed(entry) else { continue }
            if let first = peers.first(where: { Self.share($0.feed.source, feed.source) }) {
                self.document.complain(
                    at: entry.position,
                    "feed '\(feed.name)' has the same peer as feed '\(first.feed.name)' on line "
                        + "\(first.line)")
            }
            peers.append((feed, entry.position.line))
            if case .bgp = feed.source, top["router"] == nil {
                self.document.complain(
                    at: entry.position,
                    "feed '\(feed.name)' speaks BGP: that needs router: { as: …, id: … }")
            }
            self.result.feeds.append(feed)
        }
    }

    /// Whether two feeds can't be told apart. Peers at one address can, if Martlet dials
    /// different ports.
    private static func share(_ a: Configuration.Source, _ b: Configuration.Source) -> Bool {
        switch (a, b) {
        case (.bgp(let a), .bgp(let b)):
            let bothDialled = a.connect == .active && b.connect == .active
            return a.peer == b.peer && !(bothDialled && a.port != b.port)
        case (.mrt(let a), .mrt(let b)): return a == b
        case (.text(let a), .text(let b)):
            return a.file == b.file && a.peer == b.peer && a.peerAS == b.peerAS
        case (.bgp, _), (.mrt, _), (.text, _): return false
        }
    }

    private mutating func readFeed(_ entry: Mapping.Entry) -> Configuration.FeedEntry? {
        let name = "feed '\(entry.key)'"
        let keys =
            ["site", "bgp", "mrt", "text", "read", "stale-time", "guard", "keep", "rules"]
            + Self.optionKeys
        guard let mapping = Mapping(entry, named: name, allowed: keys) else { return nil }
        let site = mapping.require("site").flatMap(self.siteName)
        var source: Configuration.Source?
        let sources = ["bgp", "mrt", "text"].compactMap { key in
            mapping[key].map { (key: key, value: $0) }
        }
        if sources.count > 1 {
            sources[1].value.complain(
                "\(name) is either \(sources[0].key) or \(sources[1].key), not both")
        } else if let (key, value) = sources.first {
            switch key {
            case "bgp": source = self.readBGP(value).map { .bgp($0) }
            case "mrt": source = self.readMRT(value).map { .mrt($0) }
            default: source = self.readText(value).map { .text($0) }
            }
        } else {
            mapping.complain("\(name) needs bgp, mrt or text")
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
        guard let site, let source else { return nil }
        var feed = Configuration.FeedEntry(name: entry.key, site: site, source: source)
        feed.readsThroughSites = reading == .throughSites
        feed.staleTime = staleTime ?? feed.staleTime
        feed.kept = kept
        feed.rules.options = self.feedOptions(mapping, default: self.usualOptions)
        if let rules = mapping["rules"] { feed.rules.rules = self.rules(rules) }
        if feed.readsThroughSites, feed.rules.options.changesDistance {
            (mapping["prepends"] ?? mapping["local-preference"] ?? mapping["read"])?.complain(
                "\(name) reads the paths through sites, and so counts them as they are: neither "
                    + "prepends: once nor levels of local-preference go with it")
        }
        if case .bgp = feed.source { feed.guardRules = self.result.guardRules }
        if let value = mapping["guard"] {
            switch feed.source {
            case .bgp: feed.guardRules = self.guardRules(value, default: feed.guardRules)
            case .mrt, .text:
                value.complain("guard is for feeds by BGP: a dump loses nothing")
            }
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

    private func readBGP(_ value: Value) -> Configuration.BGPSource? {
        let keys = [
            "peer", "as", "port", "local-as", "local-address", "connect", "hold-time",
            "quiet-time", "connect-retry", "maximum-connect-retry", "families", "password-file",
        ]
        guard let bgp = value.mapping(allowed: keys) else { return nil }
        if let file = bgp["password-file"] {
            // A password that is read and not used would be a lock that doesn't lock.
            file.complain("password-file (TCP MD5) is not supported by this version")
        }
        let peer = bgp.require("peer")?.address()
        let number = bgp.require("as")?.asNumber()
        var source = Configuration.BGPSource(
            peer: peer ?? IPAddress(ipv4: 0), peerAS: number ?? ASNumber(0))
        source.port = bgp["port"]?.integer(1...65535).flatMap(UInt16.init) ?? source.port
        source.localAS = bgp["local-as"]?.asNumber()
        source.localAddress = bgp["local-address"]?.address(peer?.family)
        source.connect =
            bgp["connect"]?.choice(of: ConnectMode.self) ?? source.connect
        if let hold = bgp["hold-time"] {
            // RFC 4271 §4.2: 0, or at least three seconds.
            if let duration = hold.duration() {
                let seconds = duration.components.seconds
                if duration != .seconds(seconds) || seconds == 1 || seconds == 2 {
                    hold.mustBe("0 or at least 3 seconds")
                } else if seconds > 65535 {
                    hold.mustBe("at most 65535 seconds")
                } else {
                    source.holdTime = Int(seconds)
                }
            }
        }
        source.quietTime =
            bgp["quiet-time"]?.duration(.milliseconds(100) ... .seconds(3600))
            ?? source.quietTime
        source.connectRetry =
            bgp["connect-retry"]?.duration(.milliseconds(100) ... .seconds(3600))
            ?? source.connectRetry
        source.maximumConnectRetry =
            bgp["maximum-connect-retry"]?.duration(source.connectRetry ... .seconds(86400))
            ?? max(source.maximumConnectRetry, source.connectRetry)
        if let families = bgp["families"] { source.families = Self.families(families) }
        return peer == nil || number == nil ? nil : source
    }

    private static func families(_ value: Value) -> FamilySet {
        enum Word: String, CaseIterable { case ipv4, ipv6 }
        var families: FamilySet = []
        for element in value.elements("each of families") {
            switch element.choice(of: Word.self) {
            case .ipv4: families.insert(.ipv4)
            case .ipv6: families.insert(.ipv6)
            case nil: break
            }
        }
        return families
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
