// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import DNSWire

/// SplitMix64: the same numbers on every run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { self.state = seed }

    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var value = self.state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }
}

func name(_ text: String) -> DomainName { DomainName(text) ?? .root }

func hex(_ text: String) -> [UInt8] {
    let digits = text.filter { !$0.isWhitespace }.compactMap { $0.hexDigitValue }
    return stride(from: 0, to: digits.count - 1, by: 2).map {
        UInt8(digits[$0] << 4 | digits[$0 + 1])
    }
}

// Spans don't pass through the macros' expansions, so tests read through these.

func readQuery(_ bytes: [UInt8], readsSubnet: Bool = true) -> QueryMessage? {
    QueryMessage(reading: bytes.span.bytes, readsSubnet: readsSubnet)
}

func readMessage(_ bytes: [UInt8]) throws -> Message {
    try Message(reading: bytes.span.bytes)
}

func readName(_ bytes: [UInt8], at offset: inout Int) throws -> DomainName {
    try DomainName(reading: bytes.span.bytes, at: &offset)
}

/// Messages as programs sent them.
enum Capture {
    /// dig 9.18.33 +subnet=192.0.2.0/24 WWW.Example.com A: Client Subnet, then a cookie.
    static let digWithSubnet = hex(
        """
        22330120000100000000000103575757074578616d706c6503636f6d0000010001
        00002904d00000000000170008000700011800c00002000a000854016a40b006b6d4
        """)

    /// kdig 3.2.6 +subnet=2001:db8::/56 +nsid www.example.com AAAA.
    static let kdigWithSubnet = hex(
        """
        7d910120000100000000000103777777076578616d706c6503636f6d00001c0001
        0000291000000000000013000300000008000b0002380020010db8000000
        """)

    /// NSD 4.6.1's answer to alias.example.com A: a CNAME, two NS and three addresses.
    static let nsdAlias = hex(
        """
        12348400000100020002000305616c696173076578616d706c6503636f6d0000010001
        c00c000500010000012c000603777777c012c02f000100010000012c0004c0000250
        c012000200010000012c0006036e7331c012c012000200010000012c0006036e7332c012
        c051000100010000012c0004c0000201c063000100010000012c0004c0000202
        c051001c00010000012c001020010db8000000000000000000000001
        """)

    /// NSD 4.6.1's answer to none.example.com A: NXDOMAIN with its SOA.
    static let nsdMissing = hex(
        """
        123484030001000000010000046e6f6e65076578616d706c6503636f6d0000010001
        c011000600010000003c0027036e7331c0110a686f73746d6173746572c011
        78c4046500000e1000000258000151800000003c
        """)
}
