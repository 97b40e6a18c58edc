// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Console
import Foundation
import Testing

@Suite("martlet console", .timeLimit(.minutes(5)))
struct ConsoleClientTests {
    @Test("carries out -c commands over the Unix socket, without banner and prompts")
    func commands() async throws {
        try await SmallDaemon.serve { folder, _ in
            let run = try await Client.run([
                "console", folder + "/console.sock", "-c", "nearest 10.1.2.3", "-c", "ready",
                "-c", "reload",
            ])
            #expect(run.output == "tokyo (by pinned, for 10.0.0.0/8)\nready\nnothing has changed\n")
            #expect(run.complaints == "")
            #expect(run.status == 0)
        }
    }

    @Test("a refused command gives status 1, and the others are carried out")
    func refused() async throws {
        try await SmallDaemon.serve { folder, address in
            for target in [folder + "/console.sock", address] {
                let run = try await Client.run([
                    "console", target, "-c", "fish", "-c", "show ip bgp 8.8.8.8", "-c", "ready",
                ])
                #expect(run.output.hasSuffix("\n% Network not in table\nready\n"))
                #expect(run.output.hasPrefix("% Unknown command: 'fish'"))
                #expect(run.status == 1)
            }
        }
    }

    @Test("reads commands from standard input, past blank lines and comments, until quit")
    func standardInput() async throws {
        try await SmallDaemon.serve { folder, _ in
            let input = "# what is near\n\n nearest 10.1.2.3 \nready\nquit\nfish\n"
            let run = try await Client.run(["console", folder + "/console.sock"], input: input)
            #expect(run.output == "tokyo (by pinned, for 10.0.0.0/8)\nready\n")
            #expect(run.status == 0)
        }
    }

    @Test("what is watched is shown to a pipe at once, and the next line of the input ends it")
    func watching() async throws {
        try await SmallDaemon.serve { folder, _ in
            let expected = "watching core: a line or Ctrl-C ends it\nKEEPALIVE\n"
            let watched = try await blocking {
                try Watched(folder + "/console.sock", bytes: expected.utf8.count)
            }
            #expect(watched.shown == expected)
            #expect(watched.wasRunning)
            #expect(watched.rest == "ready\n")
            #expect(watched.status == 0)
        }
    }

    @Test(
        "at a terminal a line ends what is watched, and is no command",
        .enabled(if: FileManager.default.isExecutableFile(atPath: script)))
    func watchingAtATerminal() async throws {
        try await SmallDaemon.serve { folder, _ in
            let output = try await self.type(
                "debug feed core\nfish\nready\nquit\n", folder: folder)
            #expect(output.contains("watching core: a line or Ctrl-C ends it"))
            #expect(output.contains("l\rready\r\n"), "the line after that one is carried out")
            #expect(!output.contains("Unknown command"))
        }
    }

