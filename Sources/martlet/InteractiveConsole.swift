// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// The console for somebody at a terminal.
struct InteractiveConsole {
    let link: ServerLink
    let printer: Printer

    /// Whether a line asks for what has no end of its own: `debug feed`, however it is cut short.
    private static func isLive(_ line: String) -> Bool {
        let first = line.split(separator: " ").first.map { $0.lowercased() } ?? ""
        return first.hasPrefix("de") && "debug".hasPrefix(first)
    }

    /// Reads and carries out lines until the end of input or `quit`.
    ///
    /// - Returns: True: what was refused has been seen.
    func run() throws(LinkError) -> Bool {
        let editor = LineEditor(history: LineEditor.historyPath)
        editor.start(
            completing: { [link] line in
                var words: [String] = []
                _ = try? link.ask("complete \(line)") { words.append($0) }
                return words
            },
            helping: { [link, printer] line in
                _ = try? link.ask("\(line)?", printer.show)
            })
        defer { editor.stop() }
        while let line = editor.readLine(self.printer.prompt(self.link.prompt)) {
            guard line.contains(where: { $0 != " " && $0 != "\t" }) else { continue }
            editor.remember(line)
            var outcome = try self.link.ask(
                line, isLive: Self.isLive(line), self.printer.show)
            while case .password = outcome {
                outcome = try self.link.ask(
                    try Secrets.ask("Password: "), self.printer.show)
            }
            if outcome == .bye { return true }
        }
        print("")
        return true
    }
}
