// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Builds one family's lookup from all layers at once, in address order.
struct TrieBuilder {
    static func build(
        tree: PrefixTree, roundTrips: PrefixTree, pins: RangeLayer, locations: RangeLayer,
        classes: ClassTable
    ) throws(TableResourceError) -> LookupTrie {
        let demand =
            tree.nodeDemand + roundTrips.nodeDemand + pins.nodeDemand + locations.nodeDemand
        let trie = try LookupTrie(
            nodeCapacity: capacity(forDemand: demand), large: tree.count > 50_000)
        var painter = TriePainter(
            trie: trie, classes: classes, change: .whole(0), epochs: nil)
        var distances = DistanceSweep(tree: tree, columns: classes.sites)
        var roundTrips = DistanceSweep(tree: roundTrips, columns: classes.roundTripSites)
        var pins = RangeSweep(pins)
        var locations = RangeSweep(locations)
        /// The class so far, and from where it holds.
        var open: (start: UInt128, id: UInt32) = (0, 0)
        var position: UInt128 = 0
        while true {
            let next = least(
                least(distances.nextStart, roundTrips.nextStart),
                least(pins.nextStart, locations.nextStart))
            if next != position {
                let id = intern(distances, roundTrips, pins, locations, classes)
                if id != open.id {
                    if open.id != 0, position > open.start {
                        painter.change = .whole(open.id)
                        painter.paint(open.start, position - 1)
                    }
                    open = (position, id)
                }
                guard let next else { break }
                position = next
            }
            if distances.nextStart == position { distances.advance() }
            if roundTrips.nextStart == position { roundTrips.advance() }
            if pins.nextStart == position { pins.advance() }
            if locations.nextStart == position { locations.advance() }
        }
        if open.id != 0 {
            painter.change = .whole(open.id)
            painter.paint(open.start, .max)
        }
        return trie
    }

    /// Room for what the prefixes need twice over, and for as many again.
    static func capacity(forDemand demand: Int) -> Int { 2 * demand + (1 << 21) }

    private static func least(_ a: UInt128?, _ b: UInt128?) -> UInt128? {
        guard let a, let b else { return a ?? b }
        return min(a, b)
    }

    private static func intern(
        _ distances: borrowing DistanceSweep, _ roundTrips: borrowing DistanceSweep,
        _ pins: RangeSweep, _ locations: RangeSweep, _ classes: ClassTable
    ) -> UInt32 {
        let tuple = classes.scratch
        tuple.copyMemory(from: distances.current, byteCount: classes.sites)
        (tuple + classes.roundTripOffset).copyMemory(
            from: roundTrips.current, byteCount: classes.roundTripSites)
        tuple.storeBytes(of: pins.current, toByteOffset: classes.pinOffset, as: UInt32.self)
        tuple.storeBytes(
            of: locations.current, toByteOffset: classes.placeOffset, as: UInt32.self)
        return classes.intern()
    }
}
