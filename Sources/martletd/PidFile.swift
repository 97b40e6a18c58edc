// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import CBSD
import Glibc
import Synchronization

/// The file that holds this process's number, locked as long as it runs, so that a second
/// instance is refused (pidfile(3bsd)).
final class PidFile: Sendable {
    enum Failure: Error, CustomStringConvertible {
        case running(path: String, pid: Int32)
        case system(path: String, errno: Int32)

        var description: String {
            switch self {
            case .running(let path, let pid) where pid > 0:
                "another instance runs already as process \(pid), by \(path)"
            case .running(let path, _): "another instance runs already, by \(path)"
            case .system(let path, let code): "\(path): \(String(cString: strerror(code)))"
            }
        }
    }

    /// The file and what is done with it.
    private enum Hold {
        case own(OpaquePointer)
        /// Another process's, which has handed it on with its lock.
        case inherited(CInt)
        /// The same, once this process's number is in it.
        case taken(CInt)
        /// Another process has it now.
        case released
    }

    let path: String
    private let hold: Mutex<Hold>

    /// Takes over the file of the process that this one replaces, locked as it is.
    init(adopting descriptor: CInt, path: String) {
        self.path = path
        self.hold = Mutex(.inherited(descriptor))
    }

    /// Opens and locks the file; the number is written by ``write()``.
    init(path: String) throws(Failure) {
        var holder: pid_t = -1
        guard let handle = pidfile_open(path, 0o644, &holder) else {
            let code = errno
            throw code == EEXIST
                ? .running(path: path, pid: holder) : .system(path: path, errno: code)
        }
        self.path = path
        self.hold = Mutex(.own(handle))
    }

    /// Writes this process's number.
    func write() {
        self.hold.withLock { hold in
            switch hold {
            case .own(let handle): _ = pidfile_write(handle)
            case .inherited(let descriptor):
                let text = Array("\(getpid())".utf8)
                if ftruncate(descriptor, 0) == 0 { _ = pwrite(descriptor, text, text.count, 0) }
                hold = .taken(descriptor)
            case .taken, .released: break
            }
        }
    }

    /// Whether it came from the process that this one replaces.
    var isInherited: Bool {
        self.hold.withLock { hold in
            if case .inherited = hold { true } else { false }
        }
    }

    /// The open file, with the lock on it; -1 where another process has it.
    var descriptor: CInt {
        self.hold.withLock { hold in
            switch hold {
            case .own(let handle): pidfile_fileno(handle)
            case .inherited(let descriptor), .taken(let descriptor): descriptor
            case .released: -1
            }
        }
    }

    /// Leaves the file, and the lock, to another process that has it open.
    func release() {
        self.hold.withLock { hold in
            switch hold {
            case .own(let handle): _ = pidfile_close(handle)
            case .inherited(let descriptor), .taken(let descriptor): close(descriptor)
            case .released: break
            }
            hold = .released
        }
    }

    /// Takes the file away, unless it is another process's: no more, or not yet this one's.
    func remove() {
        self.hold.withLock { hold in
            switch hold {
            // Removing may fail after privileges were dropped. The lock goes with the process.
            case .own(let handle): _ = pidfile_remove(handle)
            case .inherited(let descriptor): close(descriptor)
            case .taken(let descriptor):
                var opened = stat()
                var named = stat()
                if fstat(descriptor, &opened) == 0, stat(self.path, &named) == 0,
                    opened.st_ino == named.st_ino, opened.st_dev == named.st_dev
                {
                    unlink(self.path)
                }
                close(descriptor)
            case .released: break
            }
            hold = .released
        }
    }

    deinit { self.release() }
}
