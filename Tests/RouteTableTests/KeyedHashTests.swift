// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import RouteTable
import Testing

@Suite("The keyed hash")
struct KeyedHashTests {
    static func hash(_ number: UInt64, _ hash: KeyedHash = .ofProcess) -> UInt32 {
        withUnsafeBytes(of: (number, UInt32(7))) { bytes in hash.hash(bytes) }
    }

    /// What a process with a key that everybody knows would do.
    static func known(_ number: UInt64) -> UInt32 {
        var generator = SplitMix(seed: 0)
        return self.hash(number, KeyedHash(using: &generator))
    }

    @Test("spreads what was chosen to fall together under another key")
    func collisions() {
        let chosen = (0..<200_000 as Range<UInt64>).lazy.filter { Self.known($0) % 1024 == 5 }
            .prefix(150)
        #expect(Set(chosen.map { Self.known($0) % 1024 }).count == 1)
        let chains = Set(chosen.map { Self.hash($0) % 1024 })
        #expect(chosen.count == 150 && chains.count > 100)
    }

    @Test("is the same for equal bytes, and not for longer or other ones")
    func equality() {
        let bytes = (0..<40 as Range<UInt8>).map { $0 &* 37 }
        var seen: Set<UInt32> = []
        for count in 0...40 {
            let hash = bytes[..<count].withUnsafeBytes { KeyedHash.hash($0) }
            let copy = Array(bytes[..<count]).withUnsafeBytes { KeyedHash.hash($0) }
            #expect(hash == copy)
            seen.insert(hash)
            for changed in 0..<count {
                var other = Array(bytes[..<count])
                other[changed] ^= 1
                seen.insert(other.withUnsafeBytes { KeyedHash.hash($0) })
            }
        }
        // 861 of them: two alike among 2^32 are one chance in ten thousand.
        #expect(seen.count >= 860)
    }

    @Test("spreads counted words over few chains evenly")
    func spread() {
        var chains = [Int](repeating: 0, count: 64)
        for number in 0..<64_000 as Range<UInt64> { chains[Int(Self.hash(number) % 64)] += 1 }
        #expect(chains.allSatisfy { (800...1200).contains($0) })
    }
}
