// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// A BMP message's type (RFC 7854 §4.1). Any value is legal on the wire.
public struct BMPMessageType: RawRepresentable, Sendable, Hashable {
    public var rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let routeMonitoring = Self(rawValue: 0)
    public static let statistics = Self(rawValue: 1)
    public static let peerDown = Self(rawValue: 2)
    public static let peerUp = Self(rawValue: 3)
    public static let initiation = Self(rawValue: 4)
    public static let termination = Self(rawValue: 5)
    public static let routeMirroring = Self(rawValue: 6)
}

extension BMPMessageType: CustomStringConvertible {
    public var description: String {
        switch self {
        case .routeMonitoring: "Route Monitoring"
        case .statistics: "Statistics Report"
        case .peerDown: "Peer Down"
        case .peerUp: "Peer Up"
        case .initiation: "Initiation"
        case .termination: "Termination"
        case .routeMirroring: "Route Mirroring"
        default: "message of type \(self.rawValue)"
        }
    }
}

/// Where a BMP message ends and what it is: a version `u8`, a length `u32` that counts all of it,
/// and a type `u8` (RFC 7854 §4.1).
public struct BMPFrame: Sendable, Hashable {
    public static let headerLength = 6
    public static let version: UInt8 = 3
    /// More than any message needs: the longest BGP message and a few headers, or two OPENs, or
    /// some thousand statistics.
    public static let maximumLength = 1 << 17

    public var type: BMPMessageType
    /// Of the whole message, header and all.
    public var length: Int

    public init(type: BMPMessageType, length: Int) {
        self.type = type
        self.length = length
    }

    /// Reads the header at an offset.
    ///
    /// - Returns: Nil where its 6 bytes are not there yet. The message itself may still be
    ///   incomplete then.
    /// - Throws: What is wrong with it: nothing after it can be read.
    public static func read(_ bytes: RawSpan, at offset: Int) throws(BMPError) -> BMPFrame? {
        guard let version = bytes.uint8(at: offset) else { return nil }
        guard version == Self.version else { throw .version(version) }
        guard let length = bytes.uint32(at: offset + 1), let type = bytes.uint8(at: offset + 5)
        else { return nil }
        guard (UInt32(Self.headerLength)...UInt32(Self.maximumLength)).contains(length) else {
            throw .length(length)
        }
        return BMPFrame(type: BMPMessageType(rawValue: type), length: Int(length))
    }
}

/// Why a BMP message, or the whole stream, can't be read.
public enum BMPError: Error, Sendable, Hashable {
    case version(UInt8)
    /// Of a message: shorter than its header, or longer than ``BMPFrame/maximumLength``.
    case length(UInt32)
    /// A message ends before what must be in it.
    case truncated(BMPMessageType, need: Int, have: Int)
    /// The BGP message within isn't what it must be.
    case innerMessage(BMPMessageType, Notification)
}

extension BMPError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .version(let version): "BMP version \(version), which is not \(BMPFrame.version)"
        case .length(let length):
            "a message of \(length) bytes, which must have \(BMPFrame.headerLength) to "
                + "\(BMPFrame.maximumLength)"
        case .truncated(let type, let need, let have):
            "\(type) of \(have) bytes, which needs \(need)"
        case .innerMessage(let type, let notification):
            "\(type) with a BGP message that can't be read: \(notification)"
        }
    }
}
