// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// The next image, built from all layers in address order and in slices.
///
/// Between two slices the routes change: what lies before ``position`` is painted here too, by
/// whoever changes it; what lies after is read from the routes when the walk comes there. So at
/// the end it is what the routes say, and a swap shows it. Pins and locations are those of its
/// beginning.
final class ShadowBuild {
    let ipv4: LookupTrie
    let ipv6: LookupTrie
    let classes: ClassTable
    let pins: PinLayer
    let locations: LocationLayer
    let begun = monotonicMicroseconds()
    private let trees: (ipv4: PrefixTree, ipv6: PrefixTree)
    private let roundTrips: RoundTripLayer

    /// Classes that came by paints: some of them are dead again.
    var paintedClasses = 0
    /// Classes that it may have, but for those.
    private var mostClasses: Int
    /// The first class beyond them.
    private var firstExcess = UInt32.max
    /// Addresses from which on a class beyond them holds, so far.
    private(set) var excess: [IPAddress] = []
    /// Of so many addresses it is enough to know.
    private static let mostExcess = 1 << 17

    private var family: AddressFamily? = .ipv4
    /// The first address of the family that isn't built.
    private var position: UInt128 = 0
    /// Something had no room left: this can't be finished.
    private(set) var isFull = false
    /// Pages of memory are on their way, without which it doesn't go on.
    private(set) var waitsForPages = false

    /// - Parameters:
    ///   - ipv4: The routes of one family.
    ///   - ipv6: The routes of the other.
    ///   - roundTrips: The measured round trips.
    ///   - columns: Sites at least.
    ///   - classCapacity: Classes at most.
    ///   - pins: The pins to build in.
    ///   - locations: The locations to build in.
    ///   - hugePagesFrom: Prefixes of a family from which on its lookup is of huge pages.
    ///   - mostClasses: Classes that there may be; where further ones hold is told by ``excess``.
    /// - Throws: Where the system refuses the address space.
    init(
        ipv4: PrefixTree, ipv6: PrefixTree, roundTrips: RoundTripLayer, columns: Int,
        classCapacity: Int, pins: PinLayer, locations: LocationLayer, hugePagesFrom: Int,
        mostClasses: Int
    ) throws(TableResourceError) {
        self.mostClasses = mostClasses
        self.trees = (ipv4, ipv6)
        self.roundTrips = roundTrips
        self.pins = pins
        self.locations = locations
        self.classes = try ClassTable(
            sites: columns, roundTripSites: roundTrips.columns, capacity: classCapacity)
        func trie(
            _ tree: PrefixTree, _ pins: RangeLayer, _ locations: RangeLayer
        ) throws(TableResourceError) -> LookupTrie {
            let demand =
                tree.nodeDemand + roundTrips.tree(tree.family).nodeDemand + pins.nodeDemand
                + locations.nodeDemand
            return try LookupTrie(
                nodeCapacity: Self.capacity(forDemand: demand), large: tree.count >= hugePagesFrom)
        }
        self.ipv4 = try trie(ipv4, pins.ipv4, locations.ipv4)
        self.ipv6 = try trie(ipv6, pins.ipv6, locations.ipv6)
        // Both at once: when the first is built, the other one's memory is there.
        for trie in [self.ipv4, self.ipv6] { _ = trie.isReady() }
    }

    /// Room for what the prefixes need twice over, and for as many again.
    static func capacity(forDemand demand: Int) -> Int { 2 * demand + (1 << 21) }

    var isComplete: Bool { self.family == nil }

    /// So much is beyond the limit of classes that it won't be completed.
    var isHopeless: Bool { self.excess.count >= Self.mostExcess }

    /// There is nothing to be done about the classes beyond the limit: it goes on with them.
    func ignoresExcess() {
        self.excess = []
        self.mostClasses = .max
        self.firstExcess = .max
    }

    func trie(_ family: AddressFamily) -> LookupTrie {
        family == .ipv4 ? self.ipv4 : self.ipv6
    }

    var mappings: [ReservedMemory] {
        self.ipv4.mappings + self.ipv6.mappings + self.classes.mappings
    }

