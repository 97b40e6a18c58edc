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
        while true {
            do {
                let open = try source ?? ExportSource(self.options)
                source = open
                let file = try self.content(from: open, make)
                if file.bytes != written {
                    try self.write(file)
                    written = file.bytes
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
        if let command = self.options.command { self.execute(command) }
    }

    /// Runs a command to its end, and says how it failed.
    private func execute(_ command: String) {
        var child: pid_t = 0
        let words: [String] = ["sh", "-c", command]
        let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        let failure = posix_spawn(&child, "/bin/sh", nil, nil, arguments, environ)
        guard failure == 0 else {
            Printer.complain("martlet: sh: \(String(cString: strerror(failure)))")
            return
        }
        var status: CInt = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        if status != 0 {
            let words =
                status & 0x7f == 0
                ? "exit status \(status >> 8 & 0xff)" : "signal \(status & 0x7f)"
            Printer.complain("martlet: '\(command)' failed: \(words)")
        }
    }
}
