// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// Where validated payloads come from, and how that goes.
public struct OriginReport: Hashable, Sendable {
    /// One RPKI cache.
    public struct Cache: Hashable, Sendable {
        /// Address and port.
        public var name: String
        /// In a word: `connecting`, `asking`, `receiving`, `synchronised`, `waiting`, `idle`.
        public var state: String
        /// Of the RPKI to Router protocol.
        public var version: Int
        public var session: Int?
        public var serial: Int?
        public var ipv4Payloads: Int
        public var ipv6Payloads: Int
        /// Routes are judged by its payloads.
        public var isInForce: Bool
        /// Unix seconds: of the last whole answer, of the next question or try, and from when on
        /// the payloads don't count.
        public var answered: Int64?
        public var next: Int64?
        public var expires: Int64?
        public var lastError: String?

        public init(
            name: String, state: String, version: Int, session: Int? = nil, serial: Int? = nil,
            ipv4Payloads: Int = 0, ipv6Payloads: Int = 0, isInForce: Bool = false,
            answered: Int64? = nil, next: Int64? = nil, expires: Int64? = nil,
            lastError: String? = nil
        ) {
            self.name = name
            self.state = state
            self.version = version
            self.session = session
            self.serial = serial
            self.ipv4Payloads = ipv4Payloads
            self.ipv6Payloads = ipv6Payloads
            self.isInForce = isInForce
            self.answered = answered
            self.next = next
            self.expires = expires
            self.lastError = lastError
        }
    }

    /// A validated payload: who may announce what.
    public struct Payload: Hashable, Sendable {
        public var prefix: IPPrefix
        public var maximumLength: Int
        public var asNumber: ASNumber

        public init(prefix: IPPrefix, maximumLength: Int, asNumber: ASNumber) {
            self.prefix = prefix
            self.maximumLength = maximumLength
            self.asNumber = asNumber
        }
    }

    /// In order of preference.
    public var caches: [Cache]
    /// Invalid routes give no distance.
    public var ignoresInvalid: Bool

    public init(caches: [Cache], ignoresInvalid: Bool) {
        self.caches = caches
        self.ignoresInvalid = ignoresInvalid
    }
}

extension ConsoleBackend {
    /// How the RPKI caches are; nil where none is configured.
    public func originReport() async -> OriginReport? { nil }

    /// The payloads that cover a prefix, the longest first.
    public func originPayloads(covering prefix: IPPrefix) -> [OriginReport.Payload] { [] }
}

extension Interpreter {
    /// What `show rpki` answers.
    func origins() async throws(CommandFailure) -> Table {
        let report = try await self.originReport()
        var table = Table(
            "caches",
            columns: [
                .alone("cache"), Table.Column("state"), Table.Column("used"),
                Table.Column("version", title: "ver", right: true),
                Table.Column("session", right: true), Table.Column("serial", right: true),
                Table.Column("ipv4", right: true), Table.Column("ipv6", right: true),
                Table.Column("age", right: true), Table.Column("next", right: true),
                Table.Column("expires", right: true), Table.Column("error"),
            ])
        let now = self.now()
        func until(_ time: Int64?) -> Value { .age(time.map { Int(max(0, $0 - now)) }) }
        table.rows = report.caches.map { cache in
            [
                .text(cache.name), .text(cache.state), .flag(cache.isInForce),
                .integer(cache.version), .integer(cache.session), .integer(cache.serial),
                .integer(cache.ipv4Payloads), .integer(cache.ipv6Payloads),
                .age(cache.answered.map { Int(max(0, now - $0)) }), until(cache.next),
                until(cache.expires), .text(cache.lastError),
            ]
        }
        table.notes = [
            report.caches.contains(where: \.isInForce)
                ? "Invalid routes \(report.ignoresInvalid ? "are ignored" : "count as others do")."
                : "No cache's payloads count: no route is invalid."
        ]
        table.fields = [("invalid", .text(report.ignoresInvalid ? "ignore" : "accept"))]
        return table
    }

    /// What `show rpki` answers to an address or a prefix: the payloads that cover it.
    func origins(covering target: Command.Target) async throws(CommandFailure) -> Table {
        _ = try await self.originReport()
        let prefix: IPPrefix =
            switch target {
            case .address(let address): IPPrefix(host: address)
            case .prefix(let prefix): prefix
            }
        var table = Table(
            "payloads",
            columns: [
                .alone("prefix"), Table.Column("maximum_length", title: "longest", right: true),
                Table.Column("as", right: true),
            ])
        table.rows = self.backend.originPayloads(covering: prefix).map {
            [
                .text($0.prefix.description), .integer($0.maximumLength),
                .integer(Int($0.asNumber.rawValue)),
            ]
        }
        if table.rows.isEmpty { table.notes = ["No payload covers \(prefix)."] }
        table.fields = [("prefix", .text(prefix.description))]
        return table
    }

    private func originReport() async throws(CommandFailure) -> OriginReport {
        guard let report = await self.backend.originReport() else {
            throw CommandFailure(
                .noSuchThing, "no RPKI cache is configured: see 'rpki' in the configuration")
        }
        return report
    }
}
