// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Glibc

/// Builds what readers see from a checkpoint's distances, before any route is there.
struct CheckpointImage {
    let lookup: CheckpointLookup
    /// For each site of the checkpoint its column; nil where it is no more.
    let columns: [Int?]
    let pins: PinLayer
    let locations: LocationLayer
    let roundTrips: RestoredRoundTrips
    let limits: TableLimits

    /// A node of a lookup trie is a cache line.
    private static let nodeBytes = 64

    /// An image of a generation, with so many columns and room for so many more classes.
    ///
    /// - Throws: ``TableResourceError`` where the system refuses the memory, or the table's limits
    ///   are too low for what was saved; ``CheckpointError`` never, since it was looked through.
    func build(generation: UInt64, width: Int, capacity: Int) throws -> TableImage {
        let saved = self.lookup.ipv4.count + self.lookup.ipv6.count
        // A prefix makes two boundaries at most.
        guard saved <= 2 * (self.limits.prefixes + AddressFamily.allCases.count) else {
            throw TableResourceError.addressSpace(bytes: 16 * saved, code: ENOMEM)
        }
        let boundaries =
            saved + self.pins.boundaries + self.locations.boundaries
            + self.roundTrips.ipv4.count + self.roundTrips.ipv6.count
        let classes = try ClassTable(
            sites: width, roundTripSites: self.roundTrips.columns,
            capacity: 2 * boundaries + capacity)
        let tuples = self.tuples(classes.sites)
        return TableImage(
            generation: generation,
            ipv4: try self.trie(
                self.lookup.ipv4, tuples,
                (self.pins.ipv4, self.locations.ipv4, self.roundTrips.ipv4), classes),
            ipv6: try self.trie(
                self.lookup.ipv6, tuples,
                (self.pins.ipv6, self.locations.ipv6, self.roundTrips.ipv6), classes),
            classes: classes, pins: self.pins, locations: self.locations)
    }

    /// All tuples with the columns that the sites have now.
    private func tuples(_ width: Int) -> [UInt8] {
        let siteCount = self.lookup.siteCount
        var tuples = [UInt8](repeating: 0, count: self.lookup.tupleCount * width)
        for (site, column) in self.columns.enumerated() {
            guard let column, column < width else { continue }
            for tuple in 0..<self.lookup.tupleCount {
                tuples[tuple * width + column] = self.lookup.distances[tuple * siteCount + site]
            }
        }
        return tuples
    }

    private func trie(
        _ family: CheckpointLookup.Family, _ tuples: [UInt8],
        _ layers: (pins: RangeLayer, locations: RangeLayer, roundTrips: RangeLayer),
        _ classes: ClassTable
    ) throws -> LookupTrie {
        let demand =
            family.nodeDemand + layers.pins.nodeDemand + layers.locations.nodeDemand
            + layers.roundTrips.nodeDemand
        let trie = try LookupTrie(
            nodeCapacity: min(
                ShadowBuild.capacity(forDemand: demand),
                self.limits.memory.map { $0 / Self.nodeBytes } ?? .max),
            large: family.count > 50_000)
        var painter = TriePainter(trie: trie, classes: classes, change: .whole(0), epochs: nil)
        var pins = RangeSweep(layers.pins, at: 0)
        var locations = RangeSweep(layers.locations, at: 0)
        var roundTrips = RangeSweep(layers.roundTrips, at: 0)
        var walk = family.walk
        var boundary = try walk.next()
        var tuple: Int?
        var position: UInt128 = 0
        var open: (start: UInt128, id: UInt32) = (0, 0)
        func paint(to last: UInt128) {
            guard open.id != 0 else { return }
            painter.change = .whole(open.id)
            var slice = WorkSlice(units: .max)
            _ = painter.paint(open.start, last, &slice)
        }
        while true {
            while let next = boundary, next.start == position {
                tuple = next.tuple
                boundary = try walk.next()
            }
            if pins.nextStart == position { pins.advance() }
            if locations.nextStart == position { locations.advance() }
            if roundTrips.nextStart == position { roundTrips.advance() }
            self.putTogether(
                tuple, tuples, (pins.current, locations.current, roundTrips.current), classes)
            // There is room for a class at each boundary, but the system may refuse their index.
            guard let id = classes.intern(), !painter.isFull else {
                throw TableResourceError.addressSpace(
                    bytes: classes.byteCount + trie.byteCount, code: ENOMEM)
            }
            if id != open.id {
                if position > open.start { paint(to: position - 1) }
                open = (position, id)
            }
            var next = boundary?.start
            for other in [pins.nextStart, locations.nextStart, roundTrips.nextStart] {
                if let other, other < next ?? .max { next = other }
            }
            guard let next else { break }
            position = next
        }
        paint(to: .max)
        guard !painter.isFull else {
            throw TableResourceError.addressSpace(bytes: trie.byteCount, code: ENOMEM)
        }
        return trie
    }

    /// Writes the tuple of what all layers say where the next class is made.
    private func putTogether(
        _ tuple: Int?, _ tuples: [UInt8],
        _ current: (pin: UInt32, location: UInt32, roundTrips: UInt32), _ classes: ClassTable
    ) {
        let scratch = classes.scratch
        scratch.initializeMemory(as: UInt8.self, repeating: 0, count: classes.pinOffset)
        if let tuple {
            tuples.withUnsafeBytes {
                scratch.copyMemory(from: $0, at: tuple * classes.sites, count: classes.sites)
            }
        }
        let columns = self.roundTrips.columns
        if current.roundTrips != 0 {
            self.roundTrips.codes.withUnsafeBytes {
                (scratch + classes.roundTripOffset).copyMemory(
                    from: $0, at: Int(current.roundTrips) * columns, count: columns)
            }
        }
        scratch.storeBytes(of: current.pin, toByteOffset: classes.pinOffset, as: UInt32.self)
        scratch.storeBytes(of: current.location, toByteOffset: classes.placeOffset, as: UInt32.self)
    }
}

extension UnsafeMutableRawPointer {
    fileprivate func copyMemory(from bytes: UnsafeRawBufferPointer, at offset: Int, count: Int) {
        UnsafeMutableRawBufferPointer(start: self, count: count)
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count]))
    }
}
