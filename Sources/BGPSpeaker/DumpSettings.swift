// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A feed whose sessions are recorded, and where to.
public struct DumpRecording: Hashable, Sendable {
    /// The feed's name, for the log.
    public var name: String
    public var settings: DumpSettings

    public init(name: String, settings: DumpSettings) {
        self.name = name
        self.settings = settings
    }
}

/// Where and how a feed's sessions are recorded.
public struct DumpSettings: Hashable, Sendable {
    /// The file's path; in its name stand parts of the time in UTC (``NamePart``):
    /// `/var/lib/martlet/sydney.%Y%m%d.%H%M%S.mrt`.
    public var pattern: String
    /// Bytes after which another file is begun; nil: none are too many.
    public var rotateSize: Int?
    /// Time after which another file is begun, by the clock: hourly ones begin on the hour. Nil:
    /// never.
    public var rotateEvery: Duration?
    /// Files that are kept, the newest; nil: all.
    public var keep: Int?
    /// Bytes that wait to be written at most; what comes when there are as many is dropped.
    public var queuedBytes = 8 << 20

    public init(
        pattern: String, rotateSize: Int? = nil, rotateEvery: Duration? = nil, keep: Int? = nil
    ) {
        self.pattern = pattern
        self.rotateSize = rotateSize
        self.rotateEvery = rotateEvery
        self.keep = keep
    }

    /// The path for a time, in Unix seconds.
    public func path(at seconds: Int64) -> String {
        var time = time_t(seconds)
        var parts = tm()
        gmtime_r(&time, &parts)
        let name = NamePart.parts(of: self.name).map { part in
            switch part {
            case .text(let text): text
            case .year: Self.digits(Int(parts.tm_year) + 1900, 4)
            case .month: Self.digits(Int(parts.tm_mon) + 1, 2)
            case .day: Self.digits(Int(parts.tm_mday), 2)
            case .hour: Self.digits(Int(parts.tm_hour), 2)
            case .minute: Self.digits(Int(parts.tm_min), 2)
            case .second: Self.digits(Int(parts.tm_sec), 2)
            case .dayOfYear: Self.digits(Int(parts.tm_yday) + 1, 3)
            case .unixSeconds: "\(seconds)"
            }
        }.joined()
        return self.pattern.dropLast(self.name.count) + name
    }

    private static func digits(_ value: Int, _ count: Int) -> String {
        let text = "\(value)"
        return String(repeating: "0", count: max(0, count - text.count)) + text
    }

    /// Whether a name in the folder is one that the pattern makes, with a number behind it or not.
    func makes(_ name: String) -> Bool {
        var rest = name[...]
        for part in NamePart.parts(of: self.name) {
            if case .text(let text) = part {
                guard rest.hasPrefix(text) else { return false }
                rest = rest.dropFirst(text.count)
                continue
            }
            let digits = rest.prefix { $0.isASCII && $0.isNumber }.prefix(part.width ?? .max)
            guard !digits.isEmpty, digits.count == part.width ?? digits.count else { return false }
            rest = rest.dropFirst(digits.count)
        }
        guard !rest.isEmpty else { return true }
        let number = rest.dropFirst()
        return rest.first == "." && UInt32(number).map { "\($0)" == number } == true
    }

    /// The pattern of the files' names in their folder.
    public var name: String {
        guard let slash = self.pattern.lastIndex(of: "/") else { return self.pattern }
        return String(self.pattern[self.pattern.index(after: slash)...])
    }

    /// The folder that the files are in.
    public var folder: String {
        guard let slash = self.pattern.lastIndex(of: "/") else { return "." }
        return slash == self.pattern.startIndex ? "/" : String(self.pattern[..<slash])
    }
}

/// A part of the name of a record's files: text, or a part of the time.
public enum NamePart: Hashable, Sendable {
    case text(String)
    /// `%Y`, four digits.
    case year
    /// `%m`, `%d`, `%H`, `%M` and `%S`, two digits each.
    case month, day, hour, minute, second
    /// `%j`, three digits.
    case dayOfYear
    /// `%s`, since 1970.
    case unixSeconds

    /// The parts by the letter behind `%`; `%%` is a percent sign.
    public static let letters: [Character: NamePart] = [
        "Y": .year, "m": .month, "d": .day, "H": .hour, "M": .minute, "S": .second,
        "j": .dayOfYear, "s": .unixSeconds, "%": .text("%"),
    ]

    /// A name's parts; a `%` before any other letter is text.
    static func parts(of name: String) -> [NamePart] {
        var parts: [NamePart] = []
        var rest = name[...]
        while let percent = rest.firstIndex(of: "%") {
            let letter = rest.index(after: percent)
            guard letter < rest.endIndex, let part = Self.letters[rest[letter]] else {
                parts.append(.text(String(rest[..<letter])))
                rest = rest[letter...]
                continue
            }
            if percent > rest.startIndex { parts.append(.text(String(rest[..<percent]))) }
            parts.append(part)
            rest = rest[rest.index(after: letter)...]
        }
        if !rest.isEmpty { parts.append(.text(String(rest))) }
        return parts
    }

    /// How many digits it has; nil: as many as it takes.
    var width: Int? {
        switch self {
        case .text, .unixSeconds: nil
        case .year: 4
        case .month, .day, .hour, .minute, .second: 2
        case .dayOfYear: 3
        }
    }
}
