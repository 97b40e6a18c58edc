// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc
import RouteTable
import Testing

@Suite("A heap of granules")
struct GranuleHeapTests {
    /// Bytes of pages that may be there beside those with blocks on them: some 64 pages are spare,
    /// and of more, which are scattered, eight go with each step.
    private static let spare = 96 * 4096

    /// A block in use: what a test wrote into it, and expects to find.
    private struct Block {
        var number: UInt32
        var granules: Int
        var tag: UInt32

        /// Of the second word the upper four bits are the heap's.
        func word(_ index: Int) -> UInt32 {
            let word = (self.tag &+ UInt32(index)) &* 0x9e37_79b1
            return index == 1 ? word & GranuleHeap.ownBits : word
        }

        func write(in heap: GranuleHeap) {
            let bytes = heap.address(self.number)
            let kept = bytes.load(fromByteOffset: 4, as: UInt32.self) & ~GranuleHeap.ownBits
            for index in 0..<self.granules * 2 {
                let word = index == 1 ? self.word(1) | kept : self.word(index)
                bytes.storeBytes(of: word, toByteOffset: index * 4, as: UInt32.self)
            }
        }

        func isIntact(in heap: GranuleHeap) -> Bool {
            let bytes = heap.address(self.number)
            return (0..<self.granules * 2).allSatisfy { index in
                let word = bytes.load(fromByteOffset: index * 4, as: UInt32.self)
                return (index == 1 ? word & GranuleHeap.ownBits : word) == self.word(index)
            }
        }
    }

    /// From 16 bytes to 64 KiB, small ones and equal ones most often.
    private func size(_ random: inout SplitMix) -> Int {
        switch random.below(10) {
        case 0..<6: 2 + random.below(12)
        case 6: 64
        case 7: 2 + random.below(600)
        case 8: 500 + random.below(40)
        default: 2 + random.below(8191)
        }
    }

    /// Bytes of the heap's first pages that the system has in place.
    private func systemBytes(_ heap: GranuleHeap, pages: Int) -> Int {
        var flags = [UInt8](repeating: 0, count: pages)
        #expect(mincore(heap.address(512), pages * 4096, &flags) == 0)
        return flags.count { $0 & 1 != 0 } * 4096
    }

    @Test(
        "keeps what is in its blocks, whatever comes and goes, and in the end nothing",
        arguments: 0..<4 as Range<UInt64>)
    func model(seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        let pages = 8192
        let heap = try GranuleHeap(granules: pages * 512)
        madvise(heap.address(512), pages * 4096, MADV_NOHUGEPAGE)
        var blocks: [Block] = []
        var live = 0
        func take() {
            let block = blocks.swapRemove(at: random.below(blocks.count))
            #expect(block.isIntact(in: heap), "block \(block.number) of \(block.granules)")
            heap.release(block.number, granules: block.granules)
            live -= block.granules * 8
        }
        for round in 0..<40 {
            // It fills up and empties in turns, also wholly.
            let share = [70, 50, 30, 50, 10][round % 5]
            for _ in 0..<800 {
                if random.chance(share) {
                    let granules = self.size(&random)
                    let number = try #require(heap.allocate(granules))
                    let block = Block(
                        number: number, granules: granules,
                        tag: UInt32(truncatingIfNeeded: random.next()))
                    block.write(in: heap)
                    blocks.append(block)
                    live += granules * 8
                } else if !blocks.isEmpty {
                    take()
                }
            }
            let sorted = blocks.sorted { $0.number < $1.number }
            for (before, after) in zip(sorted, sorted.dropFirst()) {
                #expect(Int(before.number) + before.granules <= Int(after.number))
            }
            let isIntact = blocks.allSatisfy { $0.isIntact(in: heap) }
            #expect(isIntact, "round \(round)")
            // The end of a large block is rounded up, and may never have been written.
            let system = self.systemBytes(heap, pages: pages)
            #expect(system <= heap.residentBytes && heap.residentBytes <= system + 16 * 4096)
            #expect(heap.residentBytes >= live)
            // A block keeps the pages it is on, and the one behind it.
            let kept = blocks.reduce(0) { $0 + $1.granules / 480 + 3 }
            #expect(heap.residentBytes <= kept * 4096 + Self.spare)
        }
        while !blocks.isEmpty { take() }
        #expect(heap.spanBytes == 0)
        #expect(heap.residentBytes <= Self.spare)
        #expect(self.systemBytes(heap, pages: pages) <= Self.spare)
    }

    @Test("uses what came free of one size for another, and grows for no size in turn")
    func sizesInTurn() throws {
        let heap = try GranuleHeap(granules: 4 << 20)
        var peak = 0
        for granules in 2...128 {
            let numbers = (0..<100_000 / granules).compactMap { _ in heap.allocate(granules) }
            #expect(numbers.count == 100_000 / granules)
            peak = max(peak, heap.spanBytes)
            // Every other one first, so that nothing can be joined until then.
            for offset in 0..<2 {
                for index in stride(from: offset, to: numbers.count, by: 2) {
                    heap.release(numbers[index], granules: granules)
                }
            }
            #expect(heap.spanBytes == 0)
        }
        #expect(peak <= 800_000)
        #expect(heap.residentBytes <= Self.spare)
    }

    @Test("is full at its end, and as good as new when all has been released")
    func full() throws {
        let heap = try GranuleHeap(granules: 100 * 512)
        for _ in 0..<3 {
            var numbers: [UInt32] = []
            while let number = heap.allocate(127) { numbers.append(number) }
            #expect(numbers.count == heap.spanBytes / (127 * 8))
            #expect(numbers.count >= 100 * 512 / 127)
            #expect(heap.allocate(1000) == nil)
            let middle = numbers.count / 2
            heap.release(numbers.remove(at: middle), granules: 127)
            #expect(heap.allocate(128) == nil, "a hole of 127")
            numbers.append(try #require(heap.allocate(100)))
            heap.release(numbers.removeLast(), granules: 100)
            for number in numbers { heap.release(number, granules: 127) }
            #expect(heap.spanBytes == 0)
        }
    }
}

extension Array {
    /// Takes an element out in whose place the last one comes.
    fileprivate mutating func swapRemove(at index: Int) -> Element {
        self.swapAt(index, self.count - 1)
        return self.removeLast()
    }
}
