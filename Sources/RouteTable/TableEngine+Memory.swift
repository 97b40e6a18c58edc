// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

extension TableEngine {
    /// What the table's memory is made of: bytes that were written, by part, and the routes by feed.
    func memory() -> [MemoryPart] {
        var parts = self.sharedMemory()
        parts.append(MemoryPart(name: "queue", bytes: self.queuedBytes() + self.roundTripJobBytes))
        for feed in self.feeds.compactMap({ $0 }) {
            let own =
                feed.ipv4.byteCount + feed.ipv6.byteCount
            // What is left of the routes' part are pages that wait for use.
            if let routes = parts.firstIndex(where: { $0.name == Self.routesPart }) {
                parts[routes].bytes = max(0, parts[routes].bytes - own)
            }
            parts.append(MemoryPart(name: "routes of \(feed.definition.name)", bytes: own))
        }
        return parts
    }

    /// The sum of it without the queue, which has a bound of its own, and without what came free and
    /// is used again before any of it grows: it refuses nothing.
    var memoryInUse: Int { self.sharedMemory().reduce(-self.freeBytes) { $0 + $1.bytes } }

    /// Looks whether the table is at its limit of memory: once in some hundred updates; at the limit,
    /// where room may come with each, once in some milliseconds; or now.
    func weigh(isDue: Bool = false) {
        guard let limit = self.limits.memory else { return }
        if !isDue, self.tally.updates < self.nextWeighing {
            guard self.memoryIsFull, monotonicMicroseconds() >= self.nextLook else { return }
        }
        self.memoryIsFull = self.memoryInUse >= limit
        self.nextWeighing = self.tally.updates + 500
        if self.memoryIsFull { self.nextLook = monotonicMicroseconds() + 10_000 }
    }

    private static let routesPart = "routes"

    private func sharedMemory() -> [MemoryPart] {
        let image = self.image
        return [
            MemoryPart(name: "rib", bytes: self.ipv4.nodeBytes + self.ipv6.nodeBytes),
            MemoryPart(
                name: "distances", bytes: self.ipv4.distanceBytes + self.ipv6.distanceBytes),
            MemoryPart(name: "index", bytes: self.ipv4.indexBytes + self.ipv6.indexBytes),
            MemoryPart(
                name: Self.routesPart, bytes: self.pages.byteCount + self.directoryBytes),
            MemoryPart(name: "further paths", bytes: self.paths.byteCount),
            MemoryPart(
                name: "paths", bytes: self.attributes.recordBytes + self.attributes.indexBytes),
            MemoryPart(name: "flips", bytes: self.flips?.byteCount ?? 0),
            MemoryPart(name: "withdrawals", bytes: self.withdrawalBytes),
            MemoryPart(name: "lookup", bytes: image.ipv4.byteCount + image.ipv6.byteCount),
            MemoryPart(name: "classes", bytes: image.classes.byteCount),
            MemoryPart(name: "pins", bytes: self.pins.byteCount),
            MemoryPart(name: "locations", bytes: self.locations.byteCount),
            MemoryPart(name: "round trips", bytes: self.roundTrips.byteCount),
            MemoryPart(
                name: "building",
                bytes: self.shadow.map {
                    $0.ipv4.byteCount + $0.ipv6.byteCount + $0.classes.byteCount
                } ?? 0),
            MemoryPart(name: "retired", bytes: self.retiredBytes),
        ]
    }

    /// Round trips that are taken in slice by slice.
    private var roundTripJobBytes: Int {
        self.roundTripJobs.reduce(0) { sum, job in
            switch job.work {
            case .observe(let trips), .file(let trips):
                sum + trips.capacity * MemoryLayout<RoundTrip>.stride
            case .restore(let reports):
                sum + reports.capacity * MemoryLayout<RoundTripReport>.stride
            case .sweep, .rules: sum
            }
        }
    }

    /// What is out of use of parts that give nothing back to the system.
    private var freeBytes: Int {
        self.ipv4.freeBytes + self.ipv6.freeBytes + self.pages.freeBytes + self.paths.freeBytes
            + self.image.ipv4.freeBytes + self.image.ipv6.freeBytes
    }

    private var directoryBytes: Int {
        self.feeds.reduce(0) {
            $0 + ($1.map { ($0.ipv4.pageCount + $0.ipv6.pageCount) * 4 } ?? 0)
        }
    }

    /// What readers may still see, though it is in use no longer.
    private var retiredBytes: Int {
        self.image.ipv4.retiredBytes + self.image.ipv6.retiredBytes
            + self.lookup.retired.reduce(0) {
                $0 + $1.ipv4.byteCount + $1.ipv6.byteCount + $1.classes.byteCount
            }
    }
}
