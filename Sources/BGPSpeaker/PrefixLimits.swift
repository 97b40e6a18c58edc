// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
import BGPWire

/// How many prefixes a feed may have, by family, and what becomes of a session that brings more.
public struct PrefixLimits: Sendable, Hashable {
    /// Nil: as many as the table takes.
    public var ipv4: Int?
    public var ipv6: Int?
    /// Per cent of a limit at which a line in the log warns.
    public var warning: Int
    /// The session starts again after so long; nil: when an operator says so.
    public var restartAfter: Duration?

    public init(
        ipv4: Int? = nil, ipv6: Int? = nil, warning: Int = 80, restartAfter: Duration? = nil
    ) {
        self.ipv4 = ipv4
        self.ipv6 = ipv6
        self.warning = warning
        self.restartAfter = restartAfter
    }

    public subscript(family: AddressFamily) -> Int? {
        family == .ipv4 ? self.ipv4 : self.ipv6
    }

    func warningCount(_ family: AddressFamily) -> Int? {
        self[family].map { ($0 * self.warning + 99) / 100 }
    }
}

/// Decides when prefixes have to be counted, and what a count means.
///
/// The table counts, behind what is queued for it. Here only an upper bound is kept: what the
/// table had at the last count and all that was announced since. As long as that is below the
/// warning, nobody need ask. Without limits nothing need be counted: when there are others, the
/// table is asked.
package struct PrefixCensus {
    package enum Finding: Hashable, Sendable {
        case fine
        /// To be said once until the count has fallen again.
        case warn(AddressFamily, count: Int, limit: Int)
        case exceeded(AddressFamily, count: Int, limit: Int)
    }

    /// By family, IPv4 first.
    private var bounds = [0, 0]
    private var sinceAsked = [0, 0]
    private var warned: FamilySet = []
    private var isAsked = false
    package var limits: PrefixLimits? {
        didSet {
            guard self.limits != oldValue else { return }
            self.bounds = [Self.unknown, Self.unknown]
            self.warned = []
        }
    }

    /// More than any limit; more may be announced.
    private static let unknown = Int.max / 2

    package init(limits: PrefixLimits?) { self.limits = limits }

    private static func index(_ family: AddressFamily) -> Int { family == .ipv4 ? 0 : 1 }

    /// A session begins: none of its prefixes has come, and no answer to what was asked before.
    package mutating func begin() {
        self.bounds = [0, 0]
        self.sinceAsked = [0, 0]
        self.warned = []
        self.isAsked = false
    }

    package mutating func announced(_ count: Int, _ family: AddressFamily) {
        self.bounds[Self.index(family)] += count
        if self.isAsked { self.sinceAsked[Self.index(family)] += count }
    }

    /// Whether the table is to be asked now, once what was announced is on its way to it. An
    /// answer follows, by ``counted(ipv4:ipv6:)``.
    package mutating func wantsCount() -> Bool {
        guard let limits = self.limits, !self.isAsked else { return false }
        let isDue = AddressFamily.allCases.contains { family in
            let bound = self.bounds[Self.index(family)]
            guard let limit = limits[family], let warning = limits.warningCount(family) else {
                return false
            }
            return bound > limit || bound >= warning && !self.warned.contains(family)
        }
        guard isDue else { return false }
        self.isAsked = true
        self.sinceAsked = [0, 0]
        return true
    }

    /// Prefixes of the present session that the table holds.
    package mutating func counted(ipv4: Int, ipv6: Int) -> [Finding] {
        self.isAsked = false
        var findings: [Finding] = []
        for family in AddressFamily.allCases {
            let index = Self.index(family)
            let count = family == .ipv4 ? ipv4 : ipv6
            self.bounds[index] = count + self.sinceAsked[index]
            guard let limit = self.limits?[family],
                let warning = self.limits?.warningCount(family)
            else { continue }
            if count > limit {
                findings.append(.exceeded(family, count: count, limit: limit))
            } else if count >= warning {
                if !self.warned.contains(family) {
                    findings.append(.warn(family, count: count, limit: limit))
                }
                self.warned.insert(FamilySet(family))
            } else {
                self.warned.remove(FamilySet(family))
            }
        }
        return findings
    }

    /// No answer will come.
    package mutating func abandonCount() { self.isAsked = false }
}
