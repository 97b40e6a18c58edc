// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// What the system refuses to a table. Where a table stands already, it stays as it was.
public enum TableResourceError: Error, Hashable, Sendable {
    /// Address space, with the system's error number.
    case addressSpace(bytes: Int, code: Int32)
    /// The writer's thread, with the system's error number.
    case thread(code: Int32)
}

extension TableResourceError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .addressSpace(let bytes, let code):
            """
            the system refuses \(bytes >> 20) MiB of address space: \
            \(String(cString: strerror(code))); the table reserves far more than it uses, so \
            lift `ulimit -v`, let vm.overcommit_memory be 0 or 1, or lower the table's limits
            """
        case .thread(let code):
            "the system refuses a thread for the table: \(String(cString: strerror(code)))"
        }
    }
}
