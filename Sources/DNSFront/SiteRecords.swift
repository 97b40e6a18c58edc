// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import DNSWire
import Glibc
import RouteTable

/// Each site's A and AAAA records as they go into answers, but for the TTL, and what policies say
/// of them: for one thread.
///
/// Made anew when the world of sites changes.
struct SiteRecords: ~Copyable {
    struct Run {
        var offset: Int32 = 0
        var count: Int32 = 0
    }

    /// What a policy says of an answer.
    private struct Rule {
        /// Whose addresses: the runs of its service begin here.
        var firstRun: Int32
        /// How much of a client's address a hash sees.
        var lengthIPv4: UInt8
        var lengthIPv6: UInt8
        /// Whether all of its sites are as they should be.
        var isSettled: Bool
    }

    /// By service, those of the sites themselves first, then the site's identifier, IPv4 then IPv6.
    private var runs: UnsafeMutablePointer<Run>
    private var rules: UnsafeMutablePointer<Rule>
    private var bytes: UnsafeMutableRawPointer
    /// Addresses that go into an answer as hints, IPv4 then IPv6.
    private let hints: UnsafeMutableRawPointer
    private(set) var policyCount = 0

    private static var siteCapacity: Int { 256 }
    /// Addresses of a family in a hint: more make the answer long and help nobody.
    private static var hintCapacity: Int { 8 }

    init() {
        self.runs = .allocate(capacity: 1)
        self.rules = .allocate(capacity: 1)
        self.bytes = .allocate(byteCount: 1, alignment: 1)
        self.hints = .allocate(byteCount: 2 * 16 * Self.hintCapacity, alignment: 8)
        self.hints.initializeMemory(as: UInt8.self, repeating: 0, count: 32 * Self.hintCapacity)
    }

    deinit {
        self.runs.deallocate()
        self.rules.deallocate()
        self.bytes.deallocate()
        self.hints.deallocate()
    }

    /// Bytes of one record: a pointer to the owner, type, class, TTL, length, address.
    @inline(__always)
    static func recordByteCount(_ family: AddressFamily) -> Int { 12 + family.byteCount }

    /// The addresses of a site for the names of a policy, which is one of ``policyCount``.
    @inline(__always)
    func run(of site: SiteID, _ family: AddressFamily, policy: Int) -> Run {
        self.runs[
            Int(self.rules[policy].firstRun) + 2 * Int(site.rawValue)
                + (family == .ipv4 ? 0 : 1)]
    }

    @inline(__always)
    func start(of run: Run) -> UnsafeRawPointer { UnsafeRawPointer(self.bytes) + Int(run.offset) }

    /// Whether no site of the policy is slow, down, full or without live feeds.
    @inline(__always)
    func isSettled(policy: Int) -> Bool { self.rules[policy].isSettled }

    @inline(__always)
    func hashedLength(policy: Int, _ family: AddressFamily) -> UInt8 {
        family == .ipv4 ? self.rules[policy].lengthIPv4 : self.rules[policy].lengthIPv6
    }

    // MARK: Hints

    func hints(_ family: AddressFamily) -> UnsafeRawPointer {
        UnsafeRawPointer(self.hints) + (family == .ipv4 ? 0 : 16 * Self.hintCapacity)
    }

    /// Adds an address of a run behind `count` others, unless it is there; gives how many there
    /// are then.
    func addHint(_ family: AddressFamily, _ run: Run, _ index: Int, after count: Int) -> Int {
        let size = family.byteCount
        let address = self.start(of: run) + index * Self.recordByteCount(family) + 12
        let base = self.hints + (family == .ipv4 ? 0 : 16 * Self.hintCapacity)
        guard count < Self.hintCapacity else { return count }
        for other in 0..<count where memcmp(base + other * size, address, size) == 0 {
            return count
        }
        (base + count * size).copyMemory(from: address, byteCount: size)
        return count + 1
    }

    // MARK: Change

    mutating func update(from world: World) {
        self.policyCount = world.policies.count
        let services = [nil] + Set(world.policies.compactMap(\.service)).sorted().map(Optional.some)
        let width = 2 * Self.siteCapacity
        var bytes: [UInt8] = []
        var runs = [Run](repeating: Run(), count: services.count * width)
        for (number, service) in services.enumerated() {
            for site in world.sites {
                for family in AddressFamily.allCases {
                    let addresses = site.addresses(of: service).filter { $0.family == family }
                    let place = number * width + 2 * Int(site.id.rawValue)
                    runs[place + (family == .ipv4 ? 0 : 1)] = Run(
                        offset: Int32(bytes.count), count: Int32(addresses.count))
                    for address in addresses { bytes += Self.record(address) }
                }
            }
        }
        let rules = world.policies.map { policy in
            Rule(
                firstRun: Int32((services.firstIndex(of: policy.service) ?? 0) * width),
                lengthIPv4: UInt8(policy.weightLength(for: .ipv4)),
                lengthIPv6: UInt8(policy.weightLength(for: .ipv6)),
                isSettled: policy.sites.allSatisfy { world.status[$0]?.isSettled ?? true })
        }
        self.runs.deallocate()
        self.runs = Self.keep(runs)
        self.rules.deallocate()
        self.rules = Self.keep(rules)
        self.bytes.deallocate()
        self.bytes = .allocate(byteCount: max(bytes.count, 1), alignment: 8)
        self.bytes.copyMemory(from: bytes, byteCount: bytes.count)
    }

    private static func record(_ address: IPAddress) -> [UInt8] {
        let type = address.family == .ipv4 ? RecordType.a : .aaaa
        return [0xc0, UInt8(MessageHeader.byteCount)] + [0, UInt8(type.rawValue), 0, 1, 0, 0, 0, 0]
            + [0, UInt8(address.family.byteCount)] + address.bytes
    }

    private static func keep<T: BitwiseCopyable>(_ values: [T]) -> UnsafeMutablePointer<T> {
        let memory = UnsafeMutablePointer<T>.allocate(capacity: max(values.count, 1))
        memory.initialize(from: values, count: values.count)
        return memory
    }
}

extension SiteStatus {
    /// Whether neither checks nor load nor feeds say that answers may change soon. What an operator
    /// has said stands for as long as it is said.
    fileprivate var isSettled: Bool {
        self.health == .up && !self.isFull && (self.feeds == .live || self.feeds == .none)
    }
}
