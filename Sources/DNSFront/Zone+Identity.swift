// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import DNSWire

/// Whether zones are the same to the letter: names that differ in the case of letters are equal
/// (RFC 4343), and answers have them as they are written.
extension Zone {
    func isIdentical(to other: Zone) -> Bool {
        self.isAvailable == other.isAvailable && self.timeToLive == other.timeToLive
            && self.apex.wire == other.apex.wire
            && self.startOfAuthority == other.startOfAuthority
            && self.startOfAuthority.host.wire == other.startOfAuthority.host.wire
            && self.startOfAuthority.mailbox.wire == other.startOfAuthority.mailbox.wire
            && self.hasIdenticalNames(to: other) && self.hasIdenticalRecords(to: other)
    }

    private func hasIdenticalNames(to other: Zone) -> Bool {
        self.nearest == other.nearest
            && self.nearest.allSatisfy { owner, record in
                guard let theirs = other.nearest[owner] else { return false }
                return record.aliases.allSatisfy { site, alias in
                    theirs.aliases[site]?.wire == alias.wire
                }
            }
    }

    private func hasIdenticalRecords(to other: Zone) -> Bool {
        guard self.records.count == other.records.count else { return false }
        return self.records.allSatisfy { owner, sets in
            guard let theirs = other.records[owner] else { return false }
            return sets.elementsEqual(theirs) { $0.isIdentical(to: $1) }
        }
    }
}

extension ResourceRecordSet {
    fileprivate func isIdentical(to other: ResourceRecordSet) -> Bool {
        self.type == other.type && self.timeToLive == other.timeToLive
            && self.data.elementsEqual(other.data) { $0.isIdentical(to: $1) }
    }
}

extension RecordData {
    fileprivate func isIdentical(to other: RecordData) -> Bool {
        self.type == other.type
            && self.fields.elementsEqual(other.fields) { mine, theirs in
                switch (mine, theirs) {
                case (.bytes(let a), .bytes(let b)): a == b
                case (.name(let a), .name(let b)): a.wire == b.wire
                case (.compressibleName(let a), .compressibleName(let b)): a.wire == b.wire
                case (.bytes, _), (.name, _), (.compressibleName, _): false
                }
            }
    }
}
