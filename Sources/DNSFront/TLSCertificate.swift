// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc
import NIOCore
import Synchronization

/// A certificate that is in use, and is replaced when its files change.
///
/// Connections that are there keep the one that they began with. A new one that isn't good changes
/// nothing.
final class TLSCertificate: Sendable {
    /// What has come of looking at the files.
    enum Notice: Equatable {
        case replaced(TLSValidity)
        /// The one before stays.
        case refused(TLSFileError)
        /// It isn't good yet, or no longer, or soon no longer. Once a day.
        case concern(String)
    }

    /// What tells a file from what it was.
    private struct Stamp: Equatable {
        var seconds: Int
        var nanoseconds: Int
        var size: Int
        var node: UInt

        /// nil where it isn't there.
        init?(_ path: String) {
            var status = stat()
            guard stat(path, &status) == 0 else { return nil }
            self.seconds = status.st_mtim.tv_sec
            self.nanoseconds = status.st_mtim.tv_nsec
            self.size = Int(status.st_size)
            self.node = UInt(status.st_ino)
        }
    }

    private struct State {
        var context: TLSContext
        /// Of the files as they were last read.
        var stamps: [Stamp?]
        /// Of files that have changed since, and may still change.
        var changing: [Stamp?]?
        var problem: TLSFileError?
        /// The day, since 1970, of the last notice of a concern.
        var concernDay: Int64?
    }

    let files: TLSFiles
    private let state: Mutex<State>

    /// Reads the files.
    init(_ files: TLSFiles) throws(TLSFileError) {
        self.files = files
        // Before the files are read: what changes between is seen as a change.
        let stamps = Self.stamps(files)
        self.state = Mutex(State(context: try TLSContext(files), stamps: stamps))
    }

    /// For a new connection.
    var context: TLSContext { self.state.withLock { $0.context } }

    var validity: TLSValidity { self.state.withLock { $0.context.validity } }

    /// Why the files' present content isn't in use; nil where it is.
    var problem: TLSFileError? { self.state.withLock { $0.problem } }

    /// Looks at the files. What has changed is read when it is the same at the next look: a certificate
    /// and its key are often written one after the other.
    func look(at now: Int64) -> [Notice] {
        let stamps = Self.stamps(self.files)
        var notices: [Notice] = []
        let isToRead = self.state.withLock { state in
            guard stamps != state.stamps else {
                state.changing = nil
                return false
            }
            defer { state.changing = stamps }
            return stamps == state.changing
        }
        if isToRead, let notice = self.read(stamps) { notices.append(notice) }
        return notices + self.concern(at: now)
    }

    /// Reads the files at once, where they have changed or weren't good.
    func reload() -> Notice? {
        let stamps = Self.stamps(self.files)
        let isToRead = self.state.withLock { $0.stamps != stamps || $0.problem != nil }
        return isToRead ? self.read(stamps) : nil
    }

    private func read(_ stamps: [Stamp?]) -> Notice? {
        do throws(TLSFileError) {
            let context = try TLSContext(self.files)
            self.state.withLock { state in
                state.context = context
                state.stamps = stamps
                state.changing = nil
                state.problem = nil
                state.concernDay = nil
            }
            return .replaced(context.validity)
        } catch {
            self.state.withLock { state in
                state.stamps = stamps
                state.changing = nil
                state.problem = error
            }
            return .refused(error)
        }
    }

    private func concern(at now: Int64) -> [Notice] {
        self.state.withLock { state in
            guard let text = state.context.validity.concern(at: now),
                state.concernDay != now / 86_400
            else { return [] }
            state.concernDay = now / 86_400
            return [.concern(text)]
        }
    }

    private static func stamps(_ files: TLSFiles) -> [Stamp?] {
        [Stamp(files.certificate), Stamp(files.key)]
    }
}
