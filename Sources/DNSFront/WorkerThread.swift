// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import Synchronization

/// Starts plain threads, at the process's own priority.
enum WorkerThread {
    /// What a thread is to do, handed over by address.
    private final class Box: Sendable {
        let name: String
        let processor: CInt?
        let body: @Sendable () -> Void

        init(name: String, processor: CInt?, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.processor = processor
            self.body = body
        }
    }

    /// Runs `body` on a thread of its own, which ends with it.
    static func start(
        name: String, processor: CInt? = nil, _ body: @escaping @Sendable () -> Void
    ) throws(DNSServerError) {
        let box = Box(name: name, processor: processor, body: body)
        let result = ThreadStarter.run { Self.create(box) }
        guard result == 0 else { throw .cannotStartThread(errno: result) }
    }

    private static func create(_ box: Box) -> CInt {
        let box = Unmanaged.passRetained(box)
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, CInt(PTHREAD_CREATE_DETACHED))
        var thread = pthread_t()
        let result = pthread_create(
            &thread, &attributes,
            { argument in
                guard let argument else { return nil }
                let box = Unmanaged<Box>.fromOpaque(argument).takeRetainedValue()
                _ = martlet_name_thread(box.name)
                if let processor = box.processor { _ = martlet_bind_thread(processor) }
                box.body()
                return nil
            }, box.toOpaque())
        if result != 0 { box.release() }
        return result
    }

    /// The processors that this process may use.
    static func processors() -> [CInt] {
        var found = [CInt](repeating: 0, count: 1024)
        let count = martlet_available_processors(&found, CInt(found.count))
        return count > 0 ? Array(found.prefix(Int(count))) : []
    }
}

/// Lets one task wait until a number of threads have ended.
final class Countdown: Sendable {
    private struct State {
        var left: Int
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state: Mutex<State>

    init(_ count: Int) { self.state = Mutex(State(left: count)) }

    func arrive() {
        let waiter = self.state.withLock { state in
            state.left -= 1
            guard state.left == 0 else { return nil as CheckedContinuation<Void, Never>? }
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    /// Returns when all have arrived. One task waits.
    func wait() async {
        await withCheckedContinuation { continuation in
            let isOver = self.state.withLock { state in
                if state.left > 0 { state.waiter = continuation }
                return state.left <= 0
            }
            if isOver { continuation.resume() }
        }
    }
}
