// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSWire
import Synchronization

/// The rules that hold now: swapped whole, and read without a lock where they haven't changed.
public final class AnswerRulesBox: Sendable {
    private let current: Mutex<AnswerRules>
    private let generation = Atomic<UInt64>(1)
    /// What cookie secrets are drawn from where none are given. All threads draw the same.
    let cookieSeed: SipHash.Key

    public convenience init(_ rules: AnswerRules = AnswerRules()) {
        self.init(rules, cookieSeed: .random())
    }

    init(_ rules: AnswerRules, cookieSeed: SipHash.Key) {
        self.current = Mutex(rules)
        self.cookieSeed = cookieSeed
    }

    /// Lets other rules hold, for each responder from its next batch on.
    public func replace(_ rules: AnswerRules) {
        self.current.withLock { current in
            current = rules
            self.generation.add(1, ordering: .releasing)
        }
    }

    public var rules: AnswerRules { self.current.withLock { $0 } }

    /// Rises with each replacement.
    @inline(__always)
    func currentGeneration() -> UInt64 { self.generation.load(ordering: .acquiring) }
}

/// Rules as one thread uses them: plain memory, so that a query counts no reference.
struct RulesInForce: ~Copyable {
    let identity: ByteRun
    let version: ByteRun
    /// Empty, where everybody's subnets count.
    let subnetSenders: PrefixList
    let limitsSubnetSenders: Bool
    let readsCookies: Bool
    let requiresCookies: Bool
    let debuggers: PrefixList
    let exempt: PrefixList
    private let givenSecrets: CookieSecrets?
    private(set) var secrets: CookieSecrets
    private var secretsPeriod: UInt32
    private let seed: SipHash.Key

    /// Seconds after which random secrets change (RFC 7873 §7.1: a day or so).
    private static var period: UInt32 { 86_400 }

    init(_ rules: AnswerRules, seed: SipHash.Key, at moment: DNSMoment) {
        self.identity = ByteRun(rules.identity, limit: AnswerRules.identityLimit)
        self.version = ByteRun(rules.version, limit: AnswerRules.versionLimit)
        self.subnetSenders = PrefixList(rules.subnetSenders ?? [])
        self.limitsSubnetSenders = rules.subnetSenders != nil
        self.readsCookies = rules.cookies != nil
        self.requiresCookies = rules.cookies?.isRequired == true
        self.debuggers = PrefixList(rules.debuggers)
        self.exempt = PrefixList(rules.rateLimit?.exempt ?? [])
        self.givenSecrets = rules.cookies?.secrets
        self.seed = seed
        self.secretsPeriod = moment.unixTime / Self.period
        self.secrets =
            rules.cookies?.secrets ?? Self.drawSecrets(seed, period: moment.unixTime / Self.period)
    }

    deinit {
        self.identity.deallocate()
        self.version.deallocate()
        self.subnetSenders.deallocate()
        self.debuggers.deallocate()
        self.exempt.deallocate()
    }

    /// Draws new random secrets where it is time. Those of the day before are good for as long as
    /// the cookies that they have made.
    @inline(__always)
    mutating func roll(at moment: DNSMoment) {
        let period = moment.unixTime / Self.period
        guard period != self.secretsPeriod else { return }
        self.secretsPeriod = period
        if self.givenSecrets == nil {
            self.secrets = Self.drawSecrets(self.seed, period: period)
        }
    }

    private static func drawSecrets(_ seed: SipHash.Key, period: UInt32) -> CookieSecrets {
        CookieSecrets(
            [period, period &- 1].map { period in
                func word(_ number: UInt64) -> UInt64 {
                    var hash = SipHash(key: seed)
                    hash.append(UInt64(period))
                    hash.append(number)
                    return hash.finish(byteCount: 16)
                }
                return SipHash.Key(first: word(0), second: word(1))
            })
    }
}

/// Some bytes of plain memory, without owning them. A trivial value.
struct ByteRun {
    let base: UnsafeRawPointer?
    let count: Int

    static var none: ByteRun { ByteRun(base: nil, count: 0) }

    private init(base: UnsafeRawPointer?, count: Int) {
        self.base = base
        self.count = count
    }

    /// The UTF-8 of a text, at most `limit` bytes; nothing for nil.
    init(_ text: String?, limit: Int) {
        let bytes = Array((text ?? "").utf8.prefix(limit))
        guard !bytes.isEmpty else {
            self = .none
            return
        }
        let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes.count, alignment: 1)
        memory.copyMemory(from: bytes, byteCount: bytes.count)
        self.init(base: UnsafeRawPointer(memory), count: bytes.count)
    }

    /// As long as the bytes are there.
    init(borrowing bytes: UnsafeRawBufferPointer) {
        self.init(base: bytes.baseAddress, count: bytes.count)
    }

    init(_ text: StaticString) {
        self.init(base: UnsafeRawPointer(text.utf8Start), count: text.utf8CodeUnitCount)
    }

    var isEmpty: Bool { self.count == 0 }

    /// Of one that was made from a `String`.
    func deallocate() { self.base?.deallocate() }
}

/// Prefixes in plain memory, without owning it: for lists of a few, which are looked through.
struct PrefixList {
    private struct Entry {
        var high: UInt64
        var low: UInt64
        var highMask: UInt64
        var lowMask: UInt64
        var isIPv4: Bool
    }

    private let entries: UnsafeMutableBufferPointer<Entry>

    init(_ prefixes: [IPPrefix]) {
        self.entries = .allocate(capacity: prefixes.count)
        _ = self.entries.initialize(
            from: prefixes.map { prefix in
                let address = prefix.address.masked(toLength: prefix.length)
                let mask = IPAddress(ipv6High: .max, low: .max).masked(toLength: prefix.length)
                return Entry(
                    high: address.high, low: address.low, highMask: mask.high, lowMask: mask.low,
                    isIPv4: address.family == .ipv4)
            })
    }

    var isEmpty: Bool { self.entries.isEmpty }

    func contains(_ address: IPAddress) -> Bool {
        for entry in self.entries
        where entry.isIPv4 == (address.family == .ipv4)
            && address.high & entry.highMask == entry.high
            && address.low & entry.lowMask == entry.low
        {
            return true
        }
        return false
    }

    func deallocate() { self.entries.deallocate() }
}
