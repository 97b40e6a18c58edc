// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// The console for somebody at a terminal.
struct InteractiveConsole {
    let link: ServerLink
    let printer: Printer

    /// Reads and carries out lines until the end of input or `quit`. Ctrl-C forgets the line that
    /// is being typed, or ends the reply that is being shown; a second one ends the program.
    ///
    /// - Returns: True: what was refused has been seen.
    func run() throws(LinkError) -> Bool {
        let editor = LineEditor(history: LineEditor.historyPath)
        self.link.lines = InputLines(pieceSize: 1)
        self.link.takesEndingLine = true
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
        return try Interrupt.during { () throws(LinkError) in
            try self.converse(editor)
        }
    }

    private func converse(_ editor: LineEditor) throws(LinkError) -> Bool {
        while let line = editor.readLine(self.printer.prompt(self.link.prompt)) {
            guard line.contains(where: { $0 != " " && $0 != "\t" }) else { continue }
            editor.remember(line)
            var outcome = try self.link.ask(line, mayInterrupt: true, self.printer.show)
            while case .password = outcome {
                // Who gives up gives none, which is refused.
                let password = try Secrets.ask("Password: ") ?? ""
                outcome = try self.link.ask(password, self.printer.show)
            }
            if outcome == .bye { return true }
        }
        print("")
        return true
    }
}
