// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// A route map in Supersparrow's format: which sites the clients under a prefix prefer, in order.
///
/// A line is a prefix and one or more AS numbers, the nearest site first, separated by blanks;
/// `#` begins a comment; lines end in LF or CR LF. Of two lines with one prefix the last counts.
public struct RouteMap: Sendable {
    /// One prefix of the map.
    public struct Entry: Hashable, Sendable {
        public var prefix: IPPrefix
        var lineNumber: UInt32
        /// Which of ``RouteMap/preferences`` holds here.
        public var preference: UInt32

        /// The line that decides, counted from 1.
        public var line: Int { Int(self.lineNumber) }
    }

    /// Something odd that doesn't keep the map from being used.
    public enum Warning: Hashable, Sendable {
        /// A prefix stands on two lines: the later counts.
        case duplicate(IPPrefix, line: Int, earlierLine: Int)
        /// Bits beyond the prefix length were cleared.
        case masked(IPPrefix, line: Int)
        /// A site stands twice on a line: the first place counts.
        case repeatedSite(ASNumber, line: Int)
    }

    /// Each prefix once, in the order of the file.
    public internal(set) var entries: [Entry] = []
    /// The different lists of sites: far fewer than prefixes.
    public internal(set) var preferences: [[ASNumber]] = []
    /// The first of them, at most ``maximumWarnings``.
    public internal(set) var warnings: [Warning] = []
    /// All of them.
    public internal(set) var warningCount = 0

    public static let maximumWarnings = 20

    /// The sites that clients under an entry's prefix prefer, in order.
    public func sites(of entry: Entry) -> [ASNumber] {
        self.preferences[Int(entry.preference)]
    }

    /// Reads a file, compressed or not.
    ///
    /// - Parameters:
    ///   - path: The file's name.
    ///   - sites: The configured sites by AS number; other numbers are errors then. Nil accepts
    ///     any.
    /// - Throws: ``InputFileError`` or ``BadLines``.
    public init(path: String, sites: [ASNumber: String]?) throws {
        self = try BadLines.inFile(path) { bytes throws(BadLines) in
            try Self(parsing: bytes, sites: sites)
        }
    }

    /// Reads a map, all of `bytes`.
    ///
    /// - Parameters:
    ///   - bytes: The file's text.
    ///   - sites: The configured sites by AS number; other numbers are errors then. Nil accepts
    ///     any.
    /// - Throws: ``BadLines`` where any line is bad; there is no map of the good ones.
    /// - Complexity: linear.
    public init(parsing bytes: Span<UInt8>, sites: [ASNumber: String]?) throws(BadLines) {
        var parser = RouteMapParser(sites: sites)
        parser.parse(bytes)
        guard parser.bad.count == 0 else { throw parser.bad }
        self = parser.map
    }

    init() {}

    mutating func warn(_ warning: Warning) {
        self.warningCount += 1
        if self.warnings.count < Self.maximumWarnings { self.warnings.append(warning) }
    }
}

/// `LINE: what is odd`, to stand behind a file's name and a colon.
extension RouteMap.Warning: CustomStringConvertible {
    public var description: String {
        switch self {
        case .duplicate(let prefix, let line, let earlier):
            "\(line): \(prefix) stands on line \(earlier) already; this line counts"
        case .masked(let prefix, let line):
            "\(line): bits are set beyond the prefix length; read as \(prefix)"
        case .repeatedSite(let number, let line):
            "\(line): AS number \(number) stands twice; its first place counts"
        }
    }
}
