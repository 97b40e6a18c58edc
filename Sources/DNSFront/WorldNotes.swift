// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import RouteTable

/// What extended errors say of the world of sites (RFC 8914), for one thread: made anew when the
/// world changes, and looked up in plain memory.
struct WorldNotes: ~Copyable {
    /// By the site's identifier: its routes are those of sessions that are gone.
    private let stale: UnsafeMutablePointer<Bool>
    /// By policy, and by family: none, IPv4, IPv6.
    private var allDown: UnsafeMutableBufferPointer<Bool>

    private static var siteCapacity: Int { 256 }

    init() {
        self.stale = .allocate(capacity: Self.siteCapacity)
        self.stale.initialize(repeating: false, count: Self.siteCapacity)
        self.allDown = .allocate(capacity: 0)
    }

    deinit {
        self.stale.deallocate()
        self.allDown.deallocate()
    }

    @inline(__always)
    func isStale(_ site: SiteID) -> Bool { self.stale[Int(site.rawValue)] }

    /// Whether all sites of a policy are down; false for a policy that there isn't.
    @inline(__always)
    func isAllDown(policy: Int, _ family: AddressFamily?) -> Bool {
        let index = 3 * policy + Self.place(family)
        return policy >= 0 && index < self.allDown.count && self.allDown[index]
    }

    @inline(__always)
    private static func place(_ family: AddressFamily?) -> Int {
        switch family {
        case nil: 0
        case .ipv4: 1
        case .ipv6: 2
        }
    }

    mutating func update(from world: World) {
        for id in 0..<Self.siteCapacity {
            let status = world.status[SiteID(rawValue: UInt8(id))]
            self.stale[id] = status?.feeds == .stale && status?.admin != .forced
        }
        self.allDown.deallocate()
        self.allDown = .allocate(capacity: 3 * world.policies.count)
        self.allDown.initialize(repeating: false)
        for policy in world.policies.indices {
            for family in [nil, .ipv4, .ipv6] as [AddressFamily?] {
                self.allDown[3 * policy + Self.place(family)] = world.isAllDown(
                    policy: policy, family: family)
            }
        }
    }
}
