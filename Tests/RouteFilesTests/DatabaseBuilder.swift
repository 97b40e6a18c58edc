// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// Writes databases in MaxMind's format, version 2.0, as
/// https://maxmind.github.io/MaxMind-DB/ describes it.
struct DatabaseBuilder {
    indirect enum Value: Hashable {
        case text(String)
        case double(Double)
        case float(Float)
        case short(UInt16)
        case number(UInt32)
        case long(UInt64)
        case map([Pair])
        case list([Value])
        case truth(Bool)

        struct Pair: Hashable {
            var key: String
            var value: Value
        }

        static func map(_ pairs: KeyValuePairs<String, Value>) -> Value {
            .map(pairs.map { Pair(key: $0.key, value: $0.value) })
        }
    }

    /// A side of a node.
    private enum Side {
        case empty
        case node(Int)
        case record(Int)
    }

    private let isIPv6: Bool
    private var nodes: [[Side]] = [[.empty, .empty]]
    private var data: [UInt8] = []
    private var offsets: [Value: Int] = [:]
    var type = "Test"

    init(isIPv6: Bool = true) { self.isIPv6 = isIPv6 }

    var nodeCount: Int { self.nodes.count }

    /// Says something of a block; a later block prevails over an earlier one around it.
    mutating func add(_ prefix: IPPrefix, _ value: Value) {
        var offset = self.offsets[value]
        if offset == nil {
            offset = self.data.count
            self.offsets[value] = offset
            Self.encode(value, into: &self.data)
        }
        self.set(prefix, .record(offset ?? 0))
    }

    /// Leads a block of IPv6 to where IPv4 begins.
    mutating func alias(_ prefix: IPPrefix) {
        var place = 0
        for _ in 0..<96 {
            guard case .node(let next) = self.nodes[place][0] else { return }
            place = next
        }
        self.set(prefix, .node(place))
    }

    private mutating func set(_ prefix: IPPrefix, _ side: Side) {
        var bits = prefix.address.leftAligned
        var length = prefix.length
        if prefix.family == .ipv4, self.isIPv6 {
            bits = bits >> 96
            length += 96
        }
        var node = 0
        for depth in 0..<length {
            let bit = Int(bits >> UInt128(127 - depth) & 1)
            if depth == length - 1 {
                self.nodes[node][bit] = side
                return
            }
            if case .node(let next) = self.nodes[node][bit] {
                node = next
            } else {
                let inherited = self.nodes[node][bit]
                self.nodes.append([inherited, inherited])
                self.nodes[node][bit] = .node(self.nodes.count - 1)
                node = self.nodes.count - 1
            }
        }
    }

    /// The file's bytes.
    func bytes(recordSize: Int = 24) -> [UInt8] {
        var bytes: [UInt8] = []
        func record(_ side: Side) -> UInt32 {
            switch side {
            case .empty: UInt32(self.nodes.count)
            case .node(let number): UInt32(number)
            case .record(let offset): UInt32(self.nodes.count + 16 + offset)
            }
        }
        for node in self.nodes {
            let (left, right) = (record(node[0]), record(node[1]))
            switch recordSize {
            case 24:
                bytes += Self.bigEndian(left).dropFirst()
                bytes += Self.bigEndian(right).dropFirst()
            case 28:
                bytes += Self.bigEndian(left).dropFirst()
                bytes.append(UInt8(left >> 24) << 4 | UInt8(right >> 24))
                bytes += Self.bigEndian(right).dropFirst()
            default:
                bytes += Self.bigEndian(left) + Self.bigEndian(right)
            }
        }
        bytes += [UInt8](repeating: 0, count: 16) + self.data
        bytes += [0xab, 0xcd, 0xef] + Array("MaxMind.com".utf8)
        Self.encode(
            .map([
                "binary_format_major_version": .short(2),
                "binary_format_minor_version": .short(0),
                "build_epoch": .long(1_400_000_000), "database_type": .text(self.type),
                "description": .map([:]), "ip_version": .short(self.isIPv6 ? 6 : 4),
                "languages": .list([]), "node_count": .number(UInt32(self.nodes.count)),
                "record_size": .short(UInt16(recordSize)),
            ]), into: &bytes)
        return bytes
    }

    private static func bigEndian(_ number: UInt32) -> [UInt8] {
        withUnsafeBytes(of: number.bigEndian, Array.init)
    }

    private static func encode(_ value: Value, into bytes: inout [UInt8]) {
        func control(_ type: UInt8, _ size: Int) {
            precondition(size < 285, "sizes of one further byte are enough here")
            let low = UInt8(min(size, 29))
            bytes.append(type <= 7 ? type << 5 | low : low)
            if type > 7 { bytes.append(type - 7) }
            if size >= 29 { bytes.append(UInt8(size - 29)) }
        }
        func integer(_ type: UInt8, _ number: UInt64) {
            let significant = withUnsafeBytes(of: number.bigEndian, Array.init).drop { $0 == 0 }
            control(type, significant.count)
            bytes += significant
        }
        switch value {
        case .text(let text):
            control(2, text.utf8.count)
            bytes += Array(text.utf8)
        case .double(let number):
            control(3, 8)
            bytes += withUnsafeBytes(of: number.bitPattern.bigEndian, Array.init)
        case .float(let number):
            control(15, 4)
            bytes += Self.bigEndian(number.bitPattern)
        case .short(let number): integer(5, UInt64(number))
        case .number(let number): integer(6, UInt64(number))
        case .long(let number): integer(9, number)
        case .map(let pairs):
            control(7, pairs.count)
            for pair in pairs {
                Self.encode(.text(pair.key), into: &bytes)
                Self.encode(pair.value, into: &bytes)
            }
        case .list(let values):
            control(11, values.count)
            for value in values { Self.encode(value, into: &bytes) }
        case .truth(let truth): control(14, truth ? 1 : 0)
        }
    }
}
