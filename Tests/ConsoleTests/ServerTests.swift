// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import Console
import Foundation
import Logging
import NIOCore
import RouteTable
import Testing

@Suite("The console's server", .timeLimit(.minutes(5)))
struct ServerTests {
    /// Runs a server with one listener while `body` talks to it.
    private func serve(
        _ settings: ConsoleSettings = ConsoleSettings(passwordDelay: .milliseconds(20)),
        face: Face = .people, on fixture: Fixture? = nil,
        _ body: (SocketAddress, ConsoleServer) async throws -> Void
    ) async throws {
        var settings = settings
        settings.listeners = [
            .init(address: try SocketAddress(ipAddress: "127.0.0.1", port: 0), face: face)
        ]
        let backend: Fixture
        if let fixture { backend = fixture } else { backend = try await Fixture() }
        let server = try ConsoleServer(
            backend: backend, settings: settings,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let address = try #require(try await server.bind().first)
        let run = Task { try await server.run() }
        do {
            try await body(address, server)
        } catch {
            run.cancel()
            throw error
        }
        run.cancel()
        try await run.value
    }

    @Test(
        "what is watched goes on until a line, Ctrl-C or telnet's interrupt comes",
        arguments: [Array("enough\n".utf8), [13, 10], [3], [255, 244]] as [[UInt8]])
    func watching(end: [UInt8]) async throws {
        let fixture = try await Fixture()
        var settings = ConsoleSettings(passwordDelay: .milliseconds(20))
        settings.enablePassword = "e"
        try await self.serve(settings, face: .machine, on: fixture) { address, server in
            let client = try await LineClient(to: address)
            client.send("enable e\ndebug feed sydney-core\n")
            #expect(await client.text(upTo: "first\n") == "+ ok\n* -\nfirst\n")
            // Half a line is none.
            client.send("enou")
            fixture.show("second")
            #expect(await client.text(upTo: "second\n") == "second\n")
            client.send(bytes: end)
            #expect(await client.text(upTo: ".\n") == ".\n")
            client.send("ready\n")
            #expect(await client.text(upTo: "ready\n") == "+ ready\n")
            fixture.show("nobody sees this")
            client.close()
        }
    }

    @Test("people are told at the start how watching ends, and clients that it has no end")
    func watchingBegins() async throws {
        let fixture = try await Fixture()
        var settings = ConsoleSettings(passwordDelay: .milliseconds(20))
        settings.enablePassword = "e"
        let opening = "watching sydney-core: a line or Ctrl-C ends it\n"
        try await self.serve(settings, face: .machine, on: fixture) { address, server in
            let client = try await LineClient(to: address)
            client.send("enable e\nframed\n")
            #expect(await client.text(upTo: "# \n") == "+ ok\n.ok martlet# \n")
            client.send("debug feed sydney-core\n")
            #expect(await client.text(upTo: "first\n") == ".live \n\(opening)first\n")
            client.send(bytes: [3])
            #expect(await client.text(upTo: "# \n") == ".ok martlet# \n")
            client.close()
        }
    }

    @Test("orders to sessions are for those who may, and the message is as it was typed")
    func orders() async throws {
        let fixture = try await Fixture()
        let interpreter = try fixture.interpreter()
        for line in [
            "clear feed sydney-core", "clear feed sydney-core soft",
            "shutdown feed sydney-core", "shut feed sydney-core  new   cards, 5 o'clock",
            "no shutdown feed sydney-core",
        ] {
            #expect(await interpreter.run(line, face: .machine) == ("+ done\n", true))
        }
        #expect(
            fixture.seenOrders == [
                .clear, .refresh, .shutDown(message: nil),
                .shutDown(message: "new   cards, 5 o'clock"), .resume,
            ])
        let unknown = await interpreter.run("clear feed fish", face: .machine)
        #expect(unknown == ("- 404 there is no feed 'fish'\n", false))
        try await self.serve(face: .machine, on: fixture) { address, server in
            let client = try await LineClient(to: address)
            client.send("shutdown feed sydney-core\n")
            #expect(await client.text(upTo: "\n") == "- 401 that needs 'enable' first\n")
            client.close()
        }
    }

