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
        /// The feed is there no more: this is the last.
        case end(seconds: Int64)
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

    /// What is seen as lines of text, one after the other. There is one reader.
    public func lines(
        _ text: @escaping @Sendable (Sight) -> [String]
    ) -> AsyncStream<String> {
        let reader = Reader(watch: self, text: text)
        return AsyncStream {
            await reader.next()
        } onCancel: {
            self.finish()
        }
    }

    private actor Reader {
        private let watch: MessageWatch
        private let text: @Sendable (Sight) -> [String]
        private var waiting: ArraySlice<String> = []

        init(watch: MessageWatch, text: @escaping @Sendable (Sight) -> [String]) {
            self.watch = watch
            self.text = text
        }

        func next() async -> String? {
            while self.waiting.isEmpty {
                guard let sight = await self.watch.take() else { return nil }
                self.waiting = self.text(sight)[...]
            }
            return self.waiting.popFirst()
        }
    }

    private func take() async -> Sight? {
        // A new iterator goes on where the one before was: the stream keeps its own place.
        var iterator = self.stream.makeAsyncIterator()
        guard let sight = await iterator.next() else { return nil }
        self.waiting.withLock { $0.bytes -= Self.cost(sight) }
        return sight
    }

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

    public func ended() {
        self.continuation.yield(.end(seconds: self.now()))
        self.continuation.finish()
    }

    private static let overhead = 256

    private static func cost(_ sight: Sight) -> Int {
        switch sight {
        case .message(let bytes, _, _, _): Self.overhead + bytes.count
        case .change: Self.overhead
        case .missed, .end: 0
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
