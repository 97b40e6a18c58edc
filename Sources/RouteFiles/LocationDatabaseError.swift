// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Why a location database can't be used.
public struct LocationDatabaseError: Error, Hashable, Sendable {
    public enum Reason: Hashable, Sendable {
        /// libmaxminddb doesn't take the file for a database, with its words.
        case notADatabase(String)
        /// The search tree has a node, or a record, that can't be.
        case badTree
        /// The search tree comes back to its nodes, or has more paths than nodes.
        case endlessTree
        /// No record says a country or coordinates.
        case noLocations(type: String)
        /// The system has no room for a copy of the file: an `errno`.
        case noRoom(CInt)
    }

    public var path: String
    public var reason: Reason

    public init(path: String, reason: Reason) {
        self.path = path
        self.reason = reason
    }
}

extension LocationDatabaseError: CustomStringConvertible {
    public var description: String {
        let words =
            switch self.reason {
            case .notADatabase(let words): "not a MaxMind database: \(words)"
            case .badTree: "the database is damaged: a node of its tree leads nowhere"
            case .endlessTree: "the database is damaged: its tree doesn't end"
            case .noLocations(let type):
                "the database, of type \(type), says neither countries nor coordinates"
            case .noRoom(let number): "no room for a copy of the database: error \(number)"
            }
        return "\(self.path): \(words)"
    }
}