    private static let greeting = "\r\nHello, this is Martlet (version 1.2.3).\r\n\r\n"

    @Test("greets people, prompts after every reply, says farewell by closing")
    func people() async throws {
        try await self.serve { address, server in
            let client = try await LineClient(to: address)
            #expect(await client.text(upTo: "> ") == Self.greeting + "martlet> ")
            client.send("nearest 1.0.4.1\r\n")
            #expect(
                await client.text(upTo: "> ")
                    == "sydney 210.18.215.100 (3 hops, cost 15, by cost, for 1.0.4.0/24)\r\nmartlet> "
            )
            client.send("\r\n")
            #expect(await client.text(upTo: "> ") == "martlet> ")
            client.send("terminal length 0\n")
            #expect(await client.text(upTo: "> ") == "martlet> ")
            client.send("sh ip ?\n")
            #expect(await client.text(upTo: "> ") == "  bgp  BGP information\r\nmartlet> ")
            client.send("reload\n")
            #expect(
                await client.text(upTo: "> ") == "% That needs 'enable' first\r\nmartlet> ")
            client.send("quit\n")
            #expect(await client.rest() == [])
            #expect(server.counters.connections == 1)
        }
    }

    @Test("Supersparrow's conversation with Zebra: password, show ip bgp, exit")
    func supersparrow() async throws {
        let settings = ConsoleSettings(password: "jasmine", passwordDelay: .milliseconds(20))
        try await self.serve(settings) { address, server in
            let client = try await LineClient(to: address)
            var greeting = Array(Self.greeting.utf8)
            greeting += Array("User Access Verification\r\n\r\nPassword: ".utf8) + [255, 251, 1]
            #expect(await client.bytes(upTo: [255, 251, 1]) == greeting, "IAC WILL ECHO")
            client.send(bytes: [255, 253, 1] + Array("wrong\r\n".utf8))
            #expect(await client.text(upTo: "Password: ") == "\r\n% Wrong password\r\nPassword: ")
            client.send("jasmine\r\n")
            #expect(
                await client.bytes(upTo: Array("> ".utf8))
                    == [13, 10, 255, 252, 1] + Array("martlet> ".utf8), "IAC WONT ECHO")
            client.send("sho ip bgp 1.0.4.1\r\n")
            let entry = await client.text(upTo: "> ")
            #expect(
                entry.hasPrefix(
                    "BGP routing table entry for 1.0.4.0/24\r\nPaths: (2 available, best #1,"))
            #expect(entry.contains("\r\n  64600 1221 38803 56203\r\n"))
            client.send("exit\r\n")
            #expect(await client.rest() == [])
            #expect(server.counters.wrongPasswords == 1)
        }
    }

    @Test("three wrong passwords end the connection")
    func wrongPasswords() async throws {
        let settings = ConsoleSettings(password: "jasmine", passwordDelay: .milliseconds(1))
        try await self.serve(settings) { address, server in
            let client = try await LineClient(to: address)
            client.send("a\nb\nc\nshow sites\n")
            let text = String(decoding: await client.rest(), as: UTF8.self)
            #expect(text.components(separatedBy: "% Wrong password").count == 4)
            #expect(!text.contains("sydney"))
            #expect(server.counters.wrongPasswords == 3)
        }
    }

    @Test("programs pipeline without limit; quick and slow replies come in order")
    func pipeline() async throws {
        try await self.serve(face: .machine) { address, _ in
            let client = try await LineClient(to: address)
            let nearest = "+ sydney 210.18.215.100 distance=3 cost=15 scope=24 reason=cost\n"
            var expected = ""
            for round in 0..<3_000 {
                client.send("nearest 1.0.4.\(round % 256)\n")
                expected += nearest
                switch round % 100 {
                case 7:
                    client.send("ready\nnearest 10.0.0.1 for www.example.com\n")
                    expected += "+ ready\n+ london - distance=- cost=- scope=8 reason=pinned\n"
                case 8:
                    client.send("show version\nfish\n")
                    expected += "*"
                case 9:
                    client.send("nearest 1.0.4.1 for fish\nnearest 1.0.4.1 for fish\n")
                    let no = "- 404 'fish' is no name that is answered with the nearest site\n"
                    expected += no + no
                case 10:
                    client.send("nea 1.0.4.1\r\nnearest  1.0.4.1\n")
                    expected += nearest + nearest
                default: break
                }
            }
            try await client.closeOutput()
            let text = String(decoding: await client.rest(), as: UTF8.self)
            let lines = text.split(separator: "\n").filter {
                !$0.hasPrefix("* ") && !$0.hasPrefix("martlet ") && $0 != "."
                    && !$0.hasPrefix("- 400")
            }
            let wanted = expected.replacingOccurrences(of: "*", with: "").split(separator: "\n")
            #expect(lines == wanted)
        }
    }

    @Test("replies made ready before follow sites, routes, pins and names as they change")
    func changes() async throws {
        let fixture = try await Fixture()
        try await self.serve(face: .machine, on: fixture) { address, _ in
            let client = try await LineClient(to: address)
            func nearest(_ rest: String) async -> String {
                client.send("nearest \(rest)\nnearest \(rest)\n")
                var text = ""
                while text.filter({ $0 == "\n" }).count < 2 {
                    text += await client.text(upTo: "\n")
                }
                let lines = text.split(separator: "\n")
                #expect(lines.count == 2 && lines.first == lines.last)
                return String(lines.first ?? "")
            }
            #expect(await nearest("1.0.4.1").hasPrefix("+ sydney 210.18.215.100 distance=3 "))
            fixture.oracle.update { $0.status[Fixture.sydney]?.health = .down }
            #expect(await nearest("1.0.4.1").hasPrefix("+ tokyo 192.0.2.80 distance=4 "))
            fixture.oracle.update { $0.status[Fixture.sydney]?.health = .up }
            #expect(await nearest("1.0.4.1").hasPrefix("+ sydney 210.18.215.100 distance=3 "))

            var batch = RouteBatch(feed: Fixture.core)
            let longer = batch.intern(RouteAttributes(asPath: ASPath([1221, 1, 2, 3, 4])))
            batch.announce(try IPPrefix(parsing: "1.0.4.0/24"), attributes: longer)
            fixture.owner.submit(.routes(batch))
            await fixture.owner.flush()
            #expect(await nearest("1.0.4.1").contains(" distance=5 cost=25 "))
            fixture.owner.submit(
                .setPins([(try IPPrefix(parsing: "1.0.4.0/25"), [Fixture.tokyo])]))
            await fixture.owner.flush()
            #expect(
                await nearest("1.0.4.1")
                    == "+ tokyo 192.0.2.80 distance=4 cost=156 scope=25 reason=pinned")
            fixture.owner.submit(.setPins([]))
            fixture.owner.submit(.feedFlush(Fixture.core))
            await fixture.owner.flush()
            #expect(await nearest("1.0.4.1").hasPrefix("+ tokyo 192.0.2.80 distance=4 "))

            #expect(await nearest("1.0.4.1 for www.example.com").hasPrefix("+ tokyo "))
            fixture.oracle.update { $0.policies[1].sites = [Fixture.london] }
            #expect(await nearest("1.0.4.1 for www.example.com").hasPrefix("+ london - "))
            fixture.setReadiness(.notReady(waitingFor: "it"))
            #expect(await nearest("1.0.4.1") == "- 503 not ready: it")
            client.close()
        }
    }

    @Test("the short way for nearest answers as the grammar's way, whatever the line")
    func quickQuestions() async throws {
        let fixture = try await Fixture()
        var generator = SeededGenerator(seed: 3)
        let pieces = [
            "nearest", "nearest ", " ", "1.0.4.1", "10.2.3.4", "::1", "2001:db8::9", " for ",
            "for", "www.example.com", "fish", "--json", "\t", "1.0.4", "?", "NEAREST ", "x",
        ]
        var lines: [String] = ["nearest 1.0.4.1 for  www.example.com", "nearest 1.0.4.1 for "]
        for _ in 0..<400 {
            let count = Int.random(in: 1...6, using: &generator)
            let line = (0..<count).map { _ in pieces.randomElement(using: &generator) ?? "" }
                .joined()
            // Help and blank lines belong to the connection.
            if line.contains(where: { $0 != " " && $0 != "\t" }), line.last != "?" {
                lines.append(
                    "nearest 1.0.4.1".prefix(Int.random(in: 0...15, using: &generator)) + line)
            }
        }
        lines = lines.filter { $0.last != "?" && $0.contains { $0 != " " && $0 != "\t" } }
        let interpreter = try fixture.interpreter()
        var expected = ""
        for line in lines { expected += await interpreter.run(line, face: .machine).text }
        try await self.serve(face: .machine, on: fixture) { address, _ in
            let client = try await LineClient(to: address)
            client.send(lines.joined(separator: "\n") + "\n")
            try await client.closeOutput()
            #expect(String(decoding: await client.rest(), as: UTF8.self) == expected)
        }
    }

    @Test("a line past the bound is refused and the connection goes on")
    func longLine() async throws {
        try await self.serve(ConsoleSettings(maximumLine: 64), face: .machine) { address, _ in
            let client = try await LineClient(to: address)
            client.send(String(repeating: "x", count: 200_000) + "\nready\n")
            #expect(
                await client.text(upTo: "ready\n")
                    == "- 400 a line of more than 64 octets\n+ ready\n")
            client.close()
        }
    }

    @Test("a reader that is slow holds its own replies up, not memory, and gets them all")
    func backPressure() async throws {
        let fixture = try await Fixture()
        await fixture.fill(20_000)
        try await self.serve(face: .machine, on: fixture) { address, _ in
            let client = try await LineClient(to: address)
            try await client.channel.setOption(.autoRead, value: false).get()
            for _ in 0..<3 { client.send("show routes\n") }
            client.send("ready\n")
            // Another connection is served all the while.
            let other = try await LineClient(to: address)
            other.send("nearest 1.0.4.1\n")
            #expect(await other.text(upTo: "\n").hasPrefix("+ sydney"))
            other.close()
            try await client.channel.setOption(.autoRead, value: true).get()
            let text = await client.text(upTo: "+ ready\n")
            #expect(text.split(separator: "\n").count == 3 * 20_005 + 1)
            client.close()
        }
    }

    @Test(
        "Ctrl-C or telnet's interrupt ends a long list, and forgets what was typed after it",
        arguments: [[3], [255, 244]] as [[UInt8]])
    func interrupted(bytes: [UInt8]) async throws {
        let fixture = try await Fixture()
        // More than sockets hold.
        await fixture.fill(200_000)
        try await self.serve(on: fixture) { address, _ in
            let client = try await LineClient(to: address)
            _ = await client.text(upTo: "> ")
            try await client.channel.setOption(.autoRead, value: false).get()
            client.send("show routes\r\nfish\r\n")
            client.send(bytes: bytes)
            try await client.channel.setOption(.autoRead, value: true).get()
            let text = await client.text(upTo: "> ")
            let last = text.split(separator: "\r\n").dropLast().last
            #expect(last?.hasPrefix("interrupted after ") == true, "\(last ?? "nothing")")
            client.send("ready\r\n")
            #expect(await client.text(upTo: "> ") == "ready\r\nmartlet> ")
            client.close()
        }
    }

    @Test("to programs it is a character like others, and the list comes whole")
    func programsAreNotInterrupted() async throws {
        let fixture = try await Fixture()
        await fixture.fill(20_000)
        try await self.serve(face: .machine, on: fixture) { address, _ in
            let client = try await LineClient(to: address)
            client.send("show routes\nfish\u{3}ready\n")
            let text = await client.text(upTo: "+ ready\n")
            #expect(text.split(separator: "\n").count == 20_005 + 1)
            client.close()
        }
    }

    @Test("connections beyond the bound are told so; when one ends there is room again")
    func tooMany() async throws {
        try await self.serve(ConsoleSettings(maximumConnections: 1), face: .machine) {
            address, server in
            let first = try await LineClient(to: address)
            first.send("ready\n")
            #expect(await first.text(upTo: "\n") == "+ ready\n")
            let second = try await LineClient(to: address)
            #expect(
                String(decoding: await second.rest(), as: UTF8.self)
                    == "- 429 too many connections\n")
            #expect(server.counters.refusedConnections == 1)
            first.send("quit\n")
            #expect(await first.rest() == [])
            let third = try await LineClient(to: address)
            third.send("ready\n")
            #expect(await third.text(upTo: "\n") == "+ ready\n")
            third.close()
        }
    }

    @Test("an idle connection is closed")
    func idle() async throws {
        let settings = ConsoleSettings(idleTimeout: .milliseconds(50))
        try await self.serve(settings) { address, _ in
            let client = try await LineClient(to: address)
            #expect(
                String(decoding: await client.rest(), as: UTF8.self) == Self.greeting + "martlet> ")
        }
    }

    @Test("a last line without an end is answered when the other side closes its half")
    func halfClose() async throws {
        try await self.serve(face: .machine) { address, _ in
            let client = try await LineClient(to: address)
            client.send("explain 1.0.4.1\nready")
            try await client.closeOutput()
            let text = String(decoding: await client.rest(), as: UTF8.self)
            #expect(text.hasPrefix("* 3\n1 sydney") && text.hasSuffix(".\n+ ready\n"))
        }
    }

    @Test("enable asks for its own password over TCP")
    func enable() async throws {
        let settings = ConsoleSettings(enablePassword: "rose", passwordDelay: .milliseconds(1))
        try await self.serve(settings) { address, _ in
            let client = try await LineClient(to: address)
            _ = await client.text(upTo: "martlet> ")
            client.send("framed\n")
            #expect(await client.text(upTo: "\n") == ".ok martlet> \n")
            client.send("reload\n")
            #expect(
                await client.text(upTo: "> \n") == "% That needs 'enable' first\n.401 martlet> \n")
            client.send("enable\n")
            #expect(await client.text(upTo: "\n") == ".password Password: \n")
            client.send("jasmine\nready\nenable\n")
            #expect(
                await client.text(upTo: "> \n") == "% Wrong password\n.401 martlet> \n")
            #expect(await client.text(upTo: "> \n") == "ready\n.ok martlet> \n")
            #expect(await client.text(upTo: "\n") == ".password Password: \n")
            client.send("rose\n")
            #expect(await client.text(upTo: "\n") == ".ok martlet# \n")
            client.send("reload\n")
            #expect(await client.text(upTo: "# \n") == "nothing has changed\n.ok martlet# \n")
            client.close()
        }
    }

    @Test("the Unix socket has mode 0660, trusts its users, and replaces only what nobody uses")
    func unixSocket() async throws {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("martlet-\(UInt64.random(in: 0 ... .max))").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/console.sock"
        let address = try SocketAddress(unixDomainSocketPath: path)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let fixture = try await Fixture()
        func server() throws -> ConsoleServer {
            try ConsoleServer(
                backend: fixture,
                settings: ConsoleSettings(socketPath: path, password: "jasmine"), logger: logger)
        }
        let first = try server()
        try await first.bind()
        let run = Task { try await first.run() }
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions]
        #expect(mode as? Int == 0o660)

        let client = try await LineClient(to: address)
        #expect(
            await client.text(upTo: "# ")
                == "\nHello, this is Martlet (version 1.2.3).\n\nmartlet# ")
        client.send("reload\n")
        #expect(await client.text(upTo: "# ") == "nothing has changed\nmartlet# ")

        await #expect(throws: UnixSocketError.inUse(path)) { try await server().bind() }
        client.send("ready\n")
        #expect(await client.text(upTo: "# ") == "ready\nmartlet# ", "the first still serves")
        run.cancel()
        try await run.value
        #expect(!FileManager.default.fileExists(atPath: path), "the file goes with the server")

        // A file that a process left behind: bound once, and nobody listens any more.
        let left = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        #expect(left >= 0)
        address.withSockAddr { pointer, size in
            #expect(bind(left, pointer, socklen_t(size)) == 0)
        }
        close(left)
        let second = try server()
        try await second.bind()
        let again = Task { try await second.run() }
        let next = try await LineClient(to: address)
        #expect(await next.text(upTo: "# ").hasSuffix("martlet# "))
        again.cancel()
        try await again.value

        try Data("mine".utf8).write(to: URL(fileURLWithPath: path))
        await #expect(throws: UnixSocketError.notASocket(path)) { try await server().bind() }
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "mine")
    }
}
