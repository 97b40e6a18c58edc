// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials

/// One line of PowerDNS's remote backend protocol: a method, and its parameters by name.
///
/// Of the parameters those are read that mean something here, whatever else stands beside them. One
/// that isn't what it should be is an error, as PowerDNS sends none such.
struct RemoteBackendRequest: Decodable {
    /// Nothing that Martlet answers is asked in more; a record that somebody wants to store could.
    static let maximumByteCount = 65_536

    var method: String
    var parameters: Parameters

    struct Parameters: Decodable {
        /// What is looked up.
        var name: String?
        var type: String?
        /// The zone that it is looked up in; below zero where PowerDNS doesn't know.
        var zone: Int?
        /// Who asked PowerDNS.
        var remote: String?
        /// For whom: a prefix, of the Client Subnet where there was one.
        var realRemote: String?
        /// A zone's name.
        var zoneName: String?

        private enum Key: String, CodingKey {
            case qname, qtype, remote, name, zonename
            case zone = "zone-id"
            /// As PowerDNS's manual has it.
            case zoneOfManual = "zone_id"
            case realRemote = "real-remote"
        }

        init() {}

        init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: Key.self)
            self.name = try values.decodeIfPresent(String.self, forKey: .qname)
            self.type = try values.decodeIfPresent(String.self, forKey: .qtype)
            self.zone =
                try values.decodeIfPresent(Int.self, forKey: .zone)
                ?? values.decodeIfPresent(Int.self, forKey: .zoneOfManual)
            self.remote = try values.decodeIfPresent(String.self, forKey: .remote)
            self.realRemote = try values.decodeIfPresent(String.self, forKey: .realRemote)
            self.zoneName =
                try values.decodeIfPresent(String.self, forKey: .name)
                ?? values.decodeIfPresent(String.self, forKey: .zonename)
        }
    }

    private enum Key: String, CodingKey { case method, parameters }

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Key.self)
        self.method = try values.decode(String.self, forKey: .method)
        self.parameters =
            try values.decodeIfPresent(Parameters.self, forKey: .parameters) ?? Parameters()
    }

    /// Reads a line, without its end; nil for what is no request.
    init?(reading line: some Collection<UInt8>, with decoder: JSONDecoder) {
        guard line.count <= Self.maximumByteCount,
            let request = try? decoder.decode(Self.self, from: Data(line))
        else { return nil }
        self = request
    }
}
