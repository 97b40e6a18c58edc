// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import BGPSpeaker

extension ConfigurationReader {
    /// `dump: { file: PATTERN, rotate-size: 100M, rotate-every: 1h, keep: 48 }`.
    mutating func readDump(_ value: Value) -> DumpSettings? {
        let keys = ["file", "rotate-size", "rotate-every", "keep"]
        guard let dump = value.mapping(allowed: keys) else { return nil }
        let file = dump.require("file")
        let size = dump["rotate-size"]?.byteCount(65_536...1 << 40)
        let every = dump["rotate-every"]?.duration(.seconds(1) ... .seconds(604_800))
        let keep = dump["keep"]?.integer(1...1_000_000)
        guard let file, let pattern = file.text("a file's path") else { return nil }
        var settings = DumpSettings(
            pattern: self.document.resolve(pattern), rotateSize: size, rotateEvery: every,
            keep: keep)
        if let every, every != .seconds(every.components.seconds) {
            dump["rotate-every"]?.mustBe("a whole number of seconds")
            settings.rotateEvery = nil
        }
        if let problem = Self.problem(of: settings) {
            file.complain(problem)
            return nil
        }
        let other = self.result.feeds.first { $0.dump?.pattern == settings.pattern }
        if let other {
            file.complain("feed '\(other.name)' is recorded in the same file")
            return nil
        }
        return settings
    }

    /// What a file's name may not be, in words.
    private static func problem(of settings: DumpSettings) -> String? {
        if settings.folder.contains("%") {
            return "the time may stand in the file's name, not in that of its folder"
        }
        var name = settings.name[...]
        while let percent = name.firstIndex(of: "%") {
            let letter = name.index(after: percent)
            guard letter < name.endIndex, NamePart.letters[name[letter]] != nil else {
                return "%Y, %m, %d, %H, %M, %S, %j and %s stand for parts of the time, %% for %"
            }
            name = name[name.index(after: letter)...]
        }
        return settings.name.isEmpty ? "a file's path ends in a name" : nil
    }
}

extension DumpSettings {
    /// In words for the summary; nil is none.
    static func words(_ settings: DumpSettings?) -> String {
        guard let settings else { return "none" }
        var words = settings.pattern
        if let size = settings.rotateSize { words += " of \(Value.words(byteCount: size))" }
        if let every = settings.rotateEvery { words += " every \(Value.words(every))" }
        if let keep = settings.keep { words += ", \(keep) kept" }
        return words
    }
}
