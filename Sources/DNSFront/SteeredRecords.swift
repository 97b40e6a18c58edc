// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import DNSWire

/// A record as PowerDNS is given it.
struct RemoteBackendRecord {
    var name: DomainName
    var timeToLive: UInt32
    /// Nil for a name that has names below it and no records.
    var data: RecordData?
    /// Leading bits of the client's address that the record holds for; 0: for everybody.
    var scope = 0

    static func empty(_ name: DomainName) -> RemoteBackendRecord {
        RemoteBackendRecord(name: name, timeToLive: 0, data: nil)
    }

    var type: RecordType { self.data?.type ?? RecordType(rawValue: 0) }

    /// PowerDNS knows a name without records by a record without a type.
    var typeText: String { self.data?.type.description ?? "" }

    var content: String { self.data?.description ?? "" }

    func isOf(_ type: String) -> Bool { type == "ANY" || self.data?.type.description == type }
}

/// For whom PowerDNS asks.
struct RemoteBackendClient {
    /// Who sent the question to PowerDNS.
    var address: IPAddress
    /// What is known of the client; nil where PowerDNS asks for itself.
    var subnet: IPPrefix?
    /// Bits of the client's address, as PowerDNS has it, before those of the subnet.
    var bitsBefore = 0

    init(_ parameters: RemoteBackendRequest.Parameters) throws(RemoteBackend.Refusal) {
        var remote = parameters.remote?[...] ?? "0.0.0.0"
        // A link-local address comes with its interface.
        if let zone = remote.firstIndex(of: "%") { remote = remote[..<zone] }
        guard let address = try? IPAddress(parsing: remote) else {
            throw .no("remote is no address: '\(remote.prefix(64))'")
        }
        self.address = address.unmapped
        guard let text = parameters.realRemote else { return }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard let first = parts.first?.prefix(while: { $0 != "%" }),
            let client = try? IPAddress(parsing: first), parts.count <= 2,
            let length = parts.count == 2 ? Int(parts[1]) : client.family.width,
            (0...client.family.width).contains(length)
        else { throw .no("real-remote is no prefix: '\(text.prefix(64))'") }
        guard length > 0 else { return }
        let whole = client.unmapped
        if client == address, length == client.family.width, whole.family != client.family {
            // Who asked is the client, and is known as by DNS. A Client Subnet is what it says.
            self.subnet = IPPrefix(masking: whole, length: whole.family.width)
            self.bitsBefore = length - whole.family.width
        } else {
            self.subnet = IPPrefix(masking: client.masked(toLength: length), length: length)
        }
    }
}

/// Asks our own responder for what a name answers to a client.
struct SteeredRecords: ~Copyable {
    private var reader: OracleReader
    private var responder: Responder
    private let room: UnsafeMutableRawBufferPointer

    init(reader: consuming OracleReader, responder: consuming Responder) {
        self.reader = reader
        self.responder = responder
        self.room = .allocate(byteCount: 65_535, alignment: 8)
    }

    deinit { self.room.deallocate() }

    mutating func refresh() { self.reader.withBatch { self.responder.begin(&$0) } }

    /// The types that a name may answer by the client.
    private static let types: [RecordType] = [.a, .aaaa, .cname, .https, .svcb]

    /// The name's records that depend on the client, as our own DNS front would answer them.
    mutating func records(
        of name: DomainName, in zone: Zone, for client: RemoteBackendClient
    ) throws(RemoteBackend.Refusal) -> [RemoteBackendRecord] {
        guard zone.nearest[name] != nil else { return [] }
        var records: [RemoteBackendRecord] = []
        for type in Self.types where zone.isSteered(name, type) {
            let answer = self.answer(to: name, type, for: client)
            // Where an alias leads to a name that isn't there, the code is that name's (RFC 6604 §3).
            guard let answer,
                answer.code == .noError || answer.code == .nameError && !answer.answers.isEmpty
            else {
                throw .failure("the answer for \(name) is not known yet")
            }
            // PowerDNS keeps records without a scope for everybody, and these are for some.
            let scope = max(
                1,
                client.bitsBefore + Int(answer.option(.clientSubnet)?.dropFirst(3).first ?? 0))
            for found in answer.answers where found.owner == name {
                guard !records.contains(where: { $0.data == found.data }) else { continue }
                records.append(
                    RemoteBackendRecord(
                        name: name, timeToLive: found.timeToLive, data: found.data,
                        scope: scope))
            }
            // A name that leads elsewhere has nothing beside (RFC 1034 §3.6.2).
            if records.contains(where: { $0.type == .cname }) { break }
        }
        return records
    }

    /// Puts a question as a resolver would, by TCP, where answers are whole and none is held back.
    private mutating func answer(
        to name: DomainName, _ type: RecordType, for client: RemoteBackendClient
    ) -> Message? {
        var options: [UInt8] = []
        if let subnet = client.subnet {
            let count = (subnet.length + 7) / 8
            options = [0, UInt8(OptionCode.clientSubnet.rawValue), 0, UInt8(4 + count)]
            options += [0, UInt8(subnet.family.rawValue), UInt8(subnet.length), 0]
            options += subnet.address.bytes.prefix(count)
        }
        let query = MessageWriter.encode(
            Message(
                identifier: 0, questions: [Message.Question(name, type)],
                additional: [
                    ResourceRecord(
                        .root, timeToLive: 0, .opaque(.opt, options),
                        recordClass: RecordClass(rawValue: 65_535))
                ]))
        let size = self.reader.withBatch { batch in
            self.responder.begin(&batch)
            var response = self.room.mutableBytes
            return self.responder.respond(
                to: query.span.bytes, from: client.address, over: .tcp, using: &batch,
                into: &response)
        }
        return try? Message(reading: UnsafeRawBufferPointer(rebasing: self.room.prefix(size)).bytes)
    }
}
