// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// A route of a feed at a prefix, and where it is kept.
struct RoutePath {
    var slot: RouteSlot
    /// As the feed has it (RFC 7911); 0 where it sends one path for a prefix.
    var id: UInt32
    /// Of ``PathPool``; 0: in the prefix's slot.
    var record: UInt32
}

/// One feed's routes in one family, and what has become of them.
///
/// The only path for a prefix stands in the prefix's slot, if it has the feed's usual id; else the
/// slot says where in ``PathPool`` the paths are. The usual id is the one that came first when
/// there was none in a slot. Belongs to the writer's thread.
final class FeedRoutes {
    let family: AddressFamily
    private let pages: RoutePages
    private let pool: PathPool
    private(set) var directory = RoutePages.Directory()
    /// Prefixes with a route.
    private(set) var prefixes = 0
    /// Paths beyond the first of a prefix.
    private(set) var furtherPaths = 0
    /// Changed as a whole where more happens to it than a route that is counted: were it changed in
    /// place there, every access would be guarded against overlapping ones.
    private(set) var ledger = EpochLedger()
    private(set) var lives = PathLives()
    /// Some id has ended a life.
    private(set) var hasLives = false
    /// They don't count: they have not all come yet, or are on their way out.
    var isHidden = true
    /// Between the beginning of a refresh and its end (RFC 7313).
    var isRefreshing = false
    /// A checkpoint's routes are on their way back.
    var isRestoring = false
    /// So are those that were withdrawn, and that the feed's guard believes to be there.
    var takesWithdrawals = false

    /// The id of paths in slots.
    private var usualID: UInt32 = 0
    /// Paths in slots.
    private var usualCount = 0
    /// All paths in slots are of a life that is over.
    private var usualIsOver = false

    init(family: AddressFamily, pages: RoutePages, pool: PathPool) {
        self.family = family
        self.pages = pages
        self.pool = pool
    }

    var total: Int { self.prefixes + self.furtherPaths }
    var stale: Int { self.total - self.ledger.fresh }
    /// All but those that a walk will take out.
    var kept: Int { self.total - self.ledger.leaving }
    var pageCount: Int { self.directory.pageCount }
    /// Prefixes with routes are numbered below this.
    var nodeEnd: Int { self.pageCount * RoutePages.slotsPerPage }
    var byteCount: Int { self.pages.byteCount(of: self.directory) }

    // MARK: Looking

    /// What stands in a prefix's slot.
    @inline(__always)
    func load(_ node: PrefixTree.Node) -> RouteSlot { self.pages.load(self.directory, node) }

    /// Has a prefix's slot brought near.
    @inline(__always)
    func fetch(_ node: PrefixTree.Node) { self.pages.fetch(self.directory, node) }

    /// A path of a prefix; nil where there is none with this id.
    @inline(__always)
    func find(_ node: PrefixTree.Node, _ id: UInt32) -> RoutePath? {
        let slot = self.load(node)
        if slot.isEmpty { return nil }
        if !slot.isList {
            return id == self.usualID ? RoutePath(slot: slot, id: id, record: 0) : nil
        }
        var record = slot.list
        while record != 0 {
            if self.pool.id(record) == id {
                return RoutePath(slot: self.pool.slot(record), id: id, record: record)
            }
            record = self.pool.next(record)
        }
        return nil
    }

    /// The first path of a prefix, the one with the lowest id.
    @inline(__always)
    func first(_ node: PrefixTree.Node) -> RoutePath? {
        let slot = self.load(node)
        if slot.isEmpty { return nil }
        return slot.isList
            ? self.path(slot.list) : RoutePath(slot: slot, id: self.usualID, record: 0)
    }

    /// The path after one of the same prefix.
    @inline(__always)
    func next(after path: RoutePath) -> RoutePath? {
        guard path.record != 0 else { return nil }
        let record = self.pool.next(path.record)
        return record == 0 ? nil : self.path(record)
    }

    private func path(_ record: UInt32) -> RoutePath {
        RoutePath(slot: self.pool.slot(record), id: self.pool.id(record), record: record)
    }

    func pathCount(_ node: PrefixTree.Node) -> Int {
        var count = 0
        var path = self.first(node)
        while let found = path {
            count += 1
            path = self.next(after: found)
        }
        return count
    }

    @inline(__always)
    func isStale(_ slot: RouteSlot) -> Bool { self.ledger.isStale(slot.epoch) }

