// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire
import Foundation
import RouteFiles
import RouteTable

/// The complete table of January 2000 as RIPE's rrc00 had it, in plain arrays.
///
/// Nothing here but the reader of the file's records belongs to Martlet: paths are counted and
/// prefixes are searched for in this test's own way.
struct RealTable {
    /// MARTLET_DATA, or `../shared/data` beside the package.
    private static let data: URL = {
        if let path = ProcessInfo.processInfo.environment["MARTLET_DATA"] {
            return URL(fileURLWithPath: path)
        }
        return URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("shared/data")
    }()

    static let path =
        Self.data.appendingPathComponent("mrt/rib/rrc00.bview.20000111.0032.as-tdv2.gz").path

    static let isThere: Bool = {
        let isThere = FileManager.default.fileExists(atPath: Self.path)
        if !isThere { print("Choosing by a real table is skipped: there is no \(Self.path)") }
        return isThere
    }()

    /// A peer's routes: for each prefix length the hops by the prefix's own bits.
    struct Routes {
        var hops = [[UInt32: Int]](repeating: [:], count: 33)
        var count = 0

        /// The hops of the longest prefix that an address has, tried from the longest on.
        func distance(of address: UInt32) -> Int? {
            for length in stride(from: 32, through: 0, by: -1) {
                let bits = length == 0 ? 0 : address >> UInt32(32 - length)
                if let hops = self.hops[length][bits] { return min(254, hops) }
            }
            return nil
        }
    }

    var peers: [MRTPeer] = []
    var routes: [Routes] = []

    init() throws {
        var reader = try MRTReader(path: Self.path)
        var peers: [MRTPeer] = []
        var routes: [Routes] = []
        while try reader.next({ record, bytes in
            switch record.content {
            case .peerIndexTable:
                peers = try PeerIndexTable(parsing: bytes).peers
                routes = Array(repeating: Routes(), count: peers.count)
            case .rib(let form):
                _ = try RIBRecord.forEachEntry(in: bytes, form: form) { entry in
                    guard entry.prefix.family == .ipv4 else { return }
                    let attributes = bytes.extracting(entry.attributes)
                    let hops = Self.hops(attributes.withUnsafeBytes { Array($0) })
                    let length = Int(entry.prefix.length)
                    let value = entry.prefix.address.ipv4Value
                    let bits = length == 0 ? 0 : value >> UInt32(32 - length)
                    let peer = Int(entry.peerIndex)
                    if routes[peer].hops[length].updateValue(hops, forKey: bits) == nil {
                        routes[peer].count += 1
                    }
                }
            default: break
            }
        }) {}
        self.peers = peers
        self.routes = routes
    }

    /// The path length in an entry's attributes, counted from their bytes (RFC 4271 §4.3,
    /// §9.1.2.2; RFC 5065 §5.3): a sequence's members, one for a set.
    private static func hops(_ bytes: [UInt8]) -> Int {
        var index = 0
        while index + 3 <= bytes.count {
            let isLong = bytes[index] & 0x10 != 0
            let start = index + (isLong ? 4 : 3)
            guard start <= bytes.count else { return 0 }
            let length =
                isLong ? Int(bytes[index + 2]) << 8 | Int(bytes[index + 3]) : Int(bytes[index + 2])
            guard start + length <= bytes.count else { return 0 }
            if bytes[index + 1] == 2 {
                var hops = 0
                var place = start
                while place + 2 <= start + length {
                    let members = Int(bytes[place + 1])
                    switch bytes[place] {
                    case 1: hops += 1
                    case 2: hops += members
                    default: break
                    }
                    place += 2 + 4 * members
                }
                return hops
            }
            index = start + length
        }
        return 0
    }
}
