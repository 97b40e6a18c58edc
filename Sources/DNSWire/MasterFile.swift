// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// The records of a master file and of the files that it includes (RFC 1035 §5, RFC 2308 §4).
public struct MasterFile: Sendable {
    /// Where something stands.
    public struct Place: Hashable, Sendable {
        /// The file, by its index in ``MasterFile/files``.
        public var file: Int
        /// Counted from 1; columns are bytes.
        public var line: Int
        public var column: Int

        public init(file: Int, line: Int, column: Int) {
            self.file = file
            self.line = line
            self.column = column
        }
    }

    public struct Entry: Hashable, Sendable {
        public var record: ResourceRecord
        /// Of the record's first word: its owner, or what follows where that is left out.
        public var place: Place
    }

    /// How much is read at the most.
    public struct Limits: Hashable, Sendable {
        /// Bytes of all files, each as often as it is included.
        public var bytes: Int
        /// Files, counted so too.
        public var files: Int
        /// Files that include one another, the first counted.
        public var depth: Int

        public init(bytes: Int = 256 << 20, files: Int = 1000, depth: Int = 10) {
            self.bytes = bytes
            self.files = files
            self.depth = depth
        }
    }

    /// In the order of the file.
    public internal(set) var entries: [Entry] = []
    /// The paths of the files that were read, the first that which was asked for.
    public internal(set) var files: [String] = []

    init() {}

    /// Reads a file, and those that it includes.
    ///
    /// - Parameters:
    ///   - path: The file. Paths in `$INCLUDE` start at the folder of the file that they stand in.
    ///   - origin: What relative names lie below, until the file says otherwise.
    ///   - timeToLive: What holds for records without a TTL before the first `$TTL`. Without it,
    ///     the TTL before holds, and for the first record, the SOA, its minimum.
    ///   - limits: How much is read.
    ///   - read: Gives a file's bytes, or throws; what the error's description says goes into the
    ///     complaint.
    /// - Throws: ``MasterFileError`` with all that is wrong, up to a bound.
    public init(
        reading path: String, origin: DomainName, timeToLive: UInt32? = nil,
        limits: Limits = Limits(), using read: @escaping (String) throws -> [UInt8]
    ) throws(MasterFileError) {
        var reader = MasterFileReader(
            origin: origin, timeToLive: timeToLive, limits: limits, read: read)
        self = try reader.read(path)
    }
}

/// One thing that is wrong in a master file.
public struct MasterFileProblem: Hashable, Sendable {
    public enum Reason: Hashable, Sendable {
        /// The file itself, in the system's words.
        case unreadable(why: String)
        case cannotInclude(path: String, why: String)
        case includesItself(path: String)
        case tooDeep(Int)
        case tooManyFiles(Int)
        case tooManyBytes(Int)
        case unknownDirective(String)
        case generate
        /// What a directive has behind it.
        case badDirective(String, wanted: String)
        /// The first entry, or one behind `$ORIGIN`, begins with a blank.
        case noOwner
        case badName(NameError, found: String)
        case noType
        case unknownType(String)
        case otherClass(String)
        case repeatedTimeToLive
        case noTimeToLive
        case timeToLiveTooLarge(String)
        /// A type that no zone holds.
        case messageType(RecordType)
        /// A type that is of use in signed zones only.
        case proof(RecordType)
        case data(RecordTextError.Reason, found: String?)
    }

    public var file: String
    /// Counted from 1; 0 where the file as a whole is meant.
    public var line: Int
    public var column: Int
    public var reason: Reason
}

/// Why a master file was refused.
public struct MasterFileError: Error, Hashable, Sendable {
    /// The first of them, at most ``maximum``.
    public private(set) var problems: [MasterFileProblem] = []
    /// All of them.
    public private(set) var count = 0

    public static let maximum = 20

    mutating func add(_ problem: MasterFileProblem) {
        self.count += 1
        if self.problems.count < Self.maximum { self.problems.append(problem) }
    }
}

/// `zones/example.net.zone:14:9: here must be a number from 0 to 65535, not 'x'`, a line each.
extension MasterFileError: CustomStringConvertible {
    public var description: String {
        var lines = self.problems.map(\.description)
        if self.count > lines.count { lines.append("and \(self.count - lines.count) more") }
        return lines.joined(separator: "\n")
    }
}

extension MasterFileProblem: CustomStringConvertible {
    public var description: String {
        self.line == 0
            ? "\(self.file): \(self.reason)"
            : "\(self.file):\(self.line):\(self.column): \(self.reason)"
    }
}

extension MasterFileProblem.Reason: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unreadable(let why): why
        case .cannotInclude(let path, let why): "\(path): \(why)"
        case .includesItself(let path): "\(path) includes itself"
        case .tooDeep(let limit): "files include one another \(limit) deep at the most"
        case .tooManyFiles(let limit): "\(limit) files are read for a zone at the most"
        case .tooManyBytes(let limit): "a zone's files have \(limit) bytes at the most"
        case .unknownDirective(let word):
            "'\(word)' is none of the directives $ORIGIN, $TTL and $INCLUDE"
        case .generate:
            "$GENERATE is BIND's alone: write the records out, as named-compilezone does"
        case .badDirective(let directive, let wanted): "\(directive) has \(wanted) behind it"
        case .noOwner:
            "a record that begins with a blank has the owner of the one before, and there is none"
        case .badName(let error, let found):
            "a record's owner must be a domain name, not '\(found)': \(error)"
        case .noType: "the record has no type"
        case .unknownType(let word):
            "'\(word)' is no type of record; those without a mnemonic are written as TYPE123"
        case .otherClass(let word): "'\(word)': records are of the class IN"
        case .repeatedTimeToLive: "the record has a TTL already"
        case .noTimeToLive: "the record has no TTL, and there is no $TTL before it"
        case .timeToLiveTooLarge(let word): "a TTL is at most 2147483647 seconds, not '\(word)'"
        case .messageType(let type): "\(type) is a type of messages, and no zone has such records"
        case .proof(let type):
            "\(type) records belong to signed zones, and zones are served unsigned: leave them out"
        case .data(let reason, let found): reason.words(found: found)
        }
    }
}
