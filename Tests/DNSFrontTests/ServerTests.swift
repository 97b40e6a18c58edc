// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import DNSFront
import DNSWire
import Logging
import RouteTable
import Testing

@Suite("A DNS server", .timeLimit(.minutes(5)))
struct ServerTests {
    @Test("answers pipelined queries in order, however they are cut")
    func pipelining() async throws {
        try await withServer { server, endpoints in
            try await blocking {
                let client = try TCPClient(endpoints[0])
                let queries = (0..<200).map { number in
                    Query(number % 2 == 0 ? "static.example.com" : "big.example.com", .txt)
                        .framed(identifier: UInt16(number))
                }
                // All but the last at once, the last byte by byte.
                client.send(queries.dropLast().flatMap { $0 })
                for byte in queries.last ?? [] { client.send([byte]) }
                for number in 0..<200 {
                    let reply = try message(client.message())
                    #expect(reply.identifier == UInt16(number))
                    #expect(reply.answers.count == (number % 2 == 0 ? 1 : 20))
                }
                #expect(server.counters().queries == [.tcp: 200])
            }
        }
    }

    @Test("answers long datagrams, and says so where one is too long")
    func longDatagrams() async throws {
        try await withServer { server, endpoints in
            try await blocking {
                let client = try TCPClient(endpoints[0], isDatagrams: true)
                func reply(to datagram: [UInt8]) throws -> Message {
                    client.send(datagram)
                    guard case .bytes(let bytes) = client.receive(atMost: 65_535) else {
                        throw Silence()
                    }
                    return try message(bytes)
                }
                var query = Query("static.example.com", .a)
                query.add(OptionCode(rawValue: 12))
                // The header, the question, the OPT record and the option's own.
                let room = 4096 - query.bytes.count
                for (padding, behind, code) in [
                    (room, 0, .noError), (room + 1, 0, .formatError),
                    (20_000, 0, .formatError), (65_000, 0, .formatError),
                    // All of the message is read, and more has come.
                    (room, 1, .formatError), (0, 10_000, .formatError),
                ] as [(Int, Int, ResponseCode)] {
                    var query = Query("static.example.com", .a)
                    query.add(OptionCode(rawValue: 12), Array(repeating: 0, count: padding))
                    let bytes = query.bytes + Array(repeating: 0, count: behind)
                    let reply = try reply(to: bytes)
                    #expect(reply.code == code && reply.identifier == 0xabcd)
                    #expect(reply.questions.count == 1)
                    #expect(reply.addresses.count == (code == .noError ? 2 : 0))
                }
                #expect(server.counters().responses == [.noError: 1, .formatError: 5])
            }
        }
    }

    @Test("takes an address that no interface has yet")
    func awayAddress() async throws {
        try await withServer(listen: ["192.0.2.77", "127.0.0.1"]) { server, endpoints in
            #expect(endpoints.count == 2 && endpoints[0].address == address("192.0.2.77"))
            #expect(endpoints[0].port > 0 && server.sockets().tcp.count == 2)
            try await blocking {
                let client = try TCPClient(endpoints[1])
                client.send(Query("static.example.com", .a).framed(identifier: 1))
                #expect(try message(client.message()).addresses.count == 2)
            }
        }
    }

