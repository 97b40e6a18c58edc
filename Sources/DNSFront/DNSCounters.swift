// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import DNSWire
public import RouteTable
import Synchronization

/// How a message travels.
public enum DNSTransport: Int, Hashable, Sendable, CaseIterable {
    case udp = 0
    case tcp = 1
}

/// What has been counted, summed over all threads.
///
/// Every query is counted once in ``queries`` by transport, and answered ones once in ``responses``
/// by code; what is left over is ``unanswered`` and ``dropped``.
public struct DNSCounters: Hashable, Sendable {
    public var queries: [DNSTransport: UInt64] = [:]
    public var types: [RecordType: UInt64] = [:]
    /// Types that aren't counted by themselves.
    public var otherTypes: UInt64 = 0
    public var responses: [ResponseCode: UInt64] = [:]
    /// Queries that carried a Client Subnet with an address.
    public var withSubnet: UInt64 = 0
    public var withEDNS: UInt64 = 0
    /// Answers that were too long for UDP, and said so.
    public var truncated: UInt64 = 0
    /// Messages that get no answer: QR set, or too short for a header.
    public var unanswered: UInt64 = 0
    /// Queries that carried a cookie; of them, with a server's part that was good, and that was
    /// not.
    public var withCookie: UInt64 = 0
    public var goodCookies: UInt64 = 0
    public var badCookies: UInt64 = 0
    /// Answers that were too many for their client: not given, and given without their records.
    public var dropped: UInt64 = 0
    public var slipped: UInt64 = 0
    /// `nearest` answers by the first site they named.
    public var sites: [SiteID: UInt64] = [:]
    /// Scopes given with a Client Subnet, by length.
    public var scopes: [Int: UInt64] = [:]
    /// TCP connections turned away because there were too many.
    public var refusedConnections: UInt64 = 0

    public init() {}

    public var total: UInt64 { self.queries.values.reduce(0, +) }
}

/// One thread's counters: written by it alone, read by anybody.
final class CounterBlock: @unchecked Sendable {
    // Sendable: the memory holds atomics, and is allocated in init and freed in deinit only.

    private let cells: UnsafeMutablePointer<Atomic<UInt64>>
    private let closed = Atomic(false)

    /// Nobody counts here any more.
    var isClosed: Bool { self.closed.load(ordering: .acquiring) }

    func close() { self.closed.store(true, ordering: .releasing) }

    enum Slot {
        static let transports = 0
        static let types = 2
        static let codes = 2 + CounterBlock.countedTypes.count + 1
        static let codeCount = 25
        static let withSubnet = codes + codeCount
        static let withEDNS = withSubnet + 1
        static let truncated = withEDNS + 1
        static let unanswered = truncated + 1
        static let refusedConnections = unanswered + 1
        static let withCookie = refusedConnections + 1
        static let goodCookies = withCookie + 1
        static let badCookies = goodCookies + 1
        static let dropped = badCookies + 1
        static let slipped = dropped + 1
        static let sites = slipped + 1
        static let scopes = sites + 256
        static let count = scopes + 129
    }

    static let countedTypes: [RecordType] = [
        .a, .ns, .cname, .soa, .ptr, .mx, .txt, .aaaa, .srv, .ds, .dnskey, .svcb, .https, .caa,
        .ixfr, .axfr, .any,
    ]

    /// The cell of each type below 258, by number; the one after the named types for others.
    private let typeSlots: UnsafeMutablePointer<UInt8>

    init() {
        self.cells = .allocate(capacity: Slot.count)
        for index in 0..<Slot.count { (self.cells + index).initialize(to: Atomic(0)) }
        self.typeSlots = .allocate(capacity: 258)
        self.typeSlots.initialize(
            repeating: UInt8(Self.countedTypes.count), count: 258)
        for (index, type) in Self.countedTypes.enumerated() {
            self.typeSlots[Int(type.rawValue)] = UInt8(index)
        }
    }

    deinit {
        self.cells.deinitialize(count: Slot.count)
        self.cells.deallocate()
        self.typeSlots.deallocate()
    }

    /// A way to count without counting references to the block.
    var writer: Writer { Writer(cells: self.cells, typeSlots: self.typeSlots) }

    struct Writer {
        let cells: UnsafeMutablePointer<Atomic<UInt64>>
        let typeSlots: UnsafeMutablePointer<UInt8>

        /// There is one writer, so that a load and a store do.
        @inline(__always)
        func count(_ slot: Int) {
            let value = self.cells[slot].load(ordering: .relaxed)
            self.cells[slot].store(value &+ 1, ordering: .relaxed)
        }

        @inline(__always)
        func count(type: RecordType) {
            // What lies beyond the table counts as type 0 does: among the others.
            let index = type.rawValue < 258 ? Int(type.rawValue) : 0
            self.count(Slot.types + Int(self.typeSlots[index]))
        }

        @inline(__always)
        func count(code: ResponseCode) {
            self.count(Slot.codes + min(Int(code.rawValue), Slot.codeCount - 1))
        }
    }

    private func value(_ slot: Int) -> UInt64 { self.cells[slot].load(ordering: .relaxed) }

    /// Adds what this thread has counted.
    func add(to sum: inout DNSCounters) {
        func add<Key>(_ slot: Int, _ key: Key, _ path: WritableKeyPath<DNSCounters, [Key: UInt64]>)
        {
            let value = self.value(slot)
            if value > 0 { sum[keyPath: path][key, default: 0] += value }
        }
        for transport in DNSTransport.allCases {
            add(Slot.transports + transport.rawValue, transport, \.queries)
        }
        for (index, type) in Self.countedTypes.enumerated() {
            add(Slot.types + index, type, \.types)
        }
        for code in 0..<Slot.codeCount {
            add(Slot.codes + code, ResponseCode(rawValue: UInt16(code)), \.responses)
        }
        for site in 0..<256 { add(Slot.sites + site, SiteID(rawValue: UInt8(site)), \.sites) }
        for scope in 0...128 { add(Slot.scopes + scope, scope, \.scopes) }
        sum.otherTypes += self.value(Slot.types + Self.countedTypes.count)
        sum.withSubnet += self.value(Slot.withSubnet)
        sum.withEDNS += self.value(Slot.withEDNS)
        sum.truncated += self.value(Slot.truncated)
        sum.unanswered += self.value(Slot.unanswered)
        sum.refusedConnections += self.value(Slot.refusedConnections)
        sum.withCookie += self.value(Slot.withCookie)
        sum.goodCookies += self.value(Slot.goodCookies)
        sum.badCookies += self.value(Slot.badCookies)
        sum.dropped += self.value(Slot.dropped)
        sum.slipped += self.value(Slot.slipped)
    }
}
