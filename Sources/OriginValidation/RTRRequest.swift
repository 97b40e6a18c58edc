// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// All that is ever said to a cache.
public enum RTRRequest: Sendable, Hashable {
    /// What has changed since this serial number? (RFC 8210 §5.3)
    case serialQuery(session: UInt16, serial: UInt32)
    /// All that there is (RFC 8210 §5.4).
    case resetQuery
    case errorReport(RTRFault)

    /// The message with its header.
    public func encoded(version: UInt8) -> [UInt8] {
        var bytes: [UInt8] = [version]
        switch self {
        case .serialQuery(let session, let serial):
            bytes += [RTRMessageType.serialQuery.rawValue] + session.bigEndianBytes
            bytes += UInt32(12).bigEndianBytes + serial.bigEndianBytes
        case .resetQuery:
            bytes += [RTRMessageType.resetQuery.rawValue, 0, 0] + UInt32(8).bigEndianBytes
        case .errorReport(let fault):
            let text = Array(fault.text.utf8)
            bytes += [RTRMessageType.errorReport.rawValue] + fault.code.rawValue.bigEndianBytes
            bytes += UInt32(16 + fault.quote.count + text.count).bigEndianBytes
            bytes += UInt32(fault.quote.count).bigEndianBytes + fault.quote
            bytes += UInt32(text.count).bigEndianBytes + text
        }
        return bytes
    }
}

extension FixedWidthInteger {
    /// In network order.
    var bigEndianBytes: [UInt8] { withUnsafeBytes(of: self.bigEndian) { [UInt8]($0) } }
}
