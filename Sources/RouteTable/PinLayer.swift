// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// The pins, with the lists that their numbers stand for; 0 is none.
struct PinLayer: Sendable {
    private(set) var lists: [[SiteID]] = [[]]
    private(set) var ipv4 = RangeLayer.empty
    private(set) var ipv6 = RangeLayer.empty

    static let empty = PinLayer(pins: [])

    var boundaries: Int { self.ipv4.count + self.ipv6.count }
    var byteCount: Int { self.ipv4.byteCount + self.ipv6.byteCount }

    init(pins: [(IPPrefix, [SiteID])]) {
        guard !pins.isEmpty else { return }
        var numbers: [[SiteID]: UInt32] = [[]: 0]
        var rows: [(prefix: IPPrefix, position: Int, value: UInt32)] = []
        rows.reserveCapacity(pins.count)
        for (position, pin) in pins.enumerated() {
            var number = numbers[pin.1]
            if number == nil {
                number = UInt32(self.lists.count)
                numbers[pin.1] = number
                self.lists.append(pin.1)
            }
            rows.append((pin.0, position, number ?? 0))
        }
        // Tree order puts a block before what it holds, and equal ones in the order they came.
        rows.sort {
            $0.prefix != $1.prefix ? $0.prefix < $1.prefix : $0.position < $1.position
        }
        func layer(_ family: AddressFamily) -> RangeLayer {
            RangeLayer(
                sorted: rows.lazy.filter { $0.prefix.family == family }.map {
                    let ends = RangeLayer.ends($0.prefix)
                    return .init(first: ends.first, last: ends.last, value: $0.value)
                })
        }
        self.ipv4 = layer(.ipv4)
        self.ipv6 = layer(.ipv6)
    }
}
