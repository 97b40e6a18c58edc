// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

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
    /// What was found and what is wanted, in words, for our own log: it isn't sent, and two that
    /// differ in it alone are equal.
    public var finding: String?

    public init(_ code: Code, _ subcode: UInt8 = 0, data: [UInt8] = []) {
        self.code = code
        self.subcode = subcode
        self.data = data
    }

    public static func == (a: Self, b: Self) -> Bool {
        a.code == b.code && a.subcode == b.subcode && a.data == b.data
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(self.code)
        hasher.combine(self.subcode)
        hasher.combine(self.data)
    }

    /// The same, with what was found.
    public func because(_ finding: String) -> Notification {
        var result = self
        result.finding = finding
        return result
    }
}

extension Notification {
    /// RFC 4271 §6.1.
    public enum HeaderSubcode: UInt8, Sendable, Hashable {
        case notSynchronized = 1
        case badLength = 2
        case badType = 3
    }

    /// RFC 4271 §6.2.
    public enum OpenSubcode: UInt8, Sendable, Hashable {
        case unspecific = 0
        case unsupportedVersion = 1
        case badPeerAS = 2
        case badIdentifier = 3
        case unsupportedParameter = 4
        case unacceptableHoldTime = 6
        /// RFC 5492 §3
        case unsupportedCapability = 7
        /// RFC 9234 §4.2
        case roleMismatch = 11
    }

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

    /// RFC 6608 §3: in which state a message came that doesn't belong there.
    public enum StateSubcode: UInt8, Sendable, Hashable {
        case unspecific = 0
        case inOpenSent = 1
        case inOpenConfirm = 2
        case inEstablished = 3
    }

    /// RFC 4486 §3, RFC 8538 §3.
    public enum CeaseSubcode: UInt8, Sendable, Hashable {
        case maximumPrefixes = 1
        case administrativeShutdown = 2
        case peerDeconfigured = 3
        case administrativeReset = 4
        case connectionRejected = 5
        case configurationChange = 6
        case collisionResolution = 7
        case outOfResources = 8
        case hardReset = 9
    }

    public static func header(_ subcode: HeaderSubcode, data: [UInt8] = []) -> Notification {
        Notification(.messageHeader, subcode.rawValue, data: data)
    }

    public static func open(_ subcode: OpenSubcode, data: [UInt8] = []) -> Notification {
        Notification(.open, subcode.rawValue, data: data)
    }

    public static func update(_ subcode: UpdateSubcode, data: [UInt8] = []) -> Notification {
        Notification(.update, subcode.rawValue, data: data)
    }

    /// A message came that doesn't belong in a state; its type is told (RFC 6608 §4).
    public static func state(_ subcode: StateSubcode, on type: MessageType) -> Notification {
        Notification(.finiteStateMachine, subcode.rawValue, data: [type.rawValue])
    }

    /// The end that isn't an error's. A shutdown or a reset may bring a sentence for the other
    /// side's log (RFC 9003); it is cut at 255 bytes, between characters.
    public static func cease(_ subcode: CeaseSubcode, message: String? = nil) -> Notification {
        var data: [UInt8] = []
        if let message, subcode == .administrativeShutdown || subcode == .administrativeReset {
            var text: [UInt8] = []
            for character in message {
                let next = Array(character.utf8)
                guard text.count + next.count <= 255 else { break }
                text += next
            }
            data = [UInt8(text.count)] + text
        }
        return Notification(.cease, subcode.rawValue, data: data)
    }

    /// More prefixes came than are allowed; the bound is told (RFC 4486 §4): AFI `u16`,
    /// SAFI `u8`, a count `u32`.
    public static func maximumPrefixes(_ family: AddressFamily, bound: Int) -> Notification {
        Notification(
            .cease, CeaseSubcode.maximumPrefixes.rawValue,
            data: [0, family.rawValue, 1] + UInt32(clamping: bound).bigEndianBytes)
    }

    /// The same, so that a peer that helps through NOTIFICATIONs keeps nothing of ours
    /// (RFC 8538 §3.1): a Hard Reset around it.
    public var hardened: Notification {
        Notification(
            .cease, CeaseSubcode.hardReset.rawValue,
            data: [self.code.rawValue, self.subcode] + self.data)
    }

    public var isHardReset: Bool {
        self.code == .cease && self.subcode == CeaseSubcode.hardReset.rawValue
    }

    /// What a Hard Reset was sent for (RFC 8538 §3.1), else the NOTIFICATION itself.
    public var cause: Notification {
        guard self.isHardReset, let inner = Notification(body: self.data.span.bytes),
            !inner.isHardReset
        else { return self }
        return inner
    }

    public static let holdTimerExpired = Notification(.holdTimerExpired)

    /// What fits a message of 4,096 bytes after header, code and subcode.
    public static let maximumData = 4096 - 21

    /// Reads the body: code `u8`, subcode `u8`, data to the end. Nil where it is too short, of
    /// which RFC 4271 §6.4 says that nobody is to be told.
    public init?(body: RawSpan) {
        guard let code = body.uint8(at: 0), let subcode = body.uint8(at: 1) else { return nil }
        self.init(
            Code(rawValue: code), subcode, data: body.bytes(in: 2..<max(2, body.byteCount)))
    }
}