    @Test("answers what came before the client closed its side")
    func halfClosed() async throws {
        try await withServer { _, endpoints in
            try await blocking {
                let client = try TCPClient(endpoints[0])
                let query = Query("big.example.com", .txt).framed(identifier: 9)
                client.send((0..<500).flatMap { _ in query })
                client.endSending()
                for _ in 0..<500 { #expect(try message(client.message()).answers.count == 20) }
                #expect(client.receive(atMost: 1) == .end)
            }
        }
    }

    @Test("closes a connection without a whole query, whether silent or dripping")
    func idle() async throws {
        try await withServer(change: { $0.idleTimeout = .milliseconds(300) }) { _, endpoints in
            try await blocking {
                let silent = try TCPClient(endpoints[0])
                #expect(silent.receive(atMost: 1) == .end)

                let dripping = try TCPClient(endpoints[0])
                dripping.setTimeout(milliseconds: 50)
                dripping.send([0, 200])
                var result = TCPClient.Received.nothing
                for _ in 0..<190 where result == .nothing {
                    dripping.send([0])
                    result = dripping.receive(atMost: 1)
                }
                #expect(result == .end)
            }
        }
    }

    @Test("reads no more from a client that doesn't read")
    func slowReader() async throws {
        try await withServer { server, endpoints in
            try await blocking {
                let client = try TCPClient(endpoints[0])
                client.setTimeout(milliseconds: 500)
                let query = Query("big.example.com", .txt).framed(identifier: 1)
                let block = (0..<1000).flatMap { _ in query }
                let limit = 64 << 20
                var sent = 0
                while sent < limit {
                    let count = client.send(block)
                    sent += count
                    if count < block.count { break }
                }
                #expect(sent < limit, "the server went on reading")
                // Others are served meanwhile.
                let other = try TCPClient(endpoints[0])
                other.send(Query("static.example.com", .a).framed(identifier: 2))
                #expect(try message(other.message()).identifier == 2)
                #expect(server.counters().total < 100_000)
            }
        }
    }

    @Test("turns away connections beyond the bound, and takes new ones when others end")
    func bound() async throws {
        try await withServer(change: {
            $0.maximumConnections = 2
            $0.quietTime = .seconds(3600)
        }) { server, endpoints in
            try await blocking {
                let query = Query("static.example.com", .a).framed(identifier: 1)
                var clients: [TCPClient] = []
                for _ in 0..<2 {
                    let client = try TCPClient(endpoints[0])
                    client.send(query)
                    #expect(try message(client.message()).addresses.count == 2)
                    clients.append(client)
                }
                #expect(try TCPClient(endpoints[0]).receive(atMost: 1) == .end)
                #expect(server.counters().refusedConnections == 1)
                clients[0].endSending()
                #expect(clients[0].receive(atMost: 1) == .end)
                let next = try TCPClient(endpoints[0])
                next.send(query)
                #expect(try message(next.message()).addresses.count == 2)
            }
        }
    }

    @Test(
        "answers from the address that was asked, on wildcard listeners",
        .enabled(if: isInstalled("dig"), "dig is missing"),
        arguments: [["0.0.0.0"], ["::"], ["::", "0.0.0.0"]])
    func wildcard(listen: [String]) async throws {
        try await withServer(listen: listen) { _, endpoints in
            for endpoint in endpoints {
                var asked = ["127.0.0.1", "127.0.0.7"]
                if endpoint.address.family == .ipv6 { asked.append("::1") }
                for address in asked {
                    for transport in ["+notcp", "+tcp"] {
                        let text = try await output(
                            of: "dig",
                            [
                                "@\(address)", "-p", "\(endpoint.port)", "+tries=1", "+time=30",
                                transport, "static.example.com", "A",
                            ])
                        #expect(text.contains("192.0.2.11"), "\(address): \(text)")
                        #expect(!text.contains("unexpected source"))
                    }
                }
            }
        }
    }

    @Test(
        "serves one port with several threads, and counts over all",
        .enabled(if: isInstalled("dig"), "dig is missing"))
    func threads() async throws {
        try await withServer(change: {
            $0.threads = 3
            $0.pinsThreads = true
        }) { server, endpoints in
            for _ in 0..<12 {
                let text = try await output(
                    of: "dig",
                    [
                        "@127.0.0.1", "-p", "\(endpoints[0].port)", "+tries=1", "+time=30",
                        "www.example.com",
                    ])
                #expect(text.contains("210.18.215.100"))
            }
            #expect(server.counters().queries == [.udp: 12])
            #expect(server.counters().sites == [sydney: 12])
        }
    }

    @Test("says which port it can't have")
    func taken() async throws {
        try await withServer { _, endpoints in
            await #expect(throws: DNSServerError.self) {
                try await withServer(change: { $0.listeners = endpoints.map { DNSListener($0) } }) {
                    _, _ in
                }
            }
        }
    }

    @Test("doesn't run without its ports")
    func notBound() async throws {
        let owner = try TableOwner()
        defer { owner.shutdown() }
        let server = DNSServer(
            oracle: Oracle(lookup: owner.lookup, world: exampleWorld()), zones: ZoneStore(),
            settings: DNSSettings(listeners: []), logger: Logger(label: "test"))
        await #expect(throws: DNSServerError.notBound) { try await server.run() }
    }

    @Test("without listeners serves nothing until it is stopped")
    func noListeners() async throws {
        try await withServer(listen: []) { server, endpoints in
            #expect(endpoints.isEmpty)
            #expect(server.counters().total == 0)
        }
    }
}
