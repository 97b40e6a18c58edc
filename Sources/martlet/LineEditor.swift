// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import CReadline
import Glibc

/// GNU readline, with the daemon's grammar behind the TAB and '?' keys.
///
/// Readline keeps its state in globals: there is one editor, used by one thread.
final class LineEditor {
    /// What the C callbacks need; set while an editor runs.
    ///
    /// Unsafe: readline calls back on the thread that called it, and only then.
    private nonisolated(unsafe) static var complete: ((String) -> [String])?
    private nonisolated(unsafe) static var help: ((String) -> Void)?
    private nonisolated(unsafe) static var candidates: [String] = []

    private let history: String?
    private static let historyLength: CInt = 1000

    /// `history`: where lines are kept from one run to the next; nil for nowhere.
    init(history: String?) { self.history = history }

    /// In the XDG state folder, which is made if need be.
    static var historyPath: String? {
        let state: String
        if let folder = getenv("XDG_STATE_HOME"), folder.pointee != 0 {
            state = String(cString: folder)
        } else if let home = getenv("HOME"), home.pointee != 0 {
            let local = String(cString: home) + "/.local"
            mkdir(local, 0o700)
            state = local + "/state"
        } else {
            return nil
        }
        mkdir(state, 0o700)
        mkdir(state + "/martlet", 0o700)
        return state + "/martlet/history"
    }

    func start(
        completing complete: @escaping (String) -> [String],
        helping help: @escaping (String) -> Void
    ) {
        Self.complete = complete
        Self.help = help
        martlet_readline_start(completeWord)
        martlet_bind(CInt(UInt8(ascii: "?")), helpKey)
        martlet_while_waiting(forgetLineIfInterrupted)
        using_history()
        stifle_history(Self.historyLength)
        if let history { read_history(history) }
    }

    func stop() {
        if let history {
            write_history(history)
            chmod(history, 0o600)
        }
        Self.complete = nil
        Self.help = nil
    }

    /// A line without its end; nil at the end of input. Ctrl-C forgets what was typed.
    func readLine(_ prompt: String) -> String? {
        _ = Interrupt.take()
        guard let line = readline(prompt) else { return nil }
        defer { free(line) }
        martlet_hand_on_signal()
        return String(cString: line)
    }

    /// Keeps a line in the history, once in a row, but never a password.
    func remember(_ line: String) {
        let words = line.lowercased().split(separator: " ")
        let isSecret =
            words.count > 1 && (words[0].hasPrefix("p") || "enable".hasPrefix(words[0]))
        guard !isSecret else { return }
        if martlet_history_length() > 0,
            let last = history_get(martlet_history_base() + martlet_history_length() - 1),
            String(cString: last.pointee.line) == line
        {
            return
        }
        add_history(line)
    }

    /// What has been typed, up to the cursor.
    fileprivate static var typed: String {
        guard let line = martlet_line() else { return "" }
        let bytes = UnsafeRawBufferPointer(start: line, count: Int(max(0, martlet_cursor())))
        return String(decoding: bytes, as: UTF8.self)
    }

    fileprivate static func candidate(isFirst: Bool) -> UnsafeMutablePointer<CChar>? {
        if isFirst { Self.candidates = (Self.complete?(Self.typed) ?? []).reversed() }
        return Self.candidates.popLast().flatMap { strdup($0) }
    }

    fileprivate static func showHelp() {
        print("?")
        Self.help?(Self.typed)
        martlet_redisplay()
    }
}

private func completeWord(
    _ text: UnsafePointer<CChar>?, _ start: CInt, _ end: CInt
) -> UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? {
    martlet_matches(text, nextCandidate)
}

private func nextCandidate(
    _ text: UnsafePointer<CChar>?, _ state: CInt
) -> UnsafeMutablePointer<CChar>? {
    LineEditor.candidate(isFirst: state == 0)
}

/// Called while a key is waited for.
private func forgetLineIfInterrupted() -> CInt {
    if Interrupt.take() { martlet_forget_line() }
    return 0
}

private func helpKey(_ count: CInt, _ key: CInt) -> CInt {
    LineEditor.showHelp()
    return 0
}