    /// Whether a walk takes it out.
    @inline(__always)
    func isLeaving(_ path: RoutePath) -> Bool {
        self.ledger.state(path.slot.epoch) == .leaving || self.hasLives && self.isOver(path)
    }

    /// Whether it is of a life of its id that is over.
    func isOver(_ path: RoutePath) -> Bool {
        if path.record == 0 { return self.usualIsOver }
        return self.lives.isOver(self.pool.life(path.record), of: path.id)
    }

    // MARK: Changing

    /// Writes a route in another's place.
    @inline(__always)
    func replace(_ node: PrefixTree.Node, _ path: RoutePath, by slot: RouteSlot) {
        if path.slot.epoch != slot.epoch {
            self.ledger.remove(path.slot.epoch)
            self.ledger.add(slot.epoch)
        }
        if path.record == 0 {
            self.pages.replace(self.directory, node, by: slot)
        } else {
            self.pool.set(slot, path.record)
        }
    }

    /// The same for a route that was announced: it is of its id's current life. False where the
    /// reserved space is used up; the route is as it was then.
    @inline(__always)
    func renew(_ node: PrefixTree.Node, _ path: RoutePath, by slot: RouteSlot) -> Bool {
        if self.hasLives {
            let life = self.lives.life(of: path.id)
            if path.record != 0 {
                self.pool.setLife(life, path.record)
            } else if self.usualIsOver {
                guard let record = self.pool.add(slot, id: path.id, life: life, next: 0) else {
                    return false
                }
                self.ledger.remove(path.slot.epoch)
                self.ledger.add(slot.epoch)
                self.pages.replace(self.directory, node, by: RouteSlot(list: record))
                self.noteUsual(-1)
                return true
            }
        }
        self.replace(node, path, by: slot)
        return true
    }

    /// Writes a route with an id that the prefix has none of. False where the reserved space is used
    /// up.
    @inline(__always)
    func add(_ node: PrefixTree.Node, id: UInt32, _ slot: RouteSlot) -> Bool {
        let old = self.load(node)
        if old.isEmpty {
            if self.takeUsual(id) {
                guard self.enter(node, slot) else { return false }
                self.noteUsual(1)
            } else {
                let life = self.hasLives ? self.lives.life(of: id) : 0
                guard let record = self.pool.add(slot, id: id, life: life, next: 0) else {
                    return false
                }
                guard self.enter(node, RouteSlot(list: record)) else {
                    self.pool.remove(record)
                    return false
                }
            }
            self.prefixes += 1
        } else {
            guard self.insert(node, old, id: id, slot) else { return false }
            self.furtherPaths += 1
        }
        self.ledger.add(slot.epoch)
        return true
    }

    /// Puts a path beside those that a prefix has, in the order of their ids.
    private func insert(
        _ node: PrefixTree.Node, _ old: RouteSlot, id: UInt32, _ slot: RouteSlot
    ) -> Bool {
        let life = self.lives.life(of: id)
        var first = old.list
        if !old.isList {
            // Of a usual id that is over, life is anything but the current one.
            let current = self.lives.life(of: self.usualID)
            guard
                let record = self.pool.add(
                    old, id: self.usualID, life: self.usualIsOver ? current &- 1 : current,
                    next: 0)
            else { return false }
            first = record
        }
        var before: UInt32 = 0
        var after = first
        while after != 0, self.pool.id(after) < id {
            before = after
            after = self.pool.next(after)
        }
        guard let record = self.pool.add(slot, id: id, life: life, next: after) else {
            if !old.isList { self.pool.remove(first) }
            return false
        }
        if before == 0 { first = record } else { self.pool.setNext(record, before) }
        if !old.isList { self.noteUsual(-1) }
        self.pages.replace(self.directory, node, by: RouteSlot(list: first))
        return true
    }

    /// Takes a route out.
    @inline(__always)
    func remove(_ node: PrefixTree.Node, _ path: RoutePath) {
        self.ledger.remove(path.slot.epoch)
        if path.record == 0 {
            self.noteUsual(-1)
            self.leave(node)
            self.prefixes -= 1
        } else {
            self.unlink(node, path)
        }
    }

