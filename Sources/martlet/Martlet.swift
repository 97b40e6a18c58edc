// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Dispatch

/// `martlet`: the console, and tools that need no daemon.
struct Martlet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet",
        abstract: "Asks a Martlet, or a table on disk, which site is nearest.",
        subcommands: [
            ConsoleCommand.self, LookupCommand.self, CheckCommand.self, ImportCommand.self,
            ExportCommand.self, ReplayCommand.self, PowerDNSPipeCommand.self,
        ])
}

@main
enum Program {
    /// The console stays on the main thread, which is the one that signals come to: so a Ctrl-C
    /// breaks readline's wait for a key. An asynchronous `main` gives that thread away, and so do
    /// the other commands.
    static func main() {
        if let console = try? Martlet.parseAsRoot() as? ConsoleCommand {
            do {
                try console.run()
                Martlet.exit()
            } catch {
                Martlet.exit(withError: error)
            }
        }
        Task {
            await Martlet.main()
            do {
                try StandardOutput.flush()
                Martlet.exit()
            } catch {
                Printer.complain("martlet: \(error)")
                Martlet.exit(withError: ExitCode(2))
            }
        }
        dispatchMain()
    }
}
