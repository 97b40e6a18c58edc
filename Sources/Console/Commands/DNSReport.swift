// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// What DNS has been asked and has answered since the start.
public struct DNSReport: Hashable, Sendable {
    /// One counter: of a kind (`queries`, `types`, …) and of something of that kind (`udp`, `A`, …).
    public struct Counter: Hashable, Sendable {
        public var kind: String
        public var what: String
        public var count: UInt64

        public init(_ kind: String, _ what: String, _ count: UInt64) {
            self.kind = kind
            self.what = what
            self.count = count
        }
    }

    /// One zone's.
    public struct Zone: Hashable, Sendable {
        /// With the last dot.
        public var name: String
        public var queries: UInt64
        /// For names that don't exist.
        public var missing: UInt64
        public var withSubnet: UInt64

        public init(name: String, queries: UInt64, missing: UInt64, withSubnet: UInt64) {
            self.name = name
            self.queries = queries
            self.missing = missing
            self.withSubnet = withSubnet
        }
    }

    /// One name's.
    public struct Name: Hashable, Sendable {
        public var name: String
        public var zone: String
        public var queries: UInt64
        /// Of a `nearest` name: answers by the first site that they named, the most first.
        public var sites: [Counter]

        public init(name: String, zone: String, queries: UInt64, sites: [Counter]) {
            self.name = name
            self.zone = zone
            self.queries = queries
            self.sites = sites
        }
    }

    /// A place where DNS is served.
    public struct Listener: Hashable, Sendable {
        public var endpoint: String
        /// `udp`, `tcp`, `tls`.
        public var transports: [String]
        public var usesClientSubnet: Bool
        /// Who puts a proxy's header before what it sends.
        public var proxies: [String]
        /// The certificate's file, and when it ends.
        public var certificate: String?
        public var expiry: String?
        /// What is the matter with it.
        public var problem: String?

        public init(
            endpoint: String, transports: [String], usesClientSubnet: Bool, proxies: [String],
            certificate: String? = nil, expiry: String? = nil, problem: String? = nil
        ) {
            self.endpoint = endpoint
            self.transports = transports
            self.usesClientSubnet = usesClientSubnet
            self.proxies = proxies
            self.certificate = certificate
            self.expiry = expiry
            self.problem = problem
        }
    }

    /// In the order in which they are shown.
    public var counters: [Counter]

    public init(counters: [Counter]) { self.counters = counters }
}

extension ConsoleBackend {
    /// What DNS has counted; nil where it isn't served.
    public func dnsReport() -> DNSReport? { nil }

    /// The same by zone.
    public func dnsZones() async -> [DNSReport.Zone] { [] }

    /// The same by name, those that have been asked for: of one zone, or of all.
    public func dnsNames(zone: String?) async -> [DNSReport.Name] { [] }

    /// Where DNS is served.
    public func dnsListeners() async -> [DNSReport.Listener] { [] }

    /// The zones that are served, for completion.
    public var zoneNames: [String] { [] }
}

extension Interpreter {
    /// What `show dns` answers.
    func dnsCounters() throws(CommandFailure) -> Table {
        var table = Table(
            "counters",
            columns: [
                .alone("kind"), Table.Column("what"), Table.Column("count", right: true),
            ])
        table.rows = try self.dnsReport().counters.map {
            [.text($0.kind), .text($0.what), .integer(Int(clamping: $0.count))]
        }
        return table
    }

    /// What `show dns zones` answers.
    func dnsZones() async throws(CommandFailure) -> Table {
        _ = try self.dnsReport()
        var table = Table(
            "zones",
            columns: [
                .alone("zone"), Table.Column("queries", right: true),
                Table.Column("missing", right: true),
                Table.Column("with_subnet", title: "with subnet", right: true),
            ])
        table.rows = await self.backend.dnsZones().sorted { $0.name < $1.name }.map {
            [
                .text($0.name), .integer(Int(clamping: $0.queries)),
                .integer(Int(clamping: $0.missing)), .integer(Int(clamping: $0.withSubnet)),
            ]
        }
        return table
    }

    /// What `show dns names` answers: those that are asked for most.
    func dnsNames(zone: String?, limit: Int?) async throws(CommandFailure) -> Table {
        _ = try self.dnsReport()
        let zone = zone.map { $0.hasSuffix(".") ? $0.lowercased() : $0.lowercased() + "." }
        if let zone, await !self.backend.dnsZones().contains(where: { $0.name == zone }) {
            throw CommandFailure(.noSuchThing, "no zone '\(zone)' has been served")
        }
        var table = Table(
            "names",
            columns: [
                .alone("name"), Table.Column("zone"), Table.Column("queries", right: true),
                Table.Column("sites"),
            ])
        let names = await self.backend.dnsNames(zone: zone).sorted {
            ($1.queries, $0.name) < ($0.queries, $1.name)
        }
        table.rows = names.prefix(limit ?? .max).map { name in
            [
                .text(name.name), .text(name.zone), .integer(Int(clamping: name.queries)),
                .list(name.sites.map { "\($0.what):\($0.count)" }),
            ]
        }
        return table
    }

    /// What `show dns listeners` answers.
    func dnsListeners() async throws(CommandFailure) -> Table {
        _ = try self.dnsReport()
        var table = Table(
            "listeners",
            columns: [
                .alone("listener"), Table.Column("over"),
                Table.Column("client_subnet", title: "client subnet"), Table.Column("proxies"),
                Table.Column("certificate"), Table.Column("expires"), Table.Column("problem"),
            ])
        table.rows = await self.backend.dnsListeners().map { listener in
            [
                .text(listener.endpoint), .list(listener.transports),
                .text(listener.usesClientSubnet ? "on" : "off"), .list(listener.proxies),
                .text(listener.certificate), .text(listener.expiry),
                .text(listener.problem),
            ]
        }
        return table
    }

    private func dnsReport() throws(CommandFailure) -> DNSReport {
        guard let report = self.backend.dnsReport() else {
            throw CommandFailure(
                .noSuchThing, "DNS isn't served: see 'listen: dns' in the configuration")
        }
        return report
    }
}
