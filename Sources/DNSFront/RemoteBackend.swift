// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
public import Choice
import DNSWire
import FoundationEssentials
import JSON

/// Answers PowerDNS's remote backend protocol, for one thread: a line of JSON in, a line out, no
/// sockets.
///
/// PowerDNS asks for records by name, and makes answers of them itself: aliases, wildcards,
/// delegations, signatures are its own. A name that is answered by the client is put to a
/// ``Responder`` of our own, so that PowerDNS is given what our own DNS front would say.
///
/// Three kinds of reply: a `result`; `{"result":false}` for what there isn't, or what can't be done
/// here; and an `error` without a result for a question that can't be answered now, which PowerDNS
/// tells its client as SERVFAIL. All but the first come with a sentence for PowerDNS's log.
public struct RemoteBackend: ~Copyable {
    let store: ZoneStore
    private let readiness: DNSReadiness
    private let decoder = JSONDecoder()
    private var generation: UInt64
    private(set) var zones: RemoteBackendZones
    private var steering: SteeredRecords

    /// Throws where the table has no place for another reader.
    public init(oracle: Oracle, zones: ZoneStore, readiness: DNSReadiness) throws {
        self.store = zones
        self.readiness = readiness
        self.generation = zones.currentGeneration()
        self.zones = RemoteBackendZones(zones.zones())
        self.steering = SteeredRecords(
            reader: try oracle.makeReader(),
            responder: Responder(
                zones: zones, readiness: readiness, rules: AnswerRulesBox(), tallies: nil,
                decisions: nil, payloadSize: 1232, idleTimeout: .seconds(10)))
    }

    /// Takes in what has changed, though nobody asks: zones that are served no longer go.
    mutating func refresh() {
        self.takeZones()
        self.steering.refresh()
    }

    private mutating func takeZones() {
        let generation = self.store.currentGeneration()
        guard generation != self.generation else { return }
        self.generation = generation
        self.zones = RemoteBackendZones(self.store.zones())
    }

    /// Why there is no result.
    enum Refusal: Error {
        /// There is no such thing, which needs no words.
        case nothing
        /// It can't be done here, or makes no sense.
        case no(String)
        /// It can't be told now.
        case failure(String)
    }

    /// Answers one line, given without its end.
    ///
    /// - Returns: The reply, one line, with its end; and whether the connection should go on: what is
    ///   no request at all comes from something else than PowerDNS.
    public mutating func reply(to line: some Collection<UInt8>) -> (text: String, goesOn: Bool) {
        guard let request = RemoteBackendRequest(reading: line, with: self.decoder) else {
            return (Self.text(.failure("that is no request")), false)
        }
        self.takeZones()
        do throws(Refusal) {
            return (try self.result(of: request).text + "\n", true)
        } catch {
            return (Self.text(error), true)
        }
    }

    private static func text(_ refusal: Refusal) -> String {
        var json = JSONText()
        json.object { json in
            switch refusal {
            case .nothing: json.key("result") { $0.flag(false) }
            case .no(let words):
                json.key("result") { $0.flag(false) }
                json.key("log") { $0.array { $0.element { $0.string(words) } } }
            case .failure(let words):
                json.key("error") { $0.string(words) }
                json.key("log") { $0.array { $0.element { $0.string(words) } } }
            }
        }
        return json.text + "\n"
    }

    private mutating func result(of request: RemoteBackendRequest) throws(Refusal) -> JSONText {
        let parameters = request.parameters
        var json = JSONText()
        switch request.method {
        case "initialize": json.result { $0.flag(true) }
        case "lookup", "APILookup": try self.lookup(parameters, &json)
        case "list": try self.list(parameters, &json)
        case "getAllDomains":
            json.result { json in
                json.array { json in
                    for entry in self.zones.entries { json.element { $0.domain(entry) } }
                }
            }
        case "getDomainInfo":
            let entry = try self.zone(parameters)
            json.result { $0.domain(entry) }
        case "getDomainMetadata":
            // Keys and settings of DNSSEC are in another backend of PowerDNS's.
            _ = try self.zone(parameters)
            json.result { $0.array { _ in } }
        case "getAllDomainMetadata":
            _ = try self.zone(parameters)
            json.result { $0.object { _ in } }
        case "getUpdatedMasters", "getUnfreshSlaveInfos":
            // No zone here is anybody's primary or secondary.
            json.result { $0.array { _ in } }
        case "getDomainKeys", "getTSIGKey", "getTSIGKeys", "superMasterBackend": throw .nothing
        default: throw .no("Martlet has no method '\(request.method.prefix(64))'")
        }
        return json
    }

