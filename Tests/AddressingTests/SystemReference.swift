// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Glibc

/// What the C library makes of a text: a second reader and printer, written by others.
enum SystemReference {
    /// The address that `inet_pton` reads, tried as IPv4 and as IPv6.
    static func parse(_ text: String) -> IPAddress? {
        var bytes = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, text, &bytes) == 1 { return IPAddress(bytes: bytes.prefix(4)) }
        if inet_pton(AF_INET6, text, &bytes) == 1 { return IPAddress(bytes: bytes) }
        return nil
    }

    static func print(_ address: IPAddress) -> String {
        let family = address.family == .ipv4 ? AF_INET : AF_INET6
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(family, address.bytes, &text, socklen_t(text.count)) != nil else {
            return "inet_ntop failed"
        }
        return String(
            decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// SplitMix64: the same numbers for the same seed, on every machine.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { self.state = seed }

    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var z = self.state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

/// Calls `body` with each text of up to `count` of `parts`, the empty one too.
func forEachText(of parts: [String], upTo count: Int, _ body: (String) -> Void) {
    func extend(_ text: String, _ left: Int) {
        body(text)
        guard left > 0 else { return }
        for part in parts { extend(text + part, left - 1) }
    }
    extend("", count)
}
