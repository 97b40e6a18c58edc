// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// The shortest prefixes of one address family, up to /7 in IPv4 and /15 in IPv6, by length and
/// bits: few of them are ever announced, and each holds a large part of all others.
///
/// A table in heap order: the prefix of `length` bits and number i at 2^length + i. Belongs to the
/// writer's thread.
final class WidePrefixes<Bits: PrefixBits> {
    static var longest: Int { Bits.bitWidth == 32 ? 7 : 15 }

    private let memory: ReservedMemory
    private let nodes: UnsafeMutablePointer<Int32>
    /// How many there are of each length, and the lengths as bits of which there are any.
    private var counts = [Int](repeating: 0, count: 16)
    private var lengths: UInt32 = 0

    /// - Throws: Where the system refuses the address space.
    init() throws(TableResourceError) {
        self.memory = try ReservedMemory(bytes: 8 << Self.longest)
        self.nodes = self.memory.base.assumingMemoryBound(to: Int32.self)
    }

    @inline(__always)
    private func at(_ bits: Bits, _ length: Int) -> UnsafeMutablePointer<Int32> {
        let number = length == 0 ? 0 : bits &>> Bits(truncatingIfNeeded: Bits.bitWidth &- length)
        return self.nodes + (1 &<< length | Int(truncatingIfNeeded: number))
    }

    /// Notes the node of a prefix; 0 where it leaves.
    func set(_ node: Int32, _ bits: Bits, _ length: Int) {
        let entry = self.at(bits, length)
        self.counts[length] += (node == 0 ? 0 : 1) - (entry.pointee == 0 ? 0 : 1)
        entry.pointee = node
        if self.counts[length] == 0 {
            self.lengths &= ~(1 &<< UInt32(length))
        } else {
            self.lengths |= 1 &<< UInt32(length)
        }
    }

    /// Calls `body` with the nodes of those that hold these bits and are shorter than `length`,
    /// the longest first, until it answers true.
    @inline(__always)
    func forEach(holding bits: Bits, shorterThan length: Int, _ body: (Int32) -> Bool) {
        var lengths = self.lengths
        if length < 32 { lengths &= (1 &<< UInt32(truncatingIfNeeded: length)) &- 1 }
        while lengths != 0 {
            let length = 31 &- lengths.leadingZeroBitCount
            let node = self.at(bits, length).pointee
            if node != 0, body(node) { return }
            lengths ^= 1 &<< UInt32(truncatingIfNeeded: length)
        }
    }

    /// Bytes touched.
    var byteCount: Int { self.memory.residentBytes(first: self.memory.byteCount) }
}
