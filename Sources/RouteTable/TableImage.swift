// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// All that readers need, published by one pointer: both tries, their classes, and what the
/// numbers in the classes stand for.
final class TableImage: Sendable {
    let generation: UInt64
    let ipv4: LookupTrie
    let ipv6: LookupTrie
    let classes: ClassTable
    let pins: PinLayer
    let locations: LocationLayer

    init(
        generation: UInt64, ipv4: LookupTrie, ipv6: LookupTrie, classes: ClassTable,
        pins: PinLayer, locations: LocationLayer
    ) {
        self.generation = generation
        self.ipv4 = ipv4
        self.ipv6 = ipv6
        self.classes = classes
        self.pins = pins
        self.locations = locations
    }

    /// The memory that is its own.
    var mappings: [ReservedMemory] {
        self.ipv4.mappings + self.ipv6.mappings + self.classes.mappings
    }

    func values(ofClass id: UInt32) -> ClassValues {
        precondition(Int(id) < self.classes.publishedCount, "a class of this generation")
        let tuple = self.classes.tuple(id)
        let pin = tuple.load(fromByteOffset: self.classes.pinOffset, as: UInt32.self)
        let place = tuple.load(fromByteOffset: self.classes.placeOffset, as: UInt32.self)
        return ClassValues(
            storedDistances: (0..<self.classes.sites).map {
                tuple.load(fromByteOffset: $0, as: UInt8.self)
            },
            roundTrips: (0..<self.classes.roundTripSites).map {
                tuple.load(fromByteOffset: self.classes.roundTripOffset + $0, as: UInt8.self)
            },
            pins: self.pins.lists[Int(pin)], place: self.locations.places[Int(place)])
    }
}
