// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSWire
import Glibc

/// Writes one answer into memory that the caller lends. A trivial value.
struct ResponseWriter {
    let base: UnsafeMutableRawPointer
    /// Where the sections must end; room for the OPT record lies beyond.
    var limit: Int
    private(set) var count = 0
    /// Something didn't fit: the answer is cut to its question, and says so.
    var isTruncated = false
    var answerCount: UInt16 = 0
    var authorityCount: UInt16 = 0
    var additionalCount: UInt16 = 0

    init(base: UnsafeMutableRawPointer, limit: Int) {
        self.base = base
        self.limit = limit
    }

    @inline(__always)
    func store16(_ value: UInt16, at position: Int) {
        self.base.storeBytes(of: value.bigEndian, toByteOffset: position, as: UInt16.self)
    }

    @inline(__always)
    func store32(_ value: UInt32, at position: Int) {
        self.base.storeBytes(of: value.bigEndian, toByteOffset: position, as: UInt32.self)
    }

    /// Copies the header and the question of the query; the header is written over at the end.
    @inline(__always)
    mutating func echo(_ query: RawSpan, byteCount: Int) {
        query.withUnsafeBytes { bytes in
            if let from = bytes.baseAddress {
                self.base.copyMemory(from: from, byteCount: byteCount)
            }
        }
        self.count = byteCount
    }

    /// Copies a block and sets its pointers: to the apex, which stands at `apex` in the message,
    /// and beside the block that stands at `beside`.
    ///
    /// Gives where the block stands now, or nil where it didn't fit.
    @inline(__always)
    mutating func append(
        _ block: EncodedBlock, of index: ZoneIndex, apex: Int, beside: Int = 0
    ) -> Int? {
        let length = Int(block.byteCount)
        let start = self.count
        guard start + length <= self.limit, let bytes = index.bytes.baseAddress else { return nil }
        (self.base + start).copyMemory(
            from: UnsafeRawPointer(bytes) + Int(block.offset), byteCount: length)
        let first = Int(block.firstPatch)
        for number in first..<first + Int(block.patchCount) {
            let patch = index.patches[number]
            let target = patch.target.besidePosition.map { beside + $0 } ?? apex
            self.store16(
                0xc000 | UInt16(truncatingIfNeeded: target), at: start + Int(patch.position))
        }
        self.count = start + length
        return start
    }

    /// Lets the records of the block at `start` be owned by the name at `owner`.
    mutating func setOwner(_ owner: Int, start: Int, recordCount: Int) {
        var position = start
        for _ in 0..<recordCount {
            self.store16(0xc000 | UInt16(truncatingIfNeeded: owner), at: position)
            let length = (self.base + position + 10).loadUnaligned(as: UInt16.self).bigEndian
            position += 12 + Int(length)
        }
    }

    /// Appends an address record, owned by the name at `owner`.
    @inline(__always)
    mutating func append(
        record: UnsafeRawPointer, family: AddressFamily, timeToLive: UInt32, owner: Int
    ) -> Bool {
        let size = SiteRecords.recordByteCount(family)
        guard self.count + size <= self.limit else { return false }
        (self.base + self.count).copyMemory(from: record, byteCount: size)
        self.store32(timeToLive, at: self.count + 6)
        if owner != MessageHeader.byteCount {
            self.store16(0xc000 | UInt16(truncatingIfNeeded: owner), at: self.count)
        }
        self.count += size
        return true
    }

    /// Takes away the last of equal address records, `first` being where the first of them stands:
    /// two sites may share an address, a set has each record once (RFC 2181 §5).
    mutating func removeLastIfRepeated(since first: Int, family: AddressFamily) -> Bool {
        let size = SiteRecords.recordByteCount(family)
        let last = self.count - size
        var position = first
        while position < last {
            if memcmp(self.base + position + 12, self.base + last + 12, family.byteCount) == 0 {
                self.count = last
                return true
            }
            position += size
        }
        return false
    }

    /// Appends bytes as they are; false where they don't fit.
    @inline(__always)
    mutating func append(_ bytes: UnsafeRawPointer, byteCount: Int) -> Bool {
        guard self.count + byteCount <= self.limit else { return false }
        (self.base + self.count).copyMemory(from: bytes, byteCount: byteCount)
        self.count += byteCount
        return true
    }

    /// Takes back what was written from `position` on.
    mutating func cut(to position: Int) { self.count = position }

    /// Appends the OPT record (RFC 6891 §6.1.2), with the query's subnet and the scope of the
    /// answer (RFC 7871 §6) and an extended error (RFC 8914 §2) where there are any.
    mutating func appendOPT(
        payloadSize: UInt16, code: ResponseCode, isDNSSECOK: Bool, subnet: ClientSubnet?,
        scope: UInt8, error: ExtendedError?
    ) {
        let at = self.count
        self.base.storeBytes(of: 0, toByteOffset: at, as: UInt8.self)
        self.store16(RecordType.opt.rawValue, at: at + 1)
        self.store16(payloadSize, at: at + 3)
        let flags: UInt32 = isDNSSECOK ? UInt32(EDNSRequest.dnssecOK) : 0
        self.store32(UInt32(code.rawValue >> 4) << 24 | flags, at: at + 5)
        var end = at + 11
        if let subnet {
            let length = subnet.addressByteCount
            self.store16(OptionCode.clientSubnet.rawValue, at: end)
            self.store16(UInt16(4 + length), at: end + 2)
            self.store16(subnet.family, at: end + 4)
            self.base.storeBytes(of: subnet.sourceLength, toByteOffset: end + 6, as: UInt8.self)
            self.base.storeBytes(of: scope, toByteOffset: end + 7, as: UInt8.self)
            if let address = subnet.address {
                for index in 0..<length {
                    self.base.storeBytes(
                        of: address.byte(at: index), toByteOffset: end + 8 + index,
                        as: UInt8.self)
                }
            }
            end += 8 + length
        }
        if let error {
            self.store16(OptionCode.extendedError.rawValue, at: end)
            self.store16(2, at: end + 2)
            self.store16(error.rawValue, at: end + 4)
            end += 6
        }
        self.store16(UInt16(end - at - 11), at: at + 9)
        self.count = end
        self.additionalCount += 1
    }

    /// Bytes that ``appendOPT(payloadSize:code:isDNSSECOK:subnet:scope:error:)`` will need.
    @inline(__always)
    static func optByteCount(subnet: ClientSubnet?, error: ExtendedError?) -> Int {
        11 + (subnet?.optionByteCount ?? 0) + (error == nil ? 0 : 6)
    }

    /// Writes the header over the query's.
    @inline(__always)
    func writeHeader(flags: UInt16, questionCount: UInt16) {
        self.store16(flags, at: 2)
        self.store16(questionCount, at: 4)
        self.store16(self.answerCount, at: 6)
        self.store16(self.authorityCount, at: 8)
        self.store16(self.additionalCount, at: 10)
    }
}