    private func zone(
        _ parameters: RemoteBackendRequest.Parameters
    ) throws(Refusal) -> RemoteBackendZones.Entry {
        guard let text = parameters.zoneName, let name = DomainName(text) else {
            throw .no("the request names no zone")
        }
        guard let entry = self.zones[name] else { throw .nothing }
        return entry
    }

    // MARK: Records

    private static func check(_ entry: RemoteBackendZones.Entry) throws(Refusal) {
        guard entry.zone.isAvailable else {
            throw .failure("the zone \(entry.zone.apex) could not be read")
        }
    }

    /// The records of a name, or of one type there.
    private mutating func lookup(
        _ parameters: RemoteBackendRequest.Parameters, _ json: inout JSONText
    ) throws(Refusal) {
        guard let text = parameters.name, let name = DomainName(text), let type = parameters.type
        else { throw .no("a lookup needs qname and qtype") }
        guard self.readiness.isReady else { throw .failure("Martlet is not ready") }
        guard let entry = self.zones.zone(of: name, number: parameters.zone) else {
            json.result { $0.array { _ in } }
            return
        }
        try Self.check(entry)
        var records: [RemoteBackendRecord] = entry.zone.fixedRecords(of: name)
        let client = try RemoteBackendClient(parameters)
        records += try self.steering.records(of: name, in: entry.zone, for: client)
        if records.isEmpty, entry.emptyNames.contains(name) { records = [.empty(name)] }
        let found = records.filter { $0.isOf(type) }
        json.result { json in
            json.array { json in
                for record in found {
                    json.element { $0.record(record, in: entry) }
                }
            }
        }
    }

    /// All of a zone that is the same for every client.
    private func list(
        _ parameters: RemoteBackendRequest.Parameters, _ json: inout JSONText
    ) throws(Refusal) {
        let entry = try self.zone(parameters)
        try Self.check(entry)
        let owners = entry.zone.records.keys.filter { $0 != entry.zone.apex }
            .sorted { $0.description < $1.description }
        json.result { json in
            json.array { json in
                for owner in [entry.zone.apex] + owners {
                    for record in entry.zone.fixedRecords(of: owner) {
                        json.element { $0.record(record, in: entry) }
                    }
                }
            }
        }
    }
}

extension Zone {
    /// The records of a name that don't depend on the client.
    fileprivate func fixedRecords(of name: DomainName) -> [RemoteBackendRecord] {
        var records: [RemoteBackendRecord] = []
        if name == self.apex {
            records.append(
                RemoteBackendRecord(
                    name: name, timeToLive: self.timeToLive,
                    data: .startOfAuthority(self.startOfAuthority)))
        }
        for set in self.records[name] ?? [] where !self.isSteered(name, set.type) {
            records += set.data.map {
                RemoteBackendRecord(name: name, timeToLive: set.timeToLive, data: $0)
            }
        }
        return records
    }
}

extension JSONText {
    fileprivate mutating func result(_ body: (inout JSONText) -> Void) {
        self.object { $0.key("result", body) }
    }

    /// What PowerDNS calls a DomainInfo.
    fileprivate mutating func domain(_ entry: RemoteBackendZones.Entry) {
        self.object { json in
            json.key("id") { $0.integer(entry.number) }
            json.key("zone") { $0.string(entry.zone.apex.description) }
            json.key("masters") { $0.array { _ in } }
            json.key("notified_serial") {
                $0.integer(Int(entry.zone.startOfAuthority.serial))
            }
            json.key("serial") { $0.integer(Int(entry.zone.startOfAuthority.serial)) }
            json.key("last_check") { $0.integer(0) }
            json.key("kind") { $0.string("native") }
        }
    }

    fileprivate mutating func record(
        _ record: RemoteBackendRecord, in entry: RemoteBackendZones.Entry
    ) {
        let isOurs = entry.zone.isAuthoritative(for: record.name, record.type)
        self.object { json in
            json.key("qtype") { $0.string(record.typeText) }
            json.key("qname") { $0.string(record.name.description) }
            json.key("content") { $0.string(record.content) }
            json.key("ttl") { $0.integer(Int(record.timeToLive)) }
            json.key("domain_id") { $0.integer(entry.number) }
            json.key("scopeMask") { $0.integer(record.scope) }
            json.key("auth") { $0.integer(isOurs ? 1 : 0) }
        }
    }
}
