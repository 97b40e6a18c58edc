// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import RouteTable
import Testing

@Suite("The lookup's nodes that are out of use")
struct NodeStockTests {
    @Test("come back when no reader is left, each once", arguments: 0..<8 as Range<UInt64>)
    func model(seed: UInt64) {
        var random = SplitMix(seed: seed)
        var stock = NodeStock()
        var next: UInt32 = 0
        var used: Set<UInt32> = []
        var retired: [UInt32: UInt64] = [:]
        var free: Set<UInt32> = []
        var epoch: UInt64 = 1
        var oldest: UInt64 = 0
        for _ in 0..<60 {
            for _ in 0..<random.below(4000) {
                if let node = stock.popFree() {
                    #expect(free.remove(node) != nil || retired[node].map { $0 < oldest } ?? false)
                    retired[node] = nil
                    used.insert(node)
                } else {
                    used.insert(next)
                    next += 1
                }
            }
            for _ in 0..<random.below(5000) {
                guard let node = used.randomElement(using: &random) else { break }
                used.remove(node)
                if random.chance(20) {
                    stock.addFree(node)
                    free.insert(node)
                } else {
                    stock.retire(node, epoch: epoch)
                    retired[node] = epoch
                }
            }
            #expect(stock.freeCount + stock.retiredCount == Int(next) - used.count)
            epoch += UInt64(random.below(2))
            if random.chance(50) {
                oldest = max(oldest, epoch - UInt64(random.below(Int(min(epoch, 3)))))
                stock.reclaim(before: oldest)
            }
        }
        stock.reclaim(before: .max)
        var rest: Set<UInt32> = []
        while let node = stock.popFree() { #expect(rest.insert(node).inserted) }
        #expect(rest.count + used.count == Int(next) && rest.isDisjoint(with: used))
    }

    @Test("come back some at a time, however many there are")
    func bounded() {
        var stock = NodeStock()
        let count = 3 * NodeStock.mostAtOnce + 5
        for node in 0..<count { stock.retire(UInt32(node), epoch: UInt64(1 + node / 100_000)) }
        var calls = 0
        while stock.retiredCount > 0, calls < 10 {
            let before = stock.freeCount
            stock.reclaim(before: .max)
            #expect(stock.freeCount - before <= NodeStock.mostAtOnce)
            calls += 1
        }
        #expect(calls == 4 && stock.freeCount == count)
    }
}
