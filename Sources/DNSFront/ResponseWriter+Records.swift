// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSWire

/// Records that are made for the answer.
extension ResponseWriter {
    /// Where an answer's record stands that has this type and is owned by the name at `owner`, of
    /// those that are written so far; the first of them stands at `start`.
    ///
    /// All of them have owners of two bytes, a pointer.
    func answer(_ type: RecordType, ownedBy owner: Int, since start: Int) -> Int? {
        var position = start
        for _ in 0..<self.answerCount {
            let pointer = self.load16(at: position) & 0x3fff
            if self.load16(at: position + 2) == type.rawValue,
                self.isSameName(Int(pointer), owner)
            {
                return position
            }
            position += 12 + Int(self.load16(at: position + 10))
        }
        return nil
    }

    private func load16(at position: Int) -> UInt16 {
        (self.base + position).loadUnaligned(as: UInt16.self).bigEndian
    }

    private func load8(at position: Int) -> UInt8 {
        self.base.load(fromByteOffset: position, as: UInt8.self)
    }

    /// Whether two names of this message are equal, but for the case of letters.
    private func isSameName(_ one: Int, _ other: Int) -> Bool {
        var (one, other) = (one, other)
        while true {
            one = self.label(at: one)
            other = self.label(at: other)
            let length = self.load8(at: one)
            guard length == self.load8(at: other) else { return false }
            if length == 0 || one == other { return true }
            for index in 1...Int(length) {
                let letters = (self.load8(at: one + index), self.load8(at: other + index))
                guard Self.lowercased(letters.0) == Self.lowercased(letters.1) else {
                    return false
                }
            }
            one += 1 + Int(length)
            other += 1 + Int(length)
        }
    }

    private static func lowercased(_ byte: UInt8) -> UInt8 {
        (0x41...0x5a).contains(byte) ? byte | 0x20 : byte
    }

    /// The place of a label, or of what a pointer there leads to. Our own pointers lead back.
    private func label(at position: Int) -> Int {
        var position = position
        while self.load8(at: position) >= 0xc0 {
            position = Int(self.load16(at: position) & 0x3fff)
        }
        return position
    }

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

    /// Appends the TSIG record that says that a query's key is not known (RFC 8945 §5.2.1), where it
    /// fits `limit` bytes.
    mutating func append(_ signature: QuerySignature, of query: RawSpan, limit: Int) {
        let repeated = signature.repeated
        let start = self.count
        let end = start + repeated.count
        guard end + QuerySignature.replyTailByteCount <= limit else { return }
        self.limit = limit
        let isWritten = query.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return false }
            // The last bytes are written over.
            return self.append(base + repeated.lowerBound, byteCount: repeated.count)
                && self.append(base, byteCount: QuerySignature.replyTailByteCount)
        }
        guard isWritten else { return }
        self.store16(UInt16(signature.replyDataByteCount), at: start + signature.lengthOffset)
        self.store16(0, at: end)
        self.store16(query.bigEndian16(at: 0), at: end + 2)
        self.store16(QuerySignature.badKey, at: end + 4)
        self.store16(0, at: end + 6)
        self.additionalCount += 1
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
        self.limitTimeToLive(at: start, to: maximumTTL)
    }

    /// Cuts the TTL of a record whose owner is a pointer.
    func limitTimeToLive(at start: Int, to maximumTTL: UInt32) {
        let timeToLive = (self.base + start + 6).loadUnaligned(as: UInt32.self).bigEndian
        self.store32(min(timeToLive, maximumTTL), at: start + 6)
    }
}
