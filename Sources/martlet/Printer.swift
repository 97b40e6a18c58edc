// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Shows replies; in colour on a terminal that wants it.
struct Printer {
    private let isColoured =
        isatty(STDOUT_FILENO) == 1 && (getenv("NO_COLOR")?.pointee ?? 0) == 0
        && getenv("TERM").map { String(cString: $0) } != "dumb"

    /// Shows one line of a reply.
    func show(_ line: String) {
        if self.isColoured, line.hasPrefix("% ") {
            print("\u{1b}[31m\(line)\u{1b}[0m")
        } else if self.isColoured, line.hasSuffix(", best") {
            print("\u{1b}[1m\(line)\u{1b}[0m")
        } else {
            print(line)
        }
    }

    /// Hands on what was shown: for who waits for it while there is nothing more to show.
    func flush() throws(LinkError) {
        do throws(StandardOutput.Failure) {
            try StandardOutput.flush()
        } catch {
            throw .output(error)
        }
    }

    /// A prompt for readline, which must know what takes no room: `\u{1}` and `\u{2}` enclose it.
    func prompt(_ prompt: String) -> String {
        guard self.isColoured else { return prompt }
        return "\u{1}\u{1b}[1m\u{2}\(prompt)\u{1}\u{1b}[0m\u{2}"
    }

    /// Says what is not part of any reply.
    static func complain(_ words: String, end: String = "\n") {
        let bytes = Array((words + end).utf8)
        _ = write(STDERR_FILENO, bytes, bytes.count)
    }
}
