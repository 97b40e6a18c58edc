// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// The file's own words. All numbers are little-endian, whatever the machine.
///
/// A header of 32 bytes: the magic `MARTLET\n`, version `u32`, zero `u32`, when it was written in
/// Unix seconds `i64`, and the checksum of these 24 bytes `u64`. Then blocks: kind `u32`, length
/// `u32`, checksum `u64`, and as many bytes as the length says. The checksum is XXH64 of the
/// bytes, seeded with the block's number, kind and length: so a block that is lost, doubled
/// or out of place is found, too. The last block is of the kind `end`; nothing follows.
///
/// A part is the blocks of one kind; parts follow one another in the kinds' order, and no record
/// goes from one block into the next. Numbers in records are LEB128 (seven bits a byte, the
/// lowest first).
///
/// - names, one block: see ``CheckpointNames``.
/// - lookup of IPv4 and of IPv6: where the sites' distances change, see ``CheckpointLookup``.
/// - routes of IPv4 and of IPv6, in tree order: see ``CheckpointRouteReader``.
/// - round trips, the averages of observations: see ``CheckpointRoundTrips``.
/// - end: counts, see ``CheckpointCounts``.
package enum CheckpointFormat {
    static let magic: [UInt8] = Array("MARTLET\n".utf8)
    /// What is written. Version 1 knew less of attributes: what it wrote is read as ever.
    static let version: UInt32 = 2
    static let oldestVersion: UInt32 = 1
    package static let headerBytes = 32
    package static let blockHeaderBytes = 16
    /// A block ends after the record that reaches this.
    static let blockSize = 256 << 10
    /// No block is longer: a record can be, but for hostile ones.
    static let maximumBlock = 64 << 20

    enum Kind: UInt32, CaseIterable {
        case names = 1
        case lookupIPv4
        case lookupIPv6
        case routesIPv4
        case routesIPv6
        case roundTrips
        case end

        var words: String {
            switch self {
            case .names: "names"
            case .lookupIPv4: "IPv4 lookup"
            case .lookupIPv6: "IPv6 lookup"
            case .routesIPv4: "IPv4 routes"
            case .routesIPv6: "IPv6 routes"
            case .roundTrips: "round trips"
            case .end: "end"
            }
        }
    }

    package static func seed(_ number: Int, _ kind: UInt32, _ length: UInt32) -> UInt64 {
        UInt64(truncatingIfNeeded: number) &* 0x9e37_79b9_7f4a_7c15 ^ UInt64(kind) &<< 32
            ^ UInt64(length)
    }
}

/// Why a checkpoint is refused.
public enum CheckpointError: Error, Hashable, Sendable {
    /// Another kind of file.
    case foreign
    case otherVersion(UInt32, known: UInt32)
    /// It ends before it says that it does.
    case truncated(need: Int, have: Int)
    /// What stands there isn't what was written.
    case damaged(part: String, offset: Int)
    /// As it was written, but it makes no sense.
    case malformed(part: String, offset: Int)
    case tooLarge(bytes: Int, limit: Int)
    /// The table holds routes already, or another restore is under way.
    case tableInUse
}

extension CheckpointError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .foreign: "this is no checkpoint of Martlet's"
        case .otherVersion(let version, let known):
            "it has the format's version \(version), and this program knows versions up to \(known)"
        case .truncated(let need, let have):
            "it ends too early: \(have) bytes, at least \(need) are needed"
        case .damaged(let part, let offset):
            "it is damaged: the checksum of the \(part) at byte \(offset) is wrong"
        case .malformed(let part, let offset):
            "the \(part) at byte \(offset) make no sense, although their checksum is right"
        case .tooLarge(let bytes, let limit):
            "it has \(bytes) bytes, more than the \(limit) that are read"
        case .tableInUse: "the table has routes already"
        }
    }
}

/// What a checkpoint holds, in numbers.
public struct CheckpointCounts: Hashable, Sendable {
    public var ipv4Prefixes = 0
    public var ipv6Prefixes = 0
    public var routes = 0
    /// Distinct tuples of distances, and stretches of the address space that have one.
    public var classes = 0
    public var intervals = 0
    /// Distinct attributes.
    public var attributeSets = 0
    /// Averages of observed round trips.
    public var roundTrips = 0

    public init() {}

    static let fields: [any WritableKeyPath<CheckpointCounts, Int> & Sendable] = [
        \.ipv4Prefixes, \.ipv6Prefixes, \.routes, \.classes, \.intervals, \.attributeSets,
        \.roundTrips,
    ]
}