    /// The last address that is built; nil for none.
    func lastBuilt(_ family: AddressFamily) -> UInt128? {
        guard let current = self.family else { return .max }
        if family == current { return self.position == 0 ? nil : self.position - 1 }
        return family == .ipv4 ? .max : nil
    }

    /// Builds on until the slice ends, or until memory has to be waited for.
    func build(_ slice: inout WorkSlice) {
        self.waitsForPages = false
        while !slice.isSpent, !self.isFull, !self.isHopeless, let family = self.family {
            guard self.trie(family).isReady() else {
                self.waitsForPages = true
                return
            }
            if let position = self.build(family, &slice) {
                self.position = position
            } else {
                self.position = 0
                self.family = family == .ipv4 ? .ipv6 : nil
            }
        }
    }

    /// - Returns: Up to where the family is built now; nil when it is done.
    private func build(_ family: AddressFamily, _ slice: inout WorkSlice) -> UInt128? {
        let isIPv4 = family == .ipv4
        var distances = DistanceSweep(
            tree: isIPv4 ? self.trees.ipv4 : self.trees.ipv6, at: self.position,
            columns: self.classes.sites)
        var roundTrips = DistanceSweep(
            tree: self.roundTrips.tree(family), at: self.position,
            columns: self.classes.roundTripSites)
        var pins = RangeSweep(isIPv4 ? self.pins.ipv4 : self.pins.ipv6, at: self.position)
        var locations = RangeSweep(
            isIPv4 ? self.locations.ipv4 : self.locations.ipv6, at: self.position)
        var painter = TriePainter(
            trie: self.trie(family), classes: self.classes, change: .whole(0), epochs: nil)
        var start = self.position
        guard var id = self.intern(distances, roundTrips, pins, locations) else { return start }
        while true {
            let next = Self.least(
                Self.least(distances.nextStart, roundTrips.nextStart),
                Self.least(pins.nextStart, locations.nextStart))
            guard let next else {
                return self.paint(start, .max, id, &painter, &slice)
            }
            while distances.nextStart == next { distances.advance() }
            while roundTrips.nextStart == next { roundTrips.advance() }
            if pins.nextStart == next { pins.advance() }
            if locations.nextStart == next { locations.advance() }
            guard let nextID = self.intern(distances, roundTrips, pins, locations) else {
                return start
            }
            slice.spend(32)
            guard nextID != id || slice.isSpent else { continue }
            if let stop = self.paint(start, next - 1, id, &painter, &slice) { return stop }
            if nextID >= self.firstExcess {
                self.excess.append(IPAddress(family: family, leftAligned: next))
            }
            if slice.isSpent || self.isHopeless { return next }
            start = next
            id = nextID
        }
    }

    private func paint(
        _ first: UInt128, _ last: UInt128, _ id: UInt32, _ painter: inout TriePainter,
        _ slice: inout WorkSlice
    ) -> UInt128? {
        // Nothing known: that is what fresh memory says.
        guard id != 0 else { return nil }
        painter.change = .whole(id)
        let stop = painter.paintFound(first, last, &slice)
        if painter.isFull { self.isFull = true }
        return stop
    }

    private static func least(_ a: UInt128?, _ b: UInt128?) -> UInt128? {
        guard let a, let b else { return a ?? b }
        return min(a, b)
    }

    private func intern(
        _ distances: borrowing DistanceSweep, _ roundTrips: borrowing DistanceSweep,
        _ pins: RangeSweep, _ locations: RangeSweep
    ) -> UInt32? {
        let tuple = self.classes.scratch
        tuple.copyMemory(from: distances.current, byteCount: self.classes.sites)
        (tuple + self.classes.roundTripOffset).copyMemory(
            from: roundTrips.current, byteCount: self.classes.roundTripSites)
        tuple.storeBytes(
            of: pins.current, toByteOffset: self.classes.pinOffset, as: UInt32.self)
        tuple.storeBytes(
            of: locations.current, toByteOffset: self.classes.placeOffset, as: UInt32.self)
        let id = self.classes.intern()
        if id == nil { self.isFull = true }
        if self.firstExcess == .max, let id,
            self.classes.count - self.paintedClasses > self.mostClasses
        {
            self.firstExcess = id
        }
        return id
    }
}
