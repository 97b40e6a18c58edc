// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSWire

/// Counts one thread's answers by client prefix (``RateLimitRules``), in memory of a fixed size.
///
/// A bucket for each prefix and kind of answer fills with time and pays for answers. The table has
/// sets of four buckets, one cache line; a hash that only this process can compute chooses the set,
/// so that nobody can aim at another's bucket. A prefix that finds no bucket takes the one that was
/// quiet for longest, and begins with a full one: a flood from very many prefixes makes the table
/// forget, and never refuses those who ask little.
struct RateLimiter: ~Copyable {
    enum Kind: Int {
        case answer = 0
        case negative = 1
        case error = 2
    }

    enum Decision {
        case pass
        /// Cut to the question.
        case slip
        case drop
    }

    private struct Bucket {
        /// 0 where it is free.
        var tag: UInt32 = 0
        /// Thousandths of an answer.
        var credit: UInt32 = 0
        /// Milliseconds.
        var time: UInt32 = 0
        /// Answers that were too many.
        var excess: UInt32 = 0
    }

    /// nil: nothing is limited.
    let rules: RateLimitRules?
    private let buckets: UnsafeMutablePointer<Bucket>
    /// A thread that limits nobody, as that of TCP, writes none of it.
    private let memory: ZeroedMemory
    private let setMask: Int
    private let key: SipHash.Key
    private let rates: (UInt32, UInt32, UInt32)
    private let lengthIPv4: Int
    private let lengthIPv6: Int
    private let slip: UInt32

    private static var setSize: Int { 4 }
    /// Seconds that a prefix may save up for.
    private static var burst: UInt32 { 2 }

    init(_ rules: RateLimitRules?, key: SipHash.Key = .random()) {
        self.rules = rules
        self.key = key
        self.lengthIPv4 = rules?.lengthIPv4 ?? 0
        self.lengthIPv6 = rules?.lengthIPv6 ?? 0
        self.slip = UInt32(clamping: rules?.slip ?? 0)
        // Each prefix may have a bucket of every kind.
        var count = Self.setSize
        while count < 3 * (rules?.tableSize ?? 0) { count *= 2 }
        self.setMask = count / Self.setSize - 1
        // A free bucket is all zeros.
        self.memory = ZeroedMemory(byteCount: count * MemoryLayout<Bucket>.stride)
        self.buckets = self.memory.base.bindMemory(to: Bucket.self, capacity: count)
        func rate(_ value: Int) -> UInt32 {
            UInt32(min(max(0, value), RateLimitRules.maximumRate))
        }
        self.rates = (
            rate(rules?.answers ?? 0), rate(rules?.negative ?? 0), rate(rules?.errors ?? 0)
        )
    }

    /// Counts an answer, and says what becomes of it.
    @inline(__always)
    mutating func count(_ kind: Kind, to client: IPAddress, at moment: DNSMoment) -> Decision {
        let rate: UInt32
        switch kind {
        case .answer: rate = self.rates.0
        case .negative: rate = self.rates.1
        case .error: rate = self.rates.2
        }
        guard rate > 0 else { return .pass }
        let isIPv4 = client.family == .ipv4
        let network = client.masked(
            toLength: isIPv4 ? self.lengthIPv4 : self.lengthIPv6)
        var hasher = SipHash(key: self.key)
        hasher.append(network.high)
        if network.low != 0 { hasher.append(network.low) }
        let hash = hasher.finish(
            UInt64(truncatingIfNeeded: kind.rawValue << 1 | (isIPv4 ? 1 : 0)), byteCount: 17)
        let bucket = self.bucket(hash, moment.milliseconds, capacity: rate * Self.burst * 1000)
        let elapsed = UInt64(moment.milliseconds &- bucket.pointee.time)
        let credit = UInt64(bucket.pointee.credit) + elapsed * UInt64(rate)
        bucket.pointee.time = moment.milliseconds
        let full = min(credit, UInt64(rate * Self.burst * 1000))
        guard full < 1000 else {
            bucket.pointee.credit = UInt32(full - 1000)
            return .pass
        }
        bucket.pointee.credit = UInt32(full)
        bucket.pointee.excess &+= 1
        guard self.slip > 0 else { return .drop }
        return bucket.pointee.excess % self.slip == 0 ? .slip : .drop
    }

    /// The bucket for a hash: the one it had, or a full one.
    @inline(__always)
    private func bucket(
        _ hash: UInt64, _ now: UInt32, capacity: UInt32
    ) -> UnsafeMutablePointer<Bucket> {
        let tag = UInt32(truncatingIfNeeded: hash >> 32) | 1
        let set = self.buckets + (Int(truncatingIfNeeded: hash) & self.setMask) * Self.setSize
        var quietest = set
        var age: UInt32 = 0
        for index in 0..<Self.setSize {
            let bucket = set + index
            if bucket.pointee.tag == tag { return bucket }
            let quiet = bucket.pointee.tag == 0 ? .max : now &- bucket.pointee.time
            if quiet >= age {
                age = quiet
                quietest = bucket
            }
        }
        quietest.pointee = Bucket(tag: tag, credit: capacity, time: now, excess: 0)
        return quietest
    }
}
