// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@Suite("martlet import", .timeLimit(.minutes(5)))
struct ImportTests {
    private static let heading =
        "   Network          Next Hop            Metric LocPrf Weight Path\n"

    /// Files in a folder that is gone afterwards.
    private func withFiles(
        _ files: [String: String], _ body: (URL) async throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("martlet-import-\(UInt64.random(in: 0 ... .max))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        for (name, text) in files {
            try Data(text.utf8).write(to: folder.appendingPathComponent(name))
        }
        try await body(folder)
    }

    private static let near =
        heading + """
            *> 10.0.0.0         192.0.2.1                0             0 1 i
            *> 10.128.0.0/9     192.0.2.1                0             0 1 2 3 i
            """
    private static let far =
        heading + """
            *> 10.0.0.0         192.0.2.1                0             0 1 2 i
            *  11.0.0.0         192.0.2.1                0             0 1 2 i
            """

    private func lines(_ text: String) -> [String] {
        text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map(String.init)
    }

    @Test("merges two routers' tables into one map, with a comment that says from what")
    func text() async throws {
        try await self.withFiles(["near,x.txt": Self.near, "far.txt": Self.far]) { folder in
            let run = try await Client.run([
                "import", "text", "near=64600:\(folder.path)/near,x.txt",
                "64601:\(folder.path)/far.txt",
            ])
            #expect(run.status == 0, "\(run.complaints)")
            #expect(
                self.lines(run.output) == [
                    "10.0.0.0/9 64600 64601", "10.128.0.0/9 64601 64600", "11.0.0.0/8 64601",
                ])
            #expect(run.output.contains("# AS 64600 near: \(folder.path)/near,x.txt\n"))
            #expect(run.output.contains("# AS 64601: \(folder.path)/far.txt\n"))
            #expect(run.complaints == "martlet: 4 routes of 2 sites became 3 lines\n")
        }
    }

    @Test("writes a file only when it is whole")
    func output() async throws {
        try await self.withFiles(["near.txt": Self.near, "out.routes": "before\n"]) { folder in
            let output = folder.appendingPathComponent("out.routes")
            let bad = try await Client.run([
                "import", "text", "64600:\(folder.path)/near.txt", "64601:\(folder.path)/no.txt",
                "-o", output.path,
            ])
            #expect(bad.status == 1)
            #expect(bad.complaints.contains("no.txt: can't be opened"))
            #expect(try String(contentsOf: output, encoding: .utf8) == "before\n")
            let run = try await Client.run([
                "import", "text", "64600:\(folder.path)/near.txt", "--nearest", "1", "--quiet",
                "-o", output.path,
            ])
            #expect(run.status == 0 && run.output == "" && run.complaints == "")
            let text = try String(contentsOf: output, encoding: .utf8)
            #expect(self.lines(text) == ["10.0.0.0/8 64600"])
            let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            #expect(files.sorted() == ["near.txt", "out.routes"])
        }
    }

    @Test("reports lines that can't be read by number and text, and leaves them out if told to")
    func badLines() async throws {
        let text =
            Self.near + "\nfish\n*> 12.0.0.0         192.0.2.1                0             0 1 i\n"
        try await self.withFiles(["near.txt": text]) { folder in
            let path = "\(folder.path)/near.txt"
            let bad = try await Client.run(["import", "text", "64600:\(path)"])
            #expect(bad.status == 1 && bad.output == "")
            #expect(
                bad.complaints
                    == "martlet: \(path):4:1: 'fish': neither a path nor the end of the table\n")
            let run = try await Client.run([
                "import", "text", "64600:\(path)", "--skip-bad-lines",
            ])
            #expect(run.status == 0)
            #expect(self.lines(run.output) == ["10.0.0.0/8 64600", "12.0.0.0/8 64600"])
            #expect(run.complaints.contains("left out: \(path):4:1: 'fish'"))
        }
    }

    @Test("refuses what is no source, an AS with two names and a file of the wrong kind")
    func mistakes() async throws {
        try await self.withFiles(["near.txt": Self.near]) { folder in
            let path = "\(folder.path)/near.txt"
            for source in [path, "x:\(path)", "0:\(path)", "64600:", "=64600:\(path)"] {
                let run = try await Client.run(["import", "text", source])
                #expect(run.status == 64, "\(source)")
            }
            let names = try await Client.run(["import", "text", "a=1:\(path)", "b=1:\(path)"])
            #expect(names.complaints == "martlet: AS 1 stands for one site, not for 'a' and 'b'\n")
            let kind = try await Client.run(["import", "mrt", "1:\(path)"])
            #expect(kind.status == 1 && kind.complaints.contains("not an MRT file"))
            let nearest = try await Client.run(["import", "text", "1:\(path)", "--nearest", "0"])
            #expect(nearest.status == 64)
        }
    }
}
