// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire
import RouteTable

extension ConfigurationReader {
    /// `{ router: 192.0.2.9, policy: post }`, or a range of routers.
    func readBMP(_ value: Value) -> Configuration.BMPSource? {
        let keys = ["router", "policy", "maximum-routers", "maximum-peers", "quiet-time"]
        guard let bmp = value.named("bmp").mapping(allowed: keys) else { return nil }
        let router = bmp.require("router").flatMap(Self.router)
        let view = bmp["policy"].map { $0.choice(of: BMPPeerHeader.View.self) }
        guard let router, view == nil || view != .some(nil) else { return nil }
        var source = Configuration.BMPSource(router: router)
        if let view = view.flatMap(\.self) { source.view = view }
        if source.isRange {
            source.maximumRouters =
                bmp.require("maximum-routers")?.integer(1...FeedID.limit - 1) ?? 1
        } else if let cap = bmp["maximum-routers"] {
            cap.complain("maximum-routers is for a range: router: 203.0.113.0/24")
        }
        source.maximumPeers = bmp["maximum-peers"]?.integer(1...65_000) ?? source.maximumPeers
        source.quietTime =
            bmp["quiet-time"]?.duration(.milliseconds(100) ... .seconds(3600))
            ?? source.quietTime
        return source
    }

    private static func router(_ value: Value) -> IPPrefix? {
        guard value.plainText?.contains("/") == true else {
            return value.address().map { IPPrefix(host: $0) }
        }
        return value.prefix()
    }
}

extension Configuration.BMPSource {
    /// Why two feeds can't be told apart.
    func conflict(
        _ name: String, with other: Configuration.BMPSource, _ otherName: String
    ) -> String? {
        guard self.router == other.router else { return nil }
        let what = self.isRange ? "range of routers" : "router"
        return "feed '\(name)' has the same \(what) as feed '\(otherName)'"
    }

    var words: String {
        var words = "BMP from \(self.isRange ? "\(self.router)" : "\(self.router.address)")"
        if self.isRange { words += ", at most \(self.maximumRouters) routers" }
        words += ", policy \(self.view.rawValue)"
        let usual = Configuration.BMPSource(router: self.router)
        if self.maximumPeers != usual.maximumPeers {
            words += ", at most \(self.maximumPeers) peers"
        }
        if self.quietTime != usual.quietTime {
            words += ", quiet-time \(Value.words(self.quietTime))"
        }
        return words
    }
}
