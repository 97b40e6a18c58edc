// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@Suite("martlet replay", .timeLimit(.minutes(2)))
struct ReplayCommandTests {
    /// Seconds of the first record.
    private static let start = 1_763_000_000

    private func number<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }

    /// A BGP4MP_ET MESSAGE_AS4 record of an UPDATE: a path, and IPv4 prefixes of eight bits.
    private func update(
        _ seconds: Int, _ peer: UInt8, path: [UInt32] = [], announced: [UInt8] = [],
        withdrawn: [UInt8] = [], origin: UInt8 = 0
    ) -> [UInt8] {
        var attributes: [UInt8] = []
        if !path.isEmpty {
            attributes = [0x40, 1, 1, origin, 0x40, 2, UInt8(2 + 4 * path.count), 2]
            attributes.append(UInt8(path.count))
            attributes += path.flatMap { self.number($0) } + [0x40, 3, 4, 192, 0, 2, peer]
        }
        let gone = withdrawn.flatMap { [8, $0] as [UInt8] }
        let body =
            self.number(UInt16(gone.count)) + gone + self.number(UInt16(attributes.count))
            + attributes + announced.flatMap { [8, $0] as [UInt8] }
        let message =
            [UInt8](repeating: 0xff, count: 16) + self.number(UInt16(19 + body.count)) + [2] + body
        var record = self.number(0 as UInt32) + self.number(UInt32(64500 + Int(peer)))
        record += self.number(65000 as UInt32) + [0, 0, 0, 1, 192, 0, 2, peer, 192, 0, 2, 99]
        record += message
        return self.number(UInt32(Self.start + seconds)) + [0, 17, 0, 4]
            + self.number(UInt32(record.count)) + record
    }

    private func withRecording(_ body: (URL, String) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("martlet-replay-\(UInt64.random(in: 0 ... .max))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("updates").path
        let records =
            self.update(0, 1, path: [64501, 7], announced: [10])
            + self.update(1, 2, path: [64502], announced: [10])
            + self.update(60, 2, withdrawn: [10])
            + self.update(120, 2, path: [64502, 7, 8], announced: [10])
        try Data(records).write(to: URL(fileURLWithPath: path))
        try await body(folder, path)
    }

    @Test("tells what was played of a feed, and what of it was treated as withdrawn (RFC 7606)")
    func treatedAsWithdrawn() async throws {
        try await self.withRecording { folder, _ in
            let path = folder.appendingPathComponent("malformed").path
            let records =
                self.update(0, 1, path: [64501, 7], announced: [10, 11])
                + self.update(1, 1, path: [64501, 7], announced: [10, 12], origin: 9)
                + self.update(2, 1, withdrawn: [11])
            try Data(records).write(to: URL(fileURLWithPath: path))
            let run = try await Client.run(
                ["replay", path, "--speed", "max", "-c", "show feed 192.0.2.1"])
            #expect(run.status == 0)
            #expect(run.complaints.contains("2 announcements and 1 withdrawals up to "))
            #expect(
                run.complaints.contains(
                    "2 announcements more, in malformed UPDATEs of 192.0.2.1, were treated as "
                        + "withdrawals (RFC 7606)\n"))
            for line in [
                "  file        \(path)\n", "  messages              3\n",
                "  announced             2\n", "  withdrawn             1\n",
                "  malformed             1\n", "  treated as withdrawn  2\n",
                "In the table:\n  ipv4              0\n",
            ] {
                #expect(run.output.contains(line), "\(line) in \(run.output)")
            }
        }
    }

    @Test("answers commands about the end, or about the time that was asked for")
    func commands() async throws {
        try await self.withRecording { _, path in
            let base = ["replay", path, "--speed", "max", "--quiet", "-c", "nearest 10.1.2.3"]
            var run = try await Client.run(base)
            #expect(run.status == 0 && run.complaints == "")
            #expect(run.output.hasPrefix("192.0.2.1 "), "\(run.output)")
            run = try await Client.run(base + ["--until", "\(Self.start + 59)"])
            #expect(run.output.hasPrefix("192.0.2.2 "), "\(run.output)")
            run = try await Client.run(base + ["--until", "2025-11-13T02:13:30Z", "-c", "fish"])
            #expect(run.output.hasPrefix("192.0.2.2 "), "\(run.output)")
            #expect(run.status == 1)
        }
    }

    @Test("takes sites and feeds from a configuration, and says whose record is missing")
    func configuration() async throws {
        try await self.withRecording { folder, path in
            let config = folder.appendingPathComponent("martlet.yaml")
            try Data(
                """
                router: { as: 65000, id: 192.0.2.99 }
                sites:
                  sydney: { as: 64600, addresses: [198.51.100.1] }
                  zurich: { as: 64601, addresses: [198.51.100.2] }
                  lima: { as: 64602, addresses: [198.51.100.3] }
                feeds:
                  s: { site: sydney, bgp: { peer: 192.0.2.1, as: 64501 } }
                  z: { site: zurich, bgp: { peer: 192.0.2.2, as: 64502 } }
                  l: { site: lima, bgp: { peer: 192.0.2.3, as: 64503 } }
                  r: { site: lima, bgp: { peer: 192.0.2.128/25, as: 64504, maximum-peers: 4 } }
                rpki: { caches: [{ address: 192.0.2.200, port: 3323 }] }

                """.utf8
            ).write(to: config)
            let run = try await Client.run([
                "replay", path, "--speed", "max", "--config", config.path, "-c", "rank 10.1.2.3",
            ])
            #expect(run.status == 0, "\(run.complaints)")
            let rows = run.output.split(separator: "\n").dropFirst().map { row in
                row.split(separator: " ").prefix(3).joined(separator: " ")
            }
            #expect(rows.prefix(3) == ["1 sydney 2", "2 zurich 3", "3 lima -"])
            #expect(run.complaints.contains("no record of feed l's peer"))
            #expect(run.complaints.contains("martlet: feed r is left out: what the neighbours of"))
            #expect(run.complaints.contains("martlet: origins are not validated: "))
            #expect(
                run.complaints.contains(
                    "3 announcements and 1 withdrawals up to 2025-11-13T02:15:20Z"))
        }
    }

    @Test("refuses what can't be played, with status 2, and mistakes of use")
    func mistakes() async throws {
        try await self.withRecording { folder, path in
            let nothing = folder.appendingPathComponent("nothing").path
            try Data().write(to: URL(fileURLWithPath: nothing))
            var run = try await Client.run(["replay", nothing, "-c", "show feeds"])
            #expect(run.status == 2 && run.complaints.contains("no peer has a record there"))
            run = try await Client.run(["replay", "\(path).not", "-c", "show feeds"])
            #expect(run.status == 2 && run.complaints.contains("can't be opened"))
            for words in [
                ["--speed", "0"], ["--from", "2", "--until", "1"], ["--until", "noon"],
            ] {
                run = try await Client.run(["replay", path] + words)
                #expect(run.status == 64, "\(words)")
            }
        }
    }
}
