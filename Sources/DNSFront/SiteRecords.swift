// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import DNSWire
import RouteTable

/// Each site's A and AAAA records as they go into answers, but for the TTL: for one thread.
///
/// Made anew when the world of sites changes.
struct SiteRecords: ~Copyable {
    struct Run {
        var offset: Int32 = 0
        var count: Int32 = 0
    }

    /// By the site's identifier, IPv4 then IPv6.
    private let runs: UnsafeMutablePointer<Run>
    private var bytes: UnsafeMutableRawPointer
    private(set) var policyCount = 0
    private var generation: UInt64?

    private static var siteCapacity: Int { 256 }

    init() {
        self.runs = .allocate(capacity: 2 * Self.siteCapacity)
        self.runs.initialize(repeating: Run(), count: 2 * Self.siteCapacity)
        self.bytes = .allocate(byteCount: 1, alignment: 1)
    }

    deinit {
        self.runs.deallocate()
        self.bytes.deallocate()
    }

    /// Bytes of one record: a pointer to the owner, type, class, TTL, length, address.
    @inline(__always)
    static func recordByteCount(_ family: AddressFamily) -> Int { 12 + family.byteCount }

    @inline(__always)
    func run(of site: SiteID, _ family: AddressFamily) -> Run {
        self.runs[2 * Int(site.rawValue) + (family == .ipv4 ? 0 : 1)]
    }

    @inline(__always)
    func start(of run: Run) -> UnsafeRawPointer { UnsafeRawPointer(self.bytes) + Int(run.offset) }

    mutating func update(from world: World) {
        guard world.generation != self.generation else { return }
        self.generation = world.generation
        self.policyCount = world.policies.count
        var bytes: [UInt8] = []
        self.runs.update(repeating: Run(), count: 2 * Self.siteCapacity)
        for site in world.sites {
            for family in AddressFamily.allCases {
                let addresses = site.addresses.filter { $0.family == family }
                self.runs[2 * Int(site.id.rawValue) + (family == .ipv4 ? 0 : 1)] = Run(
                    offset: Int32(bytes.count), count: Int32(addresses.count))
                for address in addresses {
                    let type = family == .ipv4 ? RecordType.a : .aaaa
                    bytes += [0xc0, UInt8(MessageHeader.byteCount)]
                    bytes += [0, UInt8(type.rawValue), 0, 1, 0, 0, 0, 0]
                    bytes += [0, UInt8(family.byteCount)]
                    bytes += address.bytes
                }
            }
        }
        self.bytes.deallocate()
        self.bytes = .allocate(byteCount: max(bytes.count, 1), alignment: 8)
        self.bytes.copyMemory(from: bytes, byteCount: bytes.count)
    }
}
