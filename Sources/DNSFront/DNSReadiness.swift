// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Whether answers may be given yet.
///
/// Before that, every question gets SERVFAIL with the extended error "not ready" (RFC 8914, 14), so
/// that resolvers ask another server instead of learning something from half a table.
public final class DNSReadiness: Sendable {
    private let flag: Atomic<Bool>

    public init(isReady: Bool = false) { self.flag = Atomic(isReady) }

    public var isReady: Bool {
        get { self.flag.load(ordering: .acquiring) }
        set { self.flag.store(newValue, ordering: .releasing) }
    }
}
