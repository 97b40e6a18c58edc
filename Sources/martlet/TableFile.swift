// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import Glibc
import RouteFiles

/// Finds out what a file is, and whom it names.
enum TableFile {
    enum Kind {
        case mrt, routeMap
        /// What a router prints for `show ip bgp`.
        case text
    }

    static func kind(of path: String) throws(InputFileError) -> Kind {
        guard try self.isText(path) else { return .mrt }
        return try TextDumpReader.recognizes(path) ? .text : .routeMap
    }

    /// Whether a file is text, once decompressed. An MRT file has zeros in its first header.
    private static func isText(_ path: String) throws(InputFileError) -> Bool {
        var source = try ByteSource(path: path)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 12, alignment: 1)
        defer { buffer.deallocate() }
        let count = try source.read(into: buffer)
        // A terminal's escape sequences may stand in a router's text, too.
        return buffer.prefix(count).allSatisfy {
            $0 >= 0x20 || (0x08...0x0d).contains($0) || $0 == 0x1b
        }
    }

    /// A file's name without folders, endings and what compresses it.
    static func name(of path: String) -> String {
        let file = path.split(separator: "/").last.map(String.init) ?? path
        let name = file.prefix { $0 != "." }
        return name.isEmpty ? file : String(name)
    }

    /// The peers that a dump names, in its order.
    static func peers(of path: String) throws -> [MRTPeer] {
        var reader = try MRTReader(path: path)
        var peers: [MRTPeer] = []
        var seen: Set<MRTPeer> = []
        func add(_ peer: MRTPeer) { if seen.insert(peer).inserted { peers.append(peer) } }
        var isIndexed = false
        var more = true
        while more, !isIndexed {
            more = try reader.next { record, bytes in
                do {
                    switch record.content {
                    case .peerIndexTable:
                        for peer in try PeerIndexTable(parsing: bytes).peers { add(peer) }
                        // All routes that follow are of these.
                        isIndexed = true
                    case .tableDump(let family):
                        add(try TableDumpEntry(parsing: bytes, family: family).peer)
                    case .message(let form):
                        add(try BGP4MPMessage(parsing: bytes, form: form).peer)
                    case .rib, .stateChange, .notRead: break
                    }
                } catch let error as MRTFormatError {
                    throw record.error(error, path: path)
                }
            }
        }
        return peers
    }

    /// The AS numbers that a route map names, in its order.
    static func numbers(in path: String) throws -> [ASNumber] {
        var numbers: [ASNumber] = []
        for preference in try RouteMap(path: path, sites: nil).preferences {
            for number in preference where !numbers.contains(number) { numbers.append(number) }
        }
        return numbers
    }
}
