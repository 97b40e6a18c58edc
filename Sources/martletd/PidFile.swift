// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import CBSD
import Glibc

/// The file that holds this process's number, locked as long as it runs, so that a second
/// instance is refused (pidfile(3bsd)).
struct PidFile: ~Copyable {
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

    private let handle: OpaquePointer

    /// Opens and locks the file; the number is written by ``write()``.
    init(path: String) throws(Failure) {
        var holder: pid_t = -1
        guard let handle = pidfile_open(path, 0o644, &holder) else {
            let code = errno
            throw code == EEXIST
                ? .running(path: path, pid: holder) : .system(path: path, errno: code)
        }
        self.handle = handle
    }

    func write() {
        _ = pidfile_write(self.handle)
    }

    deinit {
        // Removing may fail after privileges were dropped. The lock goes with the process.
        _ = pidfile_remove(self.handle)
    }
}
