// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc

/// Writes a file once, or whenever what belongs into it has changed.
struct ExportLoop {
    private let options: ExportCommand.Options

    init(_ options: ExportCommand.Options) { self.options = options }

    /// Makes the file by `make`, from a daemon that is ready.
    func run(_ make: (ExportSource) throws -> any ExportFile) async throws {
        guard self.options.watch else {
            do {
                try self.write(try self.content(from: try ExportSource(self.options), make))
                if let failure = self.runCommand() { Printer.complain("martlet: \(failure)") }
            } catch let error as LinkError {
                Printer.complain("martlet: \(error)")
                throw ExitCode(2)
            } catch {
                Printer.complain("martlet: \(error)")
                throw ExitCode(1)
            }
            return
        }
        try await self.watch(make)
    }

    private func watch(_ make: (ExportSource) throws -> any ExportFile) async throws {
        var source: ExportSource?
        var written: [UInt8]?
        var complaint = ""
        // A command that failed is owed: the other server may have been starting just then.
        var owesCommand = false
        var failure: String?
        while true {
            do {
                let open = try source ?? ExportSource(self.options)
                source = open
                let file = try self.content(from: open, make)
                if file.bytes != written || self.isGone {
                    try self.write(file)
                    written = file.bytes
                    owesCommand = true
                }
                if owesCommand {
                    let before = failure
                    failure = self.runCommand()
                    owesCommand = failure != nil
                    if let failure, failure != before { Printer.complain("martlet: \(failure)") }
                    if before != nil, failure == nil, !self.options.quiet {
                        Printer.complain("martlet: the command has succeeded")
                    }
                }
                if !complaint.isEmpty, !self.options.quiet {
                    Printer.complain("martlet: the daemon answers again")
                }
                complaint = ""
            } catch {
                // What is wrong for longer is said once. The file stays as it is.
                if "\(error)" != complaint { Printer.complain("martlet: \(error)") }
                complaint = "\(error)"
                source = nil
            }
            try await Task.sleep(for: .milliseconds(Int(self.options.every * 1000)))
        }
    }

    /// Whether somebody has taken the file away since.
    private var isGone: Bool {
        self.options.output.map { access($0, F_OK) != 0 } ?? false
    }

    private func content(
        from source: ExportSource, _ make: (ExportSource) throws -> any ExportFile
    ) throws -> any ExportFile {
        try source.checkReadiness()
        return try make(source)
    }

    private func write(_ file: any ExportFile) throws {
        let output = try self.options.output.map { try OutputFile(path: $0) }
        try (output ?? .standardOutput).write(file.bytes)
        try output?.commit()
        if !self.options.quiet { Printer.complain("martlet: \(file.summary)") }
    }

    /// Runs the command to its end, if there is one.
    ///
    /// - Returns: How it failed.
    private func runCommand() -> String? {
        guard let command = self.options.command else { return nil }
        var child: pid_t = 0
        let words: [String] = ["sh", "-c", command]
        let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        let failure = posix_spawn(&child, "/bin/sh", nil, nil, arguments, environ)
        guard failure == 0 else { return "sh: \(String(cString: strerror(failure)))" }
        var status: CInt = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        guard status != 0 else { return nil }
        let end =
            status & 0x7f == 0 ? "exit status \(status >> 8 & 0xff)" : "signal \(status & 0x7f)"
        return "'\(command)' failed: \(end)"
    }
}
