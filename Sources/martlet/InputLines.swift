// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The lines of standard input, one after the other; and whether another has come, which may be
/// looked at while something else is waited for.
final class InputLines: Sequence, IteratorProtocol {
    private var buffer: [UInt8] = []
    private var isOver = false
    private let pieceSize: Int

    /// `pieceSize`: octets read at once; 1 leaves what follows a line to another reader.
    init(pieceSize: Int = 65_536) { self.pieceSize = pieceSize }

    /// The next line without its end; nil at the end of input. Waits for it.
    func next() -> String? {
        while !self.hasLine {
            if self.isOver {
                guard !self.buffer.isEmpty else { return nil }
                defer { self.buffer = [] }
                return String(decoding: self.buffer, as: UTF8.self)
            }
            self.fill()
        }
        guard let end = self.buffer.firstIndex(of: Self.newline) else { return nil }
        defer { self.buffer.removeFirst(end + 1) }
        return String(decoding: self.buffer[..<end], as: UTF8.self)
    }

    /// Whether a whole line is there.
    var hasLine: Bool { self.buffer.contains(Self.newline) }

    /// Whether a whole line has come, or the end where that counts too.
    func endsWatching(evenByEnd: Bool) -> Bool { self.hasLine || evenByEnd && self.isOver }

    /// What can be waited for; nil once all has been read.
    var descriptor: CInt? { self.isOver ? nil : STDIN_FILENO }

    /// Reads what there is, or the end; waits for either.
    func fill() {
        var piece = [UInt8](repeating: 0, count: self.pieceSize)
        var count: Int
        repeat {
            count = piece.withUnsafeMutableBytes { read(STDIN_FILENO, $0.baseAddress, $0.count) }
        } while count < 0 && errno == EINTR
        if count > 0 {
            self.buffer += piece[..<count]
        } else {
            self.isOver = true
        }
    }

    private static let newline: UInt8 = 0x0a
}
