// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// A message's type (RFC 4271 §4.1, RFC 2918 §3). Others are errors of the header.
public enum MessageType: UInt8, Sendable, Hashable, CaseIterable {
    case open = 1
    case update = 2
    case notification = 3
    case keepalive = 4
    case routeRefresh = 5

    /// The shortest message of the type, header and all (RFC 4271 §6.1).
    var minimumLength: Int {
        switch self {
        case .open: 29
        case .update: 23
        case .notification: 21
        case .keepalive: 19
        // Too short a one has an error of its own (RFC 7313 §5).
        case .routeRefresh: 19
        }
    }
}

extension MessageType: CustomStringConvertible {
    public var description: String {
        switch self {
        case .open: "OPEN"
        case .update: "UPDATE"
        case .notification: "NOTIFICATION"
        case .keepalive: "KEEPALIVE"
        case .routeRefresh: "ROUTE-REFRESH"
        }
    }
}

/// Where a message ends and what it is: 16 bytes of ones, a length `u16` that counts all of
/// them, and a type `u8` (RFC 4271 §4.1).
public struct MessageFrame: Sendable, Hashable {
    public static let headerLength = 19
    public static let maximumLength = 4096
    /// RFC 8654.
    public static let maximumExtendedLength = 65535

    public var type: MessageType
    /// Of the whole message, header and all.
    public var length: Int

    public init(type: MessageType, length: Int) {
        self.type = type
        self.length = length
    }

    /// Reads the header at an offset.
    ///
    /// - Returns: Nil where the 19 bytes are not there yet. The message itself may still be
    ///   incomplete then.
    /// - Throws: The NOTIFICATION that the header deserves (RFC 4271 §6.1).
    public static func read(
        _ bytes: RawSpan, at offset: Int, extendedMessages: Bool
    ) throws(Notification) -> MessageFrame? {
        guard let first = bytes.uint64(at: offset), let second = bytes.uint64(at: offset + 8),
            let length = bytes.uint16(at: offset + 16), let number = bytes.uint8(at: offset + 18)
        else { return nil }
        guard first == .max, second == .max else {
            let head = AttributeComplaint.hexadecimal(bytes.bytes(in: offset..<offset + 16))
            throw .header(.notSynchronized).because("\(head) stands where 16 times ff must")
        }
        guard Int(length) >= Self.headerLength else {
            throw .header(.badLength, data: length.bigEndianBytes)
        }
        guard let type = MessageType(rawValue: number) else {
            throw .header(.badType, data: [number])
        }
        // RFC 8654 §3: OPEN and KEEPALIVE stay as short as ever.
        let isExtended = extendedMessages && type != .open && type != .keepalive
        guard
            Int(length) <= (isExtended ? Self.maximumExtendedLength : Self.maximumLength),
            Int(length) >= type.minimumLength,
            type != .keepalive || Int(length) == Self.headerLength
        else { throw .header(.badLength, data: length.bigEndianBytes) }
        return MessageFrame(type: type, length: Int(length))
    }
}

extension FixedWidthInteger {
    /// In network order.
    package var bigEndianBytes: [UInt8] {
        withUnsafeBytes(of: self.bigEndian) { [UInt8]($0) }
    }
}
