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

    @inline(__always)
    private func store8(_ value: UInt8, at position: Int) {
        self.base.storeBytes(of: value, toByteOffset: position, as: UInt8.self)
    }

    /// The first byte lowest.
    @inline(__always)
    private func store64(_ value: UInt64, at position: Int) {
        self.base.storeBytes(of: value.littleEndian, toByteOffset: position, as: UInt64.self)
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

    /// Appends the OPT record (RFC 6891 §6.1.2). An extended error that doesn't fit `limit` bytes
    /// is left out, its text first (RFC 8914 §3).
    mutating func appendOPT(_ reply: OPTReply, code: ResponseCode, limit: Int) {
        let at = self.count
        self.store8(0, at: at)
        self.store16(RecordType.opt.rawValue, at: at + 1)
        self.store16(reply.payloadSize, at: at + 3)
        let flags: UInt32 = reply.isDNSSECOK ? UInt32(EDNSRequest.dnssecOK) : 0
        self.store32(UInt32(code.rawValue >> 4) << 24 | flags, at: at + 5)
        self.count = at + OPTReply.headByteCount
        if let subnet = reply.subnet { self.append(subnet, scope: reply.scope) }
        if let cookie = reply.cookie, let server = cookie.server {
            self.appendOption(.cookie, byteCount: Cookie.byteCount)
            self.store64(cookie.client, at: self.count)
            self.store64(server.head, at: self.count + 8)
            self.store64(server.hash, at: self.count + 16)
            self.count += Cookie.byteCount
        }
        if let keepalive = reply.keepalive {
            self.appendOption(.tcpKeepalive, byteCount: 2)
            self.store16(keepalive, at: self.count)
            self.count += 2
        }
        if !reply.identity.isEmpty {
            self.appendOption(.nsid, byteCount: reply.identity.count)
            self.append(reply.identity)
        }
        if let error = reply.error, self.count + 6 <= limit {
            let text = self.count + 6 + reply.errorText.count <= limit ? reply.errorText : .none
            self.appendOption(.extendedError, byteCount: 2 + text.count)
            self.store16(error.rawValue, at: self.count)
            self.count += 2
            self.append(text)
        }
        if reply.isPadded { self.pad(limit: limit) }
        self.store16(UInt16(self.count - at - OPTReply.headByteCount), at: at + 9)
        self.additionalCount += 1
    }

    @inline(__always)
    private mutating func append(_ subnet: ClientSubnet, scope: UInt8) {
        let length = subnet.addressByteCount
        self.appendOption(.clientSubnet, byteCount: 4 + length)
        self.store16(subnet.family, at: self.count)
        self.store8(subnet.sourceLength, at: self.count + 2)
        self.store8(scope, at: self.count + 3)
        self.count += 4
        guard let address = subnet.address else { return }
        var rest = address.high
        for index in 0..<length {
            if index == 8 { rest = address.low }
            self.store8(UInt8(truncatingIfNeeded: rest >> 56), at: self.count &+ index)
            rest &<<= 8
        }
        self.count += length
    }

    /// Makes the message as long as the next multiple of 468 bytes (RFC 8467 §4.1), by an option that
    /// must be the last; not where that is too long.
    private mutating func pad(limit: Int) {
        let block = 468
        let end = (self.count + 4 + block - 1) / block * block
        guard end <= limit else { return }
        self.appendOption(.padding, byteCount: end - self.count - 4)
        memset(self.base + self.count, 0, end - self.count)
        self.count = end
    }

    @inline(__always)
    private mutating func appendOption(_ code: OptionCode, byteCount: Int) {
        self.store16(code.rawValue, at: self.count)
        self.store16(UInt16(byteCount), at: self.count + 2)
        self.count += 4
    }

    @inline(__always)
    private mutating func append(_ run: ByteRun) {
        guard let bytes = run.base else { return }
        (self.base + self.count).copyMemory(from: bytes, byteCount: run.count)
        self.count += run.count
    }

    /// Appends a TXT record of one string, at most 255 bytes of it, that the question's name owns
    /// and nobody is to keep.
    mutating func append(text: ByteRun, _ recordClass: RecordClass) -> Bool {
        let length = min(text.count, 255)
        guard self.count + 13 + length <= self.limit, let bytes = text.base else { return false }
        self.store16(0xc000 | UInt16(MessageHeader.byteCount), at: self.count)
        self.store16(RecordType.txt.rawValue, at: self.count + 2)
        self.store16(recordClass.rawValue, at: self.count + 4)
        self.store32(0, at: self.count + 6)
        self.store16(UInt16(length + 1), at: self.count + 10)
        self.store8(UInt8(length), at: self.count + 12)
        (self.base + self.count + 13).copyMemory(from: bytes, byteCount: length)
        self.count += 13 + length
        self.answerCount += 1
        return true
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

/// What an answer's OPT record says. A trivial value.
struct OPTReply {
    var payloadSize: UInt16 = 0
    var isDNSSECOK = false
    /// The query's subnet, which goes back with the scope of the answer (RFC 7871 §6).
    var subnet: ClientSubnet?
    var scope: UInt8 = 0
    /// With a server's part, which goes back.
    var cookie: Cookie?
    /// Tenths of a second (RFC 7828 §3.1).
    var keepalive: UInt16?
    var identity = ByteRun.none
    var error: ExtendedError?
    /// Goes with the error.
    var errorText = ByteRun.none
    var isPadded = false

    /// Bytes before the options.
    static let headByteCount = 11

    /// Bytes that it needs without an extended error, which gives way to an answer.
    @inline(__always)
    var byteCount: Int {
        Self.headByteCount + (self.subnet?.optionByteCount ?? 0)
            + (self.cookie?.server == nil ? 0 : Cookie.optionByteCount)
            + (self.keepalive == nil ? 0 : 6)
            + (self.identity.isEmpty ? 0 : 4 + self.identity.count)
    }
}
