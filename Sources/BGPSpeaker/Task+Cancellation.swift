// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

extension Task where Success == Never, Failure == Never {
    /// Returns when the current task is cancelled.
    static func untilCancelled() async {
        let (signal, source) = AsyncStream.makeStream(of: Never.self)
        await withTaskCancellationHandler {
            for await _ in signal {}
        } onCancel: {
            source.finish()
        }
    }
}
