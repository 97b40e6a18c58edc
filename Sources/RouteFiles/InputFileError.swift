// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// How a file's bytes are packed, as its first bytes tell.
public enum Compression: String, Hashable, Sendable, CustomStringConvertible {
    case plain, gzip, bzip2

    public var description: String { self.rawValue }
}

/// Why a file's bytes can't be had, and how far it was good.
public struct InputFileError: Error, Hashable, Sendable {
    public enum Reason: Hashable, Sendable {
        /// The system refused to open it: an `errno`.
        case cannotOpen(CInt)
        /// The system failed to read on: an `errno`.
        case cannotRead(CInt)
        /// The compressed bytes end too early.
        case truncated(Compression)
        /// The compressed bytes contradict themselves.
        case damaged(Compression)
        /// Something follows the compressed bytes that isn't compressed.
        case trailingGarbage(Compression)
        /// A kind of compression that isn't read, by its usual name.
        case unsupportedCompression(String)
        /// The file would take more memory than its kind may.
        case tooLarge(maximum: Int)
        case outOfMemory
    }

    public var path: String
    public var reason: Reason
    /// How many bytes, uncompressed, came before.
    public var offset: Int

    public init(path: String, reason: Reason, offset: Int) {
        self.path = path
        self.reason = reason
        self.offset = offset
    }
}

extension InputFileError: CustomStringConvertible {
    public var description: String { "\(self.path): \(self.reason), after \(self.offset) bytes" }
}

extension InputFileError.Reason: CustomStringConvertible {
    public var description: String {
        switch self {
        case .cannotOpen(let number): "can't be opened: \(Self.words(number))"
        case .cannotRead(let number): "can't be read: \(Self.words(number))"
        case .truncated(let kind): "the \(kind) data end too early"
        case .damaged(let kind): "the \(kind) data are damaged"
        case .trailingGarbage(let kind): "something else follows the \(kind) data"
        case .unsupportedCompression(let name):
            "compressed by \(name), which isn't read: use gzip, bzip2 or none"
        case .tooLarge(let maximum): "more than \(maximum) bytes"
        case .outOfMemory: "out of memory"
        }
    }

    private static func words(_ number: CInt) -> String {
        guard let words = strerror(number) else { return "error \(number)" }
        return String(cString: words)
    }
}
