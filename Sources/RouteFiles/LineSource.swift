// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The lines of a file, one at a time, however long the file: LF ends a line, or the file does.
///
/// What is in memory is a buffer of 64 KiB. A longer line is given out as far as the buffer goes,
/// and the rest of it is passed over.
struct LineSource: ~Copyable {
    /// The number of the line that was given out last, from 1.
    private(set) var number = 0
    var path: String { self.source.path }

    static let maximumLength = 65_536

    private var source: ByteSource
    private let buffer: UnsafeMutableBufferPointer<UInt8>
    /// What of the buffer hasn't been given out.
    private var pending = 0..<0
    private var isAtEnd = false
    /// Whether the line was longer than ``maximumLength``.
    private var wasCut = false

    init(_ source: consuming ByteSource) {
        self.source = source
        self.buffer = .allocate(capacity: Self.maximumLength)
    }

    deinit { self.buffer.deallocate() }

    /// How much of the file has been read, from 0 to 1; see ``ByteSource/progress``.
    var progress: Double? { self.source.progress }

    /// Gives the next line to `body`, without its LF; the bytes stay where they are until it returns.
    ///
    /// - Parameters:
    ///   - state: What `body` changes.
    ///   - body: Called with the line, its number, and whether it was longer than
    ///     ``maximumLength``: the rest is missing then.
    /// - Returns: What `body` returned; nil at the end of the file.
    /// - Throws: ``InputFileError``.
    mutating func next<State, Result>(
        _ state: inout State,
        _ body: (inout State, Span<UInt8>, _ number: Int, _ wasCut: Bool) -> Result
    ) throws(InputFileError) -> Result? {
        guard let line = try self.frame() else { return nil }
        self.number += 1
        let bytes = UnsafeBufferPointer(rebasing: self.buffer[line])
        let result = body(&state, bytes.span, self.number, self.wasCut)
        if self.wasCut { try self.skipLine() }
        return result
    }

    /// Finds the next line and moves past it and its end.
    private mutating func frame() throws(InputFileError) -> Range<Int>? {
        self.wasCut = false
        var searched = self.pending.lowerBound
        while true {
            if let end = self.newline(from: searched) {
                let line = self.pending.lowerBound..<end
                self.pending = end + 1..<self.pending.upperBound
                return line
            }
            searched = self.pending.upperBound
            if self.isAtEnd {
                guard !self.pending.isEmpty else { return nil }
                defer { self.pending = 0..<0 }
                return self.pending
            }
            if self.pending.count == self.buffer.count {
                self.wasCut = true
                defer { self.pending = 0..<0 }
                return self.pending
            }
            if self.pending.lowerBound > 0 {
                searched -= self.pending.lowerBound
                self.moveToFront()
            }
            try self.fill()
        }
    }

    private func newline(from start: Int) -> Int? {
        guard let base = self.buffer.baseAddress, start < self.pending.upperBound,
            let found = memchr(
                base + start, CInt(UInt8(ascii: "\n")), self.pending.upperBound - start)
        else { return nil }
        return UnsafeMutableRawPointer(base).distance(to: found)
    }

    private mutating func moveToFront() {
        let pending = UnsafeBufferPointer(rebasing: self.buffer[self.pending])
        if let start = pending.baseAddress {
            // Overlaps are allowed.
            self.buffer.baseAddress?.update(from: start, count: pending.count)
        }
        self.pending = 0..<pending.count
    }

    private mutating func fill() throws(InputFileError) {
        let count = try self.source.read(
            into: UnsafeMutableRawBufferPointer(
                rebasing: UnsafeMutableRawBufferPointer(self.buffer)[self.pending.upperBound...]))
        self.pending = self.pending.lowerBound..<self.pending.upperBound + count
        self.isAtEnd = count == 0
    }

    /// Passes over what is left of a line that was cut.
    private mutating func skipLine() throws(InputFileError) {
        while !self.isAtEnd {
            self.pending = 0..<0
            try self.fill()
            if let end = self.newline(from: 0) {
                self.pending = end + 1..<self.pending.upperBound
                return
            }
        }
        self.pending = 0..<0
    }
}

extension TextLines {
    /// A line without CR and blanks at its end.
    static func withoutEnd(_ line: Span<UInt8>) -> Range<Int> {
        var end = line.count
        while end > 0, Self.isBlank(line[end - 1]) || line[end - 1] == UInt8(ascii: "\r") {
            end -= 1
        }
        return 0..<end
    }

    /// Whether a line has what moves a terminal's cursor, but for a CR at its end.
    static func needsCleaning(_ line: Span<UInt8>) -> Bool {
        for position in line.indices where line[position] < 0x20 {
            return line[position] != UInt8(ascii: "\r") || position != line.count - 1
        }
        return false
    }

    /// What a terminal would show of a line: tabs as blanks, and what was written over by way of
    /// backspaces and CRs gone, as after a pager's `--More--`. Escape sequences show nothing.
    static func clean(_ line: Span<UInt8>, into shown: inout [UInt8]) {
        var cursor = 0
        func write(_ byte: UInt8) {
            if cursor < shown.count { shown[cursor] = byte } else { shown.append(byte) }
            cursor += 1
        }
        var position = 0
        while position < line.count {
            let byte = line[position]
            position += 1
            switch byte {
            case 0x08: cursor = max(0, cursor - 1)
            case 0x09: repeat { write(UInt8(ascii: " ")) } while cursor % 8 != 0
            case 0x0d: cursor = 0
            case 0x1b:
                // ESC [ parameters, up to a letter or so (ECMA-48 §5.4).
                guard position < line.count, line[position] == UInt8(ascii: "[") else { break }
                position += 1
                while position < line.count, !(0x40...0x7e).contains(line[position]) {
                    position += 1
                }
                position += 1
            case 0x20...: write(byte)
            default: break
            }
        }
    }
}
