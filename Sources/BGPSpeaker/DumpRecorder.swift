// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
public import BGPSession
import BGPWire
import Glibc
public import Logging
public import NIOPosix
import RouteFiles
import RouteTable
import Synchronization

/// Records what a feed's sessions send, as BGP4MP_ET: every message as it came, and changes of state.
///
/// The event loop of the sessions puts records into a queue of bounded size and goes on; a thread of the
/// pool writes them. When the disk is slow or full, records are dropped, counted, and the log says so;
/// the session never waits.
public final class DumpRecorder: SessionTap {
    /// How a record stands.
    public struct Status: Hashable, Sendable {
        /// The file that is being written, less its `.part`.
        public var file: String?
        public var records = 0
        public var bytes = 0
        /// Records that were not written.
        public var dropped = 0
        public var lastError: String?
    }

    private struct Queue {
        var bytes: [UInt8] = []
        var records = 0
        var isDraining = false
        var status = Status()
        /// Records dropped since the log said so last.
        var unreported = 0
    }

    public let recording: DumpRecording
    private let logger: Logger
    private let pool: NIOThreadPool
    /// Held for moments, by sessions too.
    private let queue = Mutex(Queue())
    /// Held while the disk is waited for, by the pool's threads alone.
    private let file: Mutex<DumpFile>
    private let now: @Sendable () -> Int64

    /// - Parameters:
    ///   - recording: Whose messages, and where to.
    ///   - pool: Its threads write.
    ///   - logger: Says what is lost.
    ///   - now: The time in microseconds since 1970.
    public init(
        _ recording: DumpRecording, pool: NIOThreadPool, logger: Logger,
        now: @escaping @Sendable () -> Int64 = { DumpRecorder.systemTime() }
    ) {
        self.recording = recording
        self.logger = logger
        self.pool = pool
        self.file = Mutex(DumpFile(settings: recording.settings))
        self.now = now
    }

    /// The system's clock in microseconds since 1970.
    public static func systemTime() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }

    public var status: Status { self.queue.withLock { $0.status } }

    // MARK: What passes

    public func message(
        _ bytes: RawSpan, _ direction: MessageDirection, of session: TappedSession
    ) {
        guard direction == .received else { return }
        // Before the session is established there are no AS numbers of two octets in a message.
        var form = MRTRecord.MessageForm(fourOctetAS: session.context?.fourOctetAS ?? true)
        if let context = session.context, !context.addPath.isEmpty {
            switch UpdateFamilies(of: bytes).use(of: context.addPath) {
            case .none: break
            case .all: form.hasPathIdentifiers = true
            case .some:
                // There is no record for a message that has path identifiers in one half alone.
                self.drop(1)
                return
            }
        }
        let time = self.now()
        self.add {
            MRTWriter.append(
                message: bytes, at: time, form: form, of: RecordedSession(session), to: &$0)
        }
    }

    public func changed(
        from old: SessionState, to new: SessionState, reason: String?, of session: TappedSession
    ) {
        let time = self.now()
        self.add {
            MRTWriter.append(
                stateChangeFrom: old.recordedNumber, to: new.recordedNumber, at: time,
                of: RecordedSession(session), to: &$0)
        }
    }

    private func add(_ append: (inout [UInt8]) -> Void) {
        let (isFirst, isDropped) = self.queue.withLock { queue in
            guard queue.bytes.count < self.recording.settings.queuedBytes else {
                return (false, true)
            }
            append(&queue.bytes)
            queue.records += 1
            defer { queue.isDraining = true }
            return (!queue.isDraining, false)
        }
        if isDropped { self.drop(1) }
        if isFirst { self.pool.submit { _ in self.drain() } }
    }

    private func drop(_ records: Int) {
        self.queue.withLock { queue in
            queue.status.dropped += records
            queue.unreported += records
        }
    }

    // MARK: On a thread of the pool

    /// Writes until the queue is empty.
    private func drain() {
        while true {
            let (bytes, records) = self.queue.withLock { queue in
                var taken: [UInt8] = []
                swap(&taken, &queue.bytes)
                defer { queue.records = 0 }
                if taken.isEmpty { queue.isDraining = false }
                return (taken, queue.records)
            }
            if bytes.isEmpty { return }
            self.write(bytes, records)
        }
    }

    private func write(_ bytes: [UInt8], _ records: Int) {
        let now = self.now() / 1_000_000
        do throws(DumpFileError) {
            let path: String? = try self.file.withLock { file throws(DumpFileError) in
                if file.isPaused(at: now) { return nil }
                try file.write(bytes, at: now)
                return file.path
            }
            guard let path else {
                self.drop(records)
                return
            }
            let (unreported, hadFailed) = self.queue.withLock { queue in
                queue.status.file = path
                queue.status.records += records
                queue.status.bytes += bytes.count
                defer {
                    queue.unreported = 0
                    queue.status.lastError = nil
                }
                return (queue.unreported, queue.status.lastError != nil)
            }
            if unreported > 0 || hadFailed {
                self.logger.warning(
                    "the record of a feed's messages has a gap",
                    metadata: ["feed": "\(self.recording.name)", "dropped": "\(unreported)"])
            }
        } catch {
            self.drop(records)
            self.report(error)
        }
    }

    /// Says an error when it is another one than before.
    private func report(_ error: DumpFileError) {
        let words = "\(error)"
        let isNew = self.queue.withLock { queue in
            defer {
                queue.status.lastError = words
                queue.status.file = nil
            }
            return queue.status.lastError == nil
        }
        if isNew {
            self.logger.error(
                "a feed's messages can't be recorded; the session goes on without",
                metadata: ["feed": "\(self.recording.name)", "error": "\(words)"])
        }
    }

    /// Completes a file whose time is over although nothing comes; to be called now and then.
    public func tick() {
        self.pool.submit { _ in
            let now = self.now() / 1_000_000
            do throws(DumpFileError) {
                try self.file.withLock { file throws(DumpFileError) in
                    try file.rotateIfOld(at: now)
                }
            } catch {
                self.report(error)
            }
        }
    }

    /// Writes what is queued and completes the file. The tap has been detached.
    public func close() async {
        _ = try? await self.pool.runIfActive {
            self.drain()
            do throws(DumpFileError) {
                try self.file.withLock { file throws(DumpFileError) in try file.complete() }
            } catch {
                self.report(error)
            }
        }
    }
}

extension RecordedSession {
    fileprivate init(_ session: TappedSession) {
        self.init(
            peer: MRTPeer(address: session.peerAddress, asNumber: session.peerAS),
            local: MRTPeer(
                address: session.localAddress
                    ?? IPAddress(family: session.peerAddress.family, leftAligned: 0),
                asNumber: session.localAS))
    }
}

extension SessionState {
    /// RFC 6396 §4.4.1.
    fileprivate var recordedNumber: UInt16 {
        switch self {
        case .idle: 1
        case .connect: 2
        case .active: 3
        case .openSent: 4
        case .openConfirm: 5
        case .established: 6
        }
    }
}
