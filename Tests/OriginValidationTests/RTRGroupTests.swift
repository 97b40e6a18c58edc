// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import OriginValidation
import Testing

@Suite("Several caches")
struct RTRGroupTests {
    let first = RTRCache(address: IPAddress(ipv4: 1), port: 323)
    let second = RTRCache(address: IPAddress(ipv4: 2), port: 323)
    let third = RTRCache(address: IPAddress(ipv4: 3), port: 323)
    let a: VRP
    let b: VRP

    init() throws {
        self.a = try vrp("192.0.2.0/24", 64500)
        self.b = try vrp("192.0.2.0/24", 64501)
    }

    private func started(_ caches: [RTRCache]) -> RTRGroup {
        var group = RTRGroup(caches: caches)
        _ = group.start()
        return group
    }

    @Test("the first is asked, the next when it fails, and the first again when it is back")
    func order() {
        var group = RTRGroup(caches: [self.first, self.second, self.third])
        #expect(group.start() == [.perform(self.first, .connect)])
        #expect(
            group.handle(.closed("refused"), of: self.first).contains(
                .perform(self.second, .connect)))
        #expect(
            group.handle(.closed("refused"), of: self.second).contains(
                .perform(self.third, .connect)))
        #expect(group.synchronise(self.third, with: [self.a]).contains(.publish))
        #expect(group.cacheInForce == self.third)
        #expect(group.handle(.expired(.retry), of: self.first) == [.perform(self.first, .connect)])
        #expect(group.table == VRPTable([self.a]), "until the first has told all")
        let actions = group.synchronise(self.first, with: [self.b])
        #expect(actions.contains(.perform(self.third, .close)))
        #expect(actions.last == .publish)
        #expect(group.cacheInForce == self.first)
        #expect(group.table == VRPTable([self.b]))
        #expect(group.members.map(\.session.state) == [.synchronised, .idle, .idle])
    }

    @Test("payloads of a lost cache count until another has told all")
    func handOver() {
        var group = self.started([self.first, self.second])
        _ = group.synchronise(self.first, with: [self.a])
        let lost = group.handle(.closed("gone"), of: self.first)
        #expect(lost.contains(.perform(self.second, .connect)))
        #expect(!lost.contains(.publish))
        #expect(group.table == VRPTable([self.a]))
        #expect(group.synchronise(self.second, with: [self.b]).contains(.publish))
        #expect(group.table == VRPTable([self.b]))
    }

    @Test("of caches that are all lost, the last answer counts, until all have expired")
    func allLost() {
        var group = self.started([self.first, self.second])
        _ = group.synchronise(self.first, with: [self.a])
        _ = group.handle(.closed("gone"), of: self.first)
        _ = group.synchronise(self.second, with: [self.b])
        _ = group.handle(.closed("gone"), of: self.second)
        #expect(group.cacheInForce == self.second)
        let older = group.handle(.expired(.expire), of: self.first)
        #expect(older.contains(.perform(self.first, .expired)))
        #expect(!older.contains(.publish))
        #expect(group.handle(.expired(.expire), of: self.second).contains(.publish))
        #expect(group.table == nil)
        #expect(group.cacheInForce == nil)
    }

    @Test("a change at the cache in force is published")
    func change() {
        var group = self.started([self.first])
        _ = group.synchronise(self.first, with: [self.a])
        _ = group.handle(.expired(.refresh), of: self.first)
        #expect(group.answer(self.first, [], serial: 2).contains(.publish))
    }

    @Test("a new order or set of caches keeps sessions, and payloads until another has told")
    func apply() {
        var group = self.started([self.first, self.second])
        _ = group.synchronise(self.first, with: [self.a])
        let moved = group.apply(caches: [self.second, self.first], settings: RTRSettings())
        #expect(moved == [.perform(self.second, .connect)])
        #expect(group.table == VRPTable([self.a]))
        let replaced = group.apply(caches: [self.third], settings: RTRSettings())
        #expect(replaced.contains(.perform(self.first, .close)))
        #expect(replaced.contains(.perform(self.second, .close)))
        #expect(replaced.contains(.perform(self.third, .connect)))
        #expect(group.table == VRPTable([self.a]))
        #expect(group.synchronise(self.third, with: [self.b]).contains(.publish))
        #expect(group.members.map(\.cache) == [self.third])
        let none = group.apply(caches: [], settings: RTRSettings())
        #expect(none.contains(.publish))
        #expect(group.table == nil)
        #expect(group.members.isEmpty)
    }

    @Test("a cache that was taken out goes when its payloads expire")
    func retired() {
        var group = self.started([self.first])
        _ = group.synchronise(self.first, with: [self.a])
        _ = group.apply(caches: [self.second], settings: RTRSettings())
        #expect(group.handle(.expired(.expire), of: self.first).contains(.publish))
        #expect(group.members.map(\.cache) == [self.second])
    }

    @Test("stopping leaves all caches")
    func stop() {
        var group = self.started([self.first])
        _ = group.synchronise(self.first, with: [self.a])
        #expect(group.stop().contains(.publish))
        #expect(group.handle(.expired(.retry), of: self.first) == [])
    }
}

extension RTRGroup {
    /// A cache that is being connected to answers with these payloads.
    fileprivate mutating func synchronise(_ cache: RTRCache, with payloads: [VRP]) -> [Action] {
        self.handle(.connected, of: cache) + self.answer(cache, payloads, serial: 1)
    }

    fileprivate mutating func answer(
        _ cache: RTRCache, _ payloads: [VRP], serial: UInt32
    ) -> [Action] {
        let records = payloads.map { CacheBytes.record($0) }
        var actions: [Action] = []
        for bytes in [CacheBytes.response()] + records + [CacheBytes.end(serial)] {
            if let frame = try? RTRFrame.read(bytes.span.bytes, at: 0) {
                actions += self.handle(.received(frame), of: cache)
            }
        }
        return actions
    }
}
