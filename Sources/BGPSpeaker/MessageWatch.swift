// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import BGPSession
import BGPWire
import Synchronization

/// Somebody who watches a session: keeps messages until they are taken, and counts those for
/// which there was no room.
///
/// On the event loop of the sessions a message is copied and nothing else; it is decoded by who
/// takes it.
public final class MessageWatch: SessionTap {
    /// Bytes that may wait: who reads slower loses messages.
    public static let capacity = 1 << 20

    public enum Sight: Sendable {
        case message([UInt8], MessageDirection, TappedSession, seconds: Int64)
        case change(SessionState, SessionState, String?, TappedSession, seconds: Int64)
        /// So many messages are missing here.
        case missed(Int)
    }

    private struct Waiting {
        var bytes = 0
        var missed = 0
    }

    private let waiting = Mutex(Waiting())
    private let stream: AsyncStream<Sight>
    private let continuation: AsyncStream<Sight>.Continuation
    private let now: @Sendable () -> Int64

    public init(now: @escaping @Sendable () -> Int64) {
        // Bounded by the bytes in it.
        (self.stream, self.continuation) = AsyncStream.makeStream(bufferingPolicy: .unbounded)
        self.now = now
    }

    /// Ends what is seen.
    public func finish() { self.continuation.finish() }

    /// What is seen, one after the other: for one reader.
    public func next(_ iterator: inout AsyncStream<Sight>.Iterator) async -> Sight? {
        guard let sight = await iterator.next() else { return nil }
        let cost = Self.cost(sight)
        self.waiting.withLock { $0.bytes -= cost }
        return sight
    }

    public func makeIterator() -> AsyncStream<Sight>.Iterator { self.stream.makeAsyncIterator() }

    public func message(
        _ bytes: RawSpan, _ direction: MessageDirection, of session: TappedSession
    ) {
        guard self.admit(Self.overhead + bytes.byteCount) else { return }
        let copy = bytes.withUnsafeBytes { [UInt8]($0) }
        self.continuation.yield(.message(copy, direction, session, seconds: self.now()))
    }

    public func changed(
        from old: SessionState, to new: SessionState, reason: String?, of session: TappedSession
    ) {
        guard self.admit(Self.overhead) else { return }
        self.continuation.yield(.change(old, new, reason, session, seconds: self.now()))
    }

    private static let overhead = 256

    private static func cost(_ sight: Sight) -> Int {
        switch sight {
        case .message(let bytes, _, _, _): Self.overhead + bytes.count
        case .change: Self.overhead
        case .missed: 0
        }
    }

    private func admit(_ cost: Int) -> Bool {
        let (isAdmitted, missed) = self.waiting.withLock { waiting -> (Bool, Int) in
            guard waiting.bytes + cost <= Self.capacity else {
                waiting.missed += 1
                return (false, 0)
            }
            waiting.bytes += cost
            defer { waiting.missed = 0 }
            return (true, waiting.missed)
        }
        if missed > 0 { self.continuation.yield(.missed(missed)) }
        return isAdmitted
    }
}
