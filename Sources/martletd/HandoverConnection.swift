// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc

/// What passes between a process that serves and the one that takes its place: messages of a few
/// words, some with an open file, over a Unix socket beside the console's.
///
/// The new process asks, the old one answers; before `leave` nothing of it changes the old one.
///
/// | asked | answered |
/// | --- | --- |
/// | `replace 1` | `ready` or `starting`; or `no` and why |
/// | `sockets` | a message for each: `dns-udp`, `dns-tcp`, `bgp`, `bmp`, `console` with the socket; `powerdns` and its path with the socket, `pid-file` and its path with the file; `cookies` and two hexadecimal numbers, what cookies' secrets are drawn from; `zones` with a file of the names of zones that are answered, a line each; then `end` |
/// | `table` | `table` with a checkpoint as an open file, `empty`, or `no` and why |
/// | `give-up` and why, a line each | `noted` |
/// | `leave` | `left`, once the old process serves nothing new any more |
/// | `leave pid-file` | the same; the file with its number belongs to the new process |
/// | `leave powerdns`, `leave pid-file powerdns` | before that, a message `powerdns` for each connection of PowerDNS's, with the socket. Only who has given a socket `powerdns` is asked, and by one that serves on it from here on |
final class HandoverConnection: Sendable {
    struct Message {
        var words: String
        /// An open file, which belongs to whoever takes the message; -1 for none.
        var file: CInt
    }

    /// The first message of one that wants to replace another; other numbers are other languages.
    static let greeting = "replace 1"

    /// What is longer is no message of ours: a path fits in.
    static let limit = 8192

    private let descriptor: CInt

    init(adopting descriptor: CInt) { self.descriptor = descriptor }

    deinit { close(self.descriptor) }

    /// Where a process that has its console's socket at `path` can be found.
    static func path(besides console: String) -> String { console + ".handover" }

    /// Who is at the other end.
    func peer() throws(HandoverError) -> (user: uid_t, process: pid_t) {
        var user = uid_t()
        var process = pid_t()
        let result = martlet_local_peer(self.descriptor, &user, &process)
        guard result >= 0 else { throw .system(call: "SO_PEERCRED", errno: -result) }
        return (user, process)
    }

    func send(_ words: String, file: CInt = -1) throws(HandoverError) {
        let bytes = Array(words.utf8)
        let result = martlet_local_send(self.descriptor, bytes, bytes.count, file)
        guard result >= 0 else {
            throw result == -EPIPE || result == -ECONNRESET
                ? .ended : .system(call: "sendmsg", errno: -result)
        }
    }

    /// Waits for a message.
    ///
    /// - Returns: Nil where none came in time.
    /// - Throws: ``HandoverError/ended`` where there will be none any more.
    func receive(milliseconds: Int32) throws(HandoverError) -> Message? {
        var bytes = [UInt8](repeating: 0, count: Self.limit)
        var file: CInt = -1
        _ = martlet_local_set_timeout(self.descriptor, milliseconds)
        let count = martlet_local_receive(self.descriptor, &bytes, bytes.count, &file)
        if count == -EAGAIN { return nil }
        if count == 0 || count == -ECONNRESET { throw .ended }
        guard count > 0 else { throw .system(call: "recvmsg", errno: -count) }
        return Message(words: String(decoding: bytes.prefix(Int(count)), as: UTF8.self), file: file)
    }
}

/// Why one process can't take another's place.
enum HandoverError: Error, CustomStringConvertible {
    case system(call: String, errno: CInt)
    /// The other process is gone.
    case ended
    case noAnswer(to: String)
    case refused(String)
    case unexpected(String)
    /// Zones that the other process answers and this one couldn't: what is bad about each.
    case wouldLoseZones([String])

    var description: String {
        switch self {
        case .system(let call, let code): "\(call): \(String(cString: strerror(code)))"
        case .ended: "the other process has ended"
        case .noAnswer(let question): "the other process doesn't answer '\(question)'"
        case .refused(let reason): "the other process refuses: \(reason)"
        case .unexpected(let words): "the other process says '\(words)', which means nothing"
        case .wouldLoseZones(let problems): problems.joined(separator: "; ")
        }
    }
}
