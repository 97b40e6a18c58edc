// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import DNSFront
import DNSWire
import NIOCore
import NIOEmbedded
import RouteTable

/// A proxy's header, whole and at each cut: it is awaited until it is whole, and nothing that comes
/// behind changes it.
func fuzzProxyHeaders(_ bytes: UnsafeRawBufferPointer) {
    func read(_ count: Int) -> Result<ProxyHeader, ProxyHeader.ReadingError> {
        Result { () throws(ProxyHeader.ReadingError) in
            try ProxyHeader(reading: UnsafeRawBufferPointer(rebasing: bytes.prefix(count)).bytes)
        }
    }
    let whole = read(bytes.count)
    let bound = min(bytes.count, ProxyHeader.maximumByteCount + 1)
    if case .success(let header) = whole {
        require(header.byteCount >= ProxyHeader.headByteCount, "a header has a head")
        require(header.byteCount <= bytes.count, "a header lies within its bytes")
        require(header.byteCount <= ProxyHeader.maximumByteCount, "a header keeps its bound")
    }
    var isOver = false
    for count in 0...bound {
        let part = read(count)
        if isOver { require(part == whole, "more bytes change nothing: \(part), \(whole)") }
        isOver = part != .failure(.incomplete)
    }
}

/// A connection's bytes, with a proxy's header or without: in one piece and in small ones they get the
/// same answers, each of which reads.
func fuzzStreams(_ bytes: UnsafeRawBufferPointer) {
    guard let bits = bytes.first else { return }
    guard let bench = StreamBench.shared else {
        require(false, "the bench stands")
        return
    }
    let stream = Array(bytes.dropFirst())
    let whole = bench.answers(to: stream, cutTo: stream.count, behindProxy: bits & 1 != 0)
    let cut = bench.answers(
        to: stream, cutTo: 1 + Int(bits >> 1 & 0x3f), behindProxy: bits & 1 != 0)
    require(whole == cut, "cuts change nothing: \(whole) and \(cut)")
}

/// libFuzzer runs one thread.
private final class StreamBench: @unchecked Sendable {
    // Sendable: libFuzzer calls from one thread only.
    static let shared = try? StreamBench()

    private let owner: TableOwner
    private let connections: ConnectionMaker
    private let listeners: [DNSListener]

    init() throws {
        self.owner = try TableOwner()
        let sites = [
            Site(
                id: SiteID(rawValue: 0), name: "near", asNumber: 64600,
                addresses: [try IPAddress(parsing: "192.0.2.10")])
        ]
        let apex = try DomainName(parsing: "example.com")
        let host = try DomainName(parsing: "ns1.example.com")
        var zone = Zone(
            apex: apex, startOfAuthority: StartOfAuthority(host: host, mailbox: host),
            nameServers: [host])
        zone.nearest[try DomainName(parsing: "www.example.com")] = NearestRecord(
            policy: 0, timeToLive: 60)
        let zones = ZoneStore()
        try zones.replace([zone])
        let endpoint = DNSEndpoint(address: IPAddress(ipv4: 0))
        self.listeners = [
            DNSListener(endpoint),
            DNSListener(
                endpoint, proxies: [IPPrefix(masking: IPAddress(ipv4: 0), length: 0)]),
        ]
        self.connections = try ConnectionMaker(
            oracle: Oracle(lookup: self.owner.lookup, world: World(sites: sites)), zones: zones,
            readiness: DNSReadiness(isReady: true), settings: DNSSettings(listeners: []))
    }

    /// The identifiers and codes of all answers, in their order.
    func answers(to stream: [UInt8], cutTo size: Int, behindProxy: Bool) -> [[UInt16]] {
        let channel = EmbeddedChannel()
        // One that has closed itself has still to let go of its handlers.
        defer { _ = try? channel.finish(acceptAlreadyClosed: true) }
        do {
            channel.remoteAddress = try SocketAddress(ipAddress: "198.51.100.7", port: 1234)
            try channel.pipeline.syncOperations.addHandler(
                self.connections.makeHandler(for: self.listeners[behindProxy ? 1 : 0]))
            channel.connect(to: try SocketAddress(ipAddress: "192.0.2.53", port: 53), promise: nil)
            var position = 0
            while position < stream.count, channel.isActive {
                let end = min(position + size, stream.count)
                try channel.writeInbound(ByteBuffer(bytes: stream[position..<end]))
                position = end
            }
        } catch {
            require(false, "no error comes out: \(error)")
        }
        var output = ByteBuffer()
        while var more = (try? channel.readOutbound(as: ByteBuffer.self)) ?? nil {
            output.writeBuffer(&more)
        }
        var found: [[UInt16]] = []
        while let length = output.readInteger(as: UInt16.self) {
            guard let bytes = output.readBytes(length: Int(length)) else {
                require(false, "an answer is whole")
                return found
            }
            guard let message = try? Message(reading: bytes.span.bytes) else {
                require(false, "an answer reads")
                return found
            }
            found.append([message.identifier, message.code.rawValue])
        }
        return found
    }
}
