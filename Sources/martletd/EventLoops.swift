// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix
import RouteTable

extension MultiThreadedEventLoopGroup {
    /// One thread, for what can wait a moment while answers can't.
    static func givingWay() -> Self {
        let group = Self(numberOfThreads: 1)
        group.next().execute { giveWay() }
        return group
    }
}

extension NIOThreadPool {
    /// Starts the pool's one thread, for what can wait while answers can't.
    func startGivingWay() {
        self.start()
        self.submit { _ in giveWay() }
    }
}
