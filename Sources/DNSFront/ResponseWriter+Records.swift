// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSWire

/// Records that are made for the answer.
extension ResponseWriter {
    /// Appends the alias that a DNAME makes (RFC 6672 §3.1): its owner is the name at `owner`, its
    /// target the `prefix` bytes at a place of the message and then the given ones, its TTL that
    /// of the DNAME at `record`.
    ///
    /// Gives where the target stands; nil where it didn't fit.
    mutating func appendAlias(
        prefixAt prefix: Int, byteCount prefixCount: Int, _ target: UnsafeRawPointer,
        byteCount targetCount: Int, likeRecordAt record: Int, owner: Int
    ) -> Int? {
        let start = self.count
        guard
            // Owner, type, class, TTL and length, the last written over below.
            self.append(UnsafeRawPointer(self.base) + record, byteCount: 12),
            self.append(UnsafeRawPointer(self.base) + prefix, byteCount: prefixCount),
            self.append(target, byteCount: targetCount)
        else { return nil }
        self.store16(0xc000 | UInt16(truncatingIfNeeded: owner), at: start)
        self.store16(RecordType.cname.rawValue, at: start + 2)
        self.store16(UInt16(prefixCount + targetCount), at: start + 10)
        return start + 12
    }

    /// Appends a service's parameter with addresses (RFC 9460 §7.3); nothing where there are none.
    mutating func appendHints(
        _ family: AddressFamily, _ addresses: UnsafeRawPointer, _ count: Int
    ) -> Bool {
        guard count > 0 else { return true }
        let length = count * family.byteCount
        guard self.count + 4 + length <= self.limit else { return false }
        let key = family == .ipv4 ? ServiceParameters.Key.ipv4Hint : .ipv6Hint
        self.store16(key.rawValue, at: self.count)
        self.store16(UInt16(length), at: self.count + 2)
        // What was stored belongs to the message from here on.
        return self.append(UnsafeRawPointer(self.base) + self.count, byteCount: 4)
            && self.append(addresses, byteCount: length)
    }

    /// Sets the length of the record that ends here, its owner, and its TTL if that is greater.
    func finishRecord(at start: Int, owner: Int, maximumTTL: UInt32) {
        self.store16(0xc000 | UInt16(truncatingIfNeeded: owner), at: start)
        self.store16(UInt16(truncatingIfNeeded: self.count - start - 12), at: start + 10)
        let timeToLive = (self.base + start + 6).loadUnaligned(as: UInt32.self).bigEndian
        self.store32(min(timeToLive, maximumTTL), at: start + 6)
    }
}
