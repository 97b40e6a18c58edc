// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// Reads what a router prints for `show ip bgp` and `show bgp ipv6`: Cisco IOS, Zebra, Quagga, FRR,
/// and what is written like it (RouteViews' `oix-full-snapshot`).
///
/// A table begins with its heading, and ends with a count, a prompt or the next table; what stands
/// between tables is passed over. Numbers are told apart by their columns, since metric and local
/// preference may be blank. The file is streamed: what is in memory is one path, however long the
/// file.
public struct TextDumpReader: ~Copyable {
    private var lines: LineSource
    private var parser = TextDumpParser()

    public var path: String { self.lines.path }

    /// The lines that couldn't be read so far. At the end of the file all of them; a file without
    /// any table has a bad line, too.
    public var bad: BadLines {
        var bad = self.parser.bad
        bad.path = self.lines.path
        return bad
    }

    /// How much of the file has been read, from 0 to 1; nil where that can't be told.
    public var progress: Double? { self.lines.progress }

    public init(path: String) throws(InputFileError) {
        self.init(try ByteSource(path: path))
    }

    public init(_ source: consuming ByteSource) { self.lines = LineSource(source) }

    /// Whether a file has a table's heading among its first lines, as a route map has not.
    public static func recognizes(
        _ path: String, lines limit: Int = 1000
    ) throws(InputFileError) -> Bool {
        var lines = LineSource(try ByteSource(path: path))
        var isFound = false
        while !isFound, lines.number < limit {
            let isThere = try lines.next(&isFound) { isFound, line, _, _ in
                isFound = TextDumpColumns(heading: line) != nil
                return true
            }
            guard isThere == true else { break }
        }
        return isFound
    }

    /// The next path, in the order of the file; nil at its end.
    ///
    /// - Throws: ``InputFileError``; lines that can't be read are noted in ``bad`` and passed over.
    public mutating func next() throws(InputFileError) -> TextDumpRoute? {
        while true {
            let route = try self.lines.next(&self.parser) { parser, line, number, wasCut in
                parser.take(line, number: number, wasCut: wasCut)
            }
            switch route {
            case .some(.some(let route)): return route
            case .some(.none): break
            case .none:
                self.parser.finish()
                return nil
            }
        }
    }
}
