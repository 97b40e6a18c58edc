// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import DNSWire

extension Configuration.ZoneEntry {
    /// What there is of the zone, for people.
    var words: String {
        let count = self.records.count + self.nameServers.count + (self.state == .missing ? 0 : 1)
        var words = ["\(self.apex)", "\(count) record\(count == 1 ? "" : "s")"]
        if self.state != .missing { words.append("serial \(self.startOfAuthority.serial)") }
        if let file { words.append(self.state == .read ? file : "\(file), which is bad") }
        return words.joined(separator: "  ")
    }

    /// What a changed master file did with its serial number, where that is not to count it up.
    func serialWords(from old: Configuration.ZoneEntry) -> String {
        guard self.file != nil, self.file == old.file else { return "" }
        let (before, after) = (old.startOfAuthority.serial, self.startOfAuthority.serial)
        // RFC 1982 §3.2.
        let isGreater = after != before && after &- before < 0x8000_0000
        if before == after, self.records != old.records { return "; its serial is still \(after)" }
        return before == after || isGreater
            ? "" : "; its serial goes back from \(before) to \(after)"
    }
}

extension Configuration.NearestEntry {
    var words: String {
        var words = ["\(self.owner)", "nearest of \(self.sites.joined(separator: ", "))"]
        if let service { words.append("service \(service)") }
        if !self.aliases.isEmpty { words.append("as an alias") }
        words.append("by \(self.choice.measure.rawValue)")
        words.append(
            self.minimumTimeToLive == self.timeToLive
                ? "ttl \(self.timeToLive)" : "ttl \(self.minimumTimeToLive) to \(self.timeToLive)")
        if !self.rotates { words.append("not rotated") }
        if !self.hints { words.append("without hints") }
        if !self.usesClientSubnet { words.append("client-subnet off") }
        return words.joined(separator: "  ")
    }
}

extension Configuration.SiteEntry {
    /// What each service has.
    var serviceWords: [String] {
        self.services.sorted { $0.key < $1.key }.map { name, service in
            var words = ["service \(name):"]
            words += service.addresses.map(\.description)
            if let alias = service.alias { words.append("alias \(alias)") }
            return words.joined(separator: " ")
        }
    }
}
