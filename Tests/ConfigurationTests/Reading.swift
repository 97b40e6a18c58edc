// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Configuration
import Foundation
import Glibc

/// Configurations from text, and what there is to complain of.
enum Reading {
    /// What a file needs at the least, in one line; tests put more behind it.
    static let sites =
        "sites: { sydney: { as: 64600, addresses: [192.0.2.1] }, "
        + "tokyo: { as: 64602, addresses: [192.0.2.2] } }\n"
    /// What BGP needs beside, in another line.
    static let router = "router: { as: 65000, id: 192.0.2.9 }\n"

    static func parse(_ text: String) throws -> Configuration {
        try Configuration.parse(Array(text.utf8))
    }

    /// The complaints about a text, `line:column: text` each; empty where there are none.
    static func complaints(_ text: String) -> [String] { self.complaints(Array(text.utf8)) }

    static func complaints(_ bytes: [UInt8]) -> [String] {
        do throws(ConfigurationError) {
            _ = try Configuration.parse(bytes, file: "")
            return []
        } catch {
            return error.complaints.map { "\($0.line):\($0.column): \($0.text)" }
        }
    }
}

/// A folder with files, gone with the value.
final class Folder {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory
            .appendingPathComponent("martlet-configuration-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        self.path = url.path
    }

    deinit { try? FileManager.default.removeItem(atPath: self.path) }

    @discardableResult
    func write(_ text: String, _ name: String, mode: mode_t = 0o600) throws -> String {
        let path = "\(self.path)/\(name)"
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        chmod(path, mode)
        return path
    }

    /// The complaints about a file of this folder, without the folder's own path.
    func complaints(_ text: String) throws -> [String] {
        let path = try self.write(text, "martlet.yaml")
        do throws(ConfigurationError) {
            _ = try Configuration.load(path: path)
            return []
        } catch {
            return error.complaints.map {
                $0.description.replacingOccurrences(of: self.path + "/", with: "")
            }
        }
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
