// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc

/// `martlet console`: talks to a running daemon.
struct ConsoleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "console",
        abstract: "Talks to a running martletd.",
        discussion: """
            Without -c, commands come from the terminal, with completion, history and '?' for \
            help, or from standard input, one a line. A password is taken from --password-file, \
            from MARTLET_PASSWORD, or asked for on the terminal. What has no end (debug) is shown \
            until the next line comes, or Ctrl-C.

            Exit status: 0 if all commands were carried out, 1 if one was refused, 2 if there is \
            no connection, or what is shown can't be written.
            """)

    @Argument(
        help: ArgumentHelp(
            "HOST:PORT, or the path of a Unix socket.",
            discussion: "Default: /run/martlet/console.sock or $XDG_RUNTIME_DIR/martlet.sock.",
            valueName: "target"))
    var target: String?

    @Option(
        name: [.short, .customLong("command")], parsing: .unconditionalSingleValue,
        help: "Carry out this command, print the reply and go on; may be repeated.")
    var commands: [String] = []

    @Option(name: .customLong("password-file"), help: "The password is this file's first line.")
    var passwordFile: String?

    func run() throws {
        let isGood: Bool
        do {
            isGood = try self.talk()
        } catch {
            Printer.complain("martlet: \(error)")
            throw ExitCode(2)
        }
        if !isGood { throw ExitCode(1) }
    }

    /// Whether all commands were carried out.
    private func talk() throws(LinkError) -> Bool {
        let target: ConsoleTarget
        if let text = self.target {
            target = try ConsoleTarget(parsing: text)
        } else {
            target = .usual()
        }
        let link = try ServerLink(to: target)
        let secrets = Secrets(file: self.passwordFile)
        try link.greet { (isRetry: Bool) throws(LinkError) in
            try secrets.password(isRetry: isRetry)
        }
        let printer = Printer()
        link.willWait = { () throws(LinkError) in try printer.flush() }
        let script = Script(link: link, printer: printer, secrets: secrets)
        let isGood: Bool
        if !self.commands.isEmpty {
            isGood = try script.run(self.commands)
        } else if isatty(STDIN_FILENO) != 1 {
            let lines = InputLines()
            link.lines = lines
            isGood = try script.run(lines)
        } else {
            isGood = try InteractiveConsole(link: link, printer: printer).run()
        }
        try printer.flush()
        return isGood
    }
}

/// Commands without anybody who types: no prompts, no banner.
struct Script {
    let link: ServerLink
    let printer: Printer
    let secrets: Secrets

    /// Carries out line by line; a refused command doesn't stop the others.
    ///
    /// - Returns: Whether all were carried out.
    func run(_ lines: some Sequence<String>) throws(LinkError) -> Bool {
        var isGood = true
        for line in lines {
            guard let first = line.first(where: { $0 != " " && $0 != "\t" }), first != "#" else {
                continue
            }
            var outcome = try self.link.ask(line, self.printer.show)
            if case .password = outcome {
                outcome = try self.link.ask(
                    try self.secrets.password(isRetry: false), self.printer.show)
            }
            switch outcome {
            case .good: break
            case .refused: isGood = false
            case .bye: return isGood
            // The password was wrong: there is no other to try.
            case .password: throw .wrongPassword
            }
        }
        return isGood
    }
}
