// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Seconds of one of the kernel's clocks.
enum Clock {
    /// CPU time of the calling thread: it moves little with what else the machine does.
    static func thread() -> Double { Self.read(CLOCK_THREAD_CPUTIME_ID) }
    /// CPU time of all threads of this process.
    static func process() -> Double { Self.read(CLOCK_PROCESS_CPUTIME_ID) }
    static func wall() -> Double { Self.read(CLOCK_MONOTONIC) }

    private static func read(_ clock: clockid_t) -> Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}

/// What the kernel says of this process's memory, in bytes.
enum ProcessMemory {
    static var resident: Int { Self.field("VmRSS:") }
    static var peak: Int { Self.field("VmHWM:") }

    private static func field(_ name: String) -> Int {
        guard let file = fopen("/proc/self/status", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        while fgets(&line, CInt(line.count), file) != nil {
            let text = String(
                decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            guard text.hasPrefix(name) else { continue }
            return
                (text.split(whereSeparator: \.isWhitespace).dropFirst().first
                .flatMap { Int($0) } ?? 0) << 10
        }
        return 0
    }
}

/// One line of JSON: numbers and names, in the order they were added.
struct Report {
    private var fields: [String] = []

    mutating func add(_ name: String, _ value: Double) {
        self.fields.append("\"\(name)\": \(value)")
    }
    mutating func add(_ name: String, _ value: Int) { self.fields.append("\"\(name)\": \(value)") }
    mutating func add(_ name: String, _ value: String) {
        self.fields.append("\"\(name)\": \"\(value)\"")
    }

    /// Prints the line and pushes it out: the other side waits for it.
    func send() {
        print("{\(self.fields.joined(separator: ", "))}")
        fflush(nil)
    }
}

/// A value that the compiler can't know: 0, from outside.
///
/// What the result of one lookup is masked with before the next key depends on it; a constant
/// would let the dependency be dropped.
let opaqueZero: UInt64 = CommandLine.argc > 1_000 ? 1 : 0

/// Says something to whoever watches.
func tell(_ text: String) {
    let line = Array("\(text)\n".utf8)
    _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
}
