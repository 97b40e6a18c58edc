// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Choice
import DNSFront
public import DNSWire
import RouteTable

extension Configuration {
    /// A zone as the file, and the master file that it names, give it.
    public struct ZoneEntry: Hashable, Sendable {
        public var apex: DomainName
        /// The master file; nil where the zone stands in the configuration alone.
        public var file: String?
        public var startOfAuthority: StartOfAuthority
        public var nameServers: [DomainName]
        /// Seconds, for records that don't say.
        public var timeToLive: UInt32
        /// Of the SOA record.
        public var startOfAuthorityTimeToLive: UInt32
        public var records: [RecordEntry] = []
        public var nearest: [NearestEntry] = []
        /// What keeps a master file's zone from being served as it stands. The configuration is
        /// good nevertheless: its other zones are.
        public var problems: [Complaint] = []
        /// What is odd about it.
        public var notes: [Complaint] = []
        public var state = ZoneState.read
    }

    /// What there is of a zone.
    public enum ZoneState: Hashable, Sendable {
        case read
        /// Its master file hasn't been looked at, or is bad.
        case missing
        /// Its master file is bad; what was read before is served on.
        case kept
    }

    /// A record that every client gets alike.
    public struct RecordEntry: Hashable, Sendable {
        public var owner: DomainName
        public var timeToLive: UInt32
        public var data: RecordData
        /// Else it stands in the configuration.
        public var isFromMasterFile = false
    }

    /// A name that is answered with the nearest of some sites.
    public struct NearestEntry: Hashable, Sendable {
        public var owner: DomainName
        public var timeToLive: UInt32
        /// While a site isn't as it should be.
        public var minimumTimeToLive: UInt32
        /// How many sites an answer names.
        public var answers: Int
        /// Names of sites, as listed.
        public var sites: [String]
        /// Else the resolver decides.
        public var usesClientSubnet = true
        /// Whose addresses of the sites are answered; nil for their own.
        public var service: String?
        /// What the name is an alias for, by site; none where it has addresses.
        public var aliases: [String: DomainName] = [:]
        /// Whether a site's addresses are rotated by client.
        public var rotates = true
        /// Whether HTTPS and SVCB records get the sites' addresses.
        public var hints = true
        public var choice: ChoiceOptions

        /// How its sites are ranked, by the sites' numbers.
        func policy(_ numbers: [String: SiteID]) -> Policy {
            var policy = self.choice.policy(self.sites.compactMap { numbers[$0] })
            policy.service = self.service
            return policy
        }
    }
}

extension Configuration.ZoneEntry {
    /// The zone as the front serves it; `policy` numbers its `nearest` names.
    func zone(
        sites: [String: SiteID], policy: (Configuration.NearestEntry) -> Int
    ) -> Zone {
        guard self.state != .missing else { return .unavailable(self.apex) }
        var zone = Zone(
            apex: self.apex, startOfAuthority: self.startOfAuthority,
            nameServers: self.nameServers, timeToLive: self.startOfAuthorityTimeToLive)
        for record in self.records {
            zone.add(record.owner, timeToLive: record.timeToLive, record.data)
        }
        for nearest in self.nearest {
            var record = NearestRecord(
                policy: policy(nearest), timeToLive: nearest.timeToLive, answers: nearest.answers)
            record.minimumTimeToLive = nearest.minimumTimeToLive
            record.rotates = nearest.rotates
            record.hints = nearest.hints
            record.usesClientSubnet = nearest.usesClientSubnet
            for (site, alias) in nearest.aliases {
                if let number = sites[site] { record.aliases[number] = alias }
            }
            zone.nearest[nearest.owner] = record
        }
        return zone
    }

    /// A serial number made of what the zone holds: equal zones have equal numbers, on every
    /// instance, and a changed one has another. It doesn't count upwards: nobody transfers zones.
    var contentSerial: UInt32 {
        var soa = self.startOfAuthority
        soa.serial = 0
        soa.host = soa.host.lowercased
        soa.mailbox = soa.mailbox.lowercased
        var lines = [
            "\(self.apex.lowercased) \(self.timeToLive) \(RecordData.startOfAuthority(soa))"
        ]
        lines += self.nameServers.map { "NS \($0)" }
        lines += self.records.map {
            "\($0.owner.lowercased) \($0.timeToLive) \($0.data.type) \($0.data)"
        }
        lines += self.nearest.map { $0.line }
        // FNV-1a.
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in lines.sorted().joined(separator: "\n").utf8 {
            hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
        }
        return max(1, UInt32(truncatingIfNeeded: hash ^ hash >> 32))
    }
}

extension Configuration.NearestEntry {
    /// All that it says, in one line.
    fileprivate var line: String {
        let choice = self.choice
        var words = [
            "nearest", "\(self.owner.lowercased)", "\(self.minimumTimeToLive)",
            "\(self.timeToLive)", "\(self.answers)", self.sites.joined(separator: ","),
            self.service ?? "-", "\(self.rotates)", "\(self.hints)", "\(self.usesClientSubnet)",
            choice.measure.rawValue,
            "\(choice.slack)", "\(choice.hopCost)", choice.allDown.rawValue,
            "\(choice.weightLengthIPv4)", "\(choice.weightLengthIPv6)",
        ]
        words += choice.ties.map(\.rawValue)
        words += self.aliases.map { "\($0.key)=\($0.value)" }.sorted()
        return words.joined(separator: " ")
    }
}
