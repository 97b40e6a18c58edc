// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import DNSWire

/// Why a zone can't be served.
public enum ZoneError: Error, Hashable, Sendable {
    case twoZones(apex: DomainName)
    case outsideZone(owner: DomainName, apex: DomainName)
    case noNameServers(apex: DomainName)
    /// The SOA belongs to the zone, and is given with it.
    case unexpectedStartOfAuthority(owner: DomainName)
    /// A CNAME has no other records beside it (RFC 1034 §3.6.2).
    case aliasWithOthers(owner: DomainName)
    case severalAliases(owner: DomainName)
    /// The zone's name server is named by what it is, not by an alias (RFC 2181 §10.3). Of a
    /// delegation it is a note.
    case aliasAsNameServer(owner: DomainName, server: DomainName)
    /// A name has one DNAME (RFC 6672 §2.4).
    case severalRedirections(owner: DomainName)
    /// A DNAME takes the place of all names below it (RFC 6672 §2.4).
    case belowRedirection(owner: DomainName, redirection: DomainName)
    /// A name is either delegated or redirected (RFC 6672 §2.3).
    case redirectionWithDelegation(owner: DomainName)
    /// What a wildcard with NS or DNAME records makes isn't defined (RFC 4592 §4.2, §4.4).
    case wildcardWithout(owner: DomainName, type: RecordType)
    /// DS records stand in the parent zone.
    case signerAtApex(apex: DomainName)
    /// A `nearest` name has no addresses or CNAME of its own, and no delegation; one that is an
    /// alias has nothing else.
    case nearestWithOthers(owner: DomainName, type: RecordType)
    /// An alias can't stand at the zone's apex, which has records.
    case nearestAliasAtApex(apex: DomainName)
    case noAnswers(owner: DomainName)
    /// The least TTL of a `nearest` name is no greater than its TTL.
    case minimumAboveTimeToLive(owner: DomainName)
    /// A type of messages, or one that is of use in signed zones only.
    case notServed(owner: DomainName, type: RecordType)
    /// All records of one owner and type fit one message.
    case tooLarge(owner: DomainName, type: RecordType, byteCount: Int)
    /// A TTL has 31 bits (RFC 2181 §8).
    case timeToLiveTooLarge(owner: DomainName, seconds: UInt32)
}

extension ZoneError {
    /// The name whose records are to blame.
    public var owner: DomainName {
        switch self {
        case .twoZones(let name), .noNameServers(let name), .signerAtApex(let name),
            .nearestAliasAtApex(let name), .outsideZone(let name, _),
            .unexpectedStartOfAuthority(let name), .aliasWithOthers(let name),
            .severalAliases(let name), .aliasAsNameServer(let name, _),
            .severalRedirections(let name), .belowRedirection(let name, _),
            .redirectionWithDelegation(let name), .wildcardWithout(let name, _),
            .nearestWithOthers(let name, _), .noAnswers(let name),
            .minimumAboveTimeToLive(let name), .notServed(let name, _),
            .tooLarge(let name, _, _), .timeToLiveTooLarge(let name, _):
            name
        }
    }

    /// The type of those records, where it is one.
    public var type: RecordType? {
        switch self {
        case .unexpectedStartOfAuthority: .soa
        case .aliasWithOthers, .severalAliases: .cname
        case .aliasAsNameServer: .ns
        case .severalRedirections, .redirectionWithDelegation: .dname
        case .signerAtApex: .ds
        case .wildcardWithout(_, let type), .nearestWithOthers(_, let type),
            .notServed(_, let type), .tooLarge(_, let type, _):
            type
        case .twoZones, .outsideZone, .noNameServers, .belowRedirection, .nearestAliasAtApex,
            .noAnswers, .minimumAboveTimeToLive, .timeToLiveTooLarge:
            nil
        }
    }
}

