// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Configuration

/// `martlet check`: says what would run, or what is wrong.
struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Checks a configuration and the files that it names; says what would run.",
        discussion: "Exit status: 0 if all is good, 1 if not.")

    @Argument(help: "The configuration, martlet.yaml.")
    var file: String

    func run() async throws {
        let configuration: Configuration
        do {
            configuration = try Configuration.load(path: self.file)
        } catch {
            Printer.complain("\(error)")
            throw ExitCode(1)
        }
        let findings = configuration.plan().checkFiles()
        for line in findings.warnings { Printer.complain("warning: \(line)") }
        for line in findings.problems { Printer.complain(line) }
        guard findings.problems.isEmpty else { throw ExitCode(1) }
        print(configuration.summary(), terminator: "")
    }
}
