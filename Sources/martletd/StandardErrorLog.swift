// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
import Synchronization

/// Writes log lines to standard error: with systemd's level prefixes and without the time where
/// standard error is the journal (sd-daemon(3)), else with the time and the level in words.
struct StandardErrorLog: LogHandler {
    /// One level for the whole process, so that a reload can change it.
    private static let level = Atomic<Int>(Self.rank(.info))

    static func setLevel(_ level: Logger.Level) {
        Self.level.store(Self.rank(level), ordering: .relaxed)
    }

    private static func rank(_ level: Logger.Level) -> Int {
        Logger.Level.allCases.firstIndex(of: level) ?? 0
    }

    let label: String
    let isJournal: Bool
    var metadata: Logger.Metadata = [:]

    init(label: String) {
        self.label = label
        self.isJournal = Self.standardErrorIsJournal()
    }

    var logLevel: Logger.Level {
        get { Logger.Level.allCases[Self.level.load(ordering: .relaxed)] }
        set { Self.setLevel(newValue) }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var line = self.isJournal ? Self.journalPrefix(event.level) : Self.timePrefix(event.level)
        line += "\(self.label): \(event.message)"
        let metadata = self.metadata.merging(event.metadata ?? [:]) { $1 }
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            line += " \(key)=\(value)"
        }
        // One write, so that lines of several threads don't mix; a line break inside a value
        // must not look like another entry.
        StandardError.print(line.replacing("\n", with: "\\n"))
    }

    private static func timePrefix(_ level: Logger.Level) -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var parts = tm()
        gmtime_r(&now.tv_sec, &parts)
        func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let milliseconds = String(1000 + now.tv_nsec / 1_000_000).dropFirst()
        return "\(1900 + parts.tm_year)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))T"
            + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)).\(milliseconds)Z "
            + "\(level) "
    }

    private static func journalPrefix(_ level: Logger.Level) -> String {
        switch level {
        case .trace, .debug: "<7>"
        case .info: "<6>"
        case .notice: "<5>"
        case .warning: "<4>"
        case .error: "<3>"
        case .critical: "<2>"
        }
    }

    /// systemd names the device and inode of the journal's socket in `JOURNAL_STREAM`
    /// (systemd.exec(5)); another program may have redirected standard error since.
    private static func standardErrorIsJournal() -> Bool {
        guard let stream = getenv("JOURNAL_STREAM") else { return false }
        var status = stat()
        guard fstat(2, &status) == 0 else { return false }
        return String(cString: stream) == "\(status.st_dev):\(status.st_ino)"
    }
}

/// Standard error, a whole line at a time.
enum StandardError {
    static func print(_ line: String) {
        var text = line + "\n"
        text.withUTF8 { bytes in
            _ = Glibc.write(2, bytes.baseAddress, bytes.count)
        }
    }
}
