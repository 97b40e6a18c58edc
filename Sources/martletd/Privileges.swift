// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc

/// The user and group to run as once the listening sockets are open.
struct Privileges {
    enum Failure: Error, CustomStringConvertible {
        case noUser(String)
        case noGroup(String)
        case notRoot(String)
        case system(call: String, errno: Int32)
        case stillRoot

        var description: String {
            switch self {
            case .noUser(let name): "no user '\(name)' on this machine"
            case .noGroup(let name): "no group '\(name)' on this machine"
            case .notRoot(let name): "only root can run Martlet as another user ('\(name)')"
            case .system(let call, let code): "\(call): \(String(cString: strerror(code)))"
            case .stillRoot: "privileges could be taken back after they were dropped"
            }
        }
    }

    let name: String
    let user: uid_t
    let group: gid_t

    /// Looks up the user, and the group where one is named; else the user's own.
    init(user name: String, group groupName: String?) throws(Failure) {
        guard let entry = getpwnam(name) else { throw .noUser(name) }
        let user = entry.pointee.pw_uid
        var group = entry.pointee.pw_gid
        if let groupName {
            guard let entry = getgrnam(groupName) else { throw .noGroup(groupName) }
            group = entry.pointee.gr_gid
        }
        guard geteuid() == 0 || geteuid() == user else { throw .notRoot(name) }
        self.name = name
        self.user = user
        self.group = group
    }

    /// Gives up root for good, and proves it: real, effective and saved ids, and all groups.
    func drop() throws(Failure) {
        guard geteuid() == 0, self.user != 0 else { return }
        try self.check("initgroups", martlet_initialize_groups(self.name, self.group))
        try self.check("setresgid", martlet_set_group(self.group))
        try self.check("setresuid", martlet_set_user(self.user))
        guard setuid(0) != 0 else { throw .stillRoot }
    }

    /// The C room gives a negated errno.
    private func check(_ call: String, _ result: Int32) throws(Failure) {
        guard result == 0 else { throw .system(call: call, errno: -result) }
    }
}
