// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSFront
import DNSWire
import Testing

@Suite("Connections of a DNS server", .timeLimit(.minutes(2)))
struct ConnectionTests {
    private static let query = Query("static.example.com", .a).framed(identifier: 1)

    private static func isAnswered(_ client: TCPClient) throws -> Bool {
        client.send(Self.query)
        return try message(client.message()).addresses.count == 2
    }

    @Test("queries of one segment are answered, however it is cut in two")
    func cuts() async throws {
        try await withServer { server, endpoints in
            try await blocking {
                let client = try TCPClient(endpoints[0])
                let queries = (1...3).flatMap { number in
                    Query("static.example.com", .a).framed(identifier: UInt16(number))
                }
                for cut in 1..<queries.count {
                    client.send(Array(queries[..<cut]))
                    client.send(Array(queries[cut...]))
                    for number in 1...3 {
                        #expect(try message(client.message()).identifier == UInt16(number))
                    }
                }
                #expect(server.counters().connections == 1)
            }
        }
    }

    @Test("a quiet one gives way to a new one when all are too many")
    func givingWay() async throws {
        try await withServer(change: {
            $0.maximumConnections = 2
            $0.quietTime = .zero
        }) { server, endpoints in
            try await blocking {
                let first = try TCPClient(endpoints[0])
                #expect(try Self.isAnswered(first))
                let second = try TCPClient(endpoints[0])
                #expect(try Self.isAnswered(second))
                #expect(try Self.isAnswered(first))
                let third = try TCPClient(endpoints[0])
                #expect(try Self.isAnswered(third))
                #expect(second.receive(atMost: 1) == .end)
                #expect(try Self.isAnswered(first))
                #expect(server.counters().replacedConnections == 1)
                #expect(server.counters().refusedConnections == 0)
            }
        }
    }

    @Test("a client has so many, and closes its own")
    func perClient() async throws {
        try await withServer(change: {
            $0.connectionsPerClient = 1
            $0.quietTime = .seconds(3600)
        }) { server, endpoints in
            try await blocking {
                let first = try TCPClient(endpoints[0])
                #expect(try Self.isAnswered(first))
                #expect(try TCPClient(endpoints[0]).receive(atMost: 1) == .end)
                #expect(server.counters().refusedConnections == 1)
                #expect(try Self.isAnswered(first))
                first.endSending()
                #expect(first.receive(atMost: 1) == .end)
                #expect(try Self.isAnswered(try TCPClient(endpoints[0])))
            }
        }
    }

    @Test("what is no query ends it, when what came before is answered")
    func spoilt() async throws {
        try await withServer { server, endpoints in
            try await blocking {
                for bad in [[0, 0], [0, 5, 1, 2, 3, 4, 5]] as [[UInt8]] {
                    let client = try TCPClient(endpoints[0])
                    client.send(Self.query + bad + Self.query)
                    #expect(try message(client.message()).addresses.count == 2)
                    #expect(client.receive(atMost: 1) == .end)
                }
                #expect(server.counters().unanswered == 2)
            }
        }
    }

    @Test("a client that asks is told how long it may idle, and that is how long it may")
    func keepalive() async throws {
        try await withServer(change: { $0.idleTimeout = .milliseconds(1500) }) { _, endpoints in
            try await blocking {
                var query = Query("static.example.com", .a)
                query.add(.tcpKeepalive)
                let client = try TCPClient(endpoints[0])
                client.send(query.framed(identifier: 1))
                let start = ContinuousClock.now
                #expect(try message(client.message()).option(.tcpKeepalive) == [0, 15])
                #expect(client.receive(atMost: 1) == .end)
                #expect(ContinuousClock.now - start >= .milliseconds(1400))
            }
        }
    }

    // MARK: Proxies

    private static func header(_ client: String?) -> [UInt8] {
        let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10]
        guard let client else { return signature + [0x20, 0, 0, 0] }
        return signature + [0x21, 0x11, 0, 15] + address(client).bytes + [127, 0, 0, 1]
            + [0x30, 0x39, 0, 53] + [4, 0, 0]
    }

    private static func whoami(_ client: TCPClient) throws -> [String] {
        client.send(Query("whoami.example.com", .txt).framed(identifier: 3))
        return try message(client.message()).texts
    }

    private static func behindProxies(_ from: String) -> (inout DNSSettings) -> Void {
        {
            $0.rules.debuggers = [prefix("0.0.0.0/0")]
            $0.connectionsPerClient = 1
            $0.quietTime = .seconds(3600)
            for index in $0.listeners.indices { $0.listeners[index].proxies = [prefix(from)] }
        }
    }

    @Test("who asks through a proxy is the one that its header names, however it is cut")
    func proxied() async throws {
        try await withServer(change: Self.behindProxies("127.0.0.0/8")) { server, endpoints in
            try await blocking {
                let header = Self.header("203.0.113.9")
                for cut in 1...header.count {
                    let client = try TCPClient(endpoints[0])
                    client.send(Array(header[..<cut]))
                    client.send(Array(header[cut...]))
                    #expect(
                        try Self.whoami(client) == [
                            "client=203.0.113.9 subnet=- transport=tcp"
                        ])
                    client.endSending()
                    #expect(client.receive(atMost: 1) == .end)
                }
                #expect(server.counters().badProxyHeaders == 0)
            }
        }
    }

    @Test("its limits are those of the client, not of the proxy")
    func proxiedLimits() async throws {
        try await withServer(change: Self.behindProxies("127.0.0.1/32")) { _, endpoints in
            try await blocking {
                let clients = try ["203.0.113.9", "198.51.100.9"].map { name in
                    let client = try TCPClient(endpoints[0])
                    client.send(Self.header(name))
                    #expect(try Self.isAnswered(client))
                    return client
                }
                let second = try TCPClient(endpoints[0])
                second.send(Self.header("203.0.113.77"))
                #expect(second.receive(atMost: 1) == .end)
                for client in clients { #expect(try Self.isAnswered(client)) }
            }
        }
    }

    @Test("a proxy that asks by itself is the client, and one without a header isn't answered")
    func proxyItself() async throws {
        try await withServer(change: Self.behindProxies("127.0.0.1/32")) { server, endpoints in
            try await blocking {
                let client = try TCPClient(endpoints[0])
                client.send(Self.header(nil))
                #expect(
                    try Self.whoami(client) == ["client=127.0.0.1 subnet=- transport=tcp"])
                let bare = try TCPClient(endpoints[0])
                bare.send(Self.query)
                #expect(bare.receive(atMost: 1) == .end)
                #expect(server.counters().badProxyHeaders == 1)
                #expect(server.counters().total == 1)
            }
        }
    }

    @Test("nobody else can pass for another by a header")
    func notAProxy() async throws {
        try await withServer(change: Self.behindProxies("192.0.2.0/24")) { server, endpoints in
            try await blocking {
                let client = try TCPClient(endpoints[0])
                // The front of the header is the length of a message to come.
                client.send(Self.header("203.0.113.9"))
                client.send([UInt8](repeating: 0, count: 0x0d0a + 2 - 31))
                let reply = try message(client.message())
                // Its signature is a query's header, with a question count and no question.
                #expect(reply.code == .formatError)
                #expect(reply.answers.isEmpty)
                #expect(
                    try Self.whoami(client) == ["client=127.0.0.1 subnet=- transport=tcp"])
                #expect(server.counters().badProxyHeaders == 0)
            }
        }
    }
}
