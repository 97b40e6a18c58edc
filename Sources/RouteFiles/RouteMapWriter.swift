// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// The text of a route map, line by line, as ``RouteMap`` reads it.
public struct RouteMapWriter {
    private var buffer: [UInt8] = []
    private let write: ([UInt8]) throws -> Void

    private static let bufferSize = 1 << 16

    /// - Parameter write: Called with some lines at a time.
    public init(write: @escaping ([UInt8]) throws -> Void) {
        self.write = write
        self.buffer.reserveCapacity(Self.bufferSize + 256)
    }

    /// Adds a comment of one line: what would end the line or moves a cursor becomes a `?`.
    public mutating func add(comment: String) throws {
        self.buffer.append(contentsOf: "# ".utf8)
        for byte in comment.utf8 {
            self.buffer.append(byte < 0x20 || byte == 0x7f ? UInt8(ascii: "?") : byte)
        }
        try self.endLine()
    }

    /// Adds a prefix and its sites, the first first; there is one at least.
    public mutating func add(_ prefix: IPPrefix, _ sites: [ASNumber]) throws {
        self.buffer.append(contentsOf: prefix.description.utf8)
        for site in sites {
            self.buffer.append(UInt8(ascii: " "))
            self.buffer.append(contentsOf: site.description.utf8)
        }
        try self.endLine()
    }

    private mutating func endLine() throws {
        self.buffer.append(UInt8(ascii: "\n"))
        if self.buffer.count >= Self.bufferSize { try self.flush() }
    }

    /// Gives out what is still in the buffer.
    public mutating func flush() throws {
        try self.write(self.buffer)
        self.buffer.removeAll(keepingCapacity: true)
    }
}
