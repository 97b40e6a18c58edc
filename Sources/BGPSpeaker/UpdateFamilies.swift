// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire

/// Whose prefixes an UPDATE has, as far as its lengths tell.
struct UpdateFamilies {
    enum Use { case none, some, all }

    private(set) var families: FamilySet = []

    /// Looks at a whole message, marker and header included; of one that is no UPDATE or is malformed
    /// the families that were seen before the fault.
    init(of message: RawSpan) {
        guard message.uint8(at: 18) == 2, let withdrawn = message.uint16(at: 19) else { return }
        if withdrawn > 0 { self.families.insert(.ipv4) }
        var position = 21 + Int(withdrawn)
        guard let length = message.uint16(at: position) else { return }
        position += 2
        let end = position + Int(length)
        guard end <= message.byteCount else { return }
        if end < message.byteCount { self.families.insert(.ipv4) }
        while position < end, let flags = message.uint8(at: position),
            let type = message.uint8(at: position + 1)
        {
            let isLong = flags & 0x10 != 0
            let size =
                isLong
                ? message.uint16(at: position + 2).map(Int.init)
                : message.uint8(at: position + 2).map(Int.init)
            guard let size else { return }
            position += isLong ? 4 : 3
            // MP_REACH_NLRI and MP_UNREACH_NLRI begin with AFI `u16` and SAFI `u8`; the address
            // families of SAFI 1 are those that are asked for.
            if type == 14 || type == 15, size >= 3, message.uint8(at: position + 2) == 1 {
                switch message.uint16(at: position) {
                case 1: self.families.insert(.ipv4)
                case 2: self.families.insert(.ipv6)
                default: break
                }
            }
            position += size
        }
    }

    /// How many of the families here are among those with path identifiers.
    func use(of addPath: FamilySet) -> Use {
        let common = self.families.intersection(addPath)
        return common.isEmpty ? .none : common == self.families ? .all : .some
    }
}
