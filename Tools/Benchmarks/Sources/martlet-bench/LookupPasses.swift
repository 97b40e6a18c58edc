// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import CBenchmark
import Choice
import RouteTable

/// Passes over a key set: each returns nanoseconds of thread CPU time a key.
struct LookupPasses: ~Copyable {
    enum Question: String {
        /// The class alone.
        case lookup
        /// The class and how far around the address it holds.
        case scope
        /// The same, the next key dependent on the last result: true latency.
        case dependent
        /// Choice's order of sites as DNS asks for it, with the scope of the class.
        case order
        /// The same with the scope of the answer.
        case answer
    }

    private var reader: TableReader
    private var oracle: OracleReader
    /// Of another oracle, whose answers' scopes are kept by ``keeper``.
    private var keptOracle: OracleReader
    private let keeper: ScopeKeeper
    private var order = SiteOrder()

    init(_ table: LoadedTable) throws {
        let kept = table.oracle()
        let keeper = try ScopeKeeper(owner: table.owner, oracle: kept)
        let keptReader = try kept.makeReader()
        let oracle = try table.oracle().makeReader()
        self.init(
            reader: try table.owner.lookup.makeReader(), oracle: oracle, keptOracle: keptReader,
            keeper: keeper)
    }

    private init(
        reader: consuming TableReader, oracle: consuming OracleReader,
        keptOracle: consuming OracleReader, keeper: ScopeKeeper
    ) {
        self.reader = reader
        self.oracle = oracle
        self.keptOracle = keptOracle
        self.keeper = keeper
    }

    /// - Returns: Nanoseconds a key, and something that depends on every result.
    mutating func run(
        _ question: Question, _ keys: KeySet, callgrind name: String?
    ) -> (nanoseconds: Double, sum: UInt64) {
        if let name, callgrind_is_running() != 0 {
            // Once over what the caches of a reader keep, then counted.
            _ = self.pass(question, keys)
            callgrind_begin()
            let sum = self.pass(question, keys)
            callgrind_end(name)
            return (0, sum)
        }
        let before = Clock.thread()
        let sum = self.pass(question, keys)
        return ((Clock.thread() - before) * 1e9 / Double(keys.count), sum)
    }

    private mutating func pass(_ question: Question, _ keys: KeySet) -> UInt64 {
        switch (question, keys.family) {
        case (.lookup, .ipv4): self.lookups(keys.ipv4)
        case (.lookup, .ipv6): self.lookups(keys.ipv6)
        case (.scope, .ipv4): self.scopes(keys.ipv4)
        case (.scope, .ipv6): self.scopes(keys.ipv6)
        case (.dependent, .ipv4): self.dependent(keys.ipv4)
        case (.dependent, .ipv6): self.dependent(keys.ipv6)
        case (.order, _): Self.orders(keys, of: &self.oracle, &self.order)
        case (.answer, _): Self.orders(keys, of: &self.keptOracle, &self.order)
        }
    }

    private mutating func lookups(_ keys: [UInt32]) -> UInt64 {
        keys.withUnsafeBufferPointer { keys in
            self.reader.withSnapshot { snapshot in
                var sum: UInt64 = 0
                for key in keys { sum &+= UInt64(snapshot.classID(of: IPAddress(ipv4: key))) }
                return sum
            }
        }
    }

    private mutating func lookups(_ keys: [UInt64]) -> UInt64 {
        keys.withUnsafeBufferPointer { keys in
            self.reader.withSnapshot { snapshot in
                var sum: UInt64 = 0
                var index = 0
                while index < keys.count {
                    let address = IPAddress(ipv6High: keys[index], low: keys[index + 1])
                    sum &+= UInt64(snapshot.classID(of: address))
                    index += 2
                }
                return sum
            }
        }
    }

    private mutating func scopes(_ keys: [UInt32]) -> UInt64 {
        keys.withUnsafeBufferPointer { keys in
            self.reader.withSnapshot { snapshot in
                var sum: UInt64 = 0
                for key in keys {
                    let match = snapshot.lookup(IPAddress(ipv4: key))
                    sum &+= UInt64(match.classID) << 8 | UInt64(match.scope)
                }
                return sum
            }
        }
    }

