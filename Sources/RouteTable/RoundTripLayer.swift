// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// The round trips that were measured: a tree of the observed prefixes for each family, with a
/// ``RoundTripCode`` for each site in use, and beside it what the codes come from.
///
/// Observations make an average, which is forgotten when none comes for the time that the rules
/// set; files say a round trip that holds where there is no average. A prefix is in its tree as long
/// as it has a code; a code stands where there is an average or a file's word.
///
/// It decides what codes become; whoever uses it stores them, and shows readers what changed.
/// Belongs to the writer's thread.
final class RoundTripLayer {
    let ipv4: PrefixTree
    let ipv6: PrefixTree
    /// Prefixes at most, both families.
    let capacity: Int
    var rules = RoundTripRules()
    private var sites: [SiteRecords?] = Array(repeating: nil, count: SiteID.limit)
    /// Tells what the last reading of the files said from what those before did.
    private var filing: UInt32 = 0

    init(capacity: Int) throws(TableResourceError) {
        self.capacity = capacity
        self.ipv4 = try PrefixTree(family: .ipv4, capacity: capacity)
        self.ipv6 = try PrefixTree(family: .ipv6, capacity: capacity)
    }

    func tree(_ family: AddressFamily) -> PrefixTree {
        family == .ipv4 ? self.ipv4 : self.ipv6
    }

    /// Prefixes with a round trip.
    var count: Int { self.ipv4.count + self.ipv6.count }

    /// Columns that classes need: up to the highest site that has been observed.
    var columns: Int {
        self.count == 0 ? 0 : max(self.ipv4.distances.count, self.ipv6.distances.count)
    }

    /// What becomes of a code.
    struct Change {
        let tree: PrefixTree
        let node: PrefixTree.Node
        let column: Int
        let code: RoundTripCode
    }

    // MARK: What is measured

    /// Takes an observation into the average.
    ///
    /// - Returns: The code to store; nil where there is no room for another prefix.
    func observe(_ trip: RoundTrip, at time: Int64) -> Change? {
        guard let (records, tree, node) = self.place(of: trip) else { return nil }
        let column = Int(trip.site.rawValue)
        let value = Double(trip.microseconds)
        var record = records.observed(tree.family, node)
        let before: Double? =
            if !record.isEmpty, !self.isExpired(record, at: time) {
                Double(record.average)
            } else {
                records.filed(tree.family, node).microseconds.map(Double.init)
            }
        let average = before.map { $0 + (value - $0) * self.rules.weight } ?? value
        record = Observed(average: Float(max(average, 1)), time: UInt32(clamping: time))
        records.setObserved(record, tree.family, node)
        return Change(
            tree: tree, node: node, column: column,
            code: self.code(tree, node, column).following(average: Double(record.average)))
    }

    /// Begins another reading of all files.
    func beginFiling() { self.filing ^= Filed.mark }

    /// Takes a line of a file: the lines of one prefix and site are averaged as observations are.
    func file(_ trip: RoundTrip) -> Change? {
        guard let (records, tree, node) = self.place(of: trip) else { return nil }
        let column = Int(trip.site.rawValue)
        let old = records.filed(tree.family, node)
        var value = Double(trip.microseconds)
        if let before = old.microseconds, old.isOf(self.filing) {
            value = Double(before) + (value - Double(before)) * self.rules.weight
        }
        records.setFiled(
            Filed(microseconds: UInt32(max(1, value.rounded())), filing: self.filing),
            tree.family, node)
        let code = self.code(tree, node, column)
        guard records.observed(tree.family, node).isEmpty else {
            return Change(tree: tree, node: node, column: column, code: code)
        }
        return Change(
            tree: tree, node: node, column: column, code: code.following(average: value))
    }

    /// Takes up what was remembered elsewhere: an average and when it was last observed.
    func restore(_ trip: RoundTrip, observed time: Int64) -> Change? {
        guard let (records, tree, node) = self.place(of: trip) else { return nil }
        let column = Int(trip.site.rawValue)
        let code = self.code(tree, node, column)
        guard records.observed(tree.family, node).isEmpty else {
            return Change(tree: tree, node: node, column: column, code: code)
        }
        records.setObserved(
            Observed(average: Float(trip.microseconds), time: UInt32(clamping: time)),
            tree.family, node)
        return Change(
            tree: tree, node: node, column: column,
            code: code.following(average: Double(trip.microseconds)))
    }

