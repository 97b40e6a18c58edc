// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Configuration
import Console
import Glibc
import Testing

@Suite("A configuration's files")
struct FileTests {
    @Test("start at the configuration's folder, and must be there")
    func missing() throws {
        let folder = try Folder()
        try folder.write("", "there.routes")
        #expect(
            try folder.complaints(
                Reading.sites + """
                    maps:
                      - there.routes
                      - away.routes
                      - .
                    location: { ranges: away/geoip }
                    round-trips: { files: rtt.csv }
                    feeds: { f: { site: tokyo, mrt: { file: rib.bz2, peer-as: 1 } } }
                    """) == [
                    "martlet.yaml:4:5: away.routes: there is no such file",
                    "martlet.yaml:5:5: .: it is a folder, not a file",
                    "martlet.yaml:6:21: away/geoip: there is no such file",
                    "martlet.yaml:7:23: rtt.csv: there is no such file",
                    "martlet.yaml:8:41: rib.bz2: there is no such file",
                ])
    }

    @Test("hold passwords that nobody else can open")
    func passwords() throws {
        let folder = try Folder()
        try folder.write("secret\nsecond line\n", "good.key", mode: 0o640)
        try folder.write("secret\n", "open.key", mode: 0o644)
        try folder.write("\n", "empty.key")
        let path = try folder.write(
            Reading.sites + "console: { password-file: good.key }\n", "martlet.yaml")
        let configuration = try Configuration.load(path: path)
        #expect(configuration.console.password == "secret")
        #expect(configuration.console.enablePassword == nil)
        #expect(configuration.plan().console.password == "secret")
        #expect(
            try folder.complaints(
                Reading.sites + """
                    console:
                      password-file: open.key
                      enable-password-file: empty.key
                      socket-group: no-such-group-here
                    """) == [
                    "martlet.yaml:3:18: open.key holds a password and everybody can open it: "
                        + "chmod o-rwx",
                    "martlet.yaml:4:25: empty.key has no password in its first line",
                    "martlet.yaml:5:17: there is no group 'no-such-group-here'",
                ])
        #expect(
            try folder.complaints(Reading.sites + "console: { password-file: away.key }\n")
                == ["martlet.yaml:2:27: away.key: there is no such file"])
    }

    @Test("that are to be written need a folder, and a place that no other thing has")
    func written() throws {
        let folder = try Folder()
        func complaints(_ path: String) throws -> [String] {
            try folder.complaints(Reading.sites + "checkpoint: { file: \(path) }\n")
        }
        #expect(try complaints("table") == [])
        #expect(
            try complaints("away/table") == [
                "martlet.yaml:2:21: there is no folder away to write away/table to"
            ])
        #expect(try complaints("../") == ["martlet.yaml:2:21: ../ is not a plain file"])
        let configuration = try Configuration.load(
            path: try folder.write(
                Reading.sites + "checkpoint: { file: table, every: 5m }\n", "martlet.yaml"))
        #expect(configuration.checkpoint?.file == "\(folder.path)/table")
        #expect(configuration.checkpoint?.every == .seconds(300))
        #expect(configuration.plan().checkpoint == configuration.checkpoint)
        #expect(
            configuration.summary().contains(
                "checkpoint \(folder.path)/table, written at the end and every 5 min\n"))
    }

    @Test("aren't looked for where only the text is read")
    func textAlone() throws {
        let configuration = try Configuration.parse(
            Array((Reading.sites + "maps: [away.routes, /absolute]\n").utf8),
            file: "etc/martlet.yaml")
        #expect(configuration.maps == ["etc/away.routes", "/absolute"])
    }

    @Test("are plain ones: a pipe that nobody writes to holds nothing up", .timeLimit(.minutes(1)))
    func plain() throws {
        let folder = try Folder()
        for name in ["zone", "list", "secret"] {
            #expect(mkfifo("\(folder.path)/\(name)", 0o600) == 0)
        }
        #expect(
            try folder.complaints(
                Reading.sites + """
                    prefix-lists: { bad: { file: list } }
                    console: { password-file: secret }
                    """) == [
                    "martlet.yaml:2:30: list: it is not a plain file",
                    "martlet.yaml:3:27: secret: it is not a plain file",
                ])
        try folder.write("@ 60 SOA a b 1 2 3 4 5\n@ 60 NS a.example.\n$INCLUDE zone\n", "good")
        let configuration = try Configuration.load(
            path: try folder.write(
                Reading.sites + """
                    zones:
                      a.example: { file: zone }
                      b.example: { file: /dev/zero }
                      c.example: { file: good }
                    """, "martlet.yaml"))
        #expect(configuration.zones.map(\.state) == [.missing, .missing, .missing])
        #expect(
            configuration.zones.allSatisfy {
                $0.problems.first?.description.hasSuffix("it is not a plain file") == true
            }, "\(configuration.zones.map(\.problems))")
    }

    @Test("include the configuration itself")
    func itself() throws {
        let folder = try Folder()
        for (path, text) in [
            ("\(folder.path)/away.yaml", "there is no such file"),
            (folder.path, "it is a folder, not a file"),
        ] {
            #expect {
                try Configuration.load(path: path)
            } throws: { error in
                "\(error)" == "\(path): \(text)"
            }
        }
    }

    @Test(
        "are UTF-8 without a NUL",
        arguments: [
            (Array("sites:\n  a: ".utf8) + [0xff], "2:1: this line is not UTF-8"),
            (Array("sites:\n\n".utf8) + [0], "3:1: there is a NUL byte in this line"),
            ([0xed, 0xa0, 0x80], "1:1: this line is not UTF-8"),
            ([0xfe, 0xff, 0, 0x61], "1:1: there is a NUL byte in this line"),
            ([0xef, 0xbb, 0xbf], "1:1: the file is empty"),
        ] as [([UInt8], String)])
    func encoding(bytes: [UInt8], complaint: String) {
        #expect(Reading.complaints(bytes) == [complaint])
    }

    @Test("may begin with a byte order mark and end their lines as Windows does")
    func marks() throws {
        let text = "sites:\r\n  a: { as: 1 }\r\nmaps: [x]\r\n"
        let configuration = try Configuration.parse([0xef, 0xbb, 0xbf] + Array(text.utf8))
        #expect(configuration.sites.map(\.name) == ["a"])
        #expect(configuration.maps == ["x"])
    }
}
