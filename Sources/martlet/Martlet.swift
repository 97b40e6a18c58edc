// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// `martlet`: the console, and tools that need no daemon.
@main
struct Martlet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet",
        abstract: "Asks a Martlet, or a table on disk, which site is nearest.",
        subcommands: [
            ConsoleCommand.self, LookupCommand.self, CheckCommand.self, ImportCommand.self,
            ExportCommand.self, ReplayCommand.self, PowerDNSPipeCommand.self,
        ])
}
