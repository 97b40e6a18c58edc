// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Somebody who watches over a connection, until a line, a Ctrl-C or telnet's interrupt comes.
struct LiveView {
    private let watch: FeedWatch

    init(_ watch: FeedWatch) { self.watch = watch }

    func end() { self.watch.end() }

    /// Looks for the end in what has come, takes it and what was before it away, and ends the
    /// watching. What isn't the end is not kept.
    ///
    /// - Returns: Whether it has come.
    func isEnded(by input: inout ByteBuffer) -> Bool {
        let bytes = Array(input.readableBytesView)
        for (index, byte) in bytes.enumerated() {
            switch byte {
            case 0x0a, 0x0d, Self.interrupt: break
            case LineDecoder.Telnet.interruptProcess
            where index > 0 && bytes[index - 1] == LineDecoder.Telnet.iac:
                break
            default: continue
            }
            var end = index + 1
            // CR LF and CR NUL are one line's end.
            if byte == 0x0d, end < bytes.count, bytes[end] == 0x0a || bytes[end] == 0 { end += 1 }
            input.moveReaderIndex(forwardBy: end)
            self.watch.end()
            return true
        }
        // Half of telnet's interrupt may have come.
        let kept = bytes.last == LineDecoder.Telnet.iac ? 1 : 0
        input.moveReaderIndex(forwardBy: bytes.count - kept)
        return false
    }

    /// Ctrl-C, from a terminal that leaves it to us.
    private static let interrupt: UInt8 = 3
}
