// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import RouteFiles

/// Real files, where they are to be had.
enum TestData {
    /// MARTLET_DATA, or `../shared/data` beside the package.
    static let folder: URL = {
        if let path = ProcessInfo.processInfo.environment["MARTLET_DATA"] {
            return URL(fileURLWithPath: path)
        }
        return URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("shared/data")
    }()

    static func path(_ name: String) -> String { self.folder.appendingPathComponent(name).path }

    static let isThere: Bool = {
        let isThere = FileManager.default.fileExists(atPath: Self.path("mrt/rib"))
        if !isThere {
            print("Tests on real tables are skipped: no mrt/rib in \(Self.folder.path)")
        }
        return isThere
    }()

    /// Written files go here, and with the process.
    private static let scratch: URL = {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("martlet-tests-\(getpid())")
        atexit { try? FileManager.default.removeItem(at: TestData.scratch) }
        return folder
    }()

    /// A path that no other test has.
    static func temporary(_ name: String) throws -> String {
        try FileManager.default.createDirectory(
            at: self.scratch, withIntermediateDirectories: true)
        return self.scratch.appendingPathComponent("\(UUID().uuidString)-\(name)").path
    }

    static func write(_ bytes: [UInt8], _ name: String) throws -> String {
        let path = try self.temporary(name)
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        return path
    }
}

/// The lines that a command prints, one after another.
final class CommandLines {
    private let stream: UnsafeMutablePointer<FILE>
    private var line: UnsafeMutablePointer<CChar>?
    private var capacity = 0

    /// Arguments are quoted for the shell.
    init?(_ command: String...) {
        let words = command.map { "'" + $0.replacing("'", with: "'\\''") + "'" }
        guard let stream = popen(words.joined(separator: " "), "r") else { return nil }
        self.stream = stream
    }

    deinit {
        pclose(self.stream)
        free(self.line)
    }

    /// The next line without its end, as bytes that hold until the next call.
    func next() -> UnsafeBufferPointer<UInt8>? {
        let count = getline(&self.line, &self.capacity, self.stream)
        guard count > 0, let line = self.line else { return nil }
        let start = UnsafeRawPointer(line).assumingMemoryBound(to: UInt8.self)
        let end = start[count - 1] == UInt8(ascii: "\n") ? count - 1 : count
        return UnsafeBufferPointer(start: start, count: end)
    }

    static func isInstalled(_ command: String) -> Bool {
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").contains {
            access("\($0)/\(command)", X_OK) == 0
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