    private mutating func scopes(_ keys: [UInt64]) -> UInt64 {
        keys.withUnsafeBufferPointer { keys in
            self.reader.withSnapshot { snapshot in
                var sum: UInt64 = 0
                var index = 0
                while index < keys.count {
                    let address = IPAddress(ipv6High: keys[index], low: keys[index + 1])
                    let match = snapshot.lookup(address)
                    sum &+= UInt64(match.classID) << 8 | UInt64(match.scope)
                    index += 2
                }
                return sum
            }
        }
    }

    private mutating func dependent(_ keys: [UInt32]) -> UInt64 {
        let zero = UInt32(truncatingIfNeeded: opaqueZero)
        return keys.withUnsafeBufferPointer { keys in
            self.reader.withSnapshot { snapshot in
                var sum: UInt64 = 0
                var last: UInt32 = 0
                for key in keys {
                    last = snapshot.classID(of: IPAddress(ipv4: key ^ (last & zero)))
                    sum &+= UInt64(last)
                }
                return sum
            }
        }
    }

    private mutating func dependent(_ keys: [UInt64]) -> UInt64 {
        let zero = opaqueZero
        return keys.withUnsafeBufferPointer { keys in
            self.reader.withSnapshot { snapshot in
                var sum: UInt64 = 0
                var last: UInt64 = 0
                var index = 0
                while index < keys.count {
                    let address = IPAddress(
                        ipv6High: keys[index] ^ (last & zero), low: keys[index + 1])
                    last = UInt64(snapshot.classID(of: address))
                    sum &+= last
                    index += 2
                }
                return sum
            }
        }
    }

    private static func orders(
        _ keys: KeySet, of reader: inout OracleReader, _ order: inout SiteOrder
    ) -> UInt64 {
        var sum: UInt64 = 0
        var start = 0
        while start < keys.count {
            let end = min(start + 64, keys.count)
            reader.withBatch { batch in
                for index in start..<end {
                    let match = batch.order(
                        policy: 0, family: nil, client: keys.address(index), places: 1,
                        into: &order)
                    sum &+= UInt64(match.scope) &+ UInt64(order.first?.rawValue ?? 0)
                }
            }
            start = end
        }
        return sum
    }

    /// Makes the index of the answers' scopes, and tells how long scopes are without and with it.
    mutating func scopes(_ keys: KeySet) -> Report {
        var order = SiteOrder()
        // So that the keeper knows which questions are asked.
        for policy in 0..<2 {
            self.keptOracle.withBatch { batch in
                _ = batch.order(
                    policy: policy, family: nil, client: keys.address(0), places: 1, into: &order)
            }
        }
        let before = Clock.thread()
        self.keeper.refresh()
        var report = Report()
        report.add("index_cpu_ms", (Clock.thread() - before) * 1e3)
        let count = min(keys.count, 200_000)
        for (policy, name) in [(0, "default"), (1, "by_order")] {
            let byClass = Self.meanScope(keys, count, policy, &self.oracle)
            let byAnswer = Self.meanScope(keys, count, policy, &self.keptOracle)
            report.add("class_scope_\(name)", byClass)
            report.add("answer_scope_\(name)", byAnswer)
        }
        return report
    }

    private static func meanScope(
        _ keys: KeySet, _ count: Int, _ policy: Int, _ reader: inout OracleReader
    ) -> Double {
        var order = SiteOrder()
        var sum = 0
        for index in 0..<count {
            reader.withBatch { batch in
                let match = batch.order(
                    policy: policy, family: nil, client: keys.address(index), places: 1,
                    into: &order)
                sum += Int(match.scope)
            }
        }
        return Double(sum) / Double(count)
    }

    /// The sum of the first site's distances over all keys: what the peers' next hops add up to.
    mutating func distanceSum(_ keys: KeySet) -> UInt64 {
        self.reader.withSnapshot { snapshot in
            var distances: [UInt32: UInt64] = [:]
            var sum: UInt64 = 0
            for index in 0..<keys.count {
                let id = snapshot.classID(of: keys.address(index))
                if let known = distances[id] {
                    sum &+= known
                    continue
                }
                let values = snapshot.values(ofClass: id)
                let distance = UInt64(values.distance(of: SiteID(rawValue: 0)) ?? 0)
                distances[id] = distance
                sum &+= distance
            }
            return sum
        }
    }
}