    @Test("a full disk is told, with status 2")
    func fullDisk() async throws {
        try await SmallDaemon.serve { folder, _ in
            let socket = folder + "/console.sock"
            let command = "'\(try Client.program())' console '\(socket)' -c 'show version'"
            let run = try await Client.run(
                program: "/bin/sh", ["-c", command + " > /dev/full"], "", [:])
            #expect(
                run.complaints
                    == "martlet: standard output can't be written: No space left on device\n")
            #expect(run.status == 2)
        }
    }

    @Test("gives the password, to listeners of either face", arguments: [Face.people, .machine])
    func password(face: Face) async throws {
        try await SmallDaemon.serve(face: face, password: "jasmine") { folder, address in
            let file = folder + "/key"
            try Data("jasmine\n".utf8).write(to: URL(fileURLWithPath: file))
            var run = try await Client.run(
                ["console", address, "--password-file", file, "-c", "ready"])
            #expect(run.output == "ready\n")
            #expect(run.status == 0)
            run = try await Client.run(
                ["console", address, "-c", "ready"],
                environment: ["MARTLET_PASSWORD": "jasmine"])
            #expect(run.output == "ready\n")

            run = try await Client.run(
                ["console", address, "-c", "ready"], environment: ["MARTLET_PASSWORD": "rose"])
            #expect(run.output == "")
            #expect(run.complaints == "martlet: the password was refused\n")
            #expect(run.status == 2)

            run = try await Client.run(["console", address, "-c", "ready"])
            #expect(run.complaints.hasPrefix("martlet: a password is needed"))
            #expect(run.status == 2)
        }
    }

    @Test("what changes something is refused over TCP, and obeyed after enable")
    func enable() async throws {
        try await SmallDaemon.serve { folder, address in
            var run = try await Client.run(["console", address, "-c", "reload"])
            #expect(run.output == "% That needs 'enable' first\n")
            #expect(run.status == 1)
            run = try await Client.run(
                ["console", address, "-c", "enable", "-c", "reload"],
                environment: ["MARTLET_PASSWORD": "rose"])
            #expect(run.output == "nothing has changed\n")
            #expect(run.status == 0)
        }
    }

    @Test("says why there is no connection, with status 2")
    func noConnection() async throws {
        var run = try await Client.run(["console", "/nonexistent/console.sock", "-c", "ready"])
        #expect(
            run.complaints
                == "martlet: /nonexistent/console.sock: connect: No such file or directory "
                + "(is martletd running?)\n")
        #expect(run.status == 2)
        run = try await Client.run(["console", "nowhere", "-c", "ready"])
        #expect(
            run.complaints
                == "martlet: 'nowhere' is neither HOST:PORT nor the path of a socket\n")
        #expect(run.status == 2)
    }

    @Test(
        "finds its own daemon's socket by XDG_RUNTIME_DIR, unless it is root",
        .enabled(if: getuid() != 0))
    func usualSocket() async throws {
        let run = try await Client.run(
            ["console", "-c", "ready"], environment: ["XDG_RUNTIME_DIR": "/nonexistent"])
        #expect(run.complaints.hasPrefix("martlet: /nonexistent/martlet.sock: "))
    }

    private static let script = "/usr/bin/script"

    /// Types into the client at a pseudo-terminal, as `script` of util-linux makes one.
    private func type(_ keys: String, folder: String) async throws -> String {
        let program = try Client.program()
        let run = try await Client.run(
            program: Self.script,
            ["-qec", "'\(program)' console '\(folder)/console.sock'", "/dev/null"], keys,
            [
                "XDG_STATE_HOME": folder, "TERM": "vt100", "NO_COLOR": "1",
                "INPUTRC": "/dev/null",
            ])
        #expect(run.status == 0)
        return run.output
    }

    @Test(
        "at a terminal: completes, helps, and keeps a history",
        .enabled(if: FileManager.default.isExecutableFile(atPath: script)))
    func terminal() async throws {
        try await SmallDaemon.serve { folder, _ in
            let output = try await self.type(
                "sh\tsi\t\nnearest 10.1.2.3 for \t\nsh ip ?bgp 8.8.8.8\npassword x\nquit\n",
                folder: folder)
            #expect(output.contains("martlet# "))
            #expect(output.contains("sydney  64600"), "show sites was completed")
            #expect(output.contains("tokyo (by pinned"), "a name was completed")
            #expect(output.contains("  bgp  BGP information"), "'?' helps at once")
            #expect(output.contains("% Network not in table"), "and the line goes on")
            let history = try String(
                contentsOfFile: folder + "/martlet/history", encoding: .utf8)
            #expect(
                history
                    == "show sites \nnearest 10.1.2.3 for www.example.com \n"
                    + "sh ip bgp 8.8.8.8\nquit\n")
        }
    }
}

/// What `martlet console` shows of a feed to a pipe, and after its input's next line.
private struct Watched: Sendable {
    var shown = ""
    let wasRunning: Bool
    let rest: String
    let status: Int32

    /// Blocks; `bytes` are what is waited for.
    init(_ socket: String, bytes: Int) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: try Client.program())
        process.arguments = ["console", socket]
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        try input.fileHandleForWriting.write(contentsOf: Data("debug feed core\n".utf8))
        // It runs on: what it shows comes nevertheless.
        while self.shown.utf8.count < bytes {
            let piece = output.fileHandleForReading.availableData
            if piece.isEmpty { break }
            self.shown += String(decoding: piece, as: UTF8.self)
        }
        self.wasRunning = process.isRunning
        try input.fileHandleForWriting.write(contentsOf: Data("ready\n".utf8))
        try input.fileHandleForWriting.close()
        let rest = output.fileHandleForReading.readDataToEndOfFile()
        self.rest = String(decoding: rest, as: UTF8.self)
        process.waitUntilExit()
        self.status = process.terminationStatus
    }
}
