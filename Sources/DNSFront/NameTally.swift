// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import DNSWire
public import RouteTable
import Synchronization

/// What has been counted of one zone.
public struct ZoneCounters: Hashable, Sendable {
    /// Queries for names in the zone, those that don't exist included.
    public var queries: UInt64 = 0
    /// Of them, for names that don't exist.
    public var missing: UInt64 = 0
    /// Of all, with a Client Subnet that has an address.
    public var withSubnet: UInt64 = 0
    /// By name, those that have been asked for; empty where they weren't wanted.
    public var names: [DomainName: NameCounters] = [:]

    public init() {}
}

/// What has been counted of one name that exists. A name made by a wildcard counts for that.
public struct NameCounters: Hashable, Sendable {
    public var queries: UInt64 = 0
    /// `nearest` answers by the first site they named.
    public var sites: [SiteID: UInt64] = [:]

    public init() {}
}

/// One thread's counts of the names in one set of zones: written by it alone, read by anybody.
final class NameTally: @unchecked Sendable {
    // Sendable: the memory holds atomics, is allocated in init and freed in deinit only, and the
    // zone set never changes.

    private let set: ZoneSet
    private let cells: UnsafeMutablePointer<Atomic<UInt64>>
    private let count: Int
    /// A way to count without counting references to the tally.
    let writer: Writer

    private static var zoneStride: Int { 3 }
    /// A site's identifier is below its limit.
    private static var siteStride: Int { SiteID.limit }

    init(_ set: ZoneSet) {
        self.set = set
        let index = set.index
        let zones = index.nodes.count
        let sites = zones + Self.zoneStride * index.zones.count
        self.count = sites + Self.siteStride * index.nearest.count
        self.cells = .allocate(capacity: max(1, self.count))
        for cell in 0..<self.count { (self.cells + cell).initialize(to: Atomic(0)) }
        self.writer = Writer(cells: self.cells, zones: zones, sites: sites)
    }

    deinit {
        self.cells.deinitialize(count: self.count)
        self.cells.deallocate()
    }

    /// A trivial value.
    struct Writer {
        fileprivate let cells: UnsafeMutablePointer<Atomic<UInt64>>
        fileprivate let zones: Int
        fileprivate let sites: Int

        @inline(__always)
        private func count(_ cell: Int) {
            let value = self.cells[cell].load(ordering: .relaxed)
            self.cells[cell].store(value &+ 1, ordering: .relaxed)
        }

        /// Counts a query that a zone has answered.
        @inline(__always)
        func count(_ verdict: Responder.Verdict, hasSubnet: Bool) {
            guard verdict.zone >= 0 else { return }
            let zone = self.zones + NameTally.zoneStride * Int(verdict.zone)
            self.count(zone)
            if verdict.code == .nameError { self.count(zone + 1) }
            if hasSubnet { self.count(zone + 2) }
            if verdict.node >= 0 { self.count(Int(verdict.node)) }
            if verdict.nearest >= 0, verdict.site >= 0, Int(verdict.site) < NameTally.siteStride {
                self.count(
                    self.sites + NameTally.siteStride * Int(verdict.nearest) + Int(verdict.site))
            }
        }
    }

    private func value(_ cell: Int) -> UInt64 { self.cells[cell].load(ordering: .relaxed) }

    /// Adds what this thread has counted, to names only where they are `wanted`.
    func add(to sum: inout [DomainName: ZoneCounters], names wanted: NamesWanted) {
        let index = self.set.index
        let apexes = index.apexes()
        for (number, apex) in apexes.enumerated() {
            let cell = self.writer.zones + Self.zoneStride * number
            var counters = sum[apex] ?? ZoneCounters()
            counters.queries += self.value(cell)
            counters.missing += self.value(cell + 1)
            counters.withSubnet += self.value(cell + 2)
            sum[apex] = counters
        }
        guard wanted != .none else { return }
        for number in index.nodes.indices {
            let node = index.nodes[number]
            let queries = self.value(number)
            guard queries > 0 else { continue }
            let apex = apexes[Int(node.zone)]
            guard wanted.includes(apex) else { continue }
            let name = index.name(ofNode: number)
            sum[apex]?.names[name, default: NameCounters()].queries += queries
            guard node.nearest >= 0 else { continue }
            for site in 0..<Self.siteStride {
                let value = self.value(
                    self.writer.sites + Self.siteStride * Int(node.nearest) + site)
                guard value > 0 else { continue }
                sum[apex]?.names[name]?.sites[SiteID(rawValue: UInt8(site)), default: 0] += value
            }
        }
    }
}

/// Whose names' counters are wanted.
public enum NamesWanted: Hashable, Sendable {
    case none
    case all
    case zone(DomainName)

    func includes(_ apex: DomainName) -> Bool {
        switch self {
        case .none: false
        case .all: true
        case .zone(let wanted): wanted == apex
        }
    }
}

/// The tallies of all threads, over all sets of zones since the start.
///
/// A thread that takes in new zones begins a new tally. Those before are added up here as soon as
/// there are some, since nobody writes them any more.
final class TallyBook: Sendable {
    private struct State {
        /// By thread: the one that it writes.
        var current: [Int: NameTally] = [:]
        var closed: [NameTally] = []
        var past: [DomainName: ZoneCounters] = [:]
    }

    private let state = Mutex(State())
    private let threads = Atomic<Int>(0)

    /// Closed tallies that are kept until somebody reads.
    private static let limit = 16

    func newThread() -> Int { self.threads.add(1, ordering: .relaxed).newValue }

    /// Begins a thread's tally of `set`.
    func begin(_ set: ZoneSet, thread: Int) -> NameTally {
        let tally = NameTally(set)
        self.state.withLock { state in
            if let before = state.current.updateValue(tally, forKey: thread) {
                state.closed.append(before)
            }
            if state.closed.count >= Self.limit { Self.fold(&state) }
        }
        return tally
    }

    /// The thread counts no more.
    func end(thread: Int) {
        self.state.withLock { state in
            guard let last = state.current.removeValue(forKey: thread) else { return }
            state.closed.append(last)
            Self.fold(&state)
        }
    }

    /// The sum over all threads.
    func counters(names: NamesWanted) -> [DomainName: ZoneCounters] {
        self.state.withLock { state in
            Self.fold(&state)
            var sum = state.past.mapValues { zone in
                var zone = zone
                zone.names = [:]
                return zone
            }
            if names != .none {
                for (apex, zone) in state.past where names.includes(apex) {
                    sum[apex]?.names = zone.names
                }
            }
            for tally in state.current.values { tally.add(to: &sum, names: names) }
            return sum
        }
    }

    private static func fold(_ state: inout State) {
        for tally in state.closed { tally.add(to: &state.past, names: .all) }
        state.closed.removeAll()
    }
}

extension ZoneIndex {
    /// In small letters.
    func name(ofNode number: Int) -> DomainName {
        let start = self.namePointer(number)
        let bytes = UnsafeRawBufferPointer(
            start: start, count: Int(self.nodes[number].nameByteCount))
        return (try? DomainName(wire: Array(bytes))) ?? .root
    }

    /// The zones' names, in small letters and by number.
    func apexes() -> [DomainName] { self.zones.map { self.name(ofNode: Int($0.apexNode)) } }
}
