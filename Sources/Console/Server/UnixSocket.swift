// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Why a Unix socket can't be listened on.
public enum UnixSocketError: Error, Hashable, Sendable {
    case pathTooLong(String, limit: Int)
    case inUse(String)
    case notASocket(String)
    case system(operation: String, path: String, errno: CInt)
}

extension UnixSocketError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .pathTooLong(let path, let limit):
            "\(path): a socket's path has at most \(limit) octets"
        case .inUse(let path): "\(path): another process listens there"
        case .notASocket(let path): "\(path): there is a file that is no socket"
        case .system(let operation, let path, let errno):
            "\(path): \(operation): \(String(cString: strerror(errno)))"
        }
    }
}

/// A listening Unix socket that owner and group may use, and nobody else.
package struct UnixSocket: Sendable {
    /// What passes there, and who may connect.
    package enum Kind: Sendable {
        case stream
        /// Messages whose borders are kept; for the owner alone.
        case messages

        fileprivate var type: UInt32 {
            switch self {
            case .stream: SOCK_STREAM.rawValue
            case .messages: SOCK_SEQPACKET.rawValue
            }
        }

        fileprivate var mode: mode_t {
            switch self {
            case .stream: 0o660
            case .messages: 0o600
            }
        }
    }

    package let path: String
    private let inode: UInt64
    /// Its name until it takes its own.
    private let temporaryPath: String?

    private static var pathLimit: Int { MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1 }

    /// Makes the file, with mode 0660 or 0600, and listens. A file that a process left behind is replaced;
    /// one on which somebody listens is not.
    ///
    /// - Parameters:
    ///   - name: The path.
    ///   - kind: What passes there, and who may connect.
    ///   - owner: Whose it is to be; nil: the process's own.
    ///   - group: The group that may connect; nil: the process's own.
    ///   - waits: Has the file stand beside, as the path and `.new`, until ``takeName()`` puts it in
    ///     the place of another process's.
    /// - Throws: ``UnixSocketError``.
    /// - Returns: The socket and its descriptor, which the caller owns.
    package static func listen(
        path name: String, kind: Kind = .stream, owner: UInt32? = nil, group: UInt32?,
        waits: Bool = false
    ) throws(UnixSocketError) -> (socket: UnixSocket, descriptor: CInt) {
        let path = waits ? name + ".new" : name
        var address = try Self.address(path)
        try Self.removeStale(path, kind, &address)
        let descriptor = socket(AF_UNIX, Int32(kind.type | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else {
            throw .system(operation: "socket", path: path, errno: errno)
        }
        do {
            // On Linux the file takes the mode of the socket, less the umask: it is never wider
            // than this. The umask is then made up for.
            try Self.check(fchmod(descriptor, kind.mode), "fchmod", path)
            try Self.check(
                Self.withPointer(&address) { bind(descriptor, $0, $1) }, "bind", path)
            if owner != nil || group != nil {
                try Self.check(
                    chown(path, owner ?? uid_t.max, group ?? gid_t.max), "chown", path)
            }
            try Self.check(chmod(path, kind.mode), "chmod", path)
            try Self.check(Glibc.listen(descriptor, 64), "listen", path)
            var status = stat()
            try Self.check(lstat(path, &status), "stat", path)
            let socket = UnixSocket(
                path: name, inode: UInt64(status.st_ino), temporaryPath: waits ? path : nil)
            return (socket, descriptor)
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// The socket under a name whose descriptor this process has from the one that made it.
    ///
    /// - Throws: ``UnixSocketError`` where it is another group's, and can't become that one's.
    /// - Returns: Nil where there is no socket of that name any more.
    package static func adopt(
        path: String, group: UInt32?
    ) throws(UnixSocketError) -> UnixSocket? {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return nil }
        if let group, status.st_gid != group {
            try Self.check(chown(path, uid_t.max, group), "chown", path)
        }
        return UnixSocket(path: path, inode: UInt64(status.st_ino), temporaryPath: nil)
    }

    /// Whether the file is the one that was made.
    package var isInPlace: Bool {
        var status = stat()
        return lstat(self.path, &status) == 0 && UInt64(status.st_ino) == self.inode
    }

    /// Has who connects from here on come to this socket.
    package func takeName() throws(UnixSocketError) {
        guard let temporaryPath = self.temporaryPath else { return }
        try Self.check(rename(temporaryPath, self.path), "rename", self.path)
    }

    /// Takes the file away, if it is still the one that was made.
    package func remove() {
        for path in [self.path, self.temporaryPath].compactMap(\.self) {
            var status = stat()
            if lstat(path, &status) == 0, UInt64(status.st_ino) == self.inode { unlink(path) }
        }
    }

    private static func removeStale(
        _ path: String, _ kind: Kind, _ address: inout sockaddr_un
    ) throws(UnixSocketError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw .notASocket(path) }
        let probe = socket(
            AF_UNIX,
            Int32(kind.type | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard probe >= 0 else { throw .system(operation: "socket", path: path, errno: errno) }
        defer { close(probe) }
        let result = Self.withPointer(&address) { connect(probe, $0, $1) }
        // Only a refusal tells that nobody listens: a full queue doesn't.
        guard result != 0, errno == ECONNREFUSED else { throw .inUse(path) }
        try Self.check(unlink(path), "unlink", path)
    }

    private static func address(_ path: String) throws(UnixSocketError) -> sockaddr_un {
        let bytes = Array(path.utf8)
        guard !bytes.isEmpty, bytes.count <= Self.pathLimit, !bytes.contains(0) else {
            throw .pathTooLong(path, limit: Self.pathLimit)
        }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return address
    }

    private static func withPointer<R>(
        _ address: inout sockaddr_un, _ body: (UnsafePointer<sockaddr>, socklen_t) -> R
    ) -> R {
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    private static func check(
        _ result: CInt, _ operation: String, _ path: String
    ) throws(UnixSocketError) {
        guard result == 0 else { throw .system(operation: operation, path: path, errno: errno) }
    }
}
