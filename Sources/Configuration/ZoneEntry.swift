// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import DNSWire

extension Configuration {
    /// A zone as the file gives it.
    public struct ZoneEntry: Hashable, Sendable {
        public var apex: DomainName
        public var startOfAuthority: StartOfAuthority
        public var nameServers: [DomainName]
        /// Seconds, for records that don't say.
        public var timeToLive: UInt32
        public var records: [RecordEntry] = []
        public var nearest: [NearestEntry] = []
    }

    /// A record that every client gets alike.
    public struct RecordEntry: Hashable, Sendable {
        public var owner: DomainName
        public var timeToLive: UInt32
        public var data: RecordData
    }

    /// A name that is answered with the nearest of some sites.
    public struct NearestEntry: Hashable, Sendable {
        public var owner: DomainName
        public var timeToLive: UInt32
        /// How many sites an answer names.
        public var answers: Int
        /// Names of sites, as listed.
        public var sites: [String]
        /// Else the resolver decides.
        public var usesClientSubnet = true
        public var choice: ChoiceOptions
    }
}
