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
        let bytes = input.readableBytesView
        guard let end = Interruption.end(in: bytes, orLine: true) else {
            // Half of telnet's interrupt may have come.
            let kept = bytes.last == LineDecoder.Telnet.iac ? 1 : 0
            input.moveReaderIndex(forwardBy: bytes.count - kept)
            return false
        }
        input.moveReaderIndex(forwardBy: end)
        self.watch.end()
        return true
    }
}
