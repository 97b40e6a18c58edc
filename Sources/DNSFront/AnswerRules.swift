// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
public import DNSWire

/// How queries are answered beside what the zones say. Unlike ``DNSSettings`` it may change while a
/// server runs: see ``DNSServer/apply(_:)``.
public struct AnswerRules: Hashable, Sendable {
    /// Who this server is, to those who ask by NSID (RFC 5001), `id.server` or `hostname.bind`
    /// (RFC 4892); nil hides it. At most ``identityLimit`` bytes.
    public var identity: String?
    /// What `version.bind` and `version.server` are told; nil hides it.
    public var version: String?
    /// Whose Client Subnets count: the resolvers' own addresses; nil: everybody's. Those of others
    /// are passed over.
    public var subnetSenders: [IPPrefix]?
    /// nil: cookies are passed over.
    public var cookies: CookieRules? = CookieRules()
    /// nil: answers are not limited.
    public var rateLimit: RateLimitRules?
    /// Who may ask the debugging names `whoami` and `explain`; nobody: there are none.
    public var debuggers: [IPPrefix] = []
    /// nil: decisions are not written.
    public var decisions: DecisionLogRules?

    /// So that an answer's question and options fit 512 bytes.
    public static let identityLimit = 64
    /// What fits one string of a TXT record.
    public static let versionLimit = 255

    public init() {}
}

/// DNS cookies (RFC 7873, RFC 9018).
public struct CookieRules: Hashable, Sendable {
    /// Shared by all servers of an address; nil: random ones, which change every day.
    public var secrets: CookieSecrets?
    /// By UDP, a client that sends a cookie gets an answer only with one that this server has made,
    /// and BADCOOKIE with one before.
    public var isRequired = false

    public init(secrets: CookieSecrets? = nil, isRequired: Bool = false) {
        self.secrets = secrets
        self.isRequired = isRequired
    }
}

/// How many answers a client prefix gets by UDP. Each thread counts by itself.
///
/// Answers, negative answers (NXDOMAIN, NODATA) and errors are counted apart. A prefix may save up
/// for two seconds. What is beyond is dropped, but for every ``slip``th, which goes out cut to its
/// question: a real client then comes by TCP. TCP, valid cookies and ``exempt`` prefixes are not
/// limited.
public struct RateLimitRules: Hashable, Sendable {
    /// A second, for each kind; 0: without limit.
    public var answers = 500
    public var negative = 200
    public var errors = 100
    /// 1: all that is beyond goes out cut; 0: all of it is dropped.
    public var slip = 2
    /// Clients that share so many bits are counted together.
    public var lengthIPv4 = 24
    public var lengthIPv6 = 56
    public var exempt: [IPPrefix] = []
    /// Prefixes that are told apart at once, by each thread: a power of two. With more, those that
    /// were quiet for longest are forgotten. Each takes 16 bytes for each kind of answer.
    public var tableSize = 1 << 16

    /// The most that can be counted.
    public static let maximumRate = 1_000_000

    public init() {}
}
