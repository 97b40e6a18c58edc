// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import DNSFront
import DNSWire
import RouteTable

extension Configuration {
    /// Takes the records of zones whose master files are bad from a configuration that ran before, as
    /// far as it had them: they are served on as they were, beside what this configuration says of the
    /// zone itself. Where the two don't go together, the zone stays as it was, but for sites that there
    /// are no more; its problems say so then.
    public mutating func keepZones(of old: Configuration) {
        let sites = Set(self.sites.map(\.name))
        for index in self.zones.indices where self.zones[index].state == .missing {
            let zone = self.zones[index]
            guard zone.file != nil,
                let before = old.zones.first(where: { $0.apex == zone.apex }),
                before.state != .missing
            else { continue }
            self.zones[index] = zone.kept(as: before, among: sites)
        }
    }
}

extension Configuration.ZoneEntry {
    fileprivate func kept(as before: Self, among sites: Set<String>) -> Self {
        var kept = before
        kept.file = self.file
        kept.problems = self.problems
        kept.notes = self.notes
        kept.state = .kept
        // A zone that stood in the configuration alone may have moved into the file, which is bad.
        if before.file != nil {
            kept.timeToLive = self.timeToLive
            kept.records =
                self.records.filter { !$0.isFromMasterFile }
                + before.records.filter(\.isFromMasterFile)
            kept.nearest = self.nearest
            guard let clash = kept.clash else { return kept }
            kept.timeToLive = before.timeToLive
            kept.records = before.records
            kept.nearest = before.nearest
            kept.complain(
                "what the configuration says of the zone doesn't go with the records that the file "
                    + "had before, and waits for the file: \(clash)")
        }
        kept.leaveOut(sitesBut: sites)
        return kept
    }

    private mutating func complain(_ text: String) {
        self.problems.append(
            Complaint(file: self.file ?? "", line: 0, column: 0, text: text))
    }

    /// What the master file's records and the others have against each other; nil if nothing.
    private var clash: String? {
        struct Key: Hashable {
            var owner: DomainName
            var type: RecordType
        }
        let keys = Set(
            self.records.lazy.filter(\.isFromMasterFile).map {
                Key(owner: $0.owner, type: $0.data.type)
            })
        let double = self.records.first { record in
            !record.isFromMasterFile
                && keys.contains(Key(owner: record.owner, type: record.data.type))
        }
        if let double { return "\(double.owner) has \(double.data.type) in both" }
        return self.trialZone.problems().first.map { "\($0)" }
    }

    private mutating func leaveOut(sitesBut sites: Set<String>) {
        for index in self.nearest.indices {
            let gone = self.nearest[index].sites.filter { !sites.contains($0) }
            guard !gone.isEmpty else { continue }
            self.nearest[index].sites.removeAll { gone.contains($0) }
            self.nearest[index].aliases = self.nearest[index].aliases.filter {
                sites.contains($0.key)
            }
            let rest =
                self.nearest[index].sites.isEmpty ? ", and no other is left: it has no answer" : ""
            self.complain(
                "\(self.nearest[index].owner) is served as before without "
                    + "\(gone.map { "'\($0)'" }.joined(separator: ", ")), no site any more\(rest)")
        }
    }

    /// The zone with numbers that mean nothing, to be looked over.
    var trialZone: Zone {
        let sites = Dictionary(
            self.nearest.flatMap { $0.aliases.keys }.enumerated().map {
                ($1, SiteID(rawValue: UInt8(truncatingIfNeeded: $0)))
            }, uniquingKeysWith: { first, _ in first })
        return self.zone(sites: sites) { _ in 0 }
    }
}
