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
        guard setuid(0) != 0, try Self.threadsAreAll(self.user) else { throw .stillRoot }
    }

    /// Whether every thread runs as `user`, as the kernel sees it: "Uid:" and the real, effective,
    /// saved and file system ids (proc_pid_status(5)).
    private static func threadsAreAll(_ user: uid_t) throws(Failure) -> Bool {
        guard let folder = opendir("/proc/self/task") else {
            throw .system(call: "/proc/self/task", errno: errno)
        }
        defer { closedir(folder) }
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            // A thread that has ended meanwhile has no status to read.
            guard Int(name) != nil,
                let status = try? FileText.read("/proc/self/task/\(name)/status"),
                let line = status.split(separator: "\n").first(where: { $0.hasPrefix("Uid:") })
            else { continue }
            let ids = line.dropFirst(4).split { $0 == "\t" || $0 == " " }
            guard ids.count == 4, ids.allSatisfy({ $0 == "\(user)" }) else { return false }
        }
        return true
    }

    /// The C room gives a negated errno.
    private func check(_ call: String, _ result: Int32) throws(Failure) {
        guard result == 0 else { throw .system(call: call, errno: -result) }
    }
}
