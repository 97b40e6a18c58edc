// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// What is known about an address: its class, and how far around it that holds.
public struct LookupMatch: Hashable, Sendable {
    public var classID: UInt32
    /// The length of the largest prefix around the address within which every address is of this
    /// class.
    public var scope: UInt8

    @inlinable
    public init(classID: UInt32, scope: UInt8) {
        self.classID = classID
        self.scope = scope
    }
}

/// The table, pinned for one batch of lookups.
///
/// Lookups take no lock, allocate nothing and count no references. Updates of single routes go on
/// meanwhile, so two lookups of one snapshot may see different states; each sees a state that was
/// (see the module's page).
public struct TableSnapshot: ~Copyable {
    @usableFromInline let ipv4: LookupBase
    @usableFromInline let ipv6: LookupBase
    /// Class ids mean the same for as long as this is equal.
    public let classGeneration: UInt64
    private let image: Unmanaged<TableImage>

    init(image: Unmanaged<TableImage>) {
        self.image = image
        let (ipv4, ipv6, generation) = self.image._withUnsafeGuaranteedRef {
            ($0.ipv4.base, $0.ipv6.base, $0.generation)
        }
        self.ipv4 = ipv4
        self.ipv6 = ipv6
        self.classGeneration = generation
    }

    /// Class ids handed out so far are below this. It grows while the writer works, within a
    /// snapshot too: an id looked up later may be at or above a count read earlier.
    public var classCount: Int { self.image._withUnsafeGuaranteedRef { $0.classes.publishedCount } }

    @inlinable @inline(__always)
    public func lookup(_ address: IPAddress) -> LookupMatch {
        address.family == .ipv4
            ? self.ipv4.lookup(high: address.high, low: 0)
            : self.ipv6.lookup(high: address.high, low: address.low)
    }

    @inlinable @inline(__always)
    public func classID(of address: IPAddress) -> UInt32 {
        address.family == .ipv4
            ? self.ipv4.classID(high: address.high, low: 0)
            : self.ipv6.classID(high: address.high, low: address.low)
    }

    /// What a class stands for, for an id that a lookup in this generation gave. Allocates: call
    /// it once for each class and keep the result.
    public func values(ofClass id: UInt32) -> ClassValues {
        self.image._withUnsafeGuaranteedRef { $0.values(ofClass: id) }
    }
}
