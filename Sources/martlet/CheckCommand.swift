// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Configuration

/// `martlet check`: says what would run, or what is wrong.
struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Checks a configuration file and says what would run.",
        discussion: "Exit status: 0 if it is good, 1 if not.")

    @Argument(help: "The configuration, martlet.yaml.")
    var file: String

    func run() async throws {
        do {
            let configuration = try Configuration.load(path: self.file)
            print(
                "\(self.file) is good: \(configuration.sites.count) sites, \(configuration.feeds.count) feeds, \(configuration.zones.count) zones"
            )
        } catch {
            Printer.complain("\(error)")
            throw ExitCode(1)
        }
    }
}
