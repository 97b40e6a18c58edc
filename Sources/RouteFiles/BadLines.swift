// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// What is wrong with one line of a text file.
public struct BadLine: Hashable, Sendable {
    public enum Reason: Hashable, Sendable {
        case syntax(AddressSyntaxError.Reason)
        /// A prefix, and no site after it.
        case noSites
        /// An AS number that stands for no site of the configuration.
        case unknownSite(ASNumber)
        /// A name that is no site's of the configuration, and those that are.
        case unknownSiteName(String, known: [String])
        /// No number of milliseconds, or too many.
        case notMilliseconds
        /// A number of fields other than wanted.
        case wrongFieldCount(Int, wanted: Int)
        /// An IPv4 address as a number, beyond 32 bits.
        case numberTooLarge
        case differentFamilies
        case endBeforeStart
        case notACountryCode
        /// The range shares addresses with that of another line.
        case overlaps(line: Int)
        /// In a router's table: neither a path nor what ends the table.
        case notARoute
        /// A path that no heading stands above: the table has ended.
        case behindEnd
        /// Another path for the network before, of which there is none.
        case noPrefixBefore
        case noNextHop
        /// Metric, local preference and weight don't stand where the heading says.
        case notInColumns
        /// A path that doesn't end as paths do.
        case noOriginCode
        case lineTooLong(Int)
        /// A file without a router's table.
        case noTable
    }

    /// Counted from 1.
    public var line: Int
    /// Bytes, counted from 1.
    public var column: Int
    public var reason: Reason

    public init(line: Int, column: Int, reason: Reason) {
        self.line = line
        self.column = column
        self.reason = reason
    }
}

/// Why a text file was refused as a whole: its bad lines.
public struct BadLines: Error, Hashable, Sendable {
    /// The file's name, once it is known.
    public var path: String?
    /// The first of them, at most ``maximum``.
    public private(set) var lines: [BadLine] = []
    /// All of them.
    public private(set) var count = 0
    /// The configured sites, where their AS numbers were asked for.
    public private(set) var sites: [ASNumber: String]

    public static let maximum = 20

    public init(sites: [ASNumber: String] = [:]) { self.sites = sites }

    /// What stands in the bad field of each of ``lines``, where it is a field that is bad.
    private var found: [String?] = []

    /// What a parser makes of a file, compressed or not; its complaints bear the file's name.
    static func inFile<Result>(
        _ path: String, _ parse: (Span<UInt8>) throws(BadLines) -> Result
    ) throws -> Result {
        let bytes = try ByteSource.readAll(path: path)
        do throws(BadLines) {
            return try parse(bytes.span)
        } catch {
            var error = error
            error.path = path
            throw error
        }
    }

    mutating func add(line: Int, column: Int, _ reason: BadLine.Reason) {
        self.add(BadLine(line: line, column: column, reason: reason), found: nil)
    }

    /// Notes a bad field: the error's place in it, and what stands there.
    mutating func add(
        line: Int, column: Int, _ error: AddressSyntaxError, in field: Span<UInt8>
    ) {
        self.add(
            BadLine(line: line, column: column + error.offset, reason: .syntax(error.reason)),
            found: field.isEmpty ? nil : Self.quoted(field))
    }

    /// Notes a bad line, and what of it is to be shown.
    mutating func add(line: Int, column: Int, _ reason: BadLine.Reason, found: String) {
        self.add(BadLine(line: line, column: column, reason: reason), found: found)
    }

    private mutating func add(_ line: BadLine, found: String?) {
        self.count += 1
        guard self.lines.count < Self.maximum else { return }
        self.lines.append(line)
        self.found.append(found)
    }

    /// Up to `limit` bytes, those that are no printable ASCII as `\x1b`.
    static func quoted(_ field: Span<UInt8>, limit: Int = 64) -> String {
        var text = "'"
        for index in 0..<min(limit, field.count) {
            let byte = field[index]
            if (0x20..<0x7f).contains(byte) {
                text.unicodeScalars.append(UnicodeScalar(byte))
            } else {
                text += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
        return text + (field.count > limit ? "...'" : "'")
    }
}

/// A line each, `FILE:LINE:COLUMN: reason`, and how many more there are.
extension BadLines: CustomStringConvertible {
    public var description: String {
        var text = zip(self.lines, self.found).map { line, found in
            "\(self.path.map { $0 + ":" } ?? "")\(line.line):\(line.column): "
                + (found.map { $0 + ": " } ?? "") + self.words(line.reason)
        }
        if self.count > self.lines.count {
            text.append("and \(self.count - self.lines.count) more bad lines")
        }
        return text.joined(separator: "\n")
    }

    private func words(_ reason: BadLine.Reason) -> String {
        guard case .unknownSite(let number) = reason else { return reason.description }
        let sites = self.sites.sorted { ($0.key, $0.value) < ($1.key, $1.value) }
            .map { "\($0.value) (\($0.key))" }
        return "AS number \(number) is no site's; "
            + (sites.isEmpty
                ? "no sites are configured" : "the sites are " + sites.joined(separator: ", "))
    }
}

extension BadLine.Reason: CustomStringConvertible {
    public var description: String {
        switch self {
        case .syntax(let reason): "\(AddressSyntaxError(reason, offset: 0))"
        case .noSites: "no AS number after the prefix"
        case .unknownSite(let number): "AS number \(number) is no site's"
        case .unknownSiteName(let name, let known):
            "'\(name)' is no site; "
                + (known.isEmpty
                    ? "no sites are configured" : "the sites are " + known.joined(separator: ", "))
        case .notMilliseconds: "milliseconds are a number from 0 to 60000"
        case .wrongFieldCount(let count, let wanted):
            "\(count) fields where \(wanted) were expected"
        case .numberTooLarge: "a number of more than 32 bits is no IPv4 address"
        case .differentFamilies: "a range begins and ends in one address family"
        case .endBeforeStart: "the range ends before it begins"
        case .notACountryCode: "a country is two letters, or ??"
        case .overlaps(let line): "the range overlaps that of line \(line)"
        case .notARoute: "neither a path nor the end of the table"
        case .behindEnd: "a route behind the table's end"
        case .noPrefixBefore: "another path, but no network before it"
        case .noNextHop: "no next hop where the heading has it"
        case .notInColumns: "no weight, or numbers that don't stand where the heading says"
        case .noOriginCode: "the path does not end in i, e or ?"
        case .lineTooLong(let count): "a line of more than \(count) bytes"
        case .noTable:
            "no table: a heading 'Network  Next Hop  Metric  LocPrf  Weight  Path' is missing"
        }
    }
}
