// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import RouteTable

extension RefusalReason {
    /// What is in the way, by its key in the configuration where it has one.
    public func words(_ limits: TableLimits) -> String {
        switch self {
        case .memory: "limits.memory is \(limits.memory ?? 0) bytes"
        case .prefixes: "limits.prefixes is \(limits.prefixes)"
        case .prefixesPerFeed: "limits.prefixes-per-feed is \(limits.routesPerFeed)"
        case .classes: "limits.classes is \(limits.classes)"
        case .paths:
            "a feed may have \(limits.pathsPerPrefix) paths for a prefix, one by BMP as many as "
                + "its maximum-peers up to \(TableLimits.mostPathsPerPrefix); the longest are left out"
        case .space: "there is no address space left for them"
        }
    }
}
