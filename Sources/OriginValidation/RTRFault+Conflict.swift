// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

extension RTRFault {
    init(_ conflict: VRPConflict, version: UInt8) {
        switch conflict {
        case .duplicate(let payload):
            self.init(
                .duplicateAnnouncement, "\(payload)",
                quoting: VRPChange(payload, isAnnounced: true).encoded(version: version))
        case .unknown(let payload):
            self.init(
                .withdrawalOfUnknownRecord, "\(payload)",
                quoting: VRPChange(payload, isAnnounced: false).encoded(version: version))
        }
    }
}

extension VRPChange {
    /// As it stands on the wire, to be quoted (RFC 8210 §5.6, §5.7).
    func encoded(version: UInt8) -> [UInt8] {
        let prefix = self.payload.prefix
        let type: RTRMessageType = prefix.family == .ipv4 ? .ipv4Prefix : .ipv6Prefix
        let length = UInt32(16 + prefix.family.byteCount)
        return [version, type.rawValue, 0, 0] + length.bigEndianBytes
            + [
                self.isAnnounced ? 1 : 0, UInt8(prefix.length), self.payload.maximumLength, 0,
            ] + prefix.address.bytes + self.payload.asNumber.rawValue.bigEndianBytes
    }
}
