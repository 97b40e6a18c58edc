// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Where a certificate and its key stand, both in PEM.
public struct TLSFiles: Hashable, Sendable {
    /// The server's certificate first, then those of its authorities, the root left out.
    public var certificate: String
    /// Without a passphrase.
    public var key: String

    public init(certificate: String, key: String) {
        self.certificate = certificate
        self.key = key
    }

    /// Reads them, and sees whether they belong together.
    ///
    /// - Throws: ``TLSFileError``, also where the certificate is good but Martlet is built without
    ///   TLS.
    public func validity() throws(TLSFileError) -> TLSValidity {
        try TLSContext(self).validity
    }

    /// The bytes of a file.
    static func read(_ path: String) throws(TLSFileError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .cannotRead(path, errno: errno) }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: Self.maximumByteCount + 1)
        var count = 0
        while count < bytes.count {
            let more = bytes.withUnsafeMutableBytes {
                Glibc.read(descriptor, $0.baseAddress.map { $0 + count }, $0.count - count)
            }
            if more < 0, errno == EINTR { continue }
            guard more >= 0 else { throw .cannotRead(path, errno: errno) }
            if more == 0 { break }
            count += more
        }
        guard count <= Self.maximumByteCount else { throw .tooLong(path) }
        return Array(bytes.prefix(count))
    }

    /// A chain of certificates has some kilobytes.
    private static let maximumByteCount = 1 << 20
}

/// For how long a certificate is good, in seconds since 1970.
public struct TLSValidity: Hashable, Sendable {
    public var start: Int64
    /// The earliest end of the certificate and those that come with it.
    public var end: Int64

    public init(start: Int64, end: Int64) {
        self.start = start
        self.end = end
    }

    /// Whole days from `now` to the end; negative after it.
    public func days(from now: Int64) -> Int {
        let left = self.end - now
        return Int(left / 86_400) - (left < 0 && left % 86_400 != 0 ? 1 : 0)
    }

    /// What is the matter at `now`, in words; nil where nothing is.
    public func concern(at now: Int64) -> String? {
        if now < self.start { return "is good from \(Self.text(self.start)) on" }
        if now >= self.end { return "has expired on \(Self.text(self.end))" }
        let days = self.days(from: now)
        guard days < Self.warningDays else { return nil }
        return "expires on \(Self.text(self.end)), in \(days) day\(days == 1 ? "" : "s")"
    }

    /// The end, as `2026-11-21 16:02 UTC`.
    public var endText: String { Self.text(self.end) }

    private static let warningDays = 14

    private static func text(_ time: Int64) -> String {
        var seconds = time_t(time)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday)) "
            + "\(two(parts.tm_hour)):\(two(parts.tm_min)) UTC"
    }
}

/// What is known of a certificate that is in use.
public struct CertificateReport: Hashable, Sendable {
    public var validity: TLSValidity
    /// Why what its files hold at present isn't in use; nil where it is.
    public var problem: TLSFileError?
}

/// Why a certificate can't be used.
public enum TLSFileError: Error, Hashable, Sendable {
    case cannotRead(String, errno: Int32)
    /// More than a megabyte.
    case tooLong(String)
    /// No certificate in PEM, or a bad one.
    case noCertificate(String)
    /// No private key in PEM, or a bad one.
    case noKey(String)
    /// The key has a passphrase, which nobody is there to type.
    case encryptedKey(String)
    /// Everybody can open the key's file.
    case openKey(String)
    /// The key belongs to another certificate.
    case mismatch(TLSFiles)
    /// Martlet is built without the trait TLS.
    case notBuilt
}

extension TLSFileError: CustomStringConvertible {
    /// The file that is at fault: where two don't belong together, the key's.
    public var path: String? {
        switch self {
        case .cannotRead(let path, _), .tooLong(let path), .noCertificate(let path),
            .noKey(let path), .encryptedKey(let path), .openKey(let path):
            path
        case .mismatch(let files): files.key
        case .notBuilt: nil
        }
    }

    public var description: String {
        switch self {
        case .cannotRead(let path, let reason): "\(path): \(String(cString: strerror(reason)))"
        case .tooLong(let path): "\(path) has more than a megabyte"
        case .noCertificate(let path): "\(path) has no good certificate in PEM"
        case .noKey(let path): "\(path) has no good private key in PEM"
        case .encryptedKey(let path):
            "\(path) has a key with a passphrase, which nobody is there to type"
        case .openKey(let path):
            "\(path) holds a key and everybody can open it: chmod o-rwx"
        case .mismatch(let files):
            "the key in \(files.key) doesn't belong to the first certificate in "
                + files.certificate
        case .notBuilt: "this Martlet is built without TLS (the package's trait TLS)"
        }
    }
}
