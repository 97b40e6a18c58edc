// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Logging
public import NIOCore
public import OriginValidation

/// Keeps up with RPKI caches over the RPKI to Router protocol (RFC 8210, RFC 6810), and hands on
/// the payloads that count.
///
/// All of it runs on one event loop of the group: not the speaker's, for a full answer is some
/// tenths of a second's work.
public final class RTRClient: Sendable {
    private let loop: any EventLoop
    private let core: NIOLoopBoundBox<RTRCore>

    /// A client that does nothing yet.
    ///
    /// - Parameters:
    ///   - settings: The caches.
    ///   - group: One of its loops carries all.
    ///   - logger: Gets a line for each cache that comes or fails.
    ///   - now: Unix seconds, for reports.
    ///   - onTable: Called on the loop with the payloads that count from now on; nil where none
    ///     do any more. Not called for the client's own end.
    public init(
        settings: RTRClientSettings, group: any EventLoopGroup, logger: Logger,
        now: @escaping @Sendable () -> Int64,
        onTable: @escaping @Sendable (VRPTable?) -> Void
    ) {
        let loop = group.next()
        self.loop = loop
        self.core = .makeBoxSendingValue(
            RTRCore(settings: settings, loop: loop, logger: logger, now: now, onTable: onTable),
            eventLoop: loop)
    }

    /// Runs until the task is cancelled, and returns when all connections have gone.
    public func run() async throws {
        let core = self.core
        try await self.loop.submit { core.value.start() }.get()
        await Task.untilCancelled()
        try await self.loop.flatSubmit { core.value.stop() }.get()
    }

    /// Takes other caches or waits. Sessions with caches that stay go on.
    public func apply(_ settings: RTRClientSettings) async {
        let core = self.core
        try? await self.loop.submit { core.value.apply(settings) }.get()
    }

    public func status() async -> RTRStatus {
        let core = self.core
        return (try? await self.loop.submit { core.value.status }.get()) ?? RTRStatus()
    }
}
