// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire

/// Attributes that make a sound IPv4 route, four-octet AS numbers.
enum Sound {
    static let origin = hex("40 01 01 00")
    static let path = hex("40 02 0a 02 02 0000fde9 000004c5")
    static let nextHop = hex("40 03 04 c0000201")
    static let mandatory = origin + path + nextHop
    /// 192.0.2.0/24
    static let prefix = hex("18 c00002")
}

/// The body of an UPDATE.
func updateBody(
    withdrawn: [UInt8] = [], attributes: [UInt8] = [], announced: [UInt8] = []
) -> [UInt8] {
    func length(_ bytes: [UInt8]) -> [UInt8] {
        [UInt8(bytes.count >> 8), UInt8(bytes.count & 255)]
    }
    return length(withdrawn) + withdrawn + length(attributes) + attributes + announced
}

let external = DecodeContext(fourOctetAS: true, isInternal: false)
let internalContext = DecodeContext(fourOctetAS: true, isInternal: true)

extension UpdateDecoding {
    static func decode(_ body: [UInt8], _ context: DecodeContext = external) -> UpdateDecoding {
        decode(body.span.bytes, context: context)
    }

    /// What a receiver of the message would do.
    func changes(
        in body: [UInt8], _ context: DecodeContext = external
    ) throws -> (withdrawn: [IPPrefix], announced: [IPPrefix]) {
        var withdrawn: [IPPrefix] = []
        var announced: [IPPrefix] = []
        try self.forEachWithdrawn(in: body.span.bytes, context: context) { withdrawn.append($1) }
        try self.forEachAnnounced(in: body.span.bytes, context: context) { announced.append($1) }
        return (withdrawn, announced)
    }

    /// What a receiver passes by.
    func ignored(in body: [UInt8], _ context: DecodeContext = external) throws -> [String] {
        var ignored: [String] = []
        try self.forEachIgnored(in: body.span.bytes, context: context) {
            ignored.append($1.description)
        }
        return ignored
    }
}

extension AttributeDecoding {
    static func decode(_ bytes: [UInt8], _ context: DecodeContext = external) -> Self {
        decode(bytes.span.bytes, context: context)
    }
}

/// SplitMix64: a seed repeats a run.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    init(seed: UInt64) { self.state = seed }
    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var word = self.state
        word = (word ^ word >> 30) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ word >> 27) &* 0x94d0_49bb_1331_11eb
        return word ^ word >> 31
    }
}

func prefix(_ text: String) throws -> IPPrefix { try IPPrefix(parsing: text) }
func address(_ text: String) throws -> IPAddress { try IPAddress(parsing: text) }

/// Of the bytes of a body.
func notification(_ body: [UInt8]) -> Notification? { Notification(body: body.span.bytes) }

func refresh(_ body: [UInt8]) throws(Notification) -> RouteRefreshMessage {
    try RouteRefreshMessage(body: body.span.bytes)
}

func openMessage(_ body: [UInt8]) throws(Notification) -> OpenMessage {
    try OpenMessage(body: body.span.bytes)
}