    private func place(of trip: RoundTrip) -> (SiteRecords, PrefixTree, PrefixTree.Node)? {
        let tree = self.tree(trip.prefix.family)
        let key = trip.prefix.address.leftAligned
        let column = Int(trip.site.rawValue)
        guard let records = self.records(tree, column) else { return nil }
        var node = tree.find(key: key, length: trip.prefix.length)
        if node == 0 {
            guard self.count < self.capacity,
                let new = tree.insert(key: key, length: trip.prefix.length)
            else { return nil }
            node = new
        }
        return (records, tree, node)
    }

    /// Where a site's values stand; nil where the system refuses the space.
    private func records(_ tree: PrefixTree, _ column: Int) -> SiteRecords? {
        do {
            try tree.distances.grow(to: column + 1, isEmpty: tree.count == 0)
            let records =
                try self.sites[column] ?? SiteRecords(nodeCapacity: self.capacity + 2)
            self.sites[column] = records
            return records
        } catch {
            return nil
        }
    }

    // MARK: What is no longer said

    /// What a walk over the layer takes away.
    enum Sweep: Equatable {
        /// Averages without an observation since the rules' time.
        case expired(at: Int64)
        /// What the last reading of the files no longer says.
        case unfiled
        case site(SiteID)
    }

    /// Looks at one site's value at a prefix.
    ///
    /// - Returns: The code to store, where there was something to take away.
    func sweep(
        _ sweep: Sweep, _ tree: PrefixTree, _ node: PrefixTree.Node, _ column: Int
    ) -> Change? {
        let family = tree.family
        guard let records = self.sites[column], self.code(tree, node, column) != .none else {
            return nil
        }
        switch sweep {
        case .expired(let time):
            let record = records.observed(family, node)
            guard !record.isEmpty, self.isExpired(record, at: time) else { return nil }
            records.setObserved(.none, family, node)
        case .unfiled:
            let filed = records.filed(family, node)
            guard filed.microseconds != nil, !filed.isOf(self.filing) else { return nil }
            records.setFiled(.none, family, node)
        case .site(let site):
            guard column == Int(site.rawValue) else { return nil }
            records.setObserved(.none, family, node)
            records.setFiled(.none, family, node)
        }
        let code = self.code(tree, node, column)
        let observed = records.observed(family, node)
        let left: Double? =
            observed.isEmpty
            ? records.filed(family, node).microseconds.map(Double.init) : Double(observed.average)
        return Change(
            tree: tree, node: node, column: column,
            code: left.map { code.following(average: $0) } ?? .none)
    }

    private func isExpired(_ record: Observed, at time: Int64) -> Bool {
        time - Int64(record.time) > self.rules.expiry
    }

    // MARK: Codes

    func code(_ tree: PrefixTree, _ node: PrefixTree.Node, _ column: Int) -> RoundTripCode {
        RoundTripCode(rawValue: tree.distances.value(node, column))
    }

    /// Notes that a code was stored in place of another one: a prefix without codes leaves.
    func didStore(_ change: Change, after old: RoundTripCode) {
        if old == .none, change.code != .none { change.tree.addRoutes(1, to: change.node) }
        if old != .none, change.code == .none { change.tree.addRoutes(-1, to: change.node) }
        if change.tree.routeCount(change.node) == 0 { change.tree.remove(change.node) }
    }

    /// What is known of a site at a prefix; nil for nothing.
    func report(_ tree: PrefixTree, _ node: PrefixTree.Node, _ column: Int) -> RoundTripReport? {
        guard let records = self.sites[column],
            let used = self.code(tree, node, column).duration
        else { return nil }
        let observed = records.observed(tree.family, node)
        return RoundTripReport(
            prefix: tree.prefix(node), site: SiteID(UInt8(column)),
            average: observed.isEmpty ? nil : Double(observed.average),
            observed: observed.isEmpty ? nil : Int64(observed.time),
            filed: records.filed(tree.family, node).microseconds.map(Double.init), used: used)
    }

    /// Bytes touched.
    var byteCount: Int {
        [self.ipv4, self.ipv6].reduce(0) { sum, tree in
            sum + tree.nodeBytes + tree.distanceBytes + tree.indexBytes
                + self.sites.reduce(0) {
                    $0 + ($1?.byteCount(nodes: tree.highWater) ?? 0)
                }
        }
    }
}