    private func unlink(_ node: PrefixTree.Node, _ path: RoutePath) {
        var first = self.load(node).list
        let after = self.pool.next(path.record)
        if first == path.record {
            first = after
        } else {
            var before = first
            while self.pool.next(before) != path.record { before = self.pool.next(before) }
            self.pool.setNext(after, before)
        }
        self.pool.remove(path.record)
        guard first != 0 else {
            self.leave(node)
            self.prefixes -= 1
            return
        }
        self.furtherPaths -= 1
        // The only one that is left needs no record where it has the usual id.
        let id = self.pool.id(first)
        if self.pool.next(first) == 0, self.pool.life(first) == self.lives.life(of: id),
            !self.lives.isClosed(id), self.takeUsual(id)
        {
            self.pages.replace(self.directory, node, by: self.pool.slot(first))
            self.pool.remove(first)
            self.noteUsual(1)
        } else {
            self.pages.replace(self.directory, node, by: RouteSlot(list: first))
        }
    }

    /// Writes to a slot that is empty.
    @inline(__always)
    private func enter(_ node: PrefixTree.Node, _ slot: RouteSlot) -> Bool {
        var directory = RoutePages.Directory()
        swap(&directory, &self.directory)
        defer { swap(&directory, &self.directory) }
        return self.pages.add(&directory, node, slot)
    }

    /// Empties a slot.
    @inline(__always)
    private func leave(_ node: PrefixTree.Node) {
        var directory = RoutePages.Directory()
        swap(&directory, &self.directory)
        self.pages.remove(&directory, node)
        swap(&directory, &self.directory)
    }

    /// Whether a path with an id may stand in a slot.
    @inline(__always)
    private func takeUsual(_ id: UInt32) -> Bool {
        if self.usualCount == 0 {
            self.usualID = id
            self.usualIsOver = false
        }
        return id == self.usualID && !self.usualIsOver
    }

    @inline(__always)
    private func noteUsual(_ change: Int) { self.usualCount &+= change }

    // MARK: What happens to all

    /// Turns all routes of some states into another.
    ///
    /// - Returns: How many there are.
    @discardableResult
    func turn(_ old: EpochLedger.State..., into new: EpochLedger.State) -> Int {
        var ledger = self.ledger
        defer { self.ledger = ledger }
        return ledger.turn(old, into: new)
    }

    /// What is announced from now on is told from what was before.
    func beginEpoch(as state: EpochLedger.State) {
        if self.ledger.isCurrentUsed { self.joinNumbers() }
        var ledger = self.ledger
        ledger.begin(as: state)
        self.ledger = ledger
    }

    /// Routes get other numbers by this, in some pages.
    private func joinNumbers() {
        var ledger = self.ledger
        if let visit = ledger.visit(pages: self.pageCount) { self.renumber(visit, &ledger) }
        self.ledger = ledger
    }

    /// There are so many numbers that ``stepNumbers(_:)`` is to make them fewer.
    var hasManyNumbers: Bool { self.ledger.wantsVisits }

    /// Makes numbers one in time, until the slice ends.
    func stepNumbers(_ slice: inout WorkSlice) {
        var ledger = self.ledger
        while !slice.isSpent, let visit = ledger.visit(pages: self.pageCount, atMost: 1) {
            slice.spend(64 + 8 * self.renumber(visit, &ledger))
        }
        self.ledger = ledger
    }

    /// - Returns: How many routes got another number.
    @discardableResult
    private func renumber(
        _ visit: (pages: Range<Int>, numbers: UInt64), _ ledger: inout EpochLedger
    ) -> Int {
        let moved = self.pages.renumber(
            self.directory, pages: visit.pages, by: visit.numbers, self.pool)
        ledger.renumbered(moved, by: visit.numbers)
        return moved.indices.reduce(0) { $0 + moved[$1] }
    }

    /// The number of routes that are stale although they come now. What was known of other
    /// routes' numbers is void.
    func staleNumber() -> UInt32 {
        if let number = self.ledger.staleNumber { return number }
        self.joinNumbers()
        var ledger = self.ledger
        defer { self.ledger = ledger }
        return ledger.staleNumber ?? ledger.newStaleNumber()
    }

    /// What is stale leaves: of what is on its way back as stale no more comes in.
    func endReturns() {
        self.isRestoring = false
        self.takesWithdrawals = false
    }

    /// All paths of some ids leave.
    func endPaths(_ ids: [UInt32]) {
        for id in ids {
            if self.usualID == id, self.usualCount > 0 { self.usualIsOver = true }
            // In place: a copy for each id would be one of all that ever ended a life.
            self.lives.end(id)
            self.hasLives = true
        }
    }

    /// A walk has taken out all that leaves.
    func settle() {
        guard self.hasLives else { return }
        self.lives.settle()
        self.usualIsOver = false
    }
}
