// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// An OPEN (RFC 4271 §4.2): who speaks, for how long silence is borne, and what it can do.
public struct OpenMessage: Sendable, Hashable {
    public static let version: UInt8 = 4

    /// As it stands in the fixed part: ``ASNumber/trans`` where it doesn't fit two octets.
    public var twoOctetAS: UInt16
    public var holdTimeSeconds: UInt16
    public var identifier: UInt32
    public var capabilities: Capabilities

    /// The AS number that counts (RFC 6793 §4.1).
    public var asNumber: ASNumber {
        self.capabilities.fourOctetAS ?? ASNumber(UInt32(self.twoOctetAS))
    }

    /// Our own. The capability for four-octet AS numbers is put before `capabilities`.
    public init(
        asNumber: ASNumber, holdTimeSeconds: UInt16, identifier: UInt32,
        capabilities: [Capability]
    ) {
        self.twoOctetAS = UInt16(
            truncatingIfNeeded: (asNumber.isTwoOctet ? asNumber : .trans).rawValue)
        self.holdTimeSeconds = holdTimeSeconds
        self.identifier = identifier
        self.capabilities = Capabilities([.fourOctetAS(asNumber)] + capabilities)
    }

    /// Our own, for a peer that refuses optional parameters (RFC 5492 §3).
    public init(withoutCapabilities open: OpenMessage) {
        self = open
        self.capabilities = Capabilities()
    }

    /// Reads the body: version `u8`, AS `u16`, hold time `u16` in seconds, identifier `u32`, a
    /// count `u8` of parameter bytes, and parameters of a type `u8`, a length `u8` and a value;
    /// or, where RFC 9072 §2 says so, a 255, a count `u16`, and lengths of `u16`.
    ///
    /// What it says is judged here as far as its form goes; AS number and identifier are the
    /// session's to judge.
    ///
    /// - Throws: The NOTIFICATION that it deserves (RFC 4271 §6.2).
    public init(body: RawSpan) throws(Notification) {
        guard let version = body.uint8(at: 0), let system = body.uint16(at: 1),
            let holdTime = body.uint16(at: 3), let identifier = body.uint32(at: 5),
            let count = body.uint8(at: 9)
        else { throw .open(.unspecific).because("\(body.byteCount) bytes, 10 are the least") }
        guard version == Self.version else {
            throw .open(.unsupportedVersion, data: UInt16(Self.version).bigEndianBytes)
                .because("the router speaks version \(version), \(Self.version) is wanted")
        }
        guard holdTime == 0 || holdTime >= 3 else {
            throw .open(.unacceptableHoldTime).because(
                "the router wants \(holdTime) s, 0 or at least 3 are possible")
        }
        self.twoOctetAS = system
        self.holdTimeSeconds = holdTime
        self.identifier = identifier
        self.capabilities = Capabilities()
        // RFC 9072 §2: a first parameter of type 255 tells, whatever the count before it; a count
        // of zero never does.
        if count != 0, body.uint8(at: 10) == 255 {
            guard let extended = body.uint16(at: 11),
                13 + Int(extended) == body.byteCount
            else { throw .open(.unspecific) }
            try self.readParameters(body.extracting(13..<body.byteCount), isExtended: true)
        } else {
            guard 10 + Int(count) == body.byteCount else { throw .open(.unspecific) }
            try self.readParameters(body.extracting(10..<body.byteCount), isExtended: false)
        }
    }

    private mutating func readParameters(
        _ bytes: RawSpan, isExtended: Bool
    ) throws(Notification) {
        var position = 0
        while position < bytes.byteCount {
            let length =
                isExtended
                ? bytes.uint16(at: position + 1).map(Int.init)
                : bytes.uint8(at: position + 1).map(Int.init)
            let start = position + (isExtended ? 3 : 2)
            guard let type = bytes.uint8(at: position), let length,
                length <= bytes.byteCount - start
            else { throw .open(.unspecific) }
            guard type == 2 else {
                throw .open(.unsupportedParameter).because(
                    "type \(type), 2 (capabilities) is known alone")
            }
            try self.readCapabilities(bytes.extracting(start..<start + length))
            position = start + length
        }
    }

    private mutating func readCapabilities(_ bytes: RawSpan) throws(Notification) {
        guard self.capabilities.read(bytes) else { throw .open(.unspecific) }
    }

    /// The body, with one parameter for each capability (as most routers send it). Where they
    /// fill more than 255 bytes, in the form of RFC 9072.
    func encodeBody(into bytes: inout [UInt8]) {
        bytes.append(Self.version)
        bytes += self.twoOctetAS.bigEndianBytes
        bytes += self.holdTimeSeconds.bigEndianBytes
        bytes += self.identifier.bigEndianBytes
        let plain = self.capabilities.list.reduce(0) { $0 + 4 + $1.value.count }
        guard plain >= 255 || self.capabilities.list.contains(where: { $0.value.count > 253 })
        else {
            bytes.append(UInt8(plain))
            for capability in self.capabilities.list {
                bytes += [2, UInt8(capability.value.count + 2)]
                bytes += Capabilities([capability]).encoded
            }
            return
        }
        var parameters: [UInt8] = []
        for capability in self.capabilities.list {
            let encoded = Capabilities([capability]).encoded
            // What would make the message too long is left out.
            guard parameters.count + 3 + encoded.count <= Self.maximumParameters else { break }
            parameters += [2] + UInt16(encoded.count).bigEndianBytes + encoded
        }
        bytes += [255, 255] + UInt16(parameters.count).bigEndianBytes + parameters
    }

    /// Bytes of parameters beside a header of 19 and a fixed part of 13.
    private static let maximumParameters = MessageFrame.maximumLength - 32
}
