// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Builds what readers see from a checkpoint's distances, before any route is there.
struct CheckpointImage {
    let lookup: CheckpointLookup
    /// For each site of the checkpoint its column; nil where it is no more.
    let columns: [Int?]
    let pins: PinLayer
    let locations: LocationLayer

    /// An image of a generation, with so many columns and room for so many more classes.
    func build(
        generation: UInt64, width: Int, capacity: Int
    ) throws(TableResourceError) -> TableImage {
        let boundaries =
            self.lookup.ipv4.starts.count + self.lookup.ipv6.starts.count + self.pins.boundaries
            + self.locations.boundaries
        let classes = try ClassTable(
            sites: width, roundTripSites: 0, capacity: 2 * boundaries + capacity)
        let tuples = self.tuples(classes.sites)
        return TableImage(
            generation: generation,
            ipv4: try self.trie(
                self.lookup.ipv4, tuples, self.pins.ipv4, self.locations.ipv4, classes),
            ipv6: try self.trie(
                self.lookup.ipv6, tuples, self.pins.ipv6, self.locations.ipv6, classes),
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
        _ family: CheckpointLookup.Family, _ tuples: [UInt8], _ pinLayer: RangeLayer,
        _ locationLayer: RangeLayer, _ classes: ClassTable
    ) throws(TableResourceError) -> LookupTrie {
        let demand =
            family.starts.reduce(pinLayer.nodeDemand + locationLayer.nodeDemand) {
                $0 + ($1 == 0 ? 0 : lookupNodes(forLength: 128 - $1.trailingZeroBitCount))
            }
        let trie = try LookupTrie(
            nodeCapacity: ShadowBuild.capacity(forDemand: demand),
            large: family.starts.count > 50_000)
        var painter = TriePainter(trie: trie, classes: classes, change: .whole(0), epochs: nil)
        var pins = RangeSweep(pinLayer, at: 0)
        var locations = RangeSweep(locationLayer, at: 0)
        var index = 0
        var position: UInt128 = 0
        var open: (start: UInt128, id: UInt32) = (0, 0)
        func paint(to last: UInt128) {
            guard open.id != 0 else { return }
            painter.change = .whole(open.id)
            var slice = WorkSlice(units: .max)
            _ = painter.paint(open.start, last, &slice)
        }
        var isFull = false
        tuples.withUnsafeBytes { tuples in
            while true {
                while index < family.starts.count, family.starts[index] == position { index += 1 }
                if pins.nextStart == position { pins.advance() }
                if locations.nextStart == position { locations.advance() }
                let scratch = classes.scratch
                if index > 0, let tuples = tuples.baseAddress {
                    scratch.copyMemory(
                        from: tuples + Int(family.tuples[index - 1]) * classes.sites,
                        byteCount: classes.sites)
                } else {
                    scratch.initializeMemory(as: UInt8.self, repeating: 0, count: classes.sites)
                }
                scratch.storeBytes(
                    of: pins.current, toByteOffset: classes.pinOffset, as: UInt32.self)
                scratch.storeBytes(
                    of: locations.current, toByteOffset: classes.placeOffset, as: UInt32.self)
                // There is room for a class at each boundary, but the system may refuse their
                // index.
                guard let id = classes.intern() else {
                    isFull = true
                    break
                }
                if id != open.id {
                    if position > open.start { paint(to: position - 1) }
                    open = (position, id)
                }
                var next = index < family.starts.count ? family.starts[index] : nil
                for other in [pins.nextStart, locations.nextStart] {
                    if let other, other < next ?? .max { next = other }
                }
                guard let next else { break }
                position = next
            }
        }
        guard !isFull else { throw .addressSpace(bytes: classes.byteCount, code: ENOMEM) }
        paint(to: .max)
        return trie
    }
}
