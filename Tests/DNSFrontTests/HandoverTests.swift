// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import DNSFront
import DNSWire
import Glibc
import Logging
import RouteTable
import Synchronization
import Testing

@Suite("A DNS server that is changed or replaced", .timeLimit(.minutes(2)))
struct HandoverTests {
    /// What clients have seen who ask one question after another, by UDP from many ports.
    private final class Tally: Sendable {
        let isOver = Atomic(false)
        let answered = Atomic(0)
        let lost = Atomic(0)
        private let running = Atomic(0)

        /// Returns when nobody asks any more.
        func end() async throws {
            self.isOver.store(true, ordering: .relaxed)
            while self.running.load(ordering: .relaxed) > 0 {
                try await Task.sleep(for: .milliseconds(5))
            }
        }

        func ask(_ endpoint: DNSEndpoint) throws {
            self.running.add(1, ordering: .relaxed)
            defer { self.running.subtract(1, ordering: .relaxed) }
            let query = Array(Query("static.example.com", .a).framed(identifier: 7).dropFirst(2))
            while !self.isOver.load(ordering: .relaxed) {
                let client = try TCPClient(endpoint, timeout: 20, isDatagrams: true)
                for _ in 0..<20 {
                    client.send(query)
                    if case .bytes(let reply) = client.receive(atMost: 512), reply[1] == 7 {
                        self.answered.add(1, ordering: .relaxed)
                    } else {
                        self.lost.add(1, ordering: .relaxed)
                    }
                }
            }
        }

        /// Waits for so many more answers.
        func more(_ count: Int) async throws {
            let wanted = self.answered.load(ordering: .relaxed) + count
            while self.answered.load(ordering: .relaxed) < wanted {
                try #require(self.lost.load(ordering: .relaxed) == 0)
                try await Task.sleep(for: .milliseconds(5))
            }
        }
    }

    /// The identifier of the answer to a query with one.
    private func answer(from client: TCPClient, to identifier: UInt16) async throws -> UInt16 {
        try await blocking {
            client.send(Query("static.example.com", .a).framed(identifier: identifier))
            return try message(client.message()).identifier
        }
    }

    /// Has clients ask while `body` runs, and checks that each question was answered.
    private func underQueries(
        _ endpoint: DNSEndpoint, _ body: (Tally) async throws -> Void
    ) async throws {
        let tally = Tally()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 { group.addTask { try await blocking { try tally.ask(endpoint) } } }
            defer { tally.isOver.store(true, ordering: .relaxed) }
            try await tally.more(200)
            try await body(tally)
            try await tally.end()
            try await group.waitForAll()
        }
        #expect(tally.lost.load(ordering: .relaxed) == 0)
    }

    @Test("takes other numbers of threads and other options without losing a query")
    func changes() async throws {
        try await withServer(change: { $0.threads = 2 }) { server, endpoints in
            var settings = DNSSettings(
                listeners: [DNSListener(DNSEndpoint(address: address("127.0.0.1"), port: 0))])
            try await self.underQueries(endpoints[0]) { tally in
                for threads in [5, 1, 3] {
                    settings.threads = threads
                    #expect(await server.apply(settings) == [])
                    #expect(server.sockets().udp.count == threads)
                    try await tally.more(300)
                }
                settings.listeners[0].usesClientSubnet = false
                settings.payloadSize = 1400
                #expect(await server.apply(settings) == [])
                try await tally.more(300)
            }
            #expect(try await self.answer(from: TCPClient(endpoints[0]), to: 3) == 3)
            // What ended threads had counted is not forgotten.
            #expect(server.counters().total > 1500)
        }
    }

    @Test("begins and ends listeners, and says what it can't have")
    func listeners() async throws {
        try await withServer { server, endpoints in
            let taken = try TCPListener()
            var settings = DNSSettings(
                listeners: [DNSListener(DNSEndpoint(address: address("127.0.0.1"), port: 0))])
            try await self.underQueries(endpoints[0]) { tally in
                settings.listeners.append(
                    DNSListener(DNSEndpoint(address: address("127.0.0.1"), port: taken.port)))
                let said = await server.apply(settings)
                #expect(said.count == 1 && said[0].contains("Address already in use"))
                #expect(server.sockets().tcp.count == 1)
                taken.close()
                #expect(await server.apply(settings) == [])
                #expect(server.sockets().tcp.count == 2)
                let other = DNSEndpoint(address: address("127.0.0.1"), port: taken.port)
                for isDatagrams in [false, true] {
                    let received = try await blocking {
                        let client = try TCPClient(other, isDatagrams: isDatagrams)
                        let query = Query("static.example.com", .a).framed(identifier: 9)
                        client.send(isDatagrams ? Array(query.dropFirst(2)) : query)
                        return client.receive(atMost: 512)
                    }
                    guard case .bytes = received else {
                        Issue.record("no answer from the new listener")
                        continue
                    }
                }
                settings.listeners.removeLast()
                #expect(await server.apply(settings) == [])
                // Its port may be another test's by now.
                #expect(server.sockets().tcp.count == 1)
                try await tally.more(100)
            }
        }
    }

    @Test("hands its sockets to another one without losing a query")
    func replaced() async throws {
        try await withServer(change: { $0.threads = 2 }) { first, endpoints in
            let stayed = try TCPClient(endpoints[0])
            #expect(try await self.answer(from: stayed, to: 1) == 1)
            try await self.underQueries(endpoints[0]) { tally in
                let sockets = first.sockets()
                let copies = DNSSockets(
                    udp: sockets.udp.map { dup($0) }, tcp: sockets.tcp.map { dup($0) })
                // One thread: the other socket is read until nothing comes there any more.
                try await withServer(
                    change: { $0.listeners = endpoints.map { DNSListener($0) } },
                    adopting: copies
                ) { second, others in
                    #expect(others == endpoints)
                    await second.waitUntilServing()
                    await first.leave()
                    #expect(first.sockets().udp == [])
                    let before = first.counters().queries[.udp] ?? 0
                    try await tally.more(500)
                    #expect(first.counters().queries[.udp] == before)
                    #expect(second.counters().total >= 500)
                    // A connection that was there goes on; a new one comes to the other server.
                    #expect(try await self.answer(from: stayed, to: 2) == 2)
                    #expect(await first.finishConnections(within: .zero) == 1)
                    stayed.endSending()
                    #expect(await first.finishConnections(within: .seconds(30)) == 0)
                    #expect(try await self.answer(from: TCPClient(endpoints[0]), to: 3) == 3)
                    #expect(second.counters().queries[.tcp] == 1)
                    try await tally.end()
                }
            }
        }
    }
}

/// Somebody else's listener.
private final class TCPListener: Sendable {
    private let descriptor: CInt
    let port: UInt16

    init() throws {
        self.descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = self.descriptor
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(descriptor, pointer, length) == 0 && listen(descriptor, 1) == 0
                    && getsockname(descriptor, pointer, &length) == 0
            }
        }
        try #require(isBound)
        self.port = UInt16(bigEndian: address.sin_port)
    }

    func close() { Glibc.close(self.descriptor) }
}
