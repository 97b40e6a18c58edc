// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization

/// What the other side sends when it has had enough: a Ctrl-C, or telnet's interrupt (RFC 854).
enum Interruption {
    /// Looks for an interruption in what has come.
    ///
    /// - Parameters:
    ///   - bytes: What has come.
    ///   - orLine: The end of a line is one, too.
    /// - Returns: Where it ends; nil where there is none.
    static func end(in bytes: ByteBufferView, orLine: Bool) -> Int? {
        var wasCommand = false
        for (index, byte) in bytes.enumerated() {
            switch byte {
            case LineDecoder.interrupt: return index + 1
            case LineDecoder.Telnet.interruptProcess where wasCommand: return index + 1
            case 0x0a where orLine: return index + 1
            case 0x0d where orLine:
                // CR LF and CR NUL are one line's end.
                let next = bytes.dropFirst(index + 1).first
                return next == 0x0a || next == 0 ? index + 2 : index + 1
            default: break
            }
            wasCommand = byte == LineDecoder.Telnet.iac
        }
        return nil
    }
}

/// A reply of many rows that an interruption ends early, between two slices.
final class StreamStop: Sendable {
    private let hasCome = Atomic<Bool>(false)

    /// Whether the rows are to end. From any thread.
    var isWanted: Bool { self.hasCome.load(ordering: .relaxed) }

    /// Looks for an interruption in what has come, and takes it and what was before it away: who
    /// interrupts wants nothing more of that. All else are commands that wait.
    func look(in input: inout ByteBuffer) {
        guard let end = Interruption.end(in: input.readableBytesView, orLine: false) else { return }
        input.moveReaderIndex(forwardBy: end)
        self.hasCome.store(true, ordering: .relaxed)
    }
}
