// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import DNSWire

/// Records as they go into messages, but for the pointers of compressed names.
///
/// Where the apex stands in a message depends on the question; so its places are kept as patches.
/// A trivial value: the bytes and the patches lie in the zone set's memory.
struct EncodedBlock {
    var offset: UInt32
    var byteCount: UInt16
    var recordCount: UInt16
    var firstPatch: UInt32
    var patchCount: UInt16

    static let none = EncodedBlock(
        offset: 0, byteCount: 0, recordCount: 0, firstPatch: 0, patchCount: 0)

    /// What a message of 65,535 bytes holds beside header, question, a chain of aliases and OPT.
    static let maximumByteCount = 60_000

    /// A two-byte pointer to write when a block is copied.
    struct Patch {
        var position: UInt16
        /// Where it leads.
        var target: Target
    }

    struct Target: Equatable {
        var rawValue: UInt16

        /// The zone's apex, as the end of the question's name.
        static let apex = Target(rawValue: 0)

        /// A place of the block before: of the NS records, for their addresses.
        static func beside(_ position: Int) -> Target? {
            position < Self.reach ? Target(rawValue: 0x8000 | UInt16(position)) : nil
        }

        var besidePosition: Int? {
            self.rawValue & 0x8000 != 0 ? Int(self.rawValue & 0x7fff) : nil
        }

        /// A pointer has 14 bits. Header, question and sixteen redirections, each a DNAME and an alias of
        /// 24 bytes and two names, may come before: less than 9216 bytes.
        private static var reach: Int { 0x1c00 }
    }
}

/// Writes blocks one after another.
struct BlockEncoder {
    private(set) var bytes: [UInt8] = []
    private(set) var patches: [EncodedBlock.Patch] = []

    enum Owner {
        /// The question's name, byte 12 of every message.
        case question
        case target(EncodedBlock.Target)
        case name(DomainName)
    }

    /// Adds the records of one set.
    ///
    /// - Returns: The block, and for each record the place in it where its data start.
    mutating func encode(
        _ sets: [(owner: Owner, set: ResourceRecordSet)], apex: DomainName
    ) -> (block: EncodedBlock, dataPositions: [Int]) {
        let start = self.bytes.count
        let firstPatch = self.patches.count
        var positions: [Int] = []
        for (owner, set) in sets {
            for data in set.data {
                switch owner {
                case .question: self.append(UInt16(0xc000 | MessageHeader.byteCount))
                case .target(let target): self.appendPointer(target, from: start)
                case .name(let name): self.append(name, apex: apex, from: start)
                }
                self.append(set.type.rawValue)
                self.append(RecordClass.internet.rawValue)
                self.append(set.timeToLive)
                let lengthAt = self.bytes.count
                self.append(UInt16(0))
                positions.append(self.bytes.count - start)
                for field in data.fields {
                    switch field {
                    case .bytes(let bytes): self.bytes += bytes
                    case .name(let name): self.bytes += name.wire
                    case .compressibleName(let name):
                        self.append(name, apex: apex, from: start)
                    }
                }
                let length = UInt16(truncatingIfNeeded: self.bytes.count - lengthAt - 2)
                self.bytes[lengthAt] = UInt8(length >> 8)
                self.bytes[lengthAt + 1] = UInt8(length & 0xff)
            }
        }
        let block = EncodedBlock(
            offset: UInt32(start), byteCount: UInt16(self.bytes.count - start),
            recordCount: UInt16(positions.count), firstPatch: UInt32(firstPatch),
            patchCount: UInt16(self.patches.count - firstPatch))
        return (block, positions)
    }

    /// Adds bytes that belong to no block, and gives their place.
    mutating func append(name: DomainName) -> Int {
        let start = self.bytes.count
        self.bytes += name.wire
        return start
    }

    /// Two bytes that were written before.
    func word(at position: Int) -> UInt16 {
        UInt16(self.bytes[position]) << 8 | UInt16(self.bytes[position + 1])
    }

    private mutating func append(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.bigEndian) { self.bytes += $0 }
    }

    private mutating func appendPointer(_ target: EncodedBlock.Target, from start: Int) {
        self.patches.append(
            EncodedBlock.Patch(
                position: UInt16(self.bytes.count - start), target: target))
        self.append(UInt16(0))
    }

    /// A name in the zone ends with a pointer to the apex; others stand whole.
    private mutating func append(_ name: DomainName, apex: DomainName, from start: Int) {
        guard !apex.isRoot, name.isInside(apex) else {
            self.bytes += name.wire
            return
        }
        self.bytes += name.wire.prefix(name.wire.count - apex.wire.count)
        self.appendPointer(.apex, from: start)
    }
}
