// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Why a session ends, as a NOTIFICATION says it (RFC 4271 §4.5): a code, a subcode and data.
public struct Notification: Error, Sendable, Hashable {
    /// RFC 4271 §4.5. Any value is legal on the wire.
    public struct Code: RawRepresentable, Sendable, Hashable {
        public var rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        public static let messageHeader = Self(rawValue: 1)
        public static let open = Self(rawValue: 2)
        public static let update = Self(rawValue: 3)
        public static let holdTimerExpired = Self(rawValue: 4)
        public static let finiteStateMachine = Self(rawValue: 5)
        public static let cease = Self(rawValue: 6)
        /// RFC 7313 §5
        public static let routeRefresh = Self(rawValue: 7)
        /// RFC 9687
        public static let sendHoldTimerExpired = Self(rawValue: 8)
    }

    public var code: Code
    public var subcode: UInt8
    public var data: [UInt8]

    public init(_ code: Code, _ subcode: UInt8 = 0, data: [UInt8] = []) {
        self.code = code
        self.subcode = subcode
        self.data = data
    }
}

extension Notification {
    /// RFC 4271 §6.3.
    public enum UpdateSubcode: UInt8, Sendable, Hashable {
        case malformedAttributeList = 1
        case unrecognizedWellKnown = 2
        case missingWellKnown = 3
        case attributeFlags = 4
        case attributeLength = 5
        case invalidOrigin = 6
        case invalidNextHop = 8
        case optionalAttribute = 9
        case invalidNetworkField = 10
        case malformedPath = 11
    }

    public static func update(_ subcode: UpdateSubcode, data: [UInt8] = []) -> Notification {
        Notification(.update, subcode.rawValue, data: data)
    }

    /// What fits a message of 4,096 bytes after header, code and subcode.
    public static let maximumData = 4096 - 21
}
