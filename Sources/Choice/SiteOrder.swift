// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import RouteTable

/// The sites that may be answered, best first, in storage of its own: filling it allocates
/// nothing.
public struct SiteOrder: Sendable {
    /// As many sites as there can be.
    public static var capacity: Int { 64 }

    private var storage = InlineArray<64, UInt8>(repeating: 0)
    public private(set) var count = 0

    public init() {}

    public var isEmpty: Bool { self.count == 0 }

    public var first: SiteID? { self.count > 0 ? self[0] : nil }

    public subscript(place: Int) -> SiteID {
        precondition(place < self.count, "a place of the order")
        return SiteID(rawValue: self.storage[place])
    }

    public var sites: [SiteID] { (0..<self.count).map { self[$0] } }

    @inline(__always)
    mutating func fill(from sites: UnsafePointer<UInt8>, count: Int) {
        self.count = min(count, Self.capacity)
        for place in 0..<self.count { self.storage[place] = sites[place] }
    }

    /// Puts the sites of a hashed range in the order of their lots, those that come first in
    /// the list before their equals.
    @inline(__always)
    mutating func sort(
        from start: Int, to end: Int, lots: UnsafeMutablePointer<Double>,
        drawing draw: (UInt8) -> Double
    ) {
        var place = start
        while place < end, place < self.count {
            let site = self.storage[place]
            let lot = draw(site)
            var at = place
            while at > start, lots[at - 1] > lot {
                lots[at] = lots[at - 1]
                self.storage[at] = self.storage[at - 1]
                at -= 1
            }
            lots[at] = lot
            self.storage[at] = site
            place += 1
        }
    }
}