extension ZoneError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .twoZones(let apex): "the zone \(apex) is given twice"
        case .outsideZone(let owner, let apex): "\(owner) is not inside the zone \(apex)"
        case .noNameServers(let apex): "the zone \(apex) has no NS record"
        case .unexpectedStartOfAuthority(let owner):
            "\(owner) has an SOA record; the zone's own is given apart, and there is no other"
        case .aliasWithOthers(let owner): "\(owner) has a CNAME and other records"
        case .severalAliases(let owner): "\(owner) has more than one CNAME"
        case .aliasAsNameServer(let owner, let server):
            "\(owner) has the name server \(server), which is an alias"
        case .severalRedirections(let owner): "\(owner) has more than one DNAME"
        case .belowRedirection(let owner, let redirection):
            "\(owner) lies below the DNAME of \(redirection), which stands for all names there"
        case .redirectionWithDelegation(let owner): "\(owner) has a DNAME and a delegation"
        case .wildcardWithout(let owner, let type): "\(owner) is a wildcard, and can't have \(type)"
        case .signerAtApex(let apex): "\(apex) has a DS record, which belongs to the parent zone"
        case .nearestWithOthers(let owner, let type):
            "\(owner) is a nearest name and has a record of type \(type) too"
        case .nearestAliasAtApex(let apex): "\(apex) is the zone's own name and can't be an alias"
        case .noAnswers(let owner): "\(owner) must answer with at least one site"
        case .minimumAboveTimeToLive(let owner):
            "\(owner) has a minimum of its TTL that is more than its maximum"
        case .notServed(let owner, let type):
            type.isProof
                ? "\(owner) has \(type), which belongs to signed zones; zones are served unsigned"
                : "\(owner) has \(type), which is a type of messages"
        case .tooLarge(let owner, let type, let count):
            "the \(type) records of \(owner) need \(count) bytes, which fit no message"
        case .timeToLiveTooLarge(let owner, let seconds):
            "\(owner) has a TTL of \(seconds) seconds; the most is 2147483647"
        }
    }
}

/// What is odd about a zone, but can be served.
public enum ZoneNote: Hashable, Sendable {
    /// A name server of the zone's own has no address there.
    case serverWithoutAddress(owner: DomainName, server: DomainName)
    /// A delegation to a server that is an alias (RFC 2181 §10.3): resolvers may not follow it.
    case aliasAsNameServer(owner: DomainName, server: DomainName)
    /// Name servers' addresses go along with NS records, but not those of a `nearest` name, which
    /// differ by client.
    case nearestAsNameServer(owner: DomainName, server: DomainName)
    /// A mail server or service of the zone's own has no address there.
    case targetWithoutAddress(owner: DomainName, type: RecordType, target: DomainName)
    /// Lies below a delegation and is no name server's address: nobody gets to see it.
    case hidden(owner: DomainName, type: RecordType, delegation: DomainName)
    /// A DS record, and no delegation that it is of.
    case signerWithoutDelegation(owner: DomainName)
    /// A chain of aliases that never ends.
    case aliasLoop(owner: DomainName)
}

extension ZoneNote {
    /// The name whose records are meant.
    public var owner: DomainName {
        switch self {
        case .serverWithoutAddress(let name, _), .aliasAsNameServer(let name, _),
            .nearestAsNameServer(let name, _), .targetWithoutAddress(let name, _, _),
            .hidden(let name, _, _), .signerWithoutDelegation(let name), .aliasLoop(let name):
            name
        }
    }

    public var type: RecordType {
        switch self {
        case .serverWithoutAddress, .aliasAsNameServer, .nearestAsNameServer: .ns
        case .targetWithoutAddress(_, let type, _), .hidden(_, let type, _): type
        case .signerWithoutDelegation: .ds
        case .aliasLoop: .cname
        }
    }
}

extension ZoneNote: CustomStringConvertible {
    public var description: String {
        switch self {
        case .serverWithoutAddress(let owner, let server):
            "\(owner) has the name server \(server), which has no address in the zone"
        case .aliasAsNameServer(let owner, let server):
            "\(owner) has the name server \(server), which is an alias: resolvers may not follow it"
        case .nearestAsNameServer(let owner, let server):
            "\(owner) has the name server \(server), which is a nearest name: its addresses don't "
                + "go along with NS records"
        case .targetWithoutAddress(let owner, let type, let target):
            "\(owner) has \(type) to \(target), which has no address in the zone"
        case .hidden(let owner, let type, let delegation):
            "\(owner) has \(type) below the delegation of \(delegation): nobody is told of it"
        case .signerWithoutDelegation(let owner): "\(owner) has DS, and is no delegation"
        case .aliasLoop(let owner): "\(owner) is an alias that leads back to itself"
        }
    }
}
